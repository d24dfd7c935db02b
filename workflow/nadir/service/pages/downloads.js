// The files of a result, offered at the threshold that is set.

import { $, save, say, tellTrouble } from "./page.js";
import { ask, hasKey } from "./service.js";

const MOST_HELD = 200e6; // pixels of an image whose files pass through this page's memory
const FILES = [
  ["Footprints", ["footprints.geojson", "GeoJSON"], ["footprints.gpkg", "GeoPackage"]],
  ["Mask", ["mask.tif", "GeoTIFF"], ["mask.png", "PNG"]],
  ["Probability", ["probability.tif", "GeoTIFF"]],
  ["Statistics", ["statistics.json", "JSON"]],
];

export class Downloads {
  /** List the files of a job; the image's name begins theirs. */
  show(job, name) {
    this.job = job;
    this.stem = name.replace(/\.\w{1,5}$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "-");
    $("downloads").replaceChildren(...FILES.map((files) => this.#item(files)).filter(Boolean));
  }

  /** Let them be those of a threshold, as a query of an address. */
  at(query) {
    for (const link of $("downloads").querySelectorAll("a")) {
      link.href = `${this.job.links[link.dataset.file]}${query}`;
    }
  }

  #item([title, ...files]) {
    const there = files.filter(([file]) => this.job.links[file]);
    if (!there.length) return null;
    const item = document.createElement("li");
    const label = document.createElement("span");
    label.textContent = title;
    const links = there.map(([file, kind]) => {
      const link = document.createElement("a");
      link.className = "button";
      link.textContent = kind;
      link.dataset.file = file;
      link.download = `${this.stem}-${file}`;
      link.setAttribute("aria-label", `${title}, ${kind}`);
      link.addEventListener("click", (event) => this.#download(event, link));
      return link;
    });
    item.append(label, ...links);
    return item;
  }

  async #download(event, link) {
    const { width, height } = this.job.image;
    // A plain link can be as large as it likes, but sends no key and cannot tell what went wrong.
    if (width * height > MOST_HELD && !hasKey()) return;
    event.preventDefault();
    if (link.getAttribute("aria-busy") === "true") return;
    link.setAttribute("aria-busy", "true");
    try {
      save(link.download, await (await ask(link.href)).blob());
      say(`${link.download} is saved.`);
    } catch (error) {
      tellTrouble(error);
    } finally {
      link.removeAttribute("aria-busy");
    }
  }
}
