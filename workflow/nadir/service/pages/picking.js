// The footprint under the pointer, and the chosen one with its card.

import { $, narrow, row, say } from "./page.js";
import { clamp } from "./tiles.js";
import { area, percent, pixels as pixelsOf } from "./words.js";

const AWAY = 12; // CSS pixels between a footprint and its card
const EDGE = 8; // CSS pixels between the card and the edges of the map

export class Picker {
  /**
   * @param {import("./viewer.js").Viewer} viewer
   * @param {import("./footprints.js").Footprints} footprints
   * @param {(x: number) => boolean} open Whether footprints can be picked at a column of the view.
   */
  constructor(viewer, footprints, open) {
    Object.assign(this, { viewer, footprints, open });
    $("previous").addEventListener("click", () => this.step(-1));
    $("next").addEventListener("click", () => this.step(1));
  }

  /** Choose what is at a place of the view. */
  pick(x, y) {
    this.choose(this.#under(x, y));
  }

  /** Mark what is under the pointer, at a place of the view. */
  hover(x, y, idle) {
    const item = idle ? this.#under(x, y) : null;
    if (item !== this.footprints.hovered) {
      this.footprints.hovered = item;
      this.viewer.redraw();
    }
    this.viewer.canvas.classList.toggle("over", Boolean(item));
    const tip = $("tip");
    tip.hidden = !item || item === this.footprints.chosen;
    if (tip.hidden) return;
    tip.textContent = `${sizeOf(item)} · ${percent(item.properties.confidence)}`;
    const right = this.viewer.canvas.clientWidth - tip.offsetWidth - EDGE;
    tip.style.left = `${Math.min(x + 14, right)}px`;
    tip.style.top = `${Math.max(EDGE, y - 40)}px`;
  }

  /** Choose a footprint, or none, and tell what is known of it. */
  choose(item, aloud = true) {
    this.footprints.chosen = item;
    $("card").hidden = !item;
    $("tip").hidden = true;
    this.viewer.redraw();
    if (!item) return;
    const { id, confidence, regularized } = item.properties;
    const facts = [
      ["Area", sizeOf(item), ""],
      ["Confidence", percent(confidence), ""],
      ["Walls", regularized ? "straightened" : "as traced", ""],
    ];
    $("card-title").textContent = `Footprint ${id}`;
    $("card-facts").replaceChildren(...facts.flatMap(row));
    this.place();
    if (aloud) say(`Footprint ${id}: ${facts[0][1]}, confidence ${facts[1][1]}.`);
  }

  /** Go to the footprint some steps after the chosen one. */
  step(steps) {
    if (!this.open(Infinity)) return;
    const item = this.footprints.step(steps);
    if (!item) return;
    this.viewer.reveal(...item.box);
    this.choose(item);
  }

  /** Let go of what is marked, until footprints are known again. */
  hide() {
    this.footprints.hovered = null;
    $("card").hidden = $("tip").hidden = true;
  }

  /** Put the card beside its footprint, within the free part of the map. */
  place() {
    const item = this.footprints.chosen;
    const card = $("card");
    if (!item || card.hidden || narrow.matches) return;
    const { canvas, margin } = this.viewer;
    const [left, top] = this.viewer.toView(item.box[0], item.box[1]);
    const [right, bottom] = this.viewer.toView(item.box[2], item.box[3]);
    const { offsetWidth: wide, offsetHeight: high } = card;
    const ends = canvas.clientWidth - wide - EDGE;
    const x = clamp(right + AWAY < ends ? right + AWAY : left - AWAY - wide, margin.left + EDGE, ends);
    const y = clamp((top + bottom - high) / 2, EDGE, canvas.clientHeight - high - EDGE);
    card.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  #under(x, y) {
    return this.open(x) ? this.footprints.find(...this.viewer.toRaster(x, y)) : null;
  }
}

function sizeOf({ properties, pixels }) {
  const known = properties.area_m2 ?? null;
  return known === null ? pixelsOf(pixels) : area(known);
}
