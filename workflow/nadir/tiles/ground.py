"""Tiles of several scenes on common ground: which scenes lie near each other, and in which plane.

Scenes that may share ground form a *place*. A place has a plane whose unit is a pixel of its
coarsest scene (x to the right, y down). Within one CRS and with rows along its axes, footprints in
the plane are exact boxes (whole numbers for a single scene); else they are polygons in a metric
projection, with edges densified before they are projected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from nadir.raster.grid import Grid, is_local, same_crs
from nadir.raster.metric import GEOD, metres_per_unit, transformer

SNAP = 1e-3
"""Coordinates closer than this many pixels are the same (as in `Grid.same_as`)."""

_EDGE_PARTS = 8  # a footprint's edge is cut into so many parts before it is projected


@dataclass(frozen=True)
class Place:
    """Scenes that may share ground, and the plane in which their tiles are compared.

    Attributes:
        name: "place1", "place2", ... in the order of the scenes.
        scenes: Names of its scenes.
        crs: CRS of the plane; "" where the Earth is unknown.
        origin: Coordinates of the plane's (0, 0) in `crs`.
        pixel: Units of `crs` per plane unit along x and y.
        metres: Metres on the ground per plane unit along x and y.
        boxes: Whether footprints are exact boxes in the plane.
    """

    name: str
    scenes: tuple[str, ...]
    crs: str
    origin: tuple[float, float]
    pixel: tuple[float, float]
    metres: tuple[float, float]
    boxes: bool


def places(grids: Mapping[str, Grid], reach: float = 0.0) -> list[Place]:
    """Group scenes that may share ground.

    Args:
        grids: Scene -> grid. A scene without a CRS (or a local one) is a place of its own.
        reach: Scenes whose bounds come closer than this many pixels are in one place, too.

    Returns:
        The places, in the order of their first scenes.
    """
    names = list(grids)
    group = list(range(len(names)))
    for i, one in enumerate(names):
        for j in range(i):
            if group[i] != group[j] and _near(grids[one], grids[names[j]], reach):
                old, new = max(group[i], group[j]), min(group[i], group[j])
                group = [new if number == old else number for number in group]
    members = [
        [name for name, number in zip(names, group, strict=True) if number == chosen]
        for chosen in sorted(set(group))
    ]
    return [
        _place(f"place{number}", scenes, [grids[name] for name in scenes])
        for number, scenes in enumerate(members, start=1)
    ]


def _near(one: Grid, other: Grid, reach: float) -> bool:
    """Whether the bounds of two grids come closer than `reach` pixels (or touch, for 0)."""
    if is_local(one.crs) or is_local(other.crs):
        return False
    crs = one.crs if same_crs(one.crs, other.crs) else "EPSG:4326"
    boxes = []
    for grid in (one, other):
        margin = int(np.ceil(reach)) + 1
        padded = grid.window(-margin, -margin, grid.height + 2 * margin, grid.width + 2 * margin)
        left, bottom, right, top = padded.bounds_in(crs)
        if left > right:  # across the antimeridian
            left, right = -180.0, 180.0
        boxes.append((left, bottom, right, top))
    (l1, b1, r1, t1), (l2, b2, r2, t2) = boxes
    return l1 < r2 and l2 < r1 and b1 < t2 and b2 < t1


def _place(name: str, scenes: Sequence[str], grids: Sequence[Grid]) -> Place:
    """Choose the plane of a place."""
    first = grids[0]
    if is_local(first.crs):
        pixel = first.resolution
        return Place(name, tuple(scenes), "", (0.0, 0.0), pixel, pixel, True)
    straight = all(grid.is_axis_parallel and same_crs(grid.crs, first.crs) for grid in grids)
    if straight:
        left, top = first.bounds[0], first.bounds[3]
        x, y = (max(values) for values in zip(*(grid.resolution for grid in grids), strict=True))
        middle = ((first.bounds[0] + first.bounds[2]) / 2, (first.bounds[1] + first.bounds[3]) / 2)
        per_x, per_y = metres_per_unit(first.crs, *middle)
        return Place(
            name, tuple(scenes), first.crs, (left, top), (x, y), (x * per_x, y * per_y), True
        )
    # Different systems or rotated rows: an azimuthal plane around the middle, true near it.
    bounds = np.array([grid.bounds_in("EPSG:4326") for grid in grids])
    longitude = (bounds[:, 0].min() + bounds[:, 2].max()) / 2
    latitude = (bounds[:, 1].min() + bounds[:, 3].max()) / 2
    crs = azimuthal(longitude, latitude)
    metres = max(max(_pixel_metres(grid)) for grid in grids)
    return Place(name, tuple(scenes), crs, (0.0, 0.0), (metres, metres), (metres, metres), False)


def azimuthal(longitude: float, latitude: float) -> str:
    """Return an azimuthal equidistant CRS around a point: true distances near it, in metres."""
    return f"+proj=aeqd +lat_0={latitude:.6f} +lon_0={longitude:.6f} +datum=WGS84 +units=m +no_defs"


def _pixel_metres(grid: Grid) -> tuple[float, float]:
    """Return the size of a grid's pixels on the ground, in metres."""
    left, bottom, right, top = grid.bounds
    per_x, per_y = metres_per_unit(grid.crs, (left + right) / 2, (bottom + top) / 2)
    x, y = grid.resolution
    per = max(per_x, per_y) if not grid.is_axis_parallel else None
    return (x * (per or per_x), y * (per or per_y))


