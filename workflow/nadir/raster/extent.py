"""Where on the Earth grids lie: one GeoJSON geometry in longitude and latitude."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError

from nadir.raster.grid import Grid

_EDGE_PARTS = 8  # straight lines of a map are curves in degrees
_DIGITS = 6
_HALF = 180.0
_TURN = np.array([360.0, 0.0])


def geographic_extent(
    grids: Iterable[Grid],
) -> tuple[dict[str, Any], tuple[float, float, float, float]] | None:
    """Return the ground that grids cover, as RFC 7946 has it, and its bounds.

    Across the antimeridian the geometry is cut, and west is greater than east in the bounds.

    Args:
        grids: The grids; those without a place on the Earth are passed over.

    Returns:
        A GeoJSON Polygon or MultiPolygon, and (west, south, east, north) in degrees; None when no
        grid has a place on the Earth.
    """
    shapes = [shape for grid in grids if (shape := _degrees(grid)) is not None]
    if not shapes:
        return None
    # Polygons are kept apart where they touch or overlap by rounding alone: union them.
    union = shapely.union_all(shapes)
    west, south, east, north = shapely.bounds(union).tolist()
    if east - west > _HALF and any(shapely.bounds(shape)[0] < 0 for shape in shapes):
        shifted = [_eastward(shape) for shape in shapes]
        union = shapely.union_all(shifted)
        west, south, east, north = shapely.bounds(union).tolist()
    union = _cut(union)
    east = east - 2 * _HALF if east > _HALF else east
    geometry = shapely.orient_polygons(shapely.set_precision(union, 10.0**-_DIGITS))
    bounds = tuple(round(value, _DIGITS) for value in (west, south, east, north))
    return _geojson(geometry), bounds


def _degrees(grid: Grid) -> shapely.Polygon | None:
    """Return the outline of a grid in degrees; beyond 180 where it crosses the antimeridian."""
    outline = shapely.segmentize(
        grid.footprint(0, 0, grid.height, grid.width),
        max(np.hypot(*np.subtract(grid.bounds[2:], grid.bounds[:2])) / _EDGE_PARTS, 1e-12),
    )
    try:
        way = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        x, y = way.transform(*shapely.get_coordinates(outline).T)
    except (CRSError, ProjError):  # none, or a local system
        return None
    x, y = np.asarray(x), np.asarray(y)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    if np.ptp(x) > _HALF:
        x = np.where(x < 0, x + 2 * _HALF, x)
    return shapely.Polygon(np.stack([x, y], axis=1))


def _eastward(shape: shapely.Polygon) -> shapely.Polygon:
    """Return a polygon west of Greenwich as one beyond 180 degrees east."""
    if shapely.bounds(shape)[0] >= 0:
        return shape
    return shapely.transform(shape, lambda points: points + _TURN)


def _cut(shape: shapely.Geometry) -> shapely.Geometry:
    """Return a shape cut at 180 degrees, with what lies beyond brought back to the west."""
    west, south, east, north = shapely.bounds(shape).tolist()
    if east <= _HALF:
        return shape
    here = shapely.intersection(shape, shapely.box(west, south, _HALF, north))
    beyond = shapely.intersection(shape, shapely.box(_HALF, south, east, north))
    back = shapely.transform(beyond, lambda points: points - _TURN)
    return shapely.union_all([here, back])


def _geojson(shape: shapely.Geometry) -> dict[str, Any]:
    """Return a shape's polygons as GeoJSON."""
    rings = [
        [np.round(shapely.get_coordinates(ring), _DIGITS).tolist() for ring in _rings(part)]
        for part in shapely.get_parts(shape)
        if isinstance(part, shapely.Polygon)
    ]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}


def _rings(polygon: shapely.Polygon) -> list[shapely.LinearRing]:
    return [polygon.exterior, *polygon.interiors]
