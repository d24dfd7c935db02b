// The tiles of one raster: asked for as the view needs them, kept while they are used.
//
// Tile (z, x, y) spans 256 * 2^(levels - z) raster pixels a side; level 0 is one tile.

import { ask } from "./service.js";

const MOST_TILES = 320;
const AT_ONCE = 6;

export class Tiles {
  /**
   * @param {{
   *   redraw: () => void,
   *   decode?: (blob: Blob) => Promise<{close: () => void}>,
   *   paint?: (tile) => CanvasImageSource,
   *   clear?: boolean,
   * }} how Who is told that a tile came; what is made of its file, and what is drawn of that;
   *     whether tiles are transparent, so that finer ones take the place of coarser ones.
   */
  constructor({ redraw, decode = asBitmap, paint = (image) => image, clear = false }) {
    Object.assign(this, { redraw, decode, paint, clear });
    this.raster = null;
    this.generation = 0;
    this.kept = new Map();
    this.wanted = [];
    this.loading = 0;
  }

  /** Take another raster: {width, height, tile, levels, address(z, x, y)}; null for none. */
  show(raster) {
    this.raster = raster;
    this.generation += 1;
    for (const { image } of this.kept.values()) image?.close();
    this.kept.clear();
    this.wanted = [];
  }

  /** Draw the tiles that are there, on a context in device pixels, and ask for those that lack. */
  draw(context, viewer) {
    const { raster } = this;
    if (!raster?.address) return;
    const scale = viewer.zoom * viewer.ratio;
    const level = clamp(raster.levels + Math.ceil(Math.log2(scale) - 0.25), 0, raster.levels);
    this.wanted = [];
    // Coarser tiles that are there already stand in for those still to come.
    for (const z of new Set([0, Math.max(0, level - 2), Math.max(0, level - 1), level])) {
      this.#drawLevel(context, viewer, z, z === level);
    }
    this.wanted.sort((one, other) => one.far - other.far);
    this.#load();
  }

  /** The tile of the deepest level there is at a raster position: [tile, column, row], or null. */
  at(x, y) {
    for (let z = this.raster?.levels ?? -1; z >= 0; z -= 1) {
      const span = this.#span(z);
      const tile = this.kept.get(`${z}/${Math.floor(x / span)}/${Math.floor(y / span)}`);
      if (tile?.image) {
        const [u, v] = [x, y].map((value) => Math.floor(((value % span) * this.raster.tile) / span));
        return [tile.image, u, v];
      }
    }
    return null;
  }

  #span(z) {
    return this.raster.tile * 2 ** (this.raster.levels - z);
  }

  #drawLevel(context, viewer, z, wanted) {
    const { raster } = this;
    const span = this.#span(z);
    const [x0, y0] = viewer.toRaster(0, 0);
    const [x1, y1] = viewer.toRaster(viewer.canvas.clientWidth, viewer.canvas.clientHeight);
    const columns = range(x0, x1, raster.width, span);
    const rows = range(y0, y1, raster.height, span);
    for (let y = rows[0]; y <= rows[1]; y += 1) {
      for (let x = columns[0]; x <= columns[1]; x += 1) {
        const name = `${z}/${x}/${y}`;
        const tile = this.kept.get(name);
        if (tile?.image) {
          this.kept.delete(name); // the order of the map is the order of use
          this.kept.set(name, tile);
          this.#drawTile(context, viewer, tile.image, [x * span, y * span, span]);
        } else if (!tile && wanted) {
          const far = Math.hypot((x + 0.5) * span - viewer.x, (y + 0.5) * span - viewer.y);
          this.wanted.push({ name, z, x, y, far });
        }
      }
    }
  }

  #drawTile(context, viewer, image, [x, y, span]) {
    const ends = [viewer.toView(x, y), viewer.toView(x + span, y + span)];
    // Edges between transparent tiles would show if they were blended: they get whole pixels.
    const snap = this.clear ? Math.round : (value) => value;
    const [[left, top], [right, bottom]] = ends.map((end) =>
      end.map((value) => snap(value * viewer.ratio)));
    if (this.clear) context.clearRect(left, top, right - left, bottom - top);
    context.drawImage(this.paint(image), left, top, right - left, bottom - top);
  }

  #load() {
    while (this.loading < AT_ONCE && this.wanted.length) {
      const { name, z, x, y } = this.wanted.shift();
      const entry = { image: null };
      const generation = this.generation;
      this.kept.set(name, entry);
      this.loading += 1;
      ask(this.raster.address(z, x, y))
        .then((answer) => answer.blob())
        .then((blob) => this.decode(blob))
        .then((image) => {
          if (generation === this.generation) entry.image = image;
          else image.close();
        }, () => {
          // Asked for again when the view changes next.
          if (generation === this.generation) this.kept.delete(name);
          entry.failed = true;
        })
        .finally(() => {
          this.loading -= 1;
          if (!entry.failed) this.redraw();
        });
    }
    for (const [name, entry] of this.kept) {
      if (this.kept.size <= MOST_TILES) break;
      if (entry.image) {
        entry.image.close();
        this.kept.delete(name);
      }
    }
  }
}

function range(from, to, length, span) {
  const last = Math.ceil(length / span) - 1;
  return [clamp(Math.floor(from / span), 0, last), clamp(Math.floor(to / span), 0, last)];
}

export function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

function asBitmap(blob) {
  return createImageBitmap(blob);
}
