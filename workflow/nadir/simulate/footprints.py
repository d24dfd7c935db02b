"""Footprints of buildings as polygons: exactly what the aerial rendering draws as roofs."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from nadir.simulate.aerial import standing
from nadir.simulate.buildings import (
    BAX,
    BAY,
    BCOS,
    BSIN,
    BX,
    BY,
    COURT_U,
    COURT_V,
    GREY,
    HEIGHT,
    METAL,
    PALE,
    ROOF,
    TILE,
)
from nadir.simulate.epochs import Epoch
from nadir.simulate.surface import owner_keys
from nadir.simulate.world import Bounds, World

ROOFS = {TILE: "tile", GREY: "grey", METAL: "metal", PALE: "pale"}
"""Code of a roof -> its name in tables."""

_CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
_SLIVER = 0.25  # square metres: less than three pixels of 0.3 m is no building


def outlines(world: World, buildings: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return the polygon of every building alone, courtyards as holes, in the world's CRS.

    Args:
        world: The world.
        buildings: (n, 10) table, see `buildings.BX`.

    Returns:
        (n,) polygons.
    """
    shells = shapely.polygons(_corners(world, buildings, BAX, BAY))
    courts = shapely.polygons(_corners(world, buildings, COURT_U, COURT_V))
    open_inside = buildings[:, COURT_U] > 0
    return np.where(open_inside, shapely.difference(shells, courts), shells)


def _corners(world: World, buildings: NDArray, across: int, along: int) -> NDArray[np.float64]:
    """Return (n, 4, 2) corners in the CRS of the rectangles with half extents in two columns."""
    u, v = (_CORNERS[:, k] * buildings[:, [column]] for k, column in enumerate((across, along)))
    cos, sin = buildings[:, [BCOS]], buildings[:, [BSIN]]
    east, north = world.cfg.origin
    x = east + buildings[:, [BX]] + u * cos - v * sin
    y = north - buildings[:, [BY]] - u * sin - v * cos
    return np.stack([x, y], axis=2)


def visible_parts(shapes: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Return what is seen of shapes of which the later ones lie over the earlier.

    Args:
        shapes: (n,) polygons in the order in which they are painted.

    Returns:
        Polygons (m,), and for each the index of the shape that it is a part of, ascending; a shape
        that another cuts in two has two parts. Slivers are left out.
    """
    seen = shapes.copy()
    below, above = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    for low, high in sorted(zip(below.tolist(), above.tolist(), strict=True)):
        if low < high:
            seen[low] = shapely.difference(seen[low], shapes[high])
    parts, index = shapely.get_parts(seen, return_index=True)
    keep = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (
        shapely.area(parts) > _SLIVER
    )
    return parts[keep], index[keep]


def window_of(world: World, bounds: Bounds) -> Bounds:
    """Return a rectangle of the CRS as (west, north, east, south) metres from the world's corner.

    Metres run to the east and to the south.
    """
    left, bottom, right, top = bounds
    east, north = world.cfg.origin
    return left - east, north - top, right - east, north - bottom


def true_footprints(world: World, epoch: Epoch, bounds: Bounds) -> gpd.GeoDataFrame:
    """Return the footprints that stand at an epoch and touch a rectangle.

    Roofs are drawn straight from above, so that a footprint is what the rendering shows of a roof,
    whatever hides it: trees over a roof leave its footprint whole. Where two buildings overlap, the
    one that is painted over the other owns the ground.

    Args:
        world: The world.
        epoch: When.
        bounds: Left, bottom, right, top in the world's CRS.

    Returns:
        One polygon a row (not clipped), in the world's CRS, with `building` (int64, the value of
        `aerial.Aerial.owner`; parts of one roof share it), by which rows are sorted, `height` (m,
        of the ridge) and `roof` (see `ROOFS`).
    """
    table = standing(world, epoch, *window_of(world, bounds))
    shapes, index = visible_parts(outlines(world, table))
    frame = gpd.GeoDataFrame(
        {
            "building": owner_keys(table)[index].astype(np.int64),
            "height": table[index, HEIGHT],
            "roof": [ROOFS[int(code)] for code in table[index, ROOF]],
        },
        geometry=shapes,
        crs=world.cfg.crs,
    )
    near = shapely.intersects(frame.geometry.to_numpy(), shapely.box(*bounds))
    return frame[near].sort_values("building", kind="stable", ignore_index=True)


def clip_to(frame: gpd.GeoDataFrame, bounds: Bounds) -> gpd.GeoDataFrame:
    """Return the parts of polygons inside a rectangle, each part a row of its own.

    Args:
        frame: Polygons.
        bounds: Left, bottom, right, top in their CRS.
    """
    whole = frame.geometry.to_numpy()
    inside = shapely.contains_properly(shapely.box(*bounds), whole)
    cut = np.where(inside, whole, shapely.intersection(whole, shapely.box(*bounds)))
    parts, index = shapely.get_parts(cut, return_index=True)
    keep = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (
        shapely.area(parts) > _SLIVER
    )
    rows = frame.iloc[index[keep]].drop(columns="geometry").reset_index(drop=True)
    return gpd.GeoDataFrame(rows, geometry=parts[keep], crs=frame.crs)
