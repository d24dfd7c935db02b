"""The maps of a data set as one self-contained page that works offline."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from nadir.config.classes import ClassTable
from nadir.raster.grid import Grid
from nadir.report.maps import Judged, SceneLayers
from nadir.report.maps_advice import advice_of
from nadir.report.maps_look import SCRIPT, STYLE
from nadir.report.maps_places import where
from nadir.report.maps_swipe import place_button, swipe
from nadir.report.maps_tables import OVERVIEW, accuracy_table, chip, classes_table, overview_table
from nadir.report.page import definitions, page
from nadir.segmentation.view import WHOLE

_LARGE = (
    "<p>Of a large scene one picture pixel stands for many: for the classes their commonest one. "
    "Numbered squares are shown pixel by pixel; they lie where the text below points. Press one, "
    "or choose it.</p>",
)
_NAMES = 12
"""Scenes that are not shown and are still named."""


def maps_page(
    dataset: str,
    judged: Sequence[Judged],
    scenes: Sequence[SceneLayers],
    classes: ClassTable,
    grids: Mapping[str, Grid],
) -> str:
    """Return the page.

    Args:
        dataset: Name of the data set.
        judged: The experiments, the best first.
        scenes: Pictures of the scenes.
        classes: The class table.
        grids: Grids of all scenes, also of those that are not shown.
    """
    numbers = itertools.count(1)
    first = judged[0].facts
    parts = [
        f"<style>\n{STYLE}\n</style>",
        f'<p class="lead">{len(judged)} experiment{_s(judged)} on {escape(dataset)}, judged on '
        f"{first['blocks']} blocks of {first['block']} px of the {escape(first['split'])} ground, "
        f"{first['scores']['pixels']:,} labelled pixels. Press a column's heading to sort by "
        "it.</p>",
        *_fitted_here(first),
        *overview_table(judged, next(numbers)),
        "<h2>Maps</h2>",
        "<p>Drag over the picture, or move the slider, to swipe from the left layer to the right "
        "one. Outlined ground was held out: only there do scores say what to expect elsewhere.</p>",
        *(_LARGE if any(max(grids[scene.name].shape) > WHOLE for scene in scenes) else ()),
        *_not_shown(scenes, grids, judged),
        *_legend(classes, judged),
    ]
    for scene in scenes:
        parts += swipe(scene, classes, judged)
    for one in judged:
        parts += _experiment(one, scenes, classes, grids, numbers)
    terms = [
        ("user's accuracy", "share of the mapped class that is right (precision)"),
        ("producer's accuracy", "share of the true class that is mapped so (recall)"),
        ("set coverage", "share of the class's pixels whose class set holds it"),
        ("area", "estimate with its interval, from held-out ground (Olofsson et al. 2014)"),
    ]
    if any("accuracy" in areas for one in judged for areas in one.facts["areas"].values()):
        terms[-1] = (
            "area, sampled",
            "estimates from labelled pixels drawn in the whole scene, by the map's classes "
            "(Olofsson et al. 2014): areas with intervals, accuracies with standard errors",
        )
    parts += definitions([*OVERVIEW, *terms])
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
            f"<li>{chip(classes.colors[number])}{escape(classes.names[number])}</li>"
            for number in sorted(seen)
        ),
        "</ul>",
    ]


def _not_shown(
    scenes: Sequence[SceneLayers], every: Iterable[str], judged: Sequence[Judged]
) -> list[str]:
    """Return how many scenes are not shown, which, and why."""
    shown = {scene.name for scene in scenes}
    left = sorted(set(every) - shown)
    if not left:
        return []
    held = {place["scene"] for one in judged for place in one.facts["places"]}
    without = sum(name not in held for name in left)
    names = ", ".join(left[:_NAMES]) + (f" and {len(left) - _NAMES} more" if left[_NAMES:] else "")
    return [
        f"<p>{len(shown)} of {len(shown) + len(left)} scenes are shown, to keep this page small: "
        "first those with held-out ground, and of these the ones where most of what is named below "
        f"lies. Not shown: {escape(names)} ({without} of {len(left)} without held-out ground). All "
        "are in the figures; their places are given below in coordinates, for the maps "
        "<code>scenes/…/map.tif</code> of each experiment.</p>"
    ]


def _experiment(
    one: Judged,
    scenes: Sequence[SceneLayers],
    classes: ClassTable,
    grids: Mapping[str, Grid],
    numbers: Iterator[int],
) -> list[str]:
    """Return the section of one experiment: what to do next, classes, places, pictures."""
    parts = [f'<h2 id="{escape(one.name)}">{escape(one.name.replace("_", " "))}</h2>']
    found = advice_of(one.facts)
    if found:
        parts += ["<h3>What to do next</h3>", '<ol class="next">']
        for item in found:
            at = _where(item.place, one, scenes, grids) if item.place else ""
            parts.append(f"<li>{_prose(item.text)}{at}</li>")
        parts.append("</ol>")
    parts += classes_table(one, classes, next(numbers))
    parts += accuracy_table(one, classes, numbers)
    parts += _worst(one, scenes, grids)
    for caption, address in one.figures.items():
        parts.append(
            f"<details><summary>{escape(caption)}</summary>"
            f'<img loading="lazy" src="{address}" alt="{escape(caption)} of {escape(one.name)}">'
            "</details>"
        )
    return parts


def _worst(one: Judged, scenes: Sequence[SceneLayers], grids: Mapping[str, Grid]) -> list[str]:
    """Return the list of the worst blocks: how bad, and where."""
    if not one.facts["worst"]:
        return []
    names = one.facts["classes"]
    lines = ["<details><summary>Where the worst held-out blocks are</summary>", '<ol class="next">']
    for place in one.facts["worst"]:
        truth, predicted, pixels = place["error"]
        wrong = f", {names[truth - 1]} mapped as {names[predicted - 1]} most often" * bool(pixels)
        text = f"{100 * place['accuracy']:.0f} % right{wrong}."
        lines.append(f"<li>{escape(text)}{_where(place, one, scenes, grids)}</li>")
    return [*lines, "</ol></details>"]


def _where(
    place: Mapping[str, Any],
    one: Judged,
    scenes: Sequence[SceneLayers],
    grids: Mapping[str, Grid],
) -> str:
    """Return where a block lies, in words, with a button that shows it."""
    said = escape(where(place, grids[place["scene"]]))
    return f' <span class="place">{said}</span>{place_button(place, one.name, scenes)}'


def _prose(text: str) -> str:
    """Return a sentence as HTML, what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
