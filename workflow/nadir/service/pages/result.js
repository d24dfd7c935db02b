// A job's result over its image: layers, threshold, swipe, footprints, figures, downloads.

import { Downloads } from "./downloads.js";
import { Footprints } from "./footprints.js";
import { degrees, onGlobe } from "./globe.js";
import { LevelLayer, rampColor } from "./levels.js";
import { $, say, showScale, tellTrouble } from "./page.js";
import { Picker } from "./picking.js";
import { askJson, pause } from "./service.js";
import { Swipe } from "./swipe.js";
import { Viewer } from "./viewer.js";
import { area, count, coverage, pixels as pixelsOf, span } from "./words.js";

const MOST_TRACED = 100e6; // pixels of an image whose footprints are fetched unasked
const STILL = 0.3; // seconds without a change of the threshold, before footprints are made anew

export class ResultView {
  constructor() {
    this.viewer = new Viewer($("view"), {
      draw: (context) => this.#draw(context),
      moved: () => this.#moved(),
      picked: (x, y) => this.picker.pick(x, y),
    });
    this.levels = new LevelLayer(() => this.viewer.redraw());
    this.footprints = new Footprints();
    this.swipe = new Swipe($("swipe"), this.viewer);
    this.picker = new Picker(this.viewer, this.footprints, (x) => this.#pickable(x));
    this.downloads = new Downloads();
    this.opacities = { footprints: 35, mask: 70, probability: 80 };
    this.layer = "footprints";
    this.#drawRamp();
    this.close();
    this.#listen();
  }

  /** Show nothing. */
  close() {
    this.life?.abort();
    this.life = new AbortController();
    this.job = this.model = this.statistics = this.image = null;
    this.fresh = false; // whether footprints are those of the threshold
    this.footprints.clear();
    this.levels.show(null);
    this.swipe.on = false;
    $("swipe-switch").setAttribute("aria-pressed", "false");
    this.picker.hide();
    $("view").setAttribute("aria-label", "No image yet");
    this.viewer.clear();
  }

  /** Show an image of which only a picture is known. */
  sketch(image, preview) {
    const { width, height } = image;
    document.body.classList.remove("empty");
    this.image = image;
    this.viewer.show({ width, height, tile: 256, levels: 0, preview });
  }

  /** Show where an image of which nothing is known yet will be. */
  frame(image) {
    if (!this.image) this.sketch(image, null);
  }

  /** Show a job that is done. */
  async open(job, model, name) {
    this.job = job;
    this.model = model;
    this.name = name;
    this.threshold = job.threshold;
    const same = Boolean(this.image);
    this.image = job.image;
    const { width, height } = job.image;
    const tiles = (layer) => (z, x, y) =>
      `/jobs/${job.id}/tiles/${z}/${x}/${y}.png?space=pixels&layer=${layer}`;
    const raster = { width, height, tile: job.tiles.tile, levels: job.tiles.levels };
    this.viewer.show({ ...raster, address: tiles("image") }, same);
    this.levels.show({ ...raster, address: tiles("levels") });
    $("view").setAttribute("aria-label", `${name}, with what was found on it`);
    $("name").textContent = name;
    $("facts").textContent = this.#facts();
    const traced = this.#prepare();
    this.#showThreshold();
    await Promise.all([traced, this.#askStatistics()]);
    if (this.job === job) say(this.#inWords());
  }

  get traced() {
    return Boolean(this.job?.links["footprints.geojson"]);
  }

  get target() {
    return this.model.classes.find(({ id }) => id === this.model.target);
  }

  #facts() {
    const { width, height, pixel_size: pixel } = this.image;
    const ground = pixel ? ` · ${Number(pixel.toPrecision(2))} m a pixel` : " · no georeference";
    const system = /^EPSG:\d+$/.test(this.image.crs ?? "") ? ` · ${this.image.crs}` : "";
    return `${count(width)} × ${count(height)} px${ground}${system}`;
  }

  /** Offer what this kind of result has; the promise waits for its footprints. */
  #prepare() {
    this.large = this.image.width * this.image.height > MOST_TRACED;
    $("layer-footprints").hidden = !this.traced;
    $("figures").hidden = !this.traced;
    $("classes").hidden = this.traced;
    $("probability-name").textContent = this.traced ? "Probability" : "Confidence";
    if (this.traced) $("share-name").textContent = this.target.name;
    this.downloads.show(this.job, this.name);
    return this.#showLayer(this.traced && !this.large ? "footprints" : "mask");
  }

  // What is drawn

  #draw(context) {
    if (!this.job) {
      this.#drawFrame(context);
      return;
    }
    const opacity = this.opacities[this.layer] / 100;
    const one = this.layer === "footprints" && this.fresh
      && this.footprints.visible(this.viewer.zoom);
    const transform = context.getTransform();
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    this.swipe.clip(context);
    context.setTransform(transform);
    if (one) {
      this.footprints.draw(context, this.viewer, this.target.color, opacity);
    } else {
      // Also while footprints of a new threshold are made, or too small to be told apart.
      const kind = this.layer === "probability" ? "probability" : "mask";
      this.levels.color(kind, this.model, this.threshold);
      this.levels.draw(context, this.viewer, opacity);
    }
    if (this.layer === "footprints") {
      this.footprints.drawMarked(context, this.viewer.zoom, "#1f6feb");
    }
    context.restore();
  }

  #drawFrame(context) {
    const { raster, zoom, preview } = this.viewer;
    if (preview) return;
    context.fillStyle = "rgb(127 140 152 / 14%)";
    context.fillRect(0, 0, raster.width, raster.height);
    context.strokeStyle = "rgb(127 140 152 / 60%)";
    context.lineWidth = 1.5 / zoom;
    context.setLineDash([6 / zoom, 6 / zoom]);
    context.strokeRect(0, 0, raster.width, raster.height);
    context.setLineDash([]);
  }

