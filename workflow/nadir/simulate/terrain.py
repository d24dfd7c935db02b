"""Terrain: coast, rivers and heights, as functions of position.

Positions are metres east (x) and south (y) of the world's upper-left corner. `frame` holds what
depends on the configuration, see `make_frame`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.noise import fractal_noise, gradient_noise, smoothstep

LATTICE = 8
"""Spacing in metres of the lattice on which slow fields are tabulated; nodes at its multiples."""

BEACH = 55.0
"""Width of the beach in metres."""

SNOW_LINE = 0.62
"""Height of the April snow line as a share of the relief."""

_COAST, _RIVER, _RIVER_WARP, _HILLS, _RIDGES = 1, 2, 3, 5, 6


def make_frame(width_m: float, height_m: float, relief_m: float, sea_share: float) -> np.ndarray:
    """Return (5,) float64: width, height, relief, distance of the coast (m), 1 if there is sea."""
    relief = relief_m * min(1.0, min(width_m, height_m) / 10_000.0)
    corner = np.sqrt(sea_share * width_m * height_m)  # a corner triangle of that share of the area
    return np.array([width_m, height_m, relief, corner, float(sea_share > 0)])


@njit(cache=True, nogil=True)
def coast_distance(x, y, frame, seed):
    """Return the distance to the coast in metres, negative at sea; 1e6 when there is no sea."""
    if frame[4] == 0.0:
        return 1e6
    extent = min(frame[0], frame[1])
    line = ((frame[0] - x) + (frame[1] - y)) * 0.7071067811865476 - frame[3]
    bays = 0.07 * extent * gradient_noise(x / (0.3 * extent), y / (0.3 * extent), _COAST, seed)
    return line + bays + 22.0 * fractal_noise(x / 170.0, y / 170.0, 2, _COAST + 20, seed)


@njit(cache=True, nogil=True)
def _river_value(x, y, seed):
    wx = x + 160.0 * gradient_noise(x / 620.0, y / 620.0, _RIVER_WARP, seed)
    wy = y + 160.0 * gradient_noise(x / 620.0, y / 620.0, _RIVER_WARP + 1, seed)
    return fractal_noise(wx / 3300.0, wy / 3300.0, 2, _RIVER, seed)


@njit(cache=True, nogil=True)
def river_distance(x, y, seed):
    """Return the distance to the axis of the nearest river in metres.

    Rivers follow the zero contour of a noise; its value over its slope is the distance, to first
    order, which is accurate where it matters (close by).
    """
    east, west = _river_value(x + 6.0, y, seed), _river_value(x - 6.0, y, seed)
    south, north = _river_value(x, y + 6.0, seed), _river_value(x, y - 6.0, seed)
    slope = np.hypot(east - west, south - north) / 12.0
    return abs(0.25 * (east + west + south + north)) / max(slope, 6e-5)


@njit(cache=True, nogil=True)
def river_half_width(x, y, seed):
    """Return half the width of the river near a position, in metres (7 to 25)."""
    return 16.0 + 9.0 * gradient_noise(x / 900.0, y / 900.0, _RIVER + 40, seed)


@njit(cache=True, nogil=True)
def height_at(x, y, frame, seed):
    """Return the height of the ground above the sea in metres, at least 0."""
    coast = coast_distance(x, y, frame, seed)
    if coast <= 0.0:
        return 0.0
    extent = 0.5 * (frame[0] + frame[1])
    inland = min(((frame[0] - x) + (frame[1] - y)) / (2.0 * extent), 1.0)
    inland = max(inland, 0.0)
    hills = 0.5 + 0.5 * fractal_noise(x / 2400.0, y / 2400.0, 5, _HILLS, seed)
    ridge = 1.0 - abs(gradient_noise(x / 2900.0, y / 2900.0, _RIDGES, seed)) * 1.4
    body = min(max(0.55 * hills + 0.45 * ridge, 0.0), 1.0)
    valley = 0.22 + 0.78 * smoothstep(20.0, 1000.0, river_distance(x, y, seed))
    share = 0.05 + 0.2 * inland + 0.95 * inland * inland * body
    return 3.0 + frame[2] * share * valley * smoothstep(0.0, 900.0, coast) * (0.35 + 0.65 * body)


@njit(cache=True, nogil=True)
def slope_at(x, y, frame, seed):
    """Return the slope of the ground as rise over run, over 40 m."""
    dx = height_at(x + 20.0, y, frame, seed) - height_at(x - 20.0, y, frame, seed)
    dy = height_at(x, y + 20.0, frame, seed) - height_at(x, y - 20.0, frame, seed)
    return np.hypot(dx, dy) / 40.0


@njit(cache=True, nogil=True)
def heights(x0, y0, step, rows, columns, frame, seed):
    """Return (rows, columns) float32 heights at (x0 + column*step, y0 + row*step)."""
    out = np.empty((rows, columns), np.float32)
    for r in range(rows):
        for c in range(columns):
            out[r, c] = height_at(x0 + c * step, y0 + r * step, frame, seed)
    return out


@njit(cache=True, nogil=True)
def tabulate_fields(i0, j0, rows, columns, frame, seed):
    """Tabulate the slow fields on the lattice, from node (column i0, row j0).

    Returns:
        (4, rows, columns) float32: coast distance, river distance less the river's half width,
        eastward and southward displacement of natural borders, all in metres.
    """
    out = np.empty((4, rows, columns), np.float32)
    for r in range(rows):
        for c in range(columns):
            x, y = np.float64((i0 + c) * LATTICE), np.float64((j0 + r) * LATTICE)
            out[0, r, c] = coast_distance(x, y, frame, seed)
            out[1, r, c] = river_distance(x, y, seed) - river_half_width(x, y, seed)
            for k in range(2):
                out[2 + k, r, c] = 16.0 * fractal_noise(x / 95.0, y / 95.0, 2, 60 + k, seed)
    return out
