"""Roads: motorways across the country, main roads and railways between settlements."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.noise import draw, gradient_noise, hash_cell
from nadir.simulate.sites import TOWN_CELL, settlement

X1, Y1, X2, Y2, PAVED, WHOLE, KIND = range(7)
"""Columns of a segment table: ends, half widths of the carriageway and of the whole strip, kind."""

ROAD, MOTORWAY, RAILWAY = 1, 2, 3
VERGE, SURFACE, BALLAST, MEDIAN = 1, 3, 2, 4
"""Codes that `paint_roads` burns; where strips cross, the highest wins."""

_EDGE_TAG, _BEND_TAG, _MOTORWAY_TAG = 201, 202, 205
_PIECES = 12  # segments of a road between two settlements
_MOTORWAY_CELL, _MOTORWAY_PIECE = 3900.0, 150.0


@njit(cache=True, nogil=True)
def _along(i, j, di, dj, seed, t):
    ax, ay, _, _, _ = settlement(i, j, seed)
    bx, by, _, _, _ = settlement(i + di, j + dj, seed)
    x, y = ax + t * (bx - ax), ay + t * (by - ay)
    bend = 130.0 * np.sin(np.pi * t)
    return (
        x + bend * gradient_noise(x / 520.0, y / 520.0, _BEND_TAG, seed),
        y + bend * gradient_noise(x / 520.0, y / 520.0, _BEND_TAG + 1, seed),
    )


@njit(cache=True, nogil=True)
def _motorway(line, s, lengthwise, seed):
    offset = (line + 0.5) * _MOTORWAY_CELL + 800.0 * gradient_noise(
        s / 2700.0, line * 7.31 + 0.5, _MOTORWAY_TAG + lengthwise, seed
    )
    return (s, offset) if lengthwise == 0 else (offset, s)


@njit(cache=True, nogil=True)
def _add(table, n, a, b, paved, whole, kind, box):
    if (
        max(a[0], b[0]) + whole < box[0]
        or min(a[0], b[0]) - whole > box[2]
        or max(a[1], b[1]) + whole < box[1]
        or min(a[1], b[1]) - whole > box[3]
    ):
        return n
    row = table[n]
    row[X1], row[Y1], row[X2], row[Y2] = a[0], a[1], b[0], b[1]
    row[PAVED], row[WHOLE], row[KIND] = paved, whole, kind
    return n + 1


@njit(cache=True, nogil=True)
def collect_roads(x0, y0, x1, y1, seed):
    """Return the road segments that may touch a rectangle (metres): table (n, 7) float64."""
    reach = TOWN_CELL + 300.0
    i0, i1 = (
        np.int64(np.floor((x0 - reach) / TOWN_CELL)),
        np.int64(np.floor((x1 + reach) / TOWN_CELL)) + 1,
    )
    j0, j1 = (
        np.int64(np.floor((y0 - reach) / TOWN_CELL)),
        np.int64(np.floor((y1 + reach) / TOWN_CELL)) + 1,
    )
    lines_x = np.int64((x1 - x0) / _MOTORWAY_CELL) + 5
    lines_y = np.int64((y1 - y0) / _MOTORWAY_CELL) + 5
    pieces_x = np.int64((x1 - x0) / _MOTORWAY_PIECE) + 5
    pieces_y = np.int64((y1 - y0) / _MOTORWAY_PIECE) + 5
    table = np.zeros(
        ((i1 - i0) * (j1 - j0) * 2 * _PIECES + lines_x * pieces_y + lines_y * pieces_x, 7),
        np.float64,
    )
    box = (x0, y0, x1, y1)
    n = 0
    for j in range(j0, j1):
        for i in range(i0, i1):
            for lengthwise in range(2):
                h = hash_cell(i, j, _EDGE_TAG + 10 * lengthwise, seed)
                if draw(h, 1) > 0.86:
                    continue
                rail = draw(h, 2) < 0.15
                paved = 4.0 if rail else 5.0 + 2.0 * draw(h, 3)
                whole = 8.0 if rail else paved + 3.0
                di, dj = (1, 0) if lengthwise == 0 else (0, 1)
                a = _along(i, j, di, dj, seed, 0.0)
                for k in range(_PIECES):
                    b = _along(i, j, di, dj, seed, (k + 1.0) / _PIECES)
                    n = _add(table, n, a, b, paved, whole, RAILWAY if rail else ROAD, box)
                    a = b
    for lengthwise in range(2):
        low, high = (y0, y1) if lengthwise == 0 else (x0, x1)
        start, stop = (x0, x1) if lengthwise == 0 else (y0, y1)
        l0 = np.int64(np.floor((low - 1300.0) / _MOTORWAY_CELL))
        l1 = np.int64(np.floor((high + 1300.0) / _MOTORWAY_CELL)) + 1
        p0 = np.int64(np.floor((start - 50.0) / _MOTORWAY_PIECE))
        p1 = np.int64(np.floor((stop + 50.0) / _MOTORWAY_PIECE)) + 1
        for line in range(l0, l1):
            for p in range(p0, p1):
                a = _motorway(line, p * _MOTORWAY_PIECE, lengthwise, seed)
                b = _motorway(line, (p + 1) * _MOTORWAY_PIECE, lengthwise, seed)
                n = _add(table, n, a, b, 14.0, 19.0, MOTORWAY, box)
    return table[:n].copy()


@njit(cache=True, nogil=True)
def segment_distance(segment, x, y):
    """Return the distance in metres of a position to a row of a segment table."""
    dx, dy = segment[X2] - segment[X1], segment[Y2] - segment[Y1]
    px, py = x - segment[X1], y - segment[Y1]
    t = min(max((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-9), 0.0), 1.0)
    return np.hypot(px - t * dx, py - t * dy)


@njit(cache=True, nogil=True)
def near_road(segments, x, y, margin):
    """Whether a position lies within `margin` metres of a road's strip."""
    for k in range(len(segments)):
        s = segments[k]
        reach = margin + s[WHOLE]
        if (
            min(s[X1], s[X2]) - reach <= x <= max(s[X1], s[X2]) + reach
            and min(s[Y1], s[Y2]) - reach <= y <= max(s[Y1], s[Y2]) + reach
            and segment_distance(s, x, y) <= reach
        ):
            return True
    return False


@njit(cache=True, nogil=True)
def paint_roads(segments, x0, y0, step, rows, columns):
    """Return (rows, columns) uint8 with VERGE, SURFACE, BALLAST, MEDIAN, or 0 off the roads."""
    out = np.zeros((rows, columns), np.uint8)
    for k in range(len(segments)):
        s = segments[k]
        reach = s[WHOLE]
        r0 = max(np.int64((min(s[Y1], s[Y2]) - reach - y0) / step) - 1, 0)
        r1 = min(np.int64((max(s[Y1], s[Y2]) + reach - y0) / step) + 2, rows)
        c0 = max(np.int64((min(s[X1], s[X2]) - reach - x0) / step) - 1, 0)
        c1 = min(np.int64((max(s[X1], s[X2]) + reach - x0) / step) + 2, columns)
        surface = BALLAST if s[KIND] == RAILWAY else SURFACE
        for r in range(r0, r1):
            y = y0 + (r + 0.5) * step
            for c in range(c0, c1):
                d = segment_distance(s, x0 + (c + 0.5) * step, y)
                if d <= s[WHOLE]:
                    code = VERGE if d > s[PAVED] else surface
                    if s[KIND] == MOTORWAY and d < 2.0:
                        code = MEDIAN
                    out[r, c] = max(out[r, c], code)
    return out
