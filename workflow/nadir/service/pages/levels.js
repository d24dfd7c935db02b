// A job's result as numbers: every pixel's probability, colored here, so that a threshold takes
// effect while its slider moves and nothing is asked of the service.

import { Tiles } from "./tiles.js";

const LEVELS = 250; // the level of a probability of 1
const FADE = 0.2; // the probability from which the ramp is opaque
const SIDE = 256;

// Magma of matplotlib (CC0), at equal steps.
const RAMP = [
  [0, 0, 3], [26, 16, 65], [74, 16, 121], [121, 34, 129], [169, 50, 124], [217, 70, 106],
  [247, 113, 91], [254, 170, 116], [251, 252, 191],
];

/** The color of a probability: red, green, blue, opacity; each 0 to 255. */
export function rampColor(probability) {
  const place = probability * (RAMP.length - 1);
  const before = Math.min(RAMP.length - 2, Math.floor(place));
  const color = RAMP[before].map((value, band) =>
    Math.round(value + (RAMP[before + 1][band] - value) * (place - before)));
  return [...color, Math.round(255 * Math.min(1, probability / FADE))];
}

/** The least level that counts at a threshold, as the service rounds it. */
function levelOf(threshold) {
  if (threshold === null) return 0;
  return Math.min(LEVELS, Math.max(1, Math.round(threshold * LEVELS)));
}

export class LevelLayer {
  /** @param {() => void} redraw Who is told that something new can be drawn. */
  constructor(redraw) {
    this.surface = document.createElement("canvas");
    this.context = this.surface.getContext("2d");
    this.palette = null;
    this.tiles = new Tiles({
      redraw,
      decode: numbersOf,
      paint: (tile) => this.#painted(tile),
      clear: true,
    });
  }

  show(raster) {
    this.tiles.show(raster);
  }

  /**
   * Choose the colors.
   *
   * @param {"mask" | "probability"} kind What is shown.
   * @param {{classes: {id: number, color: string}[], target: number | null}} model
   * @param {number | null} threshold Least probability that counts in the mask.
   */
  color(kind, model, threshold) {
    const least = levelOf(threshold);
    const name = `${kind} ${kind === "mask" ? least : ""}`;
    if (this.palette?.name === name && this.palette.model === model) return;
    this.palette = { name, model, colors: colorsOf(kind, model, least) };
  }

  /** Draw it over a viewer's raster; the context's clip holds. */
  draw(context, viewer, opacity) {
    const { canvas } = viewer;
    if (this.surface.width !== canvas.width || this.surface.height !== canvas.height) {
      this.surface.width = canvas.width;
      this.surface.height = canvas.height;
    }
    this.context.clearRect(0, 0, canvas.width, canvas.height);
    this.context.imageSmoothingEnabled = false;
    this.tiles.draw(this.context, viewer);
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = opacity;
    context.drawImage(this.surface, 0, 0);
    context.restore();
  }

  /** What the result says at a raster position: {probability, id}; null where nothing is known. */
  at(x, y) {
    const found = this.tiles.at(x, y);
    if (!found) return null;
    const [{ numbers }, column, row] = found;
    const first = 4 * (row * SIDE + column);
    if (!numbers[first + 3]) return null;
    return { probability: numbers[first] / LEVELS, id: numbers[first + 1] };
  }

  #painted(tile) {
    if (tile.painted !== this.palette) {
      const { colors } = this.palette;
      const picture = new ImageData(SIDE, SIDE);
      const pixels = new Uint32Array(picture.data.buffer);
      const { numbers } = tile;
      for (let at = 0; at < pixels.length; at += 1) {
        const first = 4 * at;
        if (numbers[first + 3]) pixels[at] = colors[numbers[first + 1] * 256 + numbers[first]];
      }
      tile.canvas.getContext("2d").putImageData(picture, 0, 0);
      tile.painted = this.palette;
    }
    return tile.canvas;
  }
}

/** Colors by class and level, as pixels of a canvas: one table of 256 for each class id. */
function colorsOf(kind, { classes, target }, least) {
  const bytes = new Uint8ClampedArray(4 * 256 * 256);
  const put = (id, level, color) => bytes.set(color, 4 * (256 * id + level));
  // Where one class is looked for, its tiles name none: 0.
  const shown = target === null
    ? classes
    : [{ ...classes.find(({ id }) => id === target), id: 0 }];
  for (const { id, color } of shown) {
    for (let level = 0; level <= LEVELS; level += 1) {
      if (kind === "probability") put(id, level, rampColor(level / LEVELS));
      else if (level >= least) put(id, level, [...bytesOf(color), 255]);
    }
  }
  return new Uint32Array(bytes.buffer);
}

function bytesOf(color) {
  return [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
}

async function numbersOf(blob) {
  const exact = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const image = await createImageBitmap(blob, exact);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  image.close();
  const numbers = context.getImageData(0, 0, SIDE, SIDE).data;
  return { numbers, canvas, painted: null, close() {} };
}
