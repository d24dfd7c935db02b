// Footprints over an image: drawn in its pixels, found under the pointer.

const CELL = 512; // raster pixels a side of a cell of the index
const SMALLEST = 3; // CSS pixels that a typical footprint must have to be drawn one by one
const LEAST_RIMMED = 26; // CSS pixels that it must have for a white rim around it

export class Footprints {
  constructor() {
    this.clear();
  }

  clear() {
    this.items = [];
    this.cells = new Map();
    this.typical = this.reach = 0;
    this.hovered = this.chosen = null;
  }

  /** Take features in pixels: GeoJSON polygons with id, area_m2, confidence and regularized. */
  take(features) {
    const kept = this.chosen;
    this.clear();
    this.items = features.map(({ geometry, properties }) => new Footprint(geometry, properties));
    this.items.forEach((item, order) => {
      item.order = order;
      for (const name of cellsOf(item.box)) {
        if (!this.cells.has(name)) this.cells.set(name, { items: [], path: null });
        this.cells.get(name).items.push(item);
      }
    });
    const sides = this.items.map(({ pixels }) => Math.sqrt(pixels)).sort((one, two) => one - two);
    this.typical = sides[Math.floor(sides.length / 2)] ?? 0;
    for (const { box } of this.items) {
      this.reach = Math.max(this.reach, box[2] - box[0], box[3] - box[1]);
    }
    // The same building stays chosen at another threshold.
    if (kept) this.chosen = this.find(...kept.inside);
  }

  /** Whether they are large enough in the view to be told apart. */
  visible(zoom) {
    return this.items.length > 0 && this.typical * zoom >= SMALLEST;
  }

  /** The footprint at a raster position, or null. */
  find(x, y) {
    const cell = this.cells.get(`${Math.floor(x / CELL)}/${Math.floor(y / CELL)}`);
    return cell?.items.find((item) => item.holds(x, y)) ?? null;
  }

  /** Choose the footprint so many steps after the chosen one, around. */
  step(steps) {
    const { items } = this;
    if (!items.length) return null;
    const from = this.chosen ? this.chosen.order : steps > 0 ? -1 : 0;
    this.chosen = items[(from + steps + items.length) % items.length];
    return this.chosen;
  }

  /** Draw them on a context in raster pixels. */
  draw(context, viewer, color, opacity) {
    const { zoom } = viewer;
    const [left, top] = viewer.toRaster(0, 0);
    const [right, bottom] = viewer.toRaster(viewer.canvas.clientWidth, viewer.canvas.clientHeight);
    const seen = new Path2D();
    // A footprint is in the path of the cell where its box begins, and may reach into others.
    for (const name of cellsOf([left - this.reach, top - this.reach, right, bottom])) {
      const cell = this.cells.get(name);
      if (!cell) continue;
      cell.path ??= together(cell.items.filter((item) => item.home === name));
      seen.addPath(cell.path);
    }
    context.save();
    context.lineJoin = "round";
    context.globalAlpha = opacity;
    context.fillStyle = color;
    context.fill(seen, "evenodd");
    context.globalAlpha = 1;
    const side = this.typical * zoom; // CSS pixels
    if (side > LEAST_RIMMED) line(context, seen, "rgb(255 255 255 / 85%)", 3.5 / zoom);
    line(context, seen, color, Math.min(1.75, 0.08 * side) / zoom);
    context.restore();
  }

  /** Draw the one under the pointer, and the chosen one. */
  drawMarked(context, zoom, accent) {
    context.save();
    context.lineJoin = "round";
    for (const item of new Set([this.hovered, this.chosen])) {
      if (!item) continue;
      context.fillStyle = item === this.chosen ? `${accent}59` : "rgb(255 255 255 / 25%)";
      context.fill(item.path, "evenodd");
      line(context, item.path, "#ffffff", 6 / zoom);
      line(context, item.path, item === this.chosen ? accent : "#1f2933", 2.75 / zoom);
    }
    context.restore();
  }
}

class Footprint {
  constructor(geometry, properties) {
    this.properties = properties;
    this.polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    this.box = [Infinity, Infinity, -Infinity, -Infinity];
    this.pixels = 0;
    this.path = new Path2D();
    for (const polygon of this.polygons) {
      polygon.forEach((ring, order) => {
        this.pixels += (order ? -1 : 1) * Math.abs(areaOf(ring));
        this.#trace(ring);
      });
    }
    this.home = cellsOf(this.box)[0];
  }

  /** A position inside: the middle of the widest stretch across its middle. */
  get inside() {
    const y = (this.box[1] + this.box[3]) / 2;
    const crossings = this.polygons.flat().flatMap((ring) => crossed(ring, y)).sort((a, b) => a - b);
    let best = [this.box[0], this.box[2]];
    let widest = 0;
    for (let at = 0; at + 1 < crossings.length; at += 2) {
      if (crossings[at + 1] - crossings[at] > widest) {
        widest = crossings[at + 1] - crossings[at];
        best = [crossings[at], crossings[at + 1]];
      }
    }
    return [(best[0] + best[1]) / 2, y];
  }

  holds(x, y) {
    const [left, top, right, bottom] = this.box;
    if (x < left || x > right || y < top || y > bottom) return false;
    const before = (ring) => crossed(ring, y).filter((crossing) => crossing > x).length;
    return this.polygons.some((rings) => rings.reduce((sum, ring) => sum + before(ring), 0) % 2);
  }

  #trace(ring) {
    const { box } = this;
    ring.forEach(([x, y], order) => {
      if (order) this.path.lineTo(x, y);
      else this.path.moveTo(x, y);
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    });
    this.path.closePath();
  }
}

/** Where a ring crosses a row. */
function crossed(ring, y) {
  const found = [];
  for (let at = 0; at + 1 < ring.length; at += 1) {
    const [[x0, y0], [x1, y1]] = [ring[at], ring[at + 1]];
    if (y0 > y !== y1 > y) found.push(x0 + ((y - y0) / (y1 - y0)) * (x1 - x0));
  }
  return found;
}

function areaOf(ring) {
  let sum = 0;
  for (let at = 0; at + 1 < ring.length; at += 1) {
    sum += ring[at][0] * ring[at + 1][1] - ring[at + 1][0] * ring[at][1];
  }
  return sum / 2;
}

/** The names of the cells that a box touches; those before the image's first are none. */
function cellsOf([left, top, right, bottom]) {
  const names = [];
  const first = (value) => Math.max(0, Math.floor(value / CELL));
  for (let y = first(top); y <= Math.floor(bottom / CELL); y += 1) {
    for (let x = first(left); x <= Math.floor(right / CELL); x += 1) names.push(`${x}/${y}`);
  }
  return names;
}

function together(items) {
  const path = new Path2D();
  for (const item of items) path.addPath(item.path);
  return path;
}

function line(context, path, color, width) {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke(path);
}
