// The page of /localize: a photo is dropped, and shown where it lies.

import { exampleAddress, listenForFiles, listExamples, markExample } from "./intake.js";
import { Overlay } from "./overlay.js";
import {
  $, listenToLock, listenToMap, margins, narrow, row, save, say, sheetAt, showScale, tellTrouble,
} from "./page.js";
import { checkSize, Search } from "./search.js";
import { ask, askJson } from "./service.js";
import { asStored } from "./stored.js";
import { Viewer } from "./viewer.js";
import { percent } from "./words.js";

const search = new Search("Looking for the photo.", clearAnswer);
const overlay = new Overlay();
const viewer = new Viewer($("view"), {
  draw: (context, view) => overlay.draw(context, view),
  moved: (view) => showScale(view, substrate?.meters_per_pixel ?? null),
});
const MODES = {
  blend: "Opacity",
  swipe: "Edge",
  checker: "Squares",
  outline: "",
};

let substrates = [];
let substrate = null;
let limits = null;

async function start() {
  try {
    const told = await askJson("/models");
    limits = told.limits;
    substrates = told.capabilities.localize.substrates;
    $("lock").hidden = true;
    for (const id of ["drop", "tools", "ruler"]) $(id).hidden = false;
    $("limits").textContent =
      `PNG, JPEG or TIFF, up to ${Math.floor(limits.bytes / 2 ** 20)} MB`;
    listSubstrates();
    listExamples("localize", told.capabilities.localize.examples, tryExample);
    choose(substrates[0]);
  } catch (error) {
    tellTrouble(error);
  }
}

function listSubstrates() {
  $("choice").hidden = substrates.length < 2;
  $("substrate").replaceChildren(...substrates.map(({ name }) => new Option(name, name)));
}

function choose(next) {
  substrate = next;
  search.stop();
  clearAnswer();
  const base = `/localize/substrates/${encodeURIComponent(next.name)}`;
  $("about").textContent = `${next.name} · ${next.width} × ${next.height} pixels`;
  $("view").setAttribute("aria-label", `Map: ${next.name}`);
  viewer.margin = margins();
  viewer.show(sheetAt(base, next));
}

function tryExample(name, button) {
  markExample(button);
  return search.run(async (signal) => {
    const blob = await (await ask(exampleAddress("localize", name), { signal })).blob();
    return locate(blob, name, signal);
  }, tell);
}

function take(file) {
  markExample(null);
  return search.run(async (signal) => {
    checkSize(file, limits);
    return locate(file, file.name, signal);
  }, tell);
}

async function locate(blob, name, signal) {
  const form = new FormData();
  form.append("substrate", substrate.name);
  form.append("photo", blob, name);
  const shown = asStored(blob).then(createImageBitmap).catch(() => null);
  const answer = await askJson("/localize", { method: "POST", body: form, signal });
  return [answer, await shown];
}

function clearAnswer() {
  overlay.answer = overlay.image = null;
  for (const id of ["answer", "busy", "trouble", "found"]) $(id).hidden = true;
  viewer.redraw();
}

function tell([answer, image]) {
  overlay.answer = answer;
  overlay.image = image;
  $("busy").hidden = true;
  $("answer").hidden = $("found").hidden = false;
  $("answer").classList.toggle("unsure", !answer.resolved);
  $("word").textContent = answer.resolved ? "Found" : "Not sure";
  $("plain").textContent = inWords(answer);
  $("turn").style.transform = `rotate(${answer.pose.angle}deg)`;
  $("unseen-photo").hidden = Boolean(image);
  $("modes").hidden = !image;
  $("numbers").replaceChildren(...numbers(answer).flatMap(row));
  showMode();
  say(`${$("word").textContent}. ${$("plain").textContent}`);
  $("panel").scrollTo({ top: 0 });
  if (narrow.matches) window.scrollTo({ top: 0, behavior: "smooth" });
  viewer.lookAt(...overlay.box);
}

