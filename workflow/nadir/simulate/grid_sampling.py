"""Compiled reading of rasters between the centers of their pixels."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def sample(color, row, column, out):
    """Write the color at a continuous position, bilinear.

    Args:
        color: (rows, columns, 3).
        row: Position in pixels from the upper edge: centers lie at halves; beyond the outermost
            centers the border is repeated.
        column: Likewise from the left edge.
        out: (3,) float64, written.
    """
    rows, columns = color.shape[0], color.shape[1]
    fr = min(max(row - 0.5, 0.0), rows - 1.001)
    fc = min(max(column - 0.5, 0.0), columns - 1.001)
    r, c = np.int64(fr), np.int64(fc)
    a, b = fr - r, fc - c
    for band in range(3):
        upper = (1.0 - b) * color[r, c, band] + b * color[r, c + 1, band]
        lower = (1.0 - b) * color[r + 1, c, band] + b * color[r + 1, c + 1, band]
        out[band] = (1.0 - a) * upper + a * lower


@njit(cache=True, nogil=True)
def blend(values, row, column):
    """Return the value of a raster at a continuous position, see `sample`."""
    rows, columns = values.shape
    fr = min(max(row - 0.5, 0.0), rows - 1.001)
    fc = min(max(column - 0.5, 0.0), columns - 1.001)
    r, c = np.int64(fr), np.int64(fc)
    a, b = fr - r, fc - c
    upper = (1.0 - b) * values[r, c] + b * values[r, c + 1]
    lower = (1.0 - b) * values[r + 1, c] + b * values[r + 1, c + 1]
    return (1.0 - a) * upper + a * lower
