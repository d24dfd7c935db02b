"""The open country: farming districts cut into parcels, and natural stands."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.noise import draw, fractal_noise, gradient_noise, hash_cell, smoothstep
from nadir.simulate.terrain import height_at, river_distance, slope_at

DISTRICT_CELL, STAND_CELL = 540.0, 125.0
"""Spacing in metres of farming districts and of natural stands."""

CX, CY, CCOS, CSIN, WIDE, DEEP, USE, P_WILD, P_ROWS, P_SUMMER, C_KIND = range(11)
"""Columns of a district: center, axis, parcel size (m), use, shares of its parcels (left to nature,
woody crops, summer crops), kind of woody crop. Of a stand: CX, CY, USE (kind), P_WILD (density)."""

WILD, FARMED = 0.0, 1.0
CONIFERS, OAKS, BROADLEAVES, SHRUBS, STEPPE, MEADOWS, GRASSLAND = range(7)
"""Kinds of natural stands; the first three are forest."""

_DISTRICT_TAG, _STAND_TAG, _FARM_TAG, _WOOD_TAG, _ROWS_TAG, _WOODS_TAG = (
    401,
    402,
    403,
    404,
    405,
    406,
)


@njit(cache=True, nogil=True)
def tabulate_districts(i0, j0, rows, columns, frame, seed):
    """Return the districts of the cells from (column i0, row j0).

    Returns:
        Table (rows, columns, 11) float64 and hashes (rows, columns) uint64.
    """
    table = np.zeros((rows, columns, 11), np.float64)
    hashes = np.zeros((rows, columns), np.uint64)
    for r in range(rows):
        for c in range(columns):
            i, j = i0 + c, j0 + r
            h = hash_cell(i, j, _DISTRICT_TAG, seed)
            hashes[r, c] = h
            x, y = (i + draw(h, 1)) * DISTRICT_CELL, (j + draw(h, 2)) * DISTRICT_CELL
            row = table[r, c]
            row[CX], row[CY] = x, y
            angle = np.pi * draw(h, 3)
            row[CCOS], row[CSIN] = np.cos(angle), np.sin(angle)
            row[WIDE], row[DEEP] = 62.0 + 80.0 * draw(h, 4), 110.0 + 130.0 * draw(h, 5)
            height = height_at(x, y, frame, seed) / max(frame[2], 1.0)
            slope = slope_at(x, y, frame, seed)
            fit = 0.72 - 1.4 * slope - 0.9 * max(height - 0.25, 0.0)
            fit += 0.3 * gradient_noise(x / 1900.0, y / 1900.0, _FARM_TAG, seed)
            row[USE] = FARMED if draw(h, 6) < smoothstep(0.1, 0.75, fit) else WILD
            row[P_WILD] = 0.04 + 0.5 * max(0.4 - fit, 0.0)
            rows_noise = gradient_noise(x / 1500.0, y / 1500.0, _ROWS_TAG, seed)
            row[P_ROWS] = 0.14 + 0.7 * smoothstep(
                -0.15, 0.25, rows_noise + 0.5 * (draw(h, 7) - 0.5)
            )
            wet = 1.0 - smoothstep(150.0, 900.0, river_distance(x, y, seed))
            row[P_SUMMER] = 0.12 + 0.55 * wet
            row[C_KIND] = np.floor(3.0 * draw(h, 8))
    return table, hashes


@njit(cache=True, nogil=True)
def tabulate_stands(i0, j0, rows, columns, frame, seed):
    """Return the natural stands of the cells from (column i0, row j0).

    Returns:
        Table (rows, columns, 11) float64 and hashes (rows, columns) uint64.
    """
    table = np.zeros((rows, columns, 11), np.float64)
    hashes = np.zeros((rows, columns), np.uint64)
    for r in range(rows):
        for c in range(columns):
            i, j = i0 + c, j0 + r
            h = hash_cell(i, j, _STAND_TAG, seed)
            hashes[r, c] = h
            x, y = (i + draw(h, 1)) * STAND_CELL, (j + draw(h, 2)) * STAND_CELL
            row = table[r, c]
            row[CX], row[CY] = x, y
            height = height_at(x, y, frame, seed) / max(frame[2], 1.0)
            wood = 0.02 + 0.6 * fractal_noise(x / 1100.0, y / 1100.0, 2, _WOOD_TAG, seed)
            wood += 0.22 * (draw(h, 3) - 0.5) - 1.2 * max(height - 0.6, 0.0)
            kind = gradient_noise(x / 1700.0, y / 1700.0, _WOODS_TAG, seed)
            kind += 0.5 * (draw(h, 4) - 0.5) + 0.5 * (height - 0.3)
            if wood > 0.0:
                row[USE] = CONIFERS if kind > 0.12 else OAKS if kind > -0.22 else BROADLEAVES
                row[P_WILD] = 0.72 + 0.25 * draw(h, 5)
            else:
                pick = draw(h, 6) + 0.3 * wood
                row[USE] = SHRUBS if pick > 0.42 else STEPPE if pick > 0.15 else GRASSLAND
                if draw(h, 7) < 0.16:
                    row[USE] = MEADOWS
                row[P_WILD] = 0.3 + 0.55 * draw(h, 5)
    return table, hashes


@njit(cache=True, nogil=True)
def nearest_cell(table, i0, j0, cell, x, y):
    """Return (row, column) in `table` of the cell whose center is nearest to a position."""
    rows, columns = table.shape[0], table.shape[1]
    r, c = np.int64(np.floor(y / cell)) - j0, np.int64(np.floor(x / cell)) - i0
    best, at_r, at_c = 1e30, r, c
    for rr in range(max(r - 1, 0), min(r + 2, rows)):
        for cc in range(max(c - 1, 0), min(c + 2, columns)):
            dx, dy = table[rr, cc, CX] - x, table[rr, cc, CY] - y
            d = dx * dx + dy * dy
            if d < best:
                best, at_r, at_c = d, rr, cc
    return at_r, at_c
