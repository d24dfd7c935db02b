"""The maps of a data set as one self-contained page that works offline."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from nadir.config.classes import ClassTable
from nadir.report.maps import TRUTH, Judged, SceneLayers
from nadir.report.maps_advice import Advice, advice_of
from nadir.report.maps_look import SCRIPT, STYLE
from nadir.report.page import definitions, page, sortable_table

_OVERVIEW = (
    ("mIoU", "mean intersection over union of the classes that occur on held-out ground"),
    ("accuracy", "share of held-out pixels mapped right"),
    ("boundary IoU", "IoU of the bands along borders (Cheng et al. 2021), mean of classes"),
    ("ECE as given", "mean gap between confidence and accuracy (Guo et al. 2017)"),
    ("ECE", "the same after calibration on validation ground"),
    ("Brier", "squared distance of calibrated probabilities to the truth, 0 to 2"),
    ("coverage", "share of held-out pixels whose class set holds the truth; promised in brackets"),
    ("set size", "classes in a set, on average"),
)


def maps_page(
    dataset: str, judged: Sequence[Judged], scenes: Sequence[SceneLayers], classes: ClassTable
) -> str:
    """Return the page.

    Args:
        dataset: Name of the data set.
        judged: The experiments, the best first.
        scenes: Pictures of the scenes.
        classes: The class table.
    """
    first = judged[0].facts
    parts = [
        f"<style>\n{STYLE}\n</style>",
        f'<p class="lead">{len(judged)} experiment{_s(judged)} on {escape(dataset)}, judged on '
        f"{first['blocks']} blocks of {first['block']} px of the {escape(first['split'])} ground, "
        f"{first['scores']['pixels']:,} labelled pixels. Press a column's heading to sort by "
        "it.</p>",
        *_fitted_here(first),
        *_overview(judged),
        "<h2>Maps</h2>",
        "<p>Drag over the picture, or move the slider, to swipe from the left layer to the right "
        "one. Outlined ground was held out: only there do scores say what to expect elsewhere.</p>",
        *_legend(classes, judged),
    ]
    for scene in scenes:
        parts += _swipe(scene, classes, judged)
    for number, one in enumerate(judged, start=2):
        parts += _experiment(one, scenes, classes, number)
    terms = [
        ("user's accuracy", "share of the mapped class that is right (precision)"),
        ("producer's accuracy", "share of the true class that is mapped so (recall)"),
        ("set coverage", "share of the class's pixels whose class set holds it"),
        ("area", "estimate with its interval, from held-out ground (Olofsson et al. 2014)"),
    ]
    parts += definitions([*_OVERVIEW, *terms])
    ready = "document.addEventListener('DOMContentLoaded', () => {"
    parts.append(f"<script>\n{ready}\n{SCRIPT}\n}});\n</script>")
    return page(f"Maps of {dataset}", parts)


def _fitted_here(facts: dict[str, Any]) -> list[str]:
    """Return a warning where there is no test ground."""
    if not facts["fitted_here"]:
        return []
    return [
        '<p class="off">There is no test ground. These figures are of the validation ground, which '
        "the training was watched on and to which confidence and class sets were fitted: they "
        "flatter.</p>"
    ]


def _s(items: Sequence[Any]) -> str:
    return "" if len(items) == 1 else "s"


def _overview(judged: Sequence[Judged]) -> list[str]:
    """Return the table of all experiments."""
    rows = []
    for one in judged:
        facts, found = one.facts, one.facts["probability"]
        sets = found["sets"]
        held = f"{sets['coverage']:.3f} ({sets['promised']:g})"
        off = abs(sets["coverage"] - sets["promised"]) > 0.02
        rows += [
            "<tr>",
            f'<th scope="row"><a href="#{escape(one.name)}">{escape(one.name)}</a></th>',
            _cell(facts["scores"]["miou"]),
            _cell(facts["scores"]["accuracy"]),
            _cell(facts["boundary"]["miou"]),
            _cell(found["before"]["ece"]),
            _cell(found["after"]["ece"]),
            _cell(found["after"]["brier"]),
            f'<td class="number{" off" if off else ""}" data-value="{sets["coverage"]:.6f}">'
            f"{held}</td>",
            _cell(sets["size"], digits=2),
            "</tr>",
        ]
    heads = [("text", "experiment"), *(("number", name) for name, _ in _OVERVIEW)]
    return sortable_table("Held-out ground, all scenes together.", heads, rows, 1)


def _cell(value: float | None, digits: int = 3, shaded: bool = False, text: str = "") -> str:
    """Return one number; shaded cells are the greener the better."""
    if value is None:
        return '<td class="number" data-value="">–</td>'
    style = ""
    if shaded:
        share = min(max(value, 0.0), 1.0)
        red, green, blue = (round(255 - share * drop) for drop in (150, 45, 130))
        style = f' style="background-color: #{red:02x}{green:02x}{blue:02x}"'
    shown = text or f"{value:.{digits}f}"
    return f'<td class="number" data-value="{value:.6f}"{style}>{shown}</td>'


def _legend(classes: ClassTable, judged: Sequence[Judged]) -> list[str]:
    """Return the chips of the classes that occur."""
    seen = set()
    for one in judged:
        there = one.facts["scores"]["class"]
        for number, pair in enumerate(zip(there["truth"], there["predicted"], strict=True)):
            if any(pair):
                seen.add(number + 1)
    return [
        '<ul class="legend">',
        *(
            f"<li>{_chip(classes.colors[number])}{escape(classes.names[number])}</li>"
            for number in sorted(seen)
        ),
        "</ul>",
    ]


def _chip(color: str) -> str:
    return f'<span class="chip" style="background: {color}"></span>'


def _swipe(scene: SceneLayers, classes: ClassTable, judged: Sequence[Judged]) -> list[str]:
    """Return the swipe of one scene."""
    names = {
        ",".join(str(int(color[at : at + 2], 16)) for at in (1, 3, 5)): name
        for name, color in zip(classes.names[1:], classes.colors[1:], strict=True)
    }
    best = next(one.name for one in judged if one.name in scene.layers)
    height, width = scene.view.shape

    def options(chosen: str) -> str:
        return "".join(
            f'<option value="{escape(key)}"{" selected" if key == chosen else ""}>'
            f"{escape(key.replace('_', ' '))}</option>"
            for key in scene.layers
        )

    outline = ""
    if scene.held_out:
        paths = "".join(f'<path{extra} d="{scene.held_out}"/>' for extra in (' class="halo"', ""))
        outline = (
            f'<svg class="held" viewBox="0 0 {width} {height}" preserveAspectRatio="none" '
            f'aria-hidden="true">{paths}</svg>'
        )
    part = "" if scene.view.whole else ", its most varied part"
    return [
        f"<section><h3>{escape(scene.name)}{part}</h3>",
        '<div class="tools">',
        f"<label>left <select>{options(TRUTH)}</select></label>",
        '<input type="range" min="0" max="100" step="0.1" value="50" '
        f'aria-label="How much of the left layer of {escape(scene.name)} is shown">',
        f"<label>right <select>{options(best)}</select></label>",
        "</div>",
        f'<div class="swipe" id="swipe-{escape(scene.name)}" '
        f"data-names='{escape(json.dumps(names, sort_keys=True), quote=True)}'>",
        '<img class="below" alt="" draggable="false">',
        '<img class="over" alt="" draggable="false">',
        outline,
        '<div class="bar"></div>',
        "</div>",
        '<p class="reading" aria-live="off"></p>',
        "<template>",
        *(
            f'<img data-layer="{escape(key)}" src="{address}" alt="">'
            for key, address in scene.layers.items()
        ),
        "</template></section>",
    ]


def _experiment(
    one: Judged, scenes: Sequence[SceneLayers], classes: ClassTable, number: int
) -> list[str]:
    """Return the section of one experiment: what to do next, classes, pictures."""
    parts = [f'<h2 id="{escape(one.name)}">{escape(one.name.replace("_", " "))}</h2>']
    found = advice_of(one.facts)
    if found:
        parts += ["<h3>What to do next</h3>", '<ol class="next">']
        parts += [f"<li>{_prose(item.text)}{_button(item, one, scenes)}</li>" for item in found]
        parts.append("</ol>")
    parts += _classes(one, classes, number)
    for caption, address in one.figures.items():
        parts.append(
            f"<details><summary>{escape(caption)}</summary>"
            f'<img loading="lazy" src="{address}" alt="{escape(caption)} of {escape(one.name)}">'
            "</details>"
        )
    return parts


def _prose(text: str) -> str:
    """Return a sentence as HTML, what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _button(item: Advice, one: Judged, scenes: Sequence[SceneLayers]) -> str:
    """Return a button that shows where something is, if a picture holds the place."""
    place = item.place
    scene = next((s for s in scenes if place and s.name == place["scene"]), None)
    if place is None or scene is None or one.name not in scene.layers:
        return ""
    view = scene.view
    box = [
        100 * (place["y"] - view.y) / view.height,
        100 * (place["x"] - view.x) / view.width,
        100 * place["size"] / view.height,
        100 * place["size"] / view.width,
    ]
    if min(box[:2]) < 0 or box[0] + box[2] > 101 or box[1] + box[3] > 101:
        return ""
    shown = json.dumps([round(value, 2) for value in box])
    return (
        f' <button type="button" data-scene="{escape(scene.name)}" '
        f'data-layer="{escape(one.name)}" data-box="{shown}">show where</button>'
    )


