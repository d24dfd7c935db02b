// Jobs of the service: followed until they end, and the list of the latest.

import { fill } from "./intake.js";
import { ask, askJson, pause, ServiceProblem } from "./service.js";
import { count } from "./words.js";

const NAMES = "nadir-names"; // what this browser called the images that it sent
const MOST_NAMES = 200;
const FORMATS = { GTiff: "GeoTIFF", PNG: "PNG", JPEG: "JPEG" };
const SHOWN = 12;
const PATIENCE = 90; // seconds that a service may be gone, to start again
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60]];

export function isOver({ state }) {
  return !["queued", "running"].includes(state);
}

/** Ask for a job until it ends, telling what it says; jobs survive a restart of the service. */
export async function follow(id, signal, tell) {
  let wait = 0.3;
  let gone = 0;
  for (;;) {
    try {
      const job = await askJson(`/jobs/${id}`, { signal });
      gone = 0;
      tell(job);
      if (isOver(job)) return job;
    } catch (error) {
      const passing = error instanceof TypeError
        || (error instanceof ServiceProblem && [502, 503, 504].includes(error.status));
      if (!passing || gone > PATIENCE) throw error;
      gone += wait;
    }
    await pause(wait, signal);
    wait = Math.min(2, 1.25 * wait);
  }
}

/** Cancel a job, or remove one that ended. */
export async function remove(id) {
  await ask(`/jobs/${id}`, { method: "DELETE" });
}

/** What an image was called here; others sent some. */
export function nameOf(job) {
  return names()[job.id] ?? `${FORMATS[job.image.format]} image`;
}

export function keepName(id, name) {
  const kept = Object.entries({ ...names(), [id]: name }).slice(-MOST_NAMES);
  try {
    localStorage.setItem(NAMES, JSON.stringify(Object.fromEntries(kept)));
  } catch {
    // Without storage they are called by their format.
  }
}

function names() {
  try {
    return JSON.parse(localStorage.getItem(NAMES)) ?? {};
  } catch {
    return {};
  }
}

export class Recent {
  /**
   * @param {HTMLElement} section Shown where there are jobs; holds the list.
   * @param {{open: (id) => void, removed: (id) => void, failed: (error) => void}} told
   */
  constructor(section, told) {
    this.section = section;
    this.list = section.querySelector("ul");
    this.told = told;
    this.current = null;
    this.pictures = new Map();
  }

  /** Ask for the latest jobs and list them. */
  async refresh() {
    const { jobs } = await askJson(`/jobs?limit=${SHOWN}`);
    const shown = jobs.filter(({ state }) => state !== "cancelled");
    this.section.hidden = !shown.length;
    this.list.replaceChildren(...shown.map((job) => this.#item(job)));
    this.mark(this.current);
  }

  /** Show which job is open. */
  mark(id) {
    this.current = id;
    for (const button of this.list.querySelectorAll("button[data-job]")) {
      if (button.dataset.job === id) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  #item(job) {
    const open = document.createElement("button");
    open.type = "button";
    open.dataset.job = job.id;
    const words = document.createElement("span");
    const title = document.createElement("strong");
    title.textContent = nameOf(job);
    const beside = document.createElement("small");
    beside.textContent = `${stateOf(job)} · ${ago(job.created)}`;
    if (job.state === "failed") beside.classList.add("failed");
    words.append(title, beside);
    open.append(this.#picture(job), words);
    open.addEventListener("click", () => this.told.open(job.id));
    const away = document.createElement("button");
    away.type = "button";
    away.className = "away";
    this.#arm(away, job);
    const item = document.createElement("li");
    item.append(open, away);
    return item;
  }

  /** Removing takes two presses: nothing brings a result back. */
  #arm(button, job) {
    const what = isOver(job) ? "Remove" : "Cancel";
    const calm = () => {
      button.textContent = "×";
      button.classList.remove("armed");
      button.setAttribute("aria-label", `${what} ${nameOf(job)}`);
      button.title = what;
    };
    calm();
    button.addEventListener("blur", calm);
    button.addEventListener("click", async () => {
      if (!button.classList.contains("armed")) {
        button.textContent = `${what}?`;
        button.classList.add("armed");
        button.setAttribute("aria-label", `${what} ${nameOf(job)}: press again to be sure`);
        return;
      }
      button.disabled = true;
      try {
        await remove(job.id);
        this.told.removed(job.id);
        await this.refresh();
      } catch (error) {
        this.told.failed(error);
      }
    });
  }

  #picture(job) {
    const known = this.pictures.get(job.id);
    if (known) return known;
    const picture = document.createElement("i");
    picture.setAttribute("aria-hidden", "true");
    if (job.state === "done") {
      this.pictures.set(job.id, picture);
      fill(picture, `/jobs/${job.id}/tiles/0/0/0.png?layer=image&space=pixels`).then(() => {
        // The tile is as wide as 256 * 2^levels pixels, of which the image fills its share.
        const span = job.tiles.tile * 2 ** job.tiles.levels;
        const shorter = Math.min(job.image.width, job.image.height);
        const image = picture.querySelector("img");
        if (image) image.style.width = `${(100 * span) / shorter}%`;
      });
    }
    return picture;
  }
}

function stateOf(job) {
  if (job.state === "queued") return "Waiting";
  if (job.state === "running") return `${Math.round(100 * job.progress)} %`;
  if (job.state === "failed") return "Failed";
  return `${count(job.image.width)} × ${count(job.image.height)} px`;
}

function ago(time) {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  const [unit, length] = UNITS.find(([, least]) => seconds >= least) ?? [];
  if (!unit) return "just now";
  return new Intl.RelativeTimeFormat("en", { style: "narrow" })
    .format(-Math.floor(seconds / length), unit);
}