def plane_boxes(place: Place, grid: Grid, windows: np.ndarray) -> np.ndarray:
    """Return (n, 4) float boxes (x0, y0, x1, y1) in the plane of a place that has boxes.

    Args:
        place: The place, with `boxes`.
        grid: Grid of one of its scenes.
        windows: (n, 4) windows (y, x, h, w) of that grid.
    """
    y, x, h, w = np.asarray(windows, float).T
    if not place.crs:
        return np.stack([x, y, x + w, y + h], axis=1)
    a, _, c, _, e, f = grid.transform
    xs = (np.stack([x, x + w]) * a + c - place.origin[0]) / place.pixel[0]
    ys = (place.origin[1] - (np.stack([y, y + h]) * e + f)) / place.pixel[1]
    xs, ys = (np.round(part / SNAP) * SNAP for part in (xs, ys))
    return np.stack([xs.min(0), ys.min(0), xs.max(0), ys.max(0)], axis=1)


def plane_shapes(place: Place, grid: Grid, windows: np.ndarray) -> np.ndarray:
    """Return the footprints of (n, 4) windows (y, x, h, w) in the plane, as shapely polygons."""
    if place.boxes:
        return shapely.box(*plane_boxes(place, grid, windows).T)
    y, x, h, w = np.asarray(windows, float).T
    part = np.arange(_EDGE_PARTS) / _EDGE_PARTS
    along, zero, one = part, np.zeros(_EDGE_PARTS), np.ones(_EDGE_PARTS)
    u = np.concatenate([along, one, 1 - along, zero, [0.0]])
    v = np.concatenate([zero, along, one, 1 - along, [0.0]])
    columns = x[:, None] + w[:, None] * u
    rows = y[:, None] + h[:, None] * v
    a, b, c, d, e, f = grid.transform
    xs, ys = a * columns + b * rows + c, d * columns + e * rows + f
    xs, ys = transformer(grid.crs, place.crs).transform(xs, ys)
    corners = np.stack([xs / place.pixel[0], -ys / place.pixel[1]], axis=2)
    return shapely.polygons(corners)


def lonlat(place: Place, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return longitudes and latitudes of points of a place's plane (which must have a CRS)."""
    across = np.asarray(x) * place.pixel[0] + place.origin[0]
    up = place.origin[1] - np.asarray(y) * place.pixel[1]
    return transformer(place.crs, "EPSG:4326").transform(across, up)


def geodesic(lon_1: float, lat_1: float, lon_2: float, lat_2: float) -> float:
    """Return the length in metres of the shortest line on the WGS84 ellipsoid."""
    return float(GEOD.inv(lon_1, lat_1, lon_2, lat_2)[2])


def overlap_area(one: np.ndarray, other: np.ndarray) -> float:
    """Return the area that two sets of (n, 4) boxes (x0, y0, x1, y1) have in common.

    Each point counts once, however many boxes of a set hold it: the edges of all boxes cut the
    plane into cells, and cells within both unions are added up.
    """
    if not len(one) or not len(other):
        return 0.0
    low = np.maximum(one[:, :2].min(0), other[:, :2].min(0))
    high = np.minimum(one[:, 2:].max(0), other[:, 2:].max(0))
    one, other = (
        part[np.all((part[:, :2] < high) & (part[:, 2:] > low), axis=1)] for part in (one, other)
    )
    if not len(one) or not len(other):
        return 0.0
    both = np.concatenate([one, other])
    xs = np.unique(both[:, [0, 2]])
    ys = np.unique(both[:, [1, 3]])
    common = _painted(one, xs, ys) & _painted(other, xs, ys)
    return float(np.diff(ys) @ common @ np.diff(xs))


def _painted(boxes: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Return which cells between the lines `ys`, `xs` some box covers: (rows, columns) bool."""
    x0, y0, x1, y1 = (
        np.searchsorted(axis, part) for axis, part in zip((xs, ys, xs, ys), boxes.T, strict=True)
    )
    marks = np.zeros((len(ys), len(xs)), np.int32)
    for rows, columns, sign in ((y0, x0, 1), (y0, x1, -1), (y1, x0, -1), (y1, x1, 1)):
        np.add.at(marks, (rows, columns), sign)
    return marks.cumsum(0).cumsum(1)[:-1, :-1] > 0
