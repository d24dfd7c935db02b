// The page of /groundview: somebody is put on the map, and what they would see is shown.

import { Observer } from "./observer.js";
import {
  $, listenToLock, listenToMap, margins, narrow, part, row, save, say, sheetAt, showScale,
  tellTrouble,
} from "./page.js";
import { askJson } from "./service.js";
import { Viewer } from "./viewer.js";

const SAMPLES = 4;
const WINDS = [
  "north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west",
];

const observer = new Observer((heading) => {
  $("heading").value = heading;
  turn();
});
const viewer = new Viewer($("view"), {
  draw: (context, view) => observer.draw(context, view),
  moved: (view) => showScale(view, ground?.meters_per_pixel ?? null),
  picked: (x, y) => stand(viewer.toRaster(x, y)),
  grabbed: (x, y) => observer.grab(viewer, x, y),
});

let grounds = [];
let ground = null;
let place = null; // {x, y} in the map's system
let seed = 0;
let answer = null;
let sample = 0;
let asking = null; // what cancels the question that is under way
let next = false; // whether the question changed meanwhile

async function start() {
  try {
    grounds = (await askJson("/groundview/maps")).maps;
    $("lock").hidden = $("answer").hidden = true;
    for (const id of ["tools", "ruler", "welcome"]) $(id).hidden = false;
    $("choice").hidden = grounds.length < 2;
    $("maps").replaceChildren(...grounds.map(({ name }) => new Option(name, name)));
    open(grounds[0]);
  } catch (error) {
    tellTrouble(error);
  }
}

function open(chosen) {
  ground = chosen;
  asking?.abort();
  asking = answer = place = observer.at = null;
  next = false;
  seed = 0;
  for (const id of ["answer", "found", "trouble", "busy"]) $(id).hidden = true;
  $("welcome").hidden = false;
  $("turning").hidden = !ground.headings;
  $("about").textContent = `${ground.name} · generated views, not photos`;
  $("view").setAttribute("aria-label", `Map: ${ground.name}`);
  observer.side = ground.crop_m / (ground.meters_per_pixel ?? 1);
  viewer.margin = margins();
  viewer.show(sheetAt(`/groundview/maps/${encodeURIComponent(ground.name)}`, ground));
  listPlaces();
  showHeading();
}

function listPlaces() {
  $("examples").hidden = !ground.examples.length;
  const items = ground.examples.map((example) => {
    const way = example.heading === null ? "" : degrees(example.heading);
    const button = part("button", "", part("span", "", example.name), part("small", "", way));
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      if (ground.headings) {
        $("unknown").checked = example.heading === null;
        if (example.heading !== null) $("heading").value = Math.round(example.heading) % 360;
        showHeading();
      }
      stand(toRaster(example.x, example.y), true);
      button.setAttribute("aria-pressed", "true");
    });
    return part("li", "", button);
  });
  $("places").replaceChildren(...items);
}

/** Coordinates of the map under a raster position. */
function toGround(x, y) {
  const [a, b, c, d, e, f] = ground.grid.transform;
  return [a * x + b * y + c, d * x + e * y + f];
}

/** The raster position of coordinates of the map. */
function toRaster(x, y) {
  const [a, b, c, d, e, f] = ground.grid.transform;
  const [dx, dy, whole] = [x - c, y - f, a * e - b * d];
  return [(e * dx - b * dy) / whole, (a * dy - d * dx) / whole];
}

/** Put the observer at a raster position. */
function stand(at, look = false) {
  if (!ground) return;
  for (const button of $("places").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", "false");
  }
  observer.at = at;
  const [x, y] = toGround(...at);
  place = { x, y };
  observer.fits = true;
  $("welcome").hidden = true;
  if (look) showPlace();
  viewer.redraw();
  wonder();
}

function showPlace() {
  const [x, y] = observer.at;
  const half = 1.6 * observer.side;
  viewer.lookAt(x - half, y - half, x + half, y + half);
}

function headingOf() {
  return !ground?.headings || $("unknown").checked ? null : Number($("heading").value);
}

function degrees(heading) {
  return `${Math.round(heading) % 360}°`;
}

function showHeading() {
  const heading = headingOf();
  observer.heading = heading;
  $("heading").disabled = $("unknown").checked;
  const words = heading === null
    ? "not told"
    : `${degrees(heading)} · ${WINDS[Math.round(heading / 45) % 8]}`;
  $("compass").textContent = words;
  $("heading").setAttribute("aria-valuetext", words);
  viewer.redraw();
}

