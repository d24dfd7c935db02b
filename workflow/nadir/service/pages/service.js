// Talking to the service: the key, problem documents, and coming back when it is busy.

const KEY = "nadir-key";

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
export async function ask(address, options = {}, tries = 3) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key ? { "X-API-Key": key } : {}) };
  const response = await fetch(address, { ...options, headers });
  if (response.ok) return response;
  if (response.status === 429 && tries > 0) {
    const wait = Math.min(Number(response.headers.get("Retry-After")) || 1, 20);
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, 1000 * wait);
      options.signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(options.signal.reason);
      });
    });
    return ask(address, options, tries - 1);
  }
  const plain = { title: `Error ${response.status}`, detail: response.statusText, remedy: "" };
  throw new ServiceProblem(response.status, await response.json().catch(() => plain));
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
