// How images come into a page: chosen, dropped anywhere, pasted, or from the examples.

import { ask } from "./service.js";
import { $ } from "./page.js";

/** Hand files to `take` while `ready()`. */
export function listenForFiles(ready, take) {
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
    if (file && ready()) take(file);
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file && ready()) take(file);
  });
}

/** Where an example is. */
export function exampleAddress(capability, name) {
  return `/${capability}/examples/${encodeURIComponent(name)}`;
}

/** List the examples of a capability; `choose(name, button)` is told which is wanted. */
export async function listExamples(capability, names, choose) {
  $("examples").hidden = !names.length;
  const items = names.map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-label", `Example ${name}`);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => choose(name, button));
    const item = document.createElement("li");
    item.append(button);
    return { item, button, address: `${exampleAddress(capability, name)}/thumbnail.png` };
  });
  $("thumbnails").replaceChildren(...items.map(({ item }) => item));
  for (const { button, address } of items) await fill(button, address);
}

/** Put a picture of the service into an element: through `ask`, since it may need the key. */
export async function fill(element, address) {
  const image = new Image();
  image.alt = "";
  try {
    image.src = URL.createObjectURL(await (await ask(address)).blob());
    element.replaceChildren(image);
  } catch {
    element.textContent = "?";
  }
}

/** Show which example was taken; null for none. */
export function markExample(button) {
  for (const other of $("thumbnails").querySelectorAll("button")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
}
