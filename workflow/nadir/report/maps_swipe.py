"""The swipe of a scene on the page of maps, and the buttons that show a place in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from nadir.config.classes import ClassTable
from nadir.report.maps import TRUTH, Judged, SceneLayers
from nadir.report.maps_places import Box, box_of, rows_and_columns
from nadir.segmentation.view import WHOLE, View


def swipe(scene: SceneLayers, classes: ClassTable, judged: Sequence[Judged]) -> list[str]:
    """Return the swipe of one scene.

    Args:
        scene: Its pictures.
        classes: The class table.
        judged: The experiments, the best first.
    """
    names = {
        ",".join(str(int(color[at : at + 2], 16)) for at in (1, 3, 5)): name
        for name, color in zip(classes.names[1:], classes.colors[1:], strict=True)
    }
    best = next(one.name for one in judged if one.name in scene.layers)
    views = (scene, *scene.parts)

    def options(chosen: str) -> str:
        return "".join(
            f'<option value="{escape(key)}"{" selected" if key == chosen else ""}>'
            f"{escape(key.replace('_', ' '))}</option>"
            for key in scene.layers
        )

    return [
        f"<section><h3>{escape(scene.name)}{_scale(scene)}</h3>",
        '<div class="tools">',
        f"<label>left <select>{options(TRUTH)}</select></label>",
        '<input type="range" min="0" max="100" step="0.1" value="50" '
        f'aria-label="How much of the left layer of {escape(scene.name)} is shown">',
        f"<label>right <select>{options(best)}</select></label>",
        *_choice(scene),
        "</div>",
        f'<div class="swipe" id="swipe-{escape(scene.name)}" '
        f"data-names='{escape(json.dumps(names, sort_keys=True), quote=True)}'>",
        '<img class="below" alt="" draggable="false">',
        '<img class="over" alt="" draggable="false">',
        *(_outline(view, number) for number, view in enumerate(views)),
        *_spots(scene),
        '<div class="bar"></div>',
        "</div>",
        '<p class="reading" aria-live="off"></p>',
        "<template>",
        *(
            f'<img data-layer="{escape(key)}" data-view="{number}" src="{address}" alt="">'
            for number, view in enumerate(views)
            for key, address in view.layers.items()
        ),
        "</template></section>",
    ]


def _scale(scene: SceneLayers) -> str:
    """Return what the heading says of a large scene: its size, and how it is thinned."""
    view = scene.view
    if max(view.height, view.width) <= WHOLE:
        return ""
    return (
        f" <small>{view.height:,} × {view.width:,} px; as a whole, a picture pixel is "
        f"{view.step} × {view.step} px</small>"
    )


def _choice(scene: SceneLayers) -> list[str]:
    """Return what chooses between a large scene and its parts."""
    if not scene.parts:
        return []
    names = ["the whole scene"]
    for number, part in enumerate(scene.parts, start=1):
        names.append(f"{number}: {rows_and_columns(_window(part.view))}")
    options = "".join(f'<option value="{key}">{name}</option>' for key, name in enumerate(names))
    return [f"<label>shown <select>{options}</select></label>"]


def _outline(scene: SceneLayers, number: int) -> str:
    """Return the outline of held-out ground in a view."""
    if not scene.held_out:
        return ""
    height, width = scene.view.shape
    paths = "".join(f'<path{extra} d="{scene.held_out}"/>' for extra in (' class="halo"', ""))
    return (
        f'<svg class="held" data-view="{number}" viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none" aria-hidden="true">{paths}</svg>'
    )


def _spots(scene: SceneLayers) -> list[str]:
    """Return the buttons in a large scene that show its parts."""
    lines = []
    for number, part in enumerate(scene.parts, start=1):
        top, left, height, width = _percent(_window(part.view), scene.view)
        lines.append(
            f'<button type="button" class="spot" data-view="0" data-part="{number}" '
            f'aria-label="Show part {number}" style="top: {top}%; left: {left}%; '
            f'height: {height}%; width: {width}%">{number}</button>'
        )
    return lines


def place_button(place: Mapping[str, Any], layer: str, scenes: Sequence[SceneLayers]) -> str:
    """Return a button that shows a block: in a part that holds it, or else in the whole scene.

    Args:
        place: The block.
        layer: Experiment whose map is shown.
        scenes: Pictures of the scenes.

    Returns:
        "" where the page shows no such map.
    """
    scene = next((scene for scene in scenes if scene.name == place["scene"]), None)
    if scene is None or layer not in scene.layers:
        return ""
    box = box_of(place, (scene.view.height, scene.view.width))
    held = (n for n, part in enumerate(scene.parts, start=1) if part.view.holds(box))
    number = next(held, 0)
    view = scene.parts[number - 1].view if number else scene.view
    return (
        f' <button type="button" class="go" data-scene="{escape(scene.name)}" '
        f'data-layer="{escape(layer)}" data-part="{number}" '
        f'data-box="{json.dumps(_percent(box, view))}">show where</button>'
    )


def _window(view: View) -> Box:
    return view.y, view.x, view.height, view.width


def _percent(box: Box, view: View) -> list[float]:
    """Return top, left, height and width of a window in percent of a view's picture."""
    rows, columns = (length * view.step for length in view.shape)
    y, x, height, width = box
    shares = ((y - view.y) / rows, (x - view.x) / columns, height / rows, width / columns)
    return [round(100 * share, 3) for share in shares]
