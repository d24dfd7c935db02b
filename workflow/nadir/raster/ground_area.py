"""An area in degrees as a grid: of a scene, or of the part of a fine mask that lies over it."""

from __future__ import annotations

import math

from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform_bounds

from nadir.errors import InputError
from nadir.raster.grid import Grid, crs_text

Area = tuple[float, float, float, float]
"""West, south, east, north in degrees (WGS 84)."""

_EDGE = 21  # points along an edge that is projected
_MARGIN = 2  # pixels of a mask beyond the area, for pixels of the scene that it cuts


def utm_zone(area: Area) -> str:
    """Return the UTM zone of the middle of an area, as an EPSG code.

    >>> utm_zone((1.0, 41.0, 3.0, 42.0))
    'EPSG:32631'
    """
    west, south, east, north = area
    zone = min(int((west + east) / 2 + 180) // 6 + 1, 60)
    return f"EPSG:{(32600 if south + north >= 0 else 32700) + zone}"


def area_grid(area: Area, crs: str | None, resolution: float) -> Grid:
    """Return the grid of a scene: the area with edges at whole pixels, counted from the origin.

    Scenes that touch thus share their pixels' edges, with each other and with Sentinel-2's tiles.

    Args:
        area: The area.
        crs: System of the grid; None for the UTM zone of its middle.
        resolution: Size of a pixel in units of the system.

    Raises:
        InputError: When the system is none, or of degrees.
    """
    try:
        system = CRS.from_user_input(crs or utm_zone(area))
    except CRSError as error:
        raise InputError(
            "fetch.crs", f"{crs!r} is not a coordinate reference system", "Give an EPSG code."
        ) from error
    if not system.is_projected:
        raise InputError("fetch.crs", f"{crs!r} is not of metres", "Give a projected system.")
    left, bottom, right, top = transform_bounds("EPSG:4326", system, *area, densify_pts=_EDGE)
    x0, y1 = (math.floor(left / resolution), math.ceil(top / resolution))
    width, height = (
        math.ceil(right / resolution) - x0,
        y1 - math.floor(bottom / resolution),
    )
    transform = (resolution, 0.0, x0 * resolution, 0.0, -resolution, y1 * resolution)
    return Grid(crs_text(system), transform, height, width)


def window_of_area(grid: Grid, area: Area) -> Grid:
    """Return the grid over an area whose pixels continue those of another, axis-parallel grid.

    Args:
        grid: The grid to continue.
        area: The area; a margin of some pixels is added.
    """
    left, bottom, right, top = transform_bounds("EPSG:4326", grid.crs, *area, densify_pts=_EDGE)
    corners = [~grid.affine @ point for point in ((left, top), (right, bottom))]
    columns, rows = (sorted(axis) for axis in zip(*corners, strict=True))
    y, x = math.floor(rows[0]) - _MARGIN, math.floor(columns[0]) - _MARGIN
    height = math.ceil(rows[1]) + _MARGIN - y
    width = math.ceil(columns[1]) + _MARGIN - x
    return grid.window(y, x, height, width)
