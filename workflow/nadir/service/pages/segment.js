// The page of /segment: an image is dropped, mapped in a job, and shown with what was found.

import { exampleAddress, listenForFiles, listExamples, markExample } from "./intake.js";
import { follow, isOver, keepName, nameOf, Recent, remove } from "./jobs.js";
import { $, listenToLock, listenToMap, margins, narrow, say, tellTrouble } from "./page.js";
import { ResultView } from "./result.js";
import { ask, askJson, send, ServiceProblem } from "./service.js";
import { asStored } from "./stored.js";
import { size, span } from "./words.js";

const LARGEST_SHOWN = 64 * 2 ** 20; // bytes of a picture that is shown before it is mapped
const SAID_EACH = 25; // percent of progress
const STAGES = {
  waiting: "Waiting for its turn …",
  reading: "Reading the image …",
  predicting: "Mapping",
  writing: "Writing the results …",
  ended: "Opening …",
};

const result = new ResultView();
const recent = new Recent($("recent"), {
  open: (id) => { open(id).then(scrollUp); },
  removed: (id) => { if (id === current) leave(); },
  failed: tellTrouble,
});

let about = null; // what the service can do
let task = null; // what is under way: its AbortController
let current = null; // the id of the job that is open
let begun = 0; // when the job that is followed began to predict
let said = null; // what was last told of its progress

async function start() {
  try {
    const told = await askJson("/models");
    about = told.capabilities.segment;
    $("lock").hidden = true;
    for (const id of ["ask", "ruler"]) $(id).hidden = false;
    $("limits").textContent = `GeoTIFF, PNG or JPEG, up to ${size(about.limits.job_bytes)}`;
    $("choice").hidden = about.models.length < 2;
    $("model").replaceChildren(...about.models.map(({ name }) => new Option(name, name)));
    listExamples("segment", about.examples, tryExample);
    await recent.refresh();
    await followAddress();
  } catch (error) {
    tellTrouble(error);
  }
}

async function tryExample(name, button) {
  markExample(button);
  const mine = begin(name);
  try {
    const blob = await (await ask(exampleAddress("segment", name), { signal: mine.signal })).blob();
    const ending = { "image/png": ".png", "image/jpeg": ".jpg" }[blob.type] ?? ".tif";
    await submit(blob, `${name}${ending}`, mine, button.querySelector("img"));
  } catch (error) {
    fail(error, mine);
  }
}

async function take(file) {
  markExample(null);
  const mine = begin(file.name);
  try {
    if (file.size > about.limits.job_bytes) {
      throw new ServiceProblem(413, {
        title: "Too large",
        detail: `The file has ${size(file.size)}`,
        remedy: `At most ${size(about.limits.job_bytes)} are taken.`,
      });
    }
    await submit(file, file.name, mine);
  } catch (error) {
    fail(error, mine);
  }
}

async function submit(blob, name, mine, thumbnail = null) {
  const sketch = sketchOf(blob, thumbnail);
  const form = new FormData();
  form.append("model", $("model").value);
  for (const field of ["scale", "offset"]) {
    const value = $(`${field}-of-values`).value.trim();
    if (value) form.append(field, value);
  }
  form.append("image", blob, name);
  const job = await send("/jobs", form, {
    signal: mine.signal,
    progress: (share) => (share < 1
      ? showProgress("Uploading", share)
      : showProgress("Checking the image …", 0)),
  });
  keepName(job.id, name);
  if (task !== mine) return;
  const image = await sketch;
  if (task === mine && image) result.sketch(job.image, image);
  await followJob(job.id, mine);
}

/** A picture of an image before the service shows it, as far as the browser can make one. */
function sketchOf(blob, thumbnail) {
  const shown = /^image\/(png|jpeg)$/.test(blob.type) && blob.size <= LARGEST_SHOWN
    ? asStored(blob).then((stored) => createImageBitmap(stored))
    : thumbnail ? createImageBitmap(thumbnail) : Promise.resolve(null);
  return shown.catch(() => null);
}

async function followJob(id, mine) {
  current = id;
  said = null;
  begun = 0;
  if (location.hash !== `#job=${id}`) history.pushState(null, "", `#job=${id}`);
  recent.mark(id);
  recent.refresh().catch(() => {});
  const job = await follow(id, mine.signal, showJob);
  if (task !== mine) return;
  task = null;
  if (job.state === "done") await showResult(job).catch((error) => fallen(job, error));
  else if (job.state === "failed") fallen(job, new ServiceProblem(500, job.problem));
  else leave();
  recent.refresh().catch(() => {});
}