  #drawRamp() {
    const context = $("ramp-colors").getContext("2d");
    for (let x = 0; x < 256; x += 1) {
      const [red, green, blue, alpha] = rampColor(x / 255);
      context.fillStyle = `rgb(${red} ${green} ${blue} / ${alpha / 255})`;
      context.fillRect(x, 0, 1, 1);
    }
  }

  #moved() {
    showScale(this.viewer, this.image?.pixel_size ?? null);
    $("tip").hidden = true;
    this.picker.place();
  }

  // Layers, threshold, figures

  #showLayer(layer) {
    this.layer = layer;
    for (const radio of document.getElementsByName("layer")) radio.checked = radio.value === layer;
    $("ramp").hidden = layer !== "probability";
    $("opacity").value = this.opacities[layer];
    this.#showOpacity();
    this.viewer.redraw();
    if (layer === "footprints") return this.#trace();
    this.picker.choose(null);
    return Promise.resolve();
  }

  #showOpacity() {
    $("opacity-value").textContent = `${this.opacities[this.layer]} %`;
    this.viewer.redraw();
  }

  #showThreshold() {
    const value = this.threshold ?? 0;
    const words = this.threshold === null ? "none" : value.toFixed(2);
    $("threshold").value = String(value);
    $("threshold").setAttribute("aria-valuetext", words);
    $("threshold-value").textContent = words;
    $("ramp-mark").style.left = `${100 * value}%`;
    $("reset").disabled = this.threshold === this.job.threshold;
    this.downloads.at(this.#query);
    this.viewer.redraw();
  }

  #takeThreshold(threshold) {
    this.threshold = threshold;
    this.fresh = false;
    this.picker.hide();
    this.#showThreshold();
    this.#askStatistics();
    if (this.traced) this.#trace(STILL);
  }

  get #query() {
    return this.threshold === null ? "" : `?threshold=${this.threshold}`;
  }

  /** Ask for the figures of the threshold; one request at a time, the latest wish last. */
  async #askStatistics() {
    this.asked = this.#query;
    if (this.asking) return;
    this.asking = true;
    const { job, life } = this;
    try {
      let told = null;
      while (told !== this.asked && !life.signal.aborted) {
        told = this.asked;
        const address = `/jobs/${job.id}/statistics.json${told}`;
        this.statistics = await askJson(address, { signal: life.signal });
        $("trouble").hidden = true;
        this.#showFigures();
      }
    } catch (error) {
      if (!life.signal.aborted) tellTrouble(error);
    } finally {
      this.asking = false;
      // Another result may have been opened meanwhile.
      if (life !== this.life && this.job) this.#askStatistics();
    }
  }

  /** Get the footprints of the threshold, after it has been still for some seconds. */
  async #trace(wait = 0) {
    this.tracing?.abort();
    if (this.large && this.layer !== "footprints") return;
    this.tracing = new AbortController();
    if (this.fresh) return;
    const signal = AbortSignal.any([this.tracing.signal, this.life.signal]);
    this.#showFigures();
    try {
      await pause(wait, signal);
      const query = `${this.#query || "?"}&space=pixels`;
      const address = `/jobs/${this.job.id}/footprints.geojson${query}`;
      const { features } = await askJson(address, { signal });
      this.footprints.take(features);
      this.fresh = true;
      this.#showFigures();
      this.picker.choose(this.footprints.chosen, false);
      this.viewer.redraw();
      if (wait) say(this.#inWords());
    } catch (error) {
      if (!signal.aborted) tellTrouble(error);
    }
  }

  #showFigures() {
    if (!this.statistics) return;
    if (!this.traced) {
      $("classes").replaceChildren(...this.statistics.classes.map(classItem));
      return;
    }
    const target = this.statistics.classes.find(({ id }) => id === this.model.target);
    const known = this.fresh ? this.footprints.items.length : this.statistics.footprints?.count;
    const right = this.statistics.threshold === this.threshold;
    $("share").textContent = coverage(target.share);
    $("count").textContent = known === undefined || !right ? "…" : count(known);
    $("area").textContent = sizeOf(target);
    $("count").title = $("count").textContent === "…" ? "They are made for this threshold" : "";
  }

  #inWords() {
    const { statistics } = this;
    if (!statistics) return "";
    if (!this.traced) return `Done in ${span(statistics.seconds)}.`;
    const { share } = statistics.classes.find(({ id }) => id === this.model.target);
    const found = this.fresh ? `, ${count(this.footprints.items.length)} footprints` : "";
    return `${coverage(share)} ${this.target.name}${found}.`;
  }

  // Pointer and keys

  #hover(event) {
    if (!this.job) return;
    const box = $("view").getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    this.#showWhere(...this.viewer.toRaster(x, y));
    this.picker.hover(x, y, !event.buttons && event.pointerType !== "touch");
  }

  #leave() {
    this.picker.hover(0, 0, false);
    $("where").textContent = "";
  }

  /** Whether footprints are shown, at a column of the view. */
  #pickable(x) {
    return this.job && this.layer === "footprints" && this.fresh
      && !(this.swipe.on && x < this.swipe.left);
  }

  #showWhere(x, y) {
    const said = this.levels.at(x, y);
    const { width, height } = this.image;
    if (x < 0 || y < 0 || x >= width || y >= height) $("where").textContent = "";
    else {
      const name = this.traced
        ? this.target.name
        : this.model.classes.find(({ id }) => id === said?.id)?.name ?? "";
      const sure = said ? `  ·  ${name} ${said.probability.toFixed(2)}` : "";
      $("where").textContent = `x ${Math.floor(x)}  y ${Math.floor(y)}${this.#place(x, y)}${sure}`;
    }
  }

  /** Where on Earth a pixel lies, or at least where in the image's own system. */
  #place(x, y) {
    const place = onGlobe(this.image, x, y);
    if (place) return `  ·  ${degrees(place, this.image.pixel_size)}`;
    if (!this.image.transform) return "";
    const [a, b, c, d, e, f] = this.image.transform;
    return `  ·  ${(a * x + b * y + c).toFixed(1)}, ${(d * x + e * y + f).toFixed(1)}`;
  }

  #switchSwipe() {
    this.swipe.on = !this.swipe.on;
    $("swipe-switch").setAttribute("aria-pressed", String(this.swipe.on));
    if (this.swipe.on) $("swipe").focus({ preventScroll: true });
  }

  #letGo() {
    if (this.footprints.chosen) {
      this.picker.choose(null);
      $("view").focus({ preventScroll: true });
    } else if (this.swipe.on) {
      this.#switchSwipe();
      $("view").focus({ preventScroll: true });
    }
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.job) return;
    const actions = {
      n: () => this.picker.step(1),
      p: () => this.picker.step(-1),
      s: () => this.#switchSwipe(),
    };
    actions[event.key.toLowerCase()]?.();
  }

  #listen() {
    for (const radio of document.getElementsByName("layer")) {
      radio.addEventListener("change", () => this.#showLayer(radio.value));
    }
    $("threshold").addEventListener("input", () =>
      this.#takeThreshold(Number($("threshold").value)));
    $("reset").addEventListener("click", () => {
      this.#takeThreshold(this.job.threshold);
      $("threshold").focus();
    });
    $("opacity").addEventListener("input", () => {
      this.opacities[this.layer] = Number($("opacity").value);
      this.#showOpacity();
    });
    $("swipe-switch").addEventListener("click", () => this.#switchSwipe());
    $("card-close").addEventListener("click", () => this.#letGo());
    $("view").addEventListener("keydown", (event) => this.#key(event));
    $("view").addEventListener("pointermove", (event) => this.#hover(event));
    $("view").addEventListener("pointerleave", () => this.#leave());
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.job) this.#letGo();
    });
  }
}

function classItem(told) {
  const { name, color, share } = told;
  const item = document.createElement("li");
  const swatch = document.createElement("i");
  swatch.style.background = color;
  const label = document.createElement("span");
  label.textContent = name;
  const value = document.createElement("strong");
  value.textContent = coverage(share);
  const beside = document.createElement("small");
  beside.textContent = sizeOf(told);
  const bar = document.createElement("b");
  bar.style.width = `${100 * share}%`;
  bar.style.background = color;
  item.append(swatch, label, value, beside, bar);
  return item;
}

function sizeOf({ area_m2: ground, pixels }) {
  return ground === null ? pixelsOf(pixels) : area(ground);
}
