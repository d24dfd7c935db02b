// The page of /retrieve: a picture is dropped, and the likest of a gallery are shown.

import { exampleAddress, fill, listenForFiles, listExamples, markExample } from "./intake.js";
import { $, listenToLock, narrow, part, save, say, tellTrouble } from "./page.js";
import { Places } from "./places.js";
import { checkSize, Search } from "./search.js";
import { ask, askJson } from "./service.js";
import { asStored } from "./stored.js";

const COUNT = 10;

const search = new Search("Comparing with the gallery.", clearAnswer);
const places = new Places($("places"), choose);

let galleries = [];
let gallery = null;
let limits = null;
let asked = null; // the picture of the last search: {blob, name}
let answer = null;
let chosen = null;
let reason = null; // what cancels the request for what speaks for a pair

async function start() {
  try {
    const told = await askJson("/models");
    limits = told.limits;
    galleries = told.capabilities.retrieve.galleries;
    $("lock").hidden = true;
    $("drop").hidden = false;
    $("limits").textContent = `PNG, JPEG or TIFF, up to ${Math.floor(limits.bytes / 2 ** 20)} MB`;
    $("choice").hidden = galleries.length < 2;
    $("gallery").replaceChildren(...galleries.map(({ name }) => new Option(name, name)));
    listExamples("retrieve", told.capabilities.retrieve.examples, tryExample);
    await open(galleries[0]);
  } catch (error) {
    tellTrouble(error);
  }
}

async function open(next) {
  search.stop();
  clearAnswer();
  gallery = next;
  $("gallery").value = next.name;
  $("views").hidden = next.views.length < 2;
  const radios = next.views.map((view) => {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), {
      type: "radio", name: "view", value: view, checked: view === next.views[0],
    });
    radio.addEventListener("change", () => {
      tellGallery();
      if (asked) find(asked);
    });
    const text = document.createElement("span");
    text.textContent = view;
    label.append(radio, text);
    return label;
  });
  $("views").querySelector(".segments").replaceChildren(...radios);
  tellGallery();
  places.show(await askJson(`/retrieve/galleries/${encodeURIComponent(next.name)}`));
  $("map-box").hidden = !places.known;
  $("map-facts").textContent = next.crs && next.crs.length < 16 ? next.crs : "";
}

function viewOf() {
  return document.querySelector("#views input:checked").value;
}

function tellGallery() {
  $("about").textContent = `${gallery.name} · ${gallery.images[viewOf()]} pictures`;
}

async function tryExample(name, button) {
  const home = galleries.find(({ examples }) => name in examples) ?? galleries[0];
  if (home !== gallery) await open(home);
  const view = home.examples[name] ?? home.views[0];
  document.querySelector(`#views input[value="${CSS.escape(view)}"]`).checked = true;
  tellGallery();
  markExample(button);
  find({ name, address: exampleAddress("retrieve", name) });
}

function take(file) {
  markExample(null);
  find({ name: file.name, blob: file });
}

/** Rank the gallery for a picture; examples are fetched first. */
function find(picture) {
  asked = picture;
  return search.run(async (signal) => {
    picture.blob ??= await (await ask(picture.address, { signal })).blob();
    checkSize(picture.blob, limits);
    const form = formOf(picture, { k: COUNT });
    return askJson("/retrieve", { method: "POST", body: form, signal });
  }, tell);
}

function formOf({ blob, name }, more) {
  const form = new FormData();
  for (const [key, value] of Object.entries({ gallery: gallery.name, view: viewOf(), ...more })) {
    form.append(key, value);
  }
  form.append("photo", blob, name);
  return form;
}

function clearAnswer() {
  answer = chosen = null;
  reason?.abort();
  reason = null;
  $("why").disabled = false;
  for (const id of ["answer", "busy", "trouble", "found", "heat", "legend"]) $(id).hidden = true;
  $("welcome").hidden = false;
}

