// A viewer of a large raster: tiles on a canvas, moved by pointer, wheel, touch and keys.
//
// Positions are raster pixels counted from the upper-left outer corner. A canvas puts the edges of
// an image at whole numbers too, so nothing is ever shifted by half a pixel.

import { ask } from "./service.js";
import { clamp, Tiles } from "./tiles.js";

const STEP = 0.18; // of the view, moved by an arrow key
const FINE_STEP = 0.02; // the same with the shift key
const LARGEST_ZOOM = 16;
const STILL = 5; // CSS pixels that a pointer may move and still click

export class Viewer {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{
   *   draw: (context, viewer) => void,
   *   moved: (viewer) => void,
   *   picked?: (x: number, y: number) => void,
   *   grabbed?: (x: number, y: number) => ((x: number, y: number) => void) | null,
   * }} layer What is drawn over the raster, in its pixels; who is told that the view changed, and
   *     that a place (CSS pixels) was clicked; what, if anything, is dragged from a place in the
   *     stead of the map: it is told where to.
   */
  constructor(canvas, layer) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.layer = layer;
    this.raster = null;
    this.x = 0; // raster position in the middle of the free part of the view
    this.y = 0;
    this.zoom = 1; // CSS pixels per raster pixel
    this.margin = { left: 0, top: 0, right: 0, bottom: 0 }; // covered by panels, CSS pixels
    this.tiles = new Tiles({ redraw: () => this.redraw() });
    this.dirty = false;
    this.flight = null;
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.#listen();
  }

  /**
   * Show a raster: {width, height, tile, levels, address(z, x, y), preview}; the preview is a
   * picture of all of it, or the address of one. The view stays where it is if that is asked for.
   */
  show(raster, stay = false) {
    this.raster = raster;
    this.tiles.show(raster);
    if (!stay) this.preview = null;
    this.resize();
    if (!stay) this.fit();
    if (typeof raster.preview !== "string") {
      this.preview = raster.preview ?? this.preview;
      return;
    }
    picture(raster.preview).then((image) => {
      if (raster !== this.raster) return;
      this.preview = image;
      this.redraw();
    }, () => {});
  }

  /** Show nothing. */
  clear() {
    this.raster = this.preview = null;
    this.tiles.show(null);
    this.redraw();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    const width = Math.round(clientWidth * ratio);
    const height = Math.round(clientHeight * ratio);
    if (width !== this.canvas.width || height !== this.canvas.height) {
      this.canvas.width = width;
      this.canvas.height = height;
      if (this.fitted) this.fit();
    }
    this.redraw();
  }

  /** Where raster position (0, 0) is in the view, and the zoom: CSS pixels. */
  get frame() {
    const { left, top, right, bottom } = this.margin;
    const middleX = left + (this.canvas.clientWidth - left - right) / 2;
    const middleY = top + (this.canvas.clientHeight - top - bottom) / 2;
    return { left: middleX - this.x * this.zoom, top: middleY - this.y * this.zoom };
  }

  /** Device pixels per CSS pixel. */
  get ratio() {
    return this.canvas.width / Math.max(1, this.canvas.clientWidth);
  }

  /** Raster position under a point of the view. */
  toRaster(x, y) {
    const { left, top } = this.frame;
    return [(x - left) / this.zoom, (y - top) / this.zoom];
  }

  /** Point of the view over a raster position. */
  toView(x, y) {
    const { left, top } = this.frame;
    return [x * this.zoom + left, y * this.zoom + top];
  }

  /** Show the whole raster. */
  fit() {
    if (!this.raster) return;
    const { width, height } = this.raster;
    this.stop();
    Object.assign(this, this.#around(0, 0, width, height, 0.96));
    this.fitted = true;
    this.changed();
  }

  /** Move so that a box of the raster is seen, gliding unless motion is unwelcome. */
  lookAt(left, top, right, bottom) {
    const goal = this.#around(left, top, right, bottom, 0.62);
    goal.zoom = Math.min(goal.zoom, 4);
    this.fitted = false;
    this.stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      Object.assign(this, goal);
      this.changed();
      return;
    }
    const from = { x: this.x, y: this.y, zoom: this.zoom };
    const start = performance.now();
    const glide = (now) => {
      const t = Math.min(1, (now - start) / 700);
      const eased = t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2;
      this.zoom = from.zoom * (goal.zoom / from.zoom) ** eased;
      // Move in the measure in which the goal grows, or it would leave the view on the way.
      const share = goal.zoom === from.zoom
        ? eased
        : (1 / this.zoom - 1 / from.zoom) / (1 / goal.zoom - 1 / from.zoom);
      this.x = from.x + (goal.x - from.x) * share;
      this.y = from.y + (goal.y - from.y) * share;
      this.flight = t < 1 ? requestAnimationFrame(glide) : null;
      this.changed();
    };
    this.flight = requestAnimationFrame(glide);
  }

  /** Move so that a box of the raster is seen with its surroundings, if it is not. */
  reveal(left, top, right, bottom) {
    const { margin, canvas } = this;
    const [x0, y0] = this.toView(left, top);
    const [x1, y1] = this.toView(right, bottom);
    const seen = x0 >= margin.left && y0 >= margin.top
      && x1 <= canvas.clientWidth - margin.right && y1 <= canvas.clientHeight - margin.bottom;
    if (seen && Math.max(x1 - x0, y1 - y0) > 24) return;
    const room = 2 * Math.max(right - left, bottom - top);
    this.lookAt(left - room, top - room, right + room, bottom + room);
  }

  stop() {
    if (this.flight !== null) cancelAnimationFrame(this.flight);
    this.flight = null;
  }

  /** Zoom by a factor; the raster position under (x, y) of the view stays there. */
  zoomBy(factor, x, y) {
    if (!this.raster) return;
    this.stop();
    const { left, top, right, bottom } = this.margin;
    const atX = x ?? left + (this.canvas.clientWidth - left - right) / 2;
    const atY = y ?? top + (this.canvas.clientHeight - top - bottom) / 2;
    const [rx, ry] = this.toRaster(atX, atY);
    const smallest = 0.5 * this.#around(0, 0, this.raster.width, this.raster.height, 1).zoom;
    this.zoom = Math.min(LARGEST_ZOOM, Math.max(smallest, this.zoom * factor));
    const [vx, vy] = this.toView(rx, ry);
    this.moveBy(atX - vx, atY - vy);
  }

  /** Move the raster by CSS pixels. */
  moveBy(dx, dy) {
    if (!this.raster) return;
    this.stop();
    this.fitted = false;
    this.x = clamp(this.x - dx / this.zoom, 0, this.raster.width);
    this.y = clamp(this.y - dy / this.zoom, 0, this.raster.height);
    this.changed();
  }

  changed() {
    this.redraw();
    this.layer.moved(this);
  }

  redraw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      this.#draw();
    });
  }

  #around(left, top, right, bottom, share) {
    const wide = this.canvas.clientWidth - this.margin.left - this.margin.right;
    const high = this.canvas.clientHeight - this.margin.top - this.margin.bottom;
    const zoom = Math.min(wide / (right - left), high / (bottom - top)) * share;
    return {
      x: (left + right) / 2,
      y: (top + bottom) / 2,
      zoom: Math.min(LARGEST_ZOOM, Math.max(1e-4, zoom)),
    };
  }

  #draw() {
    const { context, canvas, raster, ratio } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!raster) return;
    const { left, top } = this.frame;
    const scale = this.zoom * ratio;
    context.imageSmoothingEnabled = this.zoom < 3;
    context.imageSmoothingQuality = "high";
    if (this.preview) {
      const [width, height] = [raster.width * scale, raster.height * scale];
      context.drawImage(this.preview, left * ratio, top * ratio, width, height);
    }
    this.tiles.draw(context, this);
    context.setTransform(scale, 0, 0, scale, left * ratio, top * ratio);
    this.layer.draw(context, this);
  }

  #listen() {
    const { canvas } = this;
    const pointers = new Map();
    let pressed = null; // where a click began, unless it became something else
    let drag = null; // what is told where the pointer is, while something on the map is held
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      pointers.set(event.pointerId, place(event));
      drag = pointers.size === 1 ? this.layer.grabbed?.(...place(event)) ?? null : null;
      pressed = pointers.size === 1 ? place(event) : null;
      canvas.setPointerCapture(event.pointerId);
      canvas.classList.add("held");
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      const now = place(event);
      if (!before) return;
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      pointers.set(event.pointerId, now);
      if (pressed && Math.hypot(now[0] - pressed[0], now[1] - pressed[1]) > STILL) pressed = null;
      if (drag && !other) {
        drag(...now);
      } else if (other) {
        const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
        const is = Math.hypot(now[0] - other[0], now[1] - other[1]);
        this.zoomBy(is / Math.max(1, was), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
        this.moveBy((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
      } else {
        this.moveBy(now[0] - before[0], now[1] - before[1]);
      }
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        pointers.delete(event.pointerId);
        if (pressed && !drag && name === "pointerup") this.layer.picked?.(...pressed);
        pressed = drag = null;
        if (!pointers.size) canvas.classList.remove("held");
      });
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const pixels = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
      this.zoomBy(2 ** clamp(-pixels / 240, -1, 1), ...place(event));
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => this.zoomBy(2, ...place(event)));
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const share = event.shiftKey ? FINE_STEP : STEP;
    const dx = share * this.canvas.clientWidth;
    const dy = share * this.canvas.clientHeight;
    const actions = {
      ArrowLeft: () => this.moveBy(dx, 0),
      ArrowRight: () => this.moveBy(-dx, 0),
      ArrowUp: () => this.moveBy(0, dy),
      ArrowDown: () => this.moveBy(0, -dy),
      "+": () => this.zoomBy(1.5),
      "=": () => this.zoomBy(1.5),
      "-": () => this.zoomBy(1 / 1.5),
      0: () => this.fit(),
    };
    if (actions[event.key]) {
      event.preventDefault();
      actions[event.key]();
    }
  }
}

async function picture(address) {
  return createImageBitmap(await (await ask(address)).blob());
}