function inWords(answer) {
  const chance = answer.probability;
  if (answer.resolved) {
    return chance === null
      ? "The photo lies here."
      : `The photo lies here; ${percent(chance)} sure.`;
  }
  const odds = chance === null ? "" : ` The chance that it is right is about ${percent(chance)}.`;
  return `This is only the best guess.${odds} Compare before you rely on it.`;
}

function numbers(answer) {
  const { pose, covariance, resolved } = answer;
  // How exactly a place is known means nothing while it may be the wrong place.
  const spread = (digits, ...axes) => covariance && resolved
    ? ` ± ${Math.sqrt(Math.max(...axes.map((axis) => covariance[axis][axis]))).toFixed(digits)}`
    : "";
  const center = `${pose.x.toFixed(1)}, ${pose.y.toFixed(1)}`;
  const rows = [["Center, pixels", center, spread(1, 0, 1)]];
  if (answer.map) {
    const digits = Math.max(...answer.map.center.map(Math.abs)) > 400 ? 1 : 6;
    const system = answer.map.crs.length < 16 ? answer.map.crs : "Map";
    rows.push([system, answer.map.center.map((value) => value.toFixed(digits)).join(", "), ""]);
  }
  rows.push(["Clockwise", `${pose.angle.toFixed(1)}°`, spread(2, 2)]);
  if (Math.abs(pose.scale - 1) > 5e-4) rows.push(["Scale", `1 : ${pose.scale.toFixed(3)}`, ""]);
  if (answer.probability !== null) rows.push(["Probability", percent(answer.probability), ""]);
  rows.push(["Found on", answer.reference, ""]);
  rows.push(["Time", `${answer.seconds.toFixed(answer.seconds < 9.95 ? 2 : 0)} s`, ""]);
  return rows;
}

function showMode() {
  const name = MODES[overlay.mode];
  $("amount-row").hidden = !name;
  $("amount-name").textContent = name;
  $("amount").value = overlay.amounts[overlay.mode];
  viewer.redraw();
}

function showWhere(event) {
  const box = $("view").getBoundingClientRect();
  const [x, y] = viewer.toRaster(event.clientX - box.left, event.clientY - box.top);
  const inside = substrate && x >= 0 && y >= 0 && x <= substrate.width && y <= substrate.height;
  if (!inside) {
    $("where").textContent = "";
    return;
  }
  let text = `x ${x.toFixed(1)}  y ${y.toFixed(1)}`;
  if (substrate.grid?.crs) {
    const [a, b, c, d, e, f] = substrate.grid.transform;
    const digits = Math.abs(a) + Math.abs(b) < 0.01 ? 6 : 1;
    text += `  ·  ${(a * x + b * y + c).toFixed(digits)}, ${(d * x + e * y + f).toFixed(digits)}`;
  }
  $("where").textContent = text;
}

function saveJson(name, content, type) {
  save(name, new Blob([JSON.stringify(content, null, 1)], { type }));
}

function listen() {
  listenForFiles(() => substrate, take);
  $("substrate").addEventListener("change", () =>
    choose(substrates.find(({ name }) => name === $("substrate").value)));
  listenToLock(() => {
    clearAnswer();
    start();
  });
  $("cancel").addEventListener("click", () => {
    search.stop();
    clearAnswer();
    markExample(null);
    say("Cancelled.");
  });
  for (const radio of document.getElementsByName("mode")) {
    radio.addEventListener("change", () => {
      overlay.mode = radio.value;
      showMode();
    });
  }
  $("amount").addEventListener("input", () => {
    overlay.amounts[overlay.mode] = Number($("amount").value);
    viewer.redraw();
  });
  $("go").addEventListener("click", () => viewer.lookAt(...overlay.box));
  $("save-json").addEventListener("click", () =>
    saveJson("answer.json", overlay.answer, "application/json"));
  $("save-geojson").addEventListener("click", () =>
    saveJson("footprint.geojson", overlay.answer.footprint, "application/geo+json"));
  listenToMap(viewer);
  $("view").addEventListener("pointermove", showWhere);
  $("view").addEventListener("pointerleave", () => { $("where").textContent = ""; });
}

listen();
start();
