// The places of a gallery as a small map without a background: all as dots, the found ones numbered.

const SVG = "http://www.w3.org/2000/svg";
const EDGE = 9; // of 100, free around the places
const RADIUS = 2.6;

export class Places {
  /**
   * @param {SVGElement} svg Of 100 by 100.
   * @param {(rank: number) => void} choose Told which found place was clicked.
   */
  constructor(svg, choose) {
    Object.assign(this, { svg, choose });
  }

  /** Show the places of a gallery, as the service tells them. */
  show({ places, crs }) {
    this.known = places.length > 0;
    if (!this.known) return;
    const [x, y] = [0, 1].map((axis) => places.map((place) => place[axis]));
    const [left, right, bottom, top] = [least(x), most(x), least(y), most(y)];
    // Degrees of longitude are shorter than those of latitude.
    const degrees = /^(EPSG:4326|OGC:CRS84)$/.test(crs ?? "");
    const narrow = degrees ? Math.cos(((bottom + top) / 2) * (Math.PI / 180)) : 1;
    const scale = (100 - 2 * EDGE) / (Math.max((right - left) * narrow, top - bottom) || 1);
    this.at = ([east, north]) => [
      50 + (east - (left + right) / 2) * narrow * scale,
      50 - (north - (bottom + top) / 2) * scale,
    ];
    this.dots = make("path", {
      class: "all",
      d: places.map((place) => `M${this.at(place).map(short).join(" ")}h0`).join(""),
    });
    this.svg.replaceChildren(this.dots);
  }

  /** Number the places of what was found. */
  mark(results) {
    if (!this.known) return;
    const marks = results.filter(({ coordinates }) => coordinates).map((result) => {
      const [x, y] = this.at(result.coordinates).map(short);
      const mark = make("g", { "data-rank": result.rank, transform: `translate(${x} ${y})` });
      const number = make("text", {});
      number.textContent = result.rank;
      mark.append(make("circle", { r: RADIUS }), number);
      mark.addEventListener("click", () => this.choose(result.rank));
      return mark;
    });
    this.svg.replaceChildren(this.dots, ...marks.reverse()); // the best on top
    const places = new Set(results.map(({ place }) => place)).size;
    this.svg.setAttribute("aria-label", `Map: ${results.length} pictures of ${places} places`);
  }

  /** Show which of the found is chosen. */
  point(rank) {
    for (const mark of this.svg.querySelectorAll("g")) {
      const chosen = Number(mark.dataset.rank) === rank;
      mark.classList.toggle("chosen", chosen);
      if (chosen) this.svg.append(mark);
    }
  }
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function short(value) {
  return Number(value.toFixed(2));
}

function least(values) {
  return values.reduce((one, other) => Math.min(one, other));
}

function most(values) {
  return values.reduce((one, other) => Math.max(one, other));
}