/** Open a job of the list, or of the address. */
async function open(id) {
  const mine = begin("");
  markExample(null);
  try {
    const job = await askJson(`/jobs/${id}`, { signal: mine.signal });
    $("busy-name").textContent = nameOf(job);
    await followJob(id, mine);
  } catch (error) {
    fail(error, mine);
  }
}

async function followAddress() {
  const [, id] = /^#job=([0-9a-f]{16})$/.exec(location.hash) ?? [];
  if (id && id !== current) await open(id);
  else if (!id && current) leave();
}

function begin(name) {
  task?.abort();
  task = new AbortController();
  clear();
  $("answer").hidden = $("busy").hidden = false;
  $("busy-name").textContent = name;
  showProgress("Loading …", 0);
  say(`Mapping ${name}.`);
  scrollUp();
  return task;
}

function clear() {
  current = null;
  result.close();
  recent.mark(null);
  document.body.classList.remove("shown");
  for (const id of ["answer", "busy", "trouble", "found", "tools"]) $(id).hidden = true;
}

/** Go back to where nothing is open. */
function leave() {
  task?.abort();
  task = null;
  clear();
  markExample(null);
  document.body.classList.add("empty");
  if (location.hash) history.pushState(null, "", location.pathname);
}

function fail(error, mine) {
  if (mine !== task) return; // cancelled, or overtaken by another
  leave();
  tellFault(error);
}

/** Tell what is wrong with an image; where its values need a scale, show where to type it. */
function tellFault(error) {
  if (error instanceof ServiceProblem && /-scale$/.test(error.document.type)) {
    $("values").open = true;
  }
  tellTrouble(error);
}

/** Tell why a job has nothing to show. */
function fallen({ id }, error) {
  if (id !== current) return; // another is open meanwhile
  clear();
  current = id;
  document.body.classList.add("empty");
  tellFault(error);
  recent.mark(id);
}

function showJob(job) {
  const left = job.stage === "predicting" ? timeLeft(job.progress) : "";
  const words = STAGES[job.stage] ?? "";
  showProgress(words, job.progress, left);
  result.frame(job.image);
  const step = `${job.stage} ${Math.floor((100 * job.progress) / SAID_EACH)}`;
  if (step !== said && !isOver(job)) {
    said = step;
    say(job.stage === "predicting" ? `${Math.round(100 * job.progress)} % mapped.` : words);
  }
}

function showProgress(words, share, beside = "") {
  const percent = Math.round(100 * share);
  const bar = $("bar-of-progress");
  $("busy").classList.toggle("unmeasured", share === 0);
  bar.querySelector("i").style.width = `${percent}%`;
  if (share) bar.setAttribute("aria-valuenow", String(percent));
  else bar.removeAttribute("aria-valuenow");
  $("stage").textContent = words.endsWith("…") ? words : `${words} · ${percent} %${beside}`;
}

/** How long it will take, once that can be told. */
function timeLeft(progress) {
  const now = performance.now() / 1000;
  begun ||= now - 0.001;
  const spent = now - begun;
  if (spent < 4 || progress < 0.05) return "";
  return ` · about ${span((spent * (1 - progress)) / progress)} left`;
}

async function showResult(job) {
  const model = about.models.find(({ name }) => name === job.model);
  if (!model) {
    throw new Error(`The model ${job.model} is no longer here, so its result cannot be shown.`);
  }
  document.body.classList.remove("empty");
  document.body.classList.add("shown");
  $("busy").hidden = true;
  $("answer").hidden = $("found").hidden = $("tools").hidden = false;
  await result.open(job, model, nameOf(job));
}

function scrollUp() {
  $("panel").scrollTo({ top: 0 });
  if (!narrow.matches) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  window.scrollTo({ top: 0, behavior: calm ? "auto" : "smooth" });
}

async function cancel() {
  const id = current;
  leave();
  $("file").focus();
  say("Cancelled.");
  if (!id) return;
  try {
    await remove(id);
    await recent.refresh();
  } catch (error) {
    tellTrouble(error);
  }
}

function listen() {
  listenForFiles(() => about, take);
  listenToLock(() => {
    clear();
    start();
  });
  listenToMap(result.viewer);
  $("cancel").addEventListener("click", cancel);
  addEventListener("popstate", followAddress);
}

result.viewer.margin = margins();
listen();
start();
