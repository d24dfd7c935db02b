// What the pages with a map share: words to the user, the key, the scale, the buttons of the map.

import { explain, hasKey, keepKey, ServiceProblem } from "./service.js";
import { round } from "./words.js";

export const $ = (id) => document.getElementById(id);

/** Whether the page is laid out for a phone: the map above the panel. */
export const narrow = matchMedia("(max-width: 720px)");

/** Tell something to those who listen to the page. */
export function say(text) {
  $("said").textContent = text;
}

/** Show what went wrong and what to do; ask for the key where that is what lacks. */
export function tellTrouble(error) {
  if (error instanceof ServiceProblem && error.status === 401) {
    $("lock").hidden = false;
    $("key").focus();
    if (!hasKey()) {
      say("This service asks for a key.");
      return;
    }
  }
  const { title, detail, remedy } = explain(error);
  $("answer").hidden = $("trouble").hidden = false;
  $("trouble-title").textContent = title;
  $("trouble-detail").textContent = detail;
  $("trouble-remedy").textContent = remedy;
  say(`${title}. ${detail} ${remedy}`);
}

/** Take the key that is typed, and begin anew with it. */
export function listenToLock(start) {
  $("lock").addEventListener("submit", (event) => {
    event.preventDefault();
    keepKey($("key").value.trim());
    start();
  });
}

/** What the panel covers of the map. */
export function margins() {
  return narrow.matches
    ? { left: 0, top: 0, right: 0, bottom: 18 }
    : { left: $("panel").offsetLeft + $("panel").offsetWidth, top: 0, right: 0, bottom: 0 };
}

/** A large picture of the service as a viewer shows it: what is told of it, and its address. */
export function sheetAt(base, told) {
  const version = `v=${told.version}`;
  return {
    ...told,
    preview: `${base}/preview.png?${version}`,
    address: (z, x, y) => `${base}/tiles/${z}/${x}/${y}.png?${version}`,
  };
}

/** Let the buttons of the map work, and keep its free part in mind. */
export function listenToMap(viewer) {
  $("closer").addEventListener("click", () => viewer.zoomBy(1.6));
  $("farther").addEventListener("click", () => viewer.zoomBy(1 / 1.6));
  $("whole").addEventListener("click", () => viewer.fit());
  narrow.addEventListener("change", () => {
    viewer.margin = margins();
    viewer.resize();
  });
}

/** Show how long things are: meters per raster pixel, null where unknown. */
export function showScale(viewer, metersPerPixel) {
  const room = narrow.matches ? 90 : 130;
  const perPixel = metersPerPixel ?? 1;
  const most = (room / viewer.zoom) * perPixel;
  const step = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].find((factor) => factor * step <= most) * step;
  $("bar").style.width = `${(length / perPixel) * viewer.zoom}px`;
  $("length").textContent = metersPerPixel === null
    ? `${round(length)} px`
    : length >= 1000 ? `${round(length / 1000)} km` : `${round(length)} m`;
}

/** A new element of a class, with what it holds: elements and text. */
export function part(tag, name, ...held) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...held);
  return element;
}

/** A term and its value for a list of them; what is said beside the value is quieter. */
export function row([name, value, beside]) {
  const term = document.createElement("dt");
  term.textContent = name;
  const data = document.createElement("dd");
  data.textContent = value;
  if (beside) {
    const small = document.createElement("span");
    small.textContent = beside;
    data.append(small);
  }
  return [term, data];
}

/** Let the browser save a file. */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
