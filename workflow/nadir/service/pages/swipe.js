// A handle across the map: what lies right of it shows the result, what lies left only the image.

import { clamp } from "./tiles.js";

const STEP = 2; // percent, by an arrow key
const LEAP = 10; // percent, by a page key

export class Swipe {
  /**
   * @param {HTMLElement} handle Of role slider.
   * @param {import("./viewer.js").Viewer} viewer What it lies over.
   */
  constructor(handle, viewer) {
    this.handle = handle;
    this.viewer = viewer;
    this.value = 50; // percent of the free part of the view
    this.#listen();
  }

  get on() {
    return !this.handle.hidden;
  }

  set on(shown) {
    this.handle.hidden = !shown;
    this.place();
  }

  /** Where it is: CSS pixels from the left edge of the view. */
  get left() {
    const [from, to] = this.#ends();
    return from + ((to - from) * this.value) / 100;
  }

  /** Let a context, in device pixels, draw only right of it. */
  clip(context) {
    if (!this.on) return;
    const { canvas, ratio } = this.viewer;
    context.beginPath();
    context.rect(this.left * ratio, 0, canvas.width, canvas.height);
    context.clip();
  }

  /** Put the handle where it belongs. */
  place() {
    this.handle.style.left = `${this.left}px`;
    this.handle.setAttribute("aria-valuenow", String(Math.round(this.value)));
    this.handle.setAttribute("aria-valuetext", `${Math.round(100 - this.value)} % result`);
    this.viewer.redraw();
  }

  #ends() {
    const { left, right } = this.viewer.margin;
    return [left, this.viewer.canvas.clientWidth - right];
  }

  #move(value) {
    this.value = clamp(value, 0, 100);
    this.place();
  }

  #listen() {
    const { handle } = this;
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      event.preventDefault();
      handle.focus({ preventScroll: true });
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const [from, to] = this.#ends();
      const x = event.clientX - this.viewer.canvas.getBoundingClientRect().left;
      this.#move((100 * (x - from)) / Math.max(1, to - from));
    });
    handle.addEventListener("keydown", (event) => {
      const goals = {
        ArrowLeft: this.value - STEP,
        ArrowDown: this.value - STEP,
        ArrowRight: this.value + STEP,
        ArrowUp: this.value + STEP,
        PageDown: this.value - LEAP,
        PageUp: this.value + LEAP,
        Home: 0,
        End: 100,
      };
      if (!(event.key in goals)) return;
      event.preventDefault();
      this.#move(goals[event.key]);
    });
    new ResizeObserver(() => this.place()).observe(this.viewer.canvas);
  }
}
