// The page of /localize: a photo is dropped, and shown where it lies.

import { ask, askJson, explain, hasKey, keepKey, ServiceProblem } from "./service.js";
import { Overlay } from "./overlay.js";
import { asStored } from "./stored.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const overlay = new Overlay();
const viewer = new Viewer($("view"), {
  draw: (context, view) => overlay.draw(context, view),
  moved: showScale,
});
const narrow = matchMedia("(max-width: 720px)");
const MODES = {
  blend: "Opacity",
  swipe: "Edge",
  checker: "Squares",
  outline: "",
};

let substrates = [];
let substrate = null;
let limits = null;
let search = null; // what cancels the request that is under way

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
    listExamples(told.capabilities.localize.examples);
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
  stopSearch();
  clearAnswer();
  const base = `/localize/substrates/${encodeURIComponent(next.name)}`;
  const version = `v=${next.version}`;
  $("about").textContent = `${next.name} · ${next.width} × ${next.height} pixels`;
  $("view").setAttribute("aria-label", `Map: ${next.name}`);
  viewer.margin = margins();
  viewer.show({
    ...next,
    preview: `${base}/preview.png?${version}`,
    address: (z, x, y) => `${base}/tiles/${z}/${x}/${y}.png?${version}`,
  });
}

function margins() {
  return narrow.matches
    ? { left: 0, top: 0, right: 0, bottom: 18 }
    : { left: 364, top: 0, right: 0, bottom: 0 };
}

async function listExamples(names) {
  $("examples").hidden = !names.length;
  const items = names.map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-label", `Example ${name}`);
    button.setAttribute("aria-pressed", "false");
    const image = new Image();
    image.alt = "";
    button.append(image);
    button.addEventListener("click", () => tryExample(name, button));
    const item = document.createElement("li");
    item.append(button);
    return { item, image, address: `/localize/examples/${encodeURIComponent(name)}` };
  });
  $("thumbnails").replaceChildren(...items.map(({ item }) => item));
  for (const { image, address } of items) {
    try {
      image.src = URL.createObjectURL(await (await ask(`${address}/thumbnail.png`)).blob());
    } catch {
      image.parentElement.textContent = "?";
    }
  }
}

async function tryExample(name, button) {
  stopSearch();
  mark(button);
  const mine = begin();
  try {
    const address = `/localize/examples/${encodeURIComponent(name)}`;
    const blob = await (await ask(address, { signal: mine.signal })).blob();
    await locate(blob, name, mine);
  } catch (error) {
    fail(error, mine);
  }
}

async function take(file) {
  stopSearch();
  mark(null);
  const mine = begin();
  try {
    if (limits && file.size > limits.bytes) {
      throw new ServiceProblem(413, {
        title: "Too large",
        detail: `The file has ${(file.size / 2 ** 20).toFixed(1)} MB`,
        remedy: `At most ${Math.floor(limits.bytes / 2 ** 20)} MB are taken.`,
      });
    }
    await locate(file, file.name, mine);
  } catch (error) {
    fail(error, mine);
  }
}

async function locate(blob, name, mine) {
  const form = new FormData();
  form.append("substrate", substrate.name);
  form.append("photo", blob, name);
  const shown = asStored(blob).then(createImageBitmap).catch(() => null);
  const answer = await askJson("/localize", {
    method: "POST",
    body: form,
    signal: mine.signal,
  });
  const image = await shown;
  if (search === mine) {
    search = null;
    tell(answer, image);
  }
}

function begin() {
  search = new AbortController();
  clearAnswer();
  $("answer").hidden = false;
  $("busy").hidden = false;
  say("Looking for the photo.");
  return search;
}

function stopSearch() {
  search?.abort();
  search = null;
}

function fail(error, mine) {
  if (mine !== search) return; // cancelled, or overtaken by another
  search = null;
  clearAnswer();
  tellTrouble(error);
}

function clearAnswer() {
  overlay.answer = overlay.image = null;
  for (const id of ["answer", "busy", "trouble", "found"]) $(id).hidden = true;
  viewer.redraw();
}

function tellTrouble(error) {
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

function tell(answer, image) {
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

function percent(share) {
  const value = 100 * share;
  if (value > 99.9) return "over 99.9 %";
  return value >= 99 || (value < 1 && value > 0) ? `${value.toFixed(1)} %` : `${value.toFixed(0)} %`;
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

function row([name, value, spread]) {
  const term = document.createElement("dt");
  term.textContent = name;
  const data = document.createElement("dd");
  data.textContent = value;
  if (spread) {
    const small = document.createElement("span");
    small.textContent = spread;
    data.append(small);
  }
  return [term, data];
}

function showMode() {
  const name = MODES[overlay.mode];
  $("amount-row").hidden = !name;
  $("amount-name").textContent = name;
  $("amount").value = overlay.amounts[overlay.mode];
  viewer.redraw();
}

function showScale() {
  const perPixel = substrate?.meters_per_pixel ?? null;
  const room = narrow.matches ? 90 : 130;
  const most = (room / viewer.zoom) * (perPixel ?? 1);
  const step = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].find((factor) => factor * step <= most) * step;
  $("bar").style.width = `${(length / (perPixel ?? 1)) * viewer.zoom}px`;
  $("length").textContent = perPixel === null
    ? `${round(length)} px`
    : length >= 1000 ? `${round(length / 1000)} km` : `${round(length)} m`;
}

function round(value) {
  return String(Number(value.toPrecision(3)));
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

function mark(button) {
  for (const other of $("thumbnails").querySelectorAll("button")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
}

function say(text) {
  $("said").textContent = text;
}

function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function listen() {
  $("file").addEventListener("change", () => {
    const [file] = $("file").files;
    if (file) take(file);
    $("file").value = ""; // the same file may be chosen again
  });
  let inside = 0;
  const dragging = (change) => {
    inside = Math.max(0, inside + change);
    document.body.classList.toggle("dragging", inside > 0);
  };
  addEventListener("dragenter", (event) => { event.preventDefault(); dragging(+1); });
  addEventListener("dragleave", () => dragging(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    dragging(-inside);
    const [file] = event.dataTransfer.files;
    if (file && substrate) take(file);
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file && substrate) take(file);
  });
  $("substrate").addEventListener("change", () =>
    choose(substrates.find(({ name }) => name === $("substrate").value)));
  $("lock").addEventListener("submit", (event) => {
    event.preventDefault();
    keepKey($("key").value.trim());
    clearAnswer();
    start();
  });
  $("cancel").addEventListener("click", () => {
    stopSearch();
    clearAnswer();
    mark(null);
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
    save("answer.json", overlay.answer, "application/json"));
  $("save-geojson").addEventListener("click", () =>
    save("footprint.geojson", overlay.answer.footprint, "application/geo+json"));
  $("closer").addEventListener("click", () => viewer.zoomBy(1.6));
  $("farther").addEventListener("click", () => viewer.zoomBy(1 / 1.6));
  $("whole").addEventListener("click", () => viewer.fit());
  $("view").addEventListener("pointermove", showWhere);
  $("view").addEventListener("pointerleave", () => { $("where").textContent = ""; });
  narrow.addEventListener("change", () => {
    viewer.margin = margins();
    viewer.resize();
  });
}

listen();
start();
