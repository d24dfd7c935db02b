// Talking to the service: the key, problem documents, and coming back when it is busy.

const KEY = "nadir-key";
const TRIES = 3;

/** A request that was answered with a problem document. */
export class ServiceProblem extends Error {
  constructor(status, document) {
    super(document.detail);
    this.status = status;
    this.document = document;
  }
}

/** Keep the service's key until the tab is closed. */
export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** Whether there is a key to send. */
export function hasKey() {
  return Boolean(sessionStorage.getItem(KEY));
}

/** Ask the service; busy answers are tried again a few times, as Retry-After says. */
export async function ask(address, options = {}, tries = TRIES) {
  const headers = { ...options.headers, ...keyHeader() };
  const response = await fetch(address, { ...options, headers });
  if (response.ok) return response;
  if (response.status === 429 && tries > 0) {
    await pause(patience(response.headers.get("Retry-After")), options.signal);
    return ask(address, options, tries - 1);
  }
  const said = await response.json().catch(() => plain(response.status, response.statusText));
  throw new ServiceProblem(response.status, said);
}

/**
 * Send a form and return the JSON that is answered.
 *
 * @param {{signal?: AbortSignal, progress?: (share: number) => void}} options What cancels it, and
 *     who is told how much of it has been sent, which `fetch` does not tell.
 */
export async function send(address, form, options = {}, tries = TRIES) {
  const request = await sent(address, form, options);
  if (request.status === 429 && tries > 0) {
    await pause(patience(request.getResponseHeader("Retry-After")), options.signal);
    return send(address, form, options, tries - 1);
  }
  if (request.status >= 200 && request.status < 300) return JSON.parse(request.responseText);
  let said = plain(request.status, request.statusText);
  try {
    said = JSON.parse(request.responseText);
  } catch {
    // Whoever stands between may answer in other words.
  }
  throw new ServiceProblem(request.status, said);
}

function sent(address, form, { signal, progress }) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    request.open("POST", address);
    for (const [name, value] of Object.entries(keyHeader())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) =>
      progress?.(event.lengthComputable ? event.loaded / event.total : 0));
    request.addEventListener("load", () => resolve(request));
    request.addEventListener("error", () => reject(new TypeError("no answer")));
    request.addEventListener("abort", () => reject(signal.reason));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

function keyHeader() {
  const key = sessionStorage.getItem(KEY);
  return key ? { "X-API-Key": key } : {};
}

function patience(retryAfter) {
  return Math.min(Number(retryAfter) || 1, 20);
}

function plain(status, words) {
  return { title: `Error ${status}`, detail: words || "The service gave no reason.", remedy: "" };
}

/** Wait for some seconds, unless cancelled. */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const give = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", give);
      resolve();
    }, 1000 * seconds);
    signal?.addEventListener("abort", give, { once: true });
  });
}

/** Ask for JSON. */
export async function askJson(address, options) {
  return (await ask(address, options)).json();
}

/** Put any error into words: a title, what is wrong, and what to do. */
export function explain(error) {
  if (error instanceof ServiceProblem) {
    const { title, detail, remedy } = error.document;
    return { title, detail: sentence(detail), remedy };
  }
  if (error instanceof TypeError) {
    return {
      title: "No answer",
      detail: "The service cannot be reached.",
      remedy: "Check that it runs, then try again.",
    };
  }
  return { title: "This did not work", detail: String(error.message ?? error), remedy: "" };
}

function sentence(text) {
  const full = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(full) ? full : `${full}.`;
}
