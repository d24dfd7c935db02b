"""Places that the page of maps names: which they are, where they lie, and what is shown of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import pyproj
from pyproj.exceptions import CRSError, ProjError

from nadir.raster.grid import Grid
from nadir.raster.metric import transformer
from nadir.report.maps_advice import advice_of
from nadir.segmentation.view import WHOLE, View

Box = tuple[int, int, int, int]
"""First row, first column, rows and columns of a window."""


def named_places(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the blocks that the page names of a `quality.json`: its advice's, then the worst."""
    advised = [item.place for item in advice_of(dict(facts)) if item.place]
    return [*advised, *facts["worst"]]


def scenes_to_show(
    scenes: Iterable[str], judged: Sequence[Mapping[str, Any]], most: int
) -> list[str]:
    """Choose scenes: held-out ground first, then where more of the named places lie, then by name.

    Args:
        scenes: Their names.
        judged: Content of the `quality.json` of each experiment.
        most: How many to choose at most.

    Returns:
        The chosen ones, by name.
    """
    held = {place["scene"] for facts in judged for place in facts["places"]}
    named = Counter(place["scene"] for facts in judged for place in named_places(facts))
    return sorted(sorted(scenes, key=lambda name: (name not in held, -named[name], name))[:most])


def parts_to_show(
    scene: str, shape: tuple[int, int], judged: Sequence[Mapping[str, Any]], most: int
) -> list[View]:
    """Choose the parts of a large scene that are shown pixel by pixel: where the page sends people.

    The first places of each experiment come before the second ones, and so on. A part serves all
    places that lie in it.

    Args:
        scene: Its name.
        shape: Its rows and columns.
        judged: Content of the `quality.json` of each experiment, the best first.
        most: How many to choose at most.

    Returns:
        The parts; none of a scene that is small enough to be shown whole.
    """
    if max(shape) <= WHOLE:
        return []
    parts: list[View] = []
    for place in _in_turn(scene, judged):
        box = box_of(place, shape)
        if len(parts) < most and not any(part.holds(box) for part in parts):
            parts.append(View.around(box, shape))
    return parts


def _in_turn(scene: str, judged: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the named places of a scene, an experiment after the other, over and over."""
    named = [[p for p in named_places(facts) if p["scene"] == scene] for facts in judged]
    return (place for place in chain.from_iterable(zip_longest(*named)) if place)


def box_of(place: Mapping[str, Any], shape: tuple[int, int]) -> Box:
    """Return the window of a block; what lies beyond its scene is cut off."""
    y, x, size = place["y"], place["x"], place["size"]
    return y, x, max(min(size, shape[0] - y), 1), max(min(size, shape[1] - x), 1)


def rows_and_columns(box: Box) -> str:
    """Return the first and last row and column of a window, in words."""
    y, x, height, width = box
    return f"rows {y}–{y + height - 1}, columns {x}–{x + width - 1}"


def where(place: Mapping[str, Any], grid: Grid) -> str:
    """Return where a block lies: scene, rows and columns, and its center in the scene's CRS.

    Longitude and latitude are added where the CRS has a place on the Earth.
    """
    box = box_of(place, grid.shape)
    said = f"{place['scene']}, {rows_and_columns(box)}"
    at = ", ".join(center_of(box, grid))
    return f"{said}; center {at}" if at else said


def center_of(box: Box, grid: Grid) -> list[str]:
    """Return the center of a window in the CRS of its grid, and in longitude and latitude.

    Args:
        box: The window.
        grid: Grid of the scene.

    Returns:
        Texts; none for a grid without CRS, the first alone for one without a place on the Earth,
        the last alone for degrees on WGS 84.
    """
    if not grid.crs:
        return []
    y, x, height, width = box
    easting, northing = grid.affine @ (x + width / 2, y + height / 2)
    try:
        system = pyproj.CRS.from_user_input(grid.crs)
        longitude, latitude = transformer(grid.crs, "EPSG:4326").transform(easting, northing)
    except CRSError:  # a text that PROJ does not know
        return [f"{easting:.10g} / {northing:.10g}"]
    except ProjError:  # a local system
        longitude = latitude = np.inf
    name = grid.crs if grid.crs.startswith("EPSG:") else system.name
    digits = 6 if system.is_geographic else 1 if max(grid.resolution) < 10 else 0
    found = [f"{easting:.{digits}f} / {northing:.{digits}f} ({name})"]
    if np.isfinite(longitude) and np.isfinite(latitude):
        north, east = "S" if latitude < 0 else "N", "W" if longitude < 0 else "E"
        degrees = f"{abs(latitude):.5f}° {north} {abs(longitude):.5f}° {east}"
        found = [degrees] if grid.crs == "EPSG:4326" else [*found, degrees]
    return found
