// The list of what the service can do.

import { askJson, explain } from "./service.js";

const list = document.getElementById("list");

function entry(text, detail, address) {
  const item = document.createElement("li");
  const link = document.createElement(address ? "a" : "div");
  if (address) link.href = address;
  const title = document.createElement("h2");
  title.textContent = text;
  const small = document.createElement("small");
  small.textContent = detail;
  link.append(title, small);
  item.append(link);
  list.append(item);
}

try {
  const { capabilities } = await askJson("/models");
  for (const [name, about] of Object.entries(capabilities)) {
    entry(about.title, `/${name}`, about.page ? `/${name}` : null);
  }
  if (!list.children.length) entry("Nothing yet", "The service was started without any model.");
} catch (error) {
  const { title, detail } = explain(error);
  entry(title, detail);
}