function turn() {
  showHeading();
  wonder();
}

/** Ask for the view; while an answer is awaited only the last wish is remembered. */
async function wonder() {
  if (!place) return;
  if (asking) {
    next = true;
    return;
  }
  const mine = new AbortController();
  asking = mine;
  $("answer").hidden = $("busy").hidden = false;
  $("answer").classList.add("waiting");
  try {
    const question = { map: ground.name, ...place, heading: headingOf(), samples: SAMPLES, seed };
    const found = await askJson("/groundview", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(question),
      signal: mine.signal,
    });
    if (asking === mine) tell(found);
  } catch (error) {
    if (asking !== mine) return; // another map was opened
    answer = null;
    observer.fits = error.document?.type !== "urn:nadir:problem:outside";
    $("found").hidden = true;
    tellTrouble(error);
    viewer.redraw();
  } finally {
    if (asking === mine) {
      asking = null;
      $("busy").hidden = true;
      $("answer").classList.remove("waiting");
      if (next) {
        next = false;
        wonder();
      }
    }
  }
}

function tell(found) {
  answer = found;
  observer.at = toRaster(...found.position);
  observer.fits = true;
  $("trouble").hidden = true;
  $("found").hidden = false;
  $("crop").src = pictureOf(found.crop.png);
  $("crop-name").textContent = `From above, ${Math.round(found.crop.meters)}\u00a0m`;
  $("gaze").classList.toggle("lost", found.heading === null);
  $("gaze").style.transform = `rotate(${found.heading ?? 0}deg)`;
  $("samples").replaceChildren(...found.views.map(thumbnail));
  $("numbers").replaceChildren(...numbers(found).flatMap(row));
  choose(Math.min(sample, found.views.length - 1));
  viewer.redraw();
  const way = found.heading === null ? "" : `, looking ${degrees(found.heading)}`;
  say(`A view from ${found.position.map((value) => value.toFixed(0)).join(", ")}${way}.`);
}

function pictureOf(text) {
  return `data:image/png;base64,${text}`;
}

function thumbnail(view) {
  const image = new Image();
  image.alt = "";
  image.src = pictureOf(view.png);
  const button = part("button", "", image);
  button.type = "button";
  button.setAttribute("aria-label", `Sample ${view.sample + 1}`);
  button.addEventListener("click", () => choose(view.sample));
  return part("li", "", button);
}

function choose(number) {
  sample = number;
  $("seen").src = pictureOf(answer.views[number].png);
  $("samples").querySelectorAll("button").forEach((button, at) =>
    button.setAttribute("aria-pressed", String(at === number)));
}

function numbers({ position, degrees: globe, heading, crs, seconds, seed: used }) {
  const digits = Math.max(...position.map(Math.abs)) > 400 ? 1 : 6;
  return [
    [crs.length < 16 ? crs : "Map", position.map((value) => value.toFixed(digits)).join(", "), ""],
    ["Longitude, latitude", globe.map((value) => value.toFixed(5)).join(", "), ""],
    ["Direction", heading === null ? "not told" : degrees(heading), ""],
    ["Seed", String(used), ""],
    ["Time", `${seconds.toFixed(2)} s`, ""],
  ];
}

function listen() {
  listenToLock(start);
  listenToMap(viewer);
  $("maps").addEventListener("change", () =>
    open(grounds.find(({ name }) => name === $("maps").value)));
  $("heading").addEventListener("input", turn);
  $("unknown").addEventListener("change", turn);
  $("others").addEventListener("click", () => {
    seed += 1;
    wonder();
  });
  $("go").addEventListener("click", showPlace);
  $("save-png").addEventListener("click", () => {
    const bytes = Uint8Array.from(atob(answer.views[sample].png), (one) => one.charCodeAt(0));
    save("view.png", new Blob([bytes], { type: "image/png" }));
  });
  $("save-json").addEventListener("click", () =>
    save("view.json", new Blob([JSON.stringify(answer, null, 1)], { type: "application/json" })));
  const aim = () => {
    observer.aiming = $("view").matches(":focus-visible");
    viewer.redraw();
  };
  for (const name of ["focus", "blur", "keydown", "pointerdown"]) {
    $("view").addEventListener(name, aim);
  }
  $("view").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.repeat) return;
    event.preventDefault();
    stand([viewer.x, viewer.y]);
    if (narrow.matches) $("answer").scrollIntoView({ block: "nearest" });
  });
}

listen();
start();
