// One search at a time: a new one cancels the one that is under way.

import { ServiceProblem } from "./service.js";
import { $, say, tellTrouble } from "./page.js";

export class Search {
  #mine = null; // what cancels the request that is under way

  /**
   * @param {string} words What is told while it runs.
   * @param {() => void} clear Hides what an earlier search found.
   */
  constructor(words, clear) {
    Object.assign(this, { words, clear });
  }

  /** Cancel what is under way, if anything is. */
  stop() {
    this.#mine?.abort();
    this.#mine = null;
  }

  /** Hand what `work(signal)` promises to `done`, unless another search began meanwhile. */
  async run(work, done) {
    this.stop();
    const mine = new AbortController();
    this.#mine = mine;
    this.clear();
    $("answer").hidden = $("busy").hidden = false;
    say(this.words);
    try {
      const found = await work(mine.signal);
      if (this.#mine !== mine) return;
      this.#mine = null;
      done(found);
    } catch (error) {
      if (this.#mine !== mine) return; // cancelled, or overtaken by another
      this.#mine = null;
      this.clear();
      tellTrouble(error);
    }
  }
}

/** Throw where a file is larger than the service takes. */
export function checkSize(file, limits) {
  if (!limits || file.size <= limits.bytes) return;
  throw new ServiceProblem(413, {
    title: "Too large",
    detail: `The file has ${(file.size / 2 ** 20).toFixed(1)} MB`,
    remedy: `At most ${Math.floor(limits.bytes / 2 ** 20)} MB are taken.`,
  });
}