def _classes(one: Judged, classes: ClassTable, number: int) -> list[str]:
    """Return the table of classes of one experiment."""
    facts = one.facts
    scores = facts["scores"]["class"]
    sets = facts["probability"]["sets"]["class_coverage"]
    areas = facts["areas"]
    heads = [("text", "class"), ("number", "true pixels")]
    heads += [
        ("number", name)
        for name in ("IoU", "user's accuracy", "producer's accuracy", "boundary IoU")
    ]
    heads.append(("number", "set coverage"))
    for scene, found in areas.items():
        where = f" of {scene}" if len(areas) > 1 else ""
        heads += [
            ("number", f"mapped{where} ({found['unit']})"),
            ("number", f"area{where} ({found['unit']})"),
        ]
    rows = []
    for at, name in enumerate(facts["classes"]):
        if not (scores["truth"][at] or scores["predicted"][at]):
            continue
        cells = [
            f'<th scope="row">{_chip(classes.colors[at + 1])}{escape(name)}</th>',
            _cell(scores["truth"][at], text=f"{scores['truth'][at]:,}"),
            *(_cell(scores[key][at], shaded=True) for key in ("iou", "precision", "recall")),
            _cell(facts["boundary"]["iou"][at], shaded=True),
            _cell(sets[at]),
        ]
        for found in areas.values():
            cells += _area_cells(found["classes"][name])
        rows += ["<tr>", *cells, "</tr>"]
    caption = f"{one.name}: classes on held-out ground; areas of whole scenes."
    return sortable_table(caption, heads, rows, number)


def _area_cells(row: dict[str, Any]) -> list[str]:
    """Return what the map counts, and the estimate with its interval."""
    if row["low"] is None or row["high"] is None:
        return [_cell(row["mapped"], 1), _cell(None)]
    inside = row["low"] <= row["mapped"] <= row["high"]
    mark = "" if inside else " off"
    return [
        f'<td class="number{mark}" data-value="{row["mapped"]:.6f}">{row["mapped"]:,.1f}</td>',
        f'<td class="number" data-value="{row["area"]:.6f}">{row["area"]:,.1f}<br>'
        f'<small style="white-space: nowrap">{row["low"]:,.1f}–{row["high"]:,.1f}</small></td>',
    ]
