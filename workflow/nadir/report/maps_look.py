"""Look and behavior of the page of maps: the swipe, chips of classes, marks of places."""

from __future__ import annotations

STYLE = """
.lead { color: #52606d; }
.swipe { position: relative; max-width: 60rem; margin: 0.5rem 0; user-select: none;
  border: 1px solid #cbd2d9; background: #f3f5f7; overflow: hidden; touch-action: pan-y; }
.swipe img { display: block; width: 100%; image-rendering: pixelated; }
.swipe .over { position: absolute; inset: 0; }
.swipe .bar { position: absolute; top: 0; bottom: 0; width: 3px; margin-left: -1px;
  background: #ffffff; box-shadow: 0 0 0 1px #1f2933; pointer-events: none; }
.swipe .bar::after { content: "\\2194"; position: absolute; top: 50%; left: -0.75rem;
  width: 1.6rem; height: 1.6rem; line-height: 1.6rem; text-align: center; background: #ffffff;
  border: 1px solid #1f2933; border-radius: 50%; }
.swipe .mark { position: absolute; border: 3px solid #d6336c; box-shadow: 0 0 0 1px #ffffff,
  inset 0 0 0 1px #ffffff; pointer-events: none; }
.swipe .held { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.swipe .held path { fill: none; stroke: #1f2933; stroke-width: 1.5;
  vector-effect: non-scaling-stroke; }
.swipe .held path.halo { stroke: #ffffff; stroke-width: 3.5; }
.swipe .spot { position: absolute; min-width: 1.1rem; min-height: 1.1rem; padding: 0;
  border: 2px solid #d6336c; outline: 1px solid #ffffff; background: none; color: #1f2933;
  font: inherit; font-size: 0.8rem; font-weight: 600; line-height: 1; cursor: pointer;
  text-shadow: 0 0 2px #ffffff, 0 0 3px #ffffff, 0 0 4px #ffffff, 0 0 5px #ffffff; }
.swipe .spot:hover { background: #ffffff99; }
.swipe .gone { display: none; }
.place { color: #52606d; font-size: 0.9rem; }
.tools { display: flex; flex-wrap: wrap; gap: 0.4rem 1.2rem; align-items: center;
  max-width: 60rem; }
.tools label { font-weight: 600; } .tools select, .tools input { font: inherit; }
.tools input[type=range] { flex: 1 1 14rem; }
.reading { min-height: 1.5em; font-variant-numeric: tabular-nums; }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; padding: 0; list-style: none;
  max-width: 60rem; font-size: 0.87rem; }
.chip { display: inline-block; width: 0.9em; height: 0.9em; border: 1px solid #00000040;
  border-radius: 2px; margin-right: 0.4em; vertical-align: -0.08em; }
ol.next { max-width: 60rem; } ol.next li { margin: 0.45rem 0; }
button.go { font: inherit; font-size: 0.85rem; cursor: pointer; border: 1px solid #9aa5b1;
  background: #ffffff; border-radius: 4px; padding: 0 0.5rem; margin-left: 0.3rem; }
button.go:hover { background: #e4e7eb; }
button.go:focus-visible, .spot:focus-visible, summary:focus-visible { outline: 3px solid #1f6feb; }
details { max-width: 75rem; margin: 0.6rem 0; } summary { cursor: pointer; font-weight: 600; }
details img { max-width: 100%; }
.off { color: #b54708; font-weight: 600; }
""".strip()
"""Added to the style of all pages of comparison."""

SCRIPT = """
const unmark = (swipe) => swipe.querySelectorAll(".mark").forEach((mark) => mark.remove());
for (const swipe of document.querySelectorAll(".swipe")) {
  const tools = swipe.previousElementSibling, reading = swipe.nextElementSibling;
  const [left, right, shown] = tools.querySelectorAll("select");
  const slider = tools.querySelector("input");
  const below = swipe.querySelector(".below"), over = swipe.querySelector(".over");
  const bar = swipe.querySelector(".bar"), names = JSON.parse(swipe.dataset.names);
  const sources = new Map();
  for (const image of swipe.parentElement.querySelector("template").content.querySelectorAll("img"))
    sources.set(`${image.dataset.view} ${image.dataset.layer}`, image.src);
  const canvases = {};
  const draw = (key, src) => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
      canvas.getContext("2d", {willReadFrequently: true}).drawImage(image, 0, 0);
      canvases[key] = canvas;
    };
    image.src = src;
  };
  const place = () => {
    over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    bar.style.left = `${slider.value}%`;
  };
  const choose = () => {
    const view = shown?.value ?? "0";
    over.src = sources.get(`${view} ${left.value}`);
    below.src = sources.get(`${view} ${right.value}`);
    for (const drawn of swipe.querySelectorAll("[data-view]"))
      drawn.classList.toggle("gone", drawn.dataset.view !== view);
    over.alt = left.selectedOptions[0].text; below.alt = right.selectedOptions[0].text;
    draw("left", over.src); draw("right", below.src);
  };
  const pixel = (key, event) => {
    const canvas = canvases[key], box = swipe.getBoundingClientRect();
    if (!canvas) return "";
    const x = Math.floor((event.clientX - box.left) / box.width * canvas.width);
    const y = Math.floor((event.clientY - box.top) / box.height * canvas.height);
    if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) return "";
    const [r, g, b] = canvas.getContext("2d").getImageData(x, y, 1, 1).data;
    return names[[r, g, b].join()] ?? "";
  };
  const move = (event) => {
    const box = swipe.getBoundingClientRect();
    if (event.buttons) {
      slider.value = Math.min(100, Math.max(0, 100 * (event.clientX - box.left) / box.width));
      place();
    }
    const one = pixel("left", event), other = pixel("right", event);
    const text = (select, name) => name ? `${select.selectedOptions[0].text}: ${name}` : "";
    reading.textContent = [text(left, one), text(right, other)].filter(Boolean).join("  \\u00b7  ");
  };
  swipe.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".spot")) { event.preventDefault(); move(event); }
  });
  swipe.addEventListener("pointermove", move);
  slider.addEventListener("input", place);
  left.addEventListener("change", choose);
  right.addEventListener("change", choose);
  shown?.addEventListener("change", () => { unmark(swipe); choose(); });
  for (const spot of swipe.querySelectorAll(".spot"))
    spot.addEventListener("click", () => {
      shown.value = spot.dataset.part;
      shown.dispatchEvent(new Event("change"));
    });
  choose(); place();
}
for (const button of document.querySelectorAll("button[data-scene]")) {
  button.addEventListener("click", () => {
    const swipe = document.getElementById(`swipe-${button.dataset.scene}`);
    if (!swipe) return;
    const [, right, shown] = swipe.previousElementSibling.querySelectorAll("select");
    right.value = button.dataset.layer;
    if (shown) shown.value = button.dataset.part;
    right.dispatchEvent(new Event("change"));
    unmark(swipe);
    const mark = document.createElement("div");
    mark.className = "mark";
    const [top, first, height, width] = JSON.parse(button.dataset.box);
    Object.assign(mark.style, {top: `${top}%`, left: `${first}%`, height: `${height}%`,
      width: `${width}%`});
    swipe.append(mark);
    swipe.scrollIntoView({block: "center", behavior: "smooth"});
  });
}
""".strip()
"""Runs after the script that sorts tables."""
