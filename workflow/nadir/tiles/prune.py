"""Taking tiles out of splits so that tiles of different splits keep their distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import shapely

from nadir.raster.grid import Grid
from nadir.tiles.ground import SNAP, Place, plane_shapes
from nadir.tiles.table import windows_of

if TYPE_CHECKING:
    import pandas as pd


def place_shapes(table: pd.DataFrame, grids: Mapping[str, Grid], place: Place) -> np.ndarray:
    """Return the footprints of tiles in the plane of a place; None for tiles of other places.

    Args:
        table: Columns scene, y, x, size.
        grids: Scene -> grid.
        place: The place.

    Returns:
        (n,) object array of shapely polygons in pixels of the plane.
    """
    shapes = np.full(len(table), None, object)
    scenes = table["scene"].to_numpy()
    windows = windows_of(table)
    for scene in place.scenes:
        rows = np.flatnonzero(scenes == scene)
        if len(rows):
            shapes[rows] = plane_shapes(place, grids[scene], windows[rows])
    return shapes


def too_near(shapes: np.ndarray, others: np.ndarray, distance: float) -> np.ndarray:
    """Return which shapes overlap one of `others`, or come nearer than `distance`.

    Shapes that touch, or that are just `distance` apart, are not too near.

    Args:
        shapes: (n,) polygons.
        others: (m,) polygons.
        distance: Least distance in units of the plane; 0 forbids overlap only.

    Returns:
        (n,) bool.
    """
    near = np.zeros(len(shapes), bool)
    if not len(shapes) or not len(others):
        return near
    tree = shapely.STRtree(others)
    if distance > 0:
        mine, theirs = tree.query(shapes, predicate="dwithin", distance=distance)
        apart = shapely.distance(shapes[mine], others[theirs])
        near[mine[apart < distance - SNAP]] = True
    mine, theirs = tree.query(shapes, predicate="intersects")
    mine, theirs = mine[~near[mine]], theirs[~near[mine]]
    shared = shapely.area(shapely.intersection(shapes[mine], others[theirs]))
    near[mine[shared > SNAP]] = True
    return near


def prune(
    split: np.ndarray,
    fixed: np.ndarray,
    shapes_by_place: list[np.ndarray],
    buffer: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Take tiles out of training and validation until splits are `buffer` pixels apart.

    A validation tile yields to test tiles, a training tile to both; test tiles stay. Validation
    yields first, so that training does not give way to tiles that leave anyway.

    Args:
        split: (n,) split of each tile.
        fixed: (n,) bool, tiles that never yield.
        shapes_by_place: For every place (n,) polygons, None for tiles elsewhere (`place_shapes`).
        buffer: Least distance in pixels; 0 forbids overlap only.

    Returns:
        (split, reason): the new splits, "none" where a tile was taken out, and why ("" else).
    """
    split = split.copy()
    reason = np.full(len(split), "", object)
    for yielding, standing in (("validation", ("test",)), ("train", ("validation", "test"))):
        for shapes in shapes_by_place:
            here = np.array([shape is not None for shape in shapes], bool)
            mine = np.flatnonzero(here & (split == yielding) & ~fixed)
            for name in standing:
                others = shapes[here & (split == name)]
                out = mine[too_near(shapes[mine], others, buffer)]
                what = f"nearer than {buffer:g} px to" if buffer > 0 else "overlaps"
                fresh = out[split[out] == yielding]
                reason[fresh] = f"{what} a {name} tile"
                split[fresh] = "none"
    return split, reason