function tell(found) {
  answer = found;
  $("answer").hidden = $("welcome").hidden = true;
  $("found").hidden = false;
  const [first] = found.results;
  $("headline").textContent =
    `The ${found.results.length} likest of ${found.images} ${found.searched} pictures`;
  $("photo-name").textContent = `Yours, ${found.view}`;
  showPhoto(asked.blob);
  $("ranked").replaceChildren(...found.results.map(card));
  places.mark(found.results);
  choose(1);
  say(`${$("headline").textContent}. First: place ${first.place}, score ${first.score.toFixed(2)}.`);
  if (narrow.matches) $("board").scrollIntoView({ behavior: "smooth" });
}

/** Show a picture as the network sees it: browsers turn it by its EXIF data, galleries may not. */
async function showPhoto(blob) {
  const image = $("photo");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(gallery.upright ? blob : await asStored(blob));
  const shown = await image.decode().then(() => true, () => false);
  image.hidden = !shown;
  $("unseen-photo").hidden = shown;
}

function card({ rank, place, score, picture }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.rank = rank;
  button.setAttribute("aria-label", `${rank}: place ${place}, score ${score.toFixed(3)}`);
  const bar = part("i");
  bar.style.width = `${100 * Math.min(1, Math.max(0, score))}%`;
  const name = part("b", "", `${rank} · ${place || "unknown"}`);
  button.append(
    part("span", "frame"),
    part("span", "line", name, part("span", "", score.toFixed(3))),
    part("span", "score", bar),
  );
  button.addEventListener("click", () => choose(rank));
  fill(button.querySelector(".frame"), picture.replace("/pictures/", "/thumbnails/"));
  item.append(button);
  return item;
}

/** Put one of the found beside the picture. */
function choose(rank) {
  chosen = answer.results[rank - 1];
  for (const button of $("ranked").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.rank) === rank));
  }
  places.point(rank);
  fill($("chosen"), chosen.picture);
  $("chosen-name").textContent = `${rank} · place ${chosen.place || "unknown"}`;
  const digits = chosen.coordinates && Math.max(...chosen.coordinates.map(Math.abs)) > 400 ? 0 : 5;
  const where = chosen.coordinates?.map((value) => value.toFixed(digits)).join(", ");
  const facts = [`score ${chosen.score.toFixed(3)}`, where];
  $("chosen-facts").textContent = facts.filter(Boolean).join(" · ");
  explainPair();
}

/** Lay over the picture what speaks for the chosen one, where that is wanted. */
async function explainPair() {
  reason?.abort();
  $("heat").hidden = $("legend").hidden = true;
  if ($("why").getAttribute("aria-pressed") !== "true" || !chosen) return;
  const mine = new AbortController();
  reason = mine;
  $("why").disabled = true;
  try {
    const form = formOf(asked, { image: chosen.name });
    const options = { method: "POST", body: form, signal: mine.signal };
    const blob = await (await ask("/retrieve/saliency", options)).blob();
    URL.revokeObjectURL($("heat").src);
    $("heat").src = URL.createObjectURL(blob);
    $("heat").hidden = $("legend").hidden = false;
    say($("legend").textContent);
  } catch (error) {
    if (reason === mine) tellTrouble(error);
  } finally {
    if (reason === mine) $("why").disabled = false;
  }
}

function listen() {
  listenForFiles(() => gallery, take);
  listenToLock(() => {
    clearAnswer();
    start();
  });
  $("gallery").addEventListener("change", () =>
    open(galleries.find(({ name }) => name === $("gallery").value)).catch(tellTrouble));
  $("cancel").addEventListener("click", () => {
    search.stop();
    clearAnswer();
    markExample(null);
    say("Cancelled.");
  });
  $("why").addEventListener("click", () => {
    const wanted = $("why").getAttribute("aria-pressed") !== "true";
    $("why").setAttribute("aria-pressed", String(wanted));
    explainPair();
  });
  $("ranked").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const buttons = [...$("ranked").querySelectorAll("button")];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (!step || !next) return;
    event.preventDefault();
    next.focus();
    choose(Number(next.dataset.rank));
  });
  $("save-json").addEventListener("click", () =>
    save("answer.json", new Blob([JSON.stringify(answer, null, 1)], { type: "application/json" })));
}

listen();
start();
