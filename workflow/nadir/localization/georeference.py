"""From pixels of a substrate to the ground: map coordinates, longitude and latitude, metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError

from nadir.raster.features import map_to_degrees
from nadir.raster.grid import Grid

_ELLIPSOID = Geod(ellps="WGS84")


def to_map(grid: Grid, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return positions in the CRS of a grid.

    Args:
        grid: Grid of the substrate.
        points: (..., 2) x and y in pixels from edges.
    """
    a, b, c, d, e, f = grid.transform
    points = np.asarray(points, float)
    return points @ np.array([[a, d], [b, e]]) + (c, f)


def to_degrees(grid: Grid, points: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return positions as longitude and latitude (EPSG:4326), or None where there is no way.

    Args:
        grid: Grid of the substrate.
        points: (..., 2) x and y in pixels from edges.
    """
    return map_to_degrees(grid.crs, to_map(grid, points))


def ground_distance(
    grid: Grid | None, one: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return distances on the ground in metres: along the ellipsoid, since maps stretch.

    In a local system that has no place on the Earth, they are straight lines in its units.

    Args:
        grid: Grid of the substrate, or None.
        one: (n, 2) positions in pixels from edges.
        other: (n, 2) as well.

    Returns:
        float64 (n,); NaN without a grid.
    """
    if grid is None:
        return np.full(len(one), np.nan)
    a, b = to_degrees(grid, one), to_degrees(grid, other)
    if a is not None and b is not None:
        return np.asarray(_ELLIPSOID.inv(a[:, 0], a[:, 1], b[:, 0], b[:, 1])[2], np.float64)
    try:
        unit = CRS.from_user_input(grid.crs).axis_info[0].unit_conversion_factor
    except (CRSError, IndexError):
        unit = 1.0
    return np.hypot(*(to_map(grid, one) - to_map(grid, other)).T) * unit


def bearing(grid: Grid, angle: float) -> float:
    """Return where the upper edge of a photo points on the map, clockwise from the y axis.

    Args:
        grid: Grid of the substrate.
        angle: Angle of the photo's pose, in degrees.

    Returns:
        Degrees, 0 to 360. On a map with north up it is the angle itself.
    """
    turn = np.deg2rad(angle)
    up = to_map(grid, np.array([np.sin(turn), -np.cos(turn)])) - to_map(grid, np.zeros(2))
    return float(np.rad2deg(np.arctan2(up[0], up[1])) % 360.0)
