"""Where the pixels of an image lie on the globe, so that a page can tell it without projections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError

from nadir.raster.grid import Grid
from nadir.raster.metric import transformer

_STEPS = (1, 2, 4, 8, 16)
_CLOSE = 0.1  # pixels by which what lies between the corners may be off


def corners_of(grid: Grid) -> list[list[tuple[float, float]]] | None:
    """Return longitude and latitude of the corners of equal parts of an image, row by row.

    There are as few parts as bilinear interpolation between their corners needs to be right within
    a tenth of a pixel (or 16 x 16, if that is not enough). Longitudes are continuous: beyond the
    180th meridian they go on.

    Args:
        grid: The image's.

    Returns:
        (parts + 1) rows of as many pairs in degrees (WGS 84); None where there is no CRS, or it
        has no place on the globe.
    """
    if not grid.crs:
        return None
    try:
        for parts in _STEPS:
            corners = _globe(grid, np.linspace(0, 1, parts + 1))
            if not np.isfinite(corners).all():
                return None
            if _error(grid, corners, parts) < _CLOSE:
                break
    except (ProjError, CRSError):
        return None
    return [[(round(float(x), 9), round(float(y), 9)) for x, y in row] for row in corners]


def _globe(grid: Grid, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return longitude and latitude at shares of height and width: float64 (n, n, 2)."""
    height, width = grid.shape
    rows, columns = np.meshgrid(shares * height, shares * width, indexing="ij")
    a, b, c, d, e, f = grid.transform
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    longitude, latitude = transformer(grid.crs, "EPSG:4326").transform(x, y)
    # A step of more than half the globe is one over the 180th meridian.
    longitude = np.unwrap(np.unwrap(longitude, period=360, axis=0), period=360, axis=1)
    return np.stack([longitude, latitude], axis=-1)


def _error(grid: Grid, corners: NDArray[np.float64], parts: int) -> float:
    """Return how far, in pixels, the means of four corners are off in the middle of a part."""
    fine = _globe(grid, np.linspace(0, 1, 2 * parts + 1))
    fine[..., 0] += 360 * np.round((corners[0, 0, 0] - fine[0, 0, 0]) / 360)
    middles = (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4
    off = np.abs(middles - fine[1::2, 1::2]).max(axis=(0, 1))
    height, width = grid.shape
    across = np.abs(corners[0, -1] - corners[0, 0]) / width
    down = np.abs(corners[-1, 0] - corners[0, 0]) / height
    return float((off / np.maximum(np.maximum(across, down), 1e-12)).max())
