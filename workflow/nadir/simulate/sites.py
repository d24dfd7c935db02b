"""Sites: towns and what surrounds them, quarries, lakes, farms, bare patches.

A site belongs to an integer cell of a jittered grid and depends on hashes of that cell alone, so
the sites near a window are found by looking at the cells near it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.noise import draw, hash_cell
from nadir.simulate.terrain import coast_distance, river_distance, slope_at

BARE, FARM, SUBURB, TOWN, PARK, INDUSTRY, QUARRY, LAKE = range(1, 9)
"""Kinds of sites; where two overlap, the higher number lies on top."""

TOWN_CELL = 1400.0
"""Spacing of settlements in metres."""

_QUARRY_CELL, _LAKE_CELL, _BARE_CELL, _FARM_CELL = 1200.0, 1500.0, 720.0, 330.0
_TOWN_TAG, _QUARRY_TAG, _LAKE_TAG, _BARE_TAG, _FARM_TAG = 101, 102, 103, 104, 105
_FAR = 1500.0  # no part of a site lies farther than this from its cell

KIND, X, Y, COS, SIN, AX, AY, RECT, P1, P2, REACH = range(11)
"""Columns of a site table: kind, center, axis, half extents, rectangle or blob, phases, reach."""
COLUMNS = 11


@njit(cache=True, nogil=True)
def settlement(i, j, seed):
    """Return (x, y, radius, angle, hash) of the settlement of a cell, in metres and radians."""
    h = hash_cell(i, j, _TOWN_TAG, seed)
    x = (i + 0.28 + 0.44 * draw(h, 1)) * TOWN_CELL
    y = (j + 0.28 + 0.44 * draw(h, 2)) * TOWN_CELL
    size = draw(h, 3)
    return x, y, 150.0 + 170.0 * size * size, draw(h, 4) * np.pi, h


@njit(cache=True, nogil=True)
def site_lobe(angle, p1, p2):
    """Return the outline of a blob, relative to its half extents, in a direction."""
    return (
        1.0
        + 0.17 * np.sin(2.0 * angle + p1)
        + 0.12 * np.sin(3.0 * angle + p2)
        + 0.06 * np.sin(7.0 * angle + 2.0 * p1)
    )


@njit(cache=True, nogil=True)
def inside(site, x, y):
    """Whether the position lies inside a row of a site table."""
    dx, dy = x - site[X], y - site[Y]
    u = dx * site[COS] + dy * site[SIN]
    v = dy * site[COS] - dx * site[SIN]
    if site[RECT] > 0.0:
        return abs(u) <= site[AX] and abs(v) <= site[AY]
    u /= site[AX]
    v /= site[AY]
    q = u * u + v * v
    if q < 0.42:
        return True
    if q > 1.83:
        return False
    lobe = site_lobe(np.arctan2(v, u), site[P1], site[P2])
    return q < lobe * lobe


@njit(cache=True, nogil=True)
def _put(table, seeds, n, kind, x, y, angle, ax, ay, rect, h):
    row = table[n]
    row[KIND], row[X], row[Y] = kind, x, y
    row[COS], row[SIN] = np.cos(angle), np.sin(angle)
    row[AX], row[AY], row[RECT] = ax, ay, rect
    row[P1], row[P2] = 6.28 * draw(h, 91), 6.28 * draw(h, 92)
    row[REACH] = np.hypot(ax, ay) if rect > 0.0 else 1.36 * max(ax, ay)
    seeds[n] = h
    return n + 1


@njit(cache=True, nogil=True)
def _dry(x, y, margin, frame, seed):
    return coast_distance(x, y, frame, seed) > margin and river_distance(x, y, seed) > margin + 25.0


@njit(cache=True, nogil=True)
def _remote_spot(i, j, cell, tag, seed):
    """Return the candidate position in a cell that is farthest from settlements, and its hash."""
    h = hash_cell(i, j, tag, seed)
    best_x, best_y, best = 0.0, 0.0, -1.0
    for k in range(5):
        x = (i + 0.08 + 0.84 * draw(h, 10 + 2 * k)) * cell
        y = (j + 0.08 + 0.84 * draw(h, 11 + 2 * k)) * cell
        near = 1e9
        ti, tj = np.int64(np.floor(x / TOWN_CELL)), np.int64(np.floor(y / TOWN_CELL))
        for b in range(tj - 1, tj + 2):
            for a in range(ti - 1, ti + 2):
                tx, ty, radius, _, _ = settlement(a, b, seed)
                near = min(near, np.hypot(x - tx, y - ty) - radius)
        if near > best:
            best_x, best_y, best = x, y, near
    return best_x, best_y, h


@njit(cache=True, nogil=True)
def _around_settlement(i, j, table, seeds, n, frame, seed):
    x, y, radius, angle, h = settlement(i, j, seed)
    if not _dry(x, y, 60.0, frame, seed):
        return n
    n = _put(table, seeds, n, TOWN, x, y, angle, radius * 1.1, radius * 0.9, 0.0, h)
    turn = 6.283 * draw(h, 5)
    for k in range(2):  # parks: one inside, one at the rim
        size = 66.0 + 50.0 * draw(h, 20 + k)
        away = radius * (0.5 if k == 0 else 1.05)
        px, py = x + away * np.cos(turn + 2.6 * k), y + away * np.sin(turn + 2.6 * k)
        rect = 1.0 if draw(h, 24 + k) < 0.4 else 0.0
        if _dry(px, py, 20.0, frame, seed):
            n = _put(
                table,
                seeds,
                n,
                PARK,
                px,
                py,
                angle,
                size * 1.2,
                size * 0.8,
                rect,
                hash_cell(i, j, 130 + k, seed),
            )
    for k in range(2):  # one estate of halls, sometimes two
        if k == 1 and draw(h, 30) > 0.35:
            continue
        ax, ay = 110.0 + 90.0 * draw(h, 31 + k), 80.0 + 60.0 * draw(h, 34 + k)
        away = radius + ay + 30.0 + 120.0 * draw(h, 37 + k)
        px, py = x + away * np.cos(turn + 1.3 + 3.4 * k), y + away * np.sin(turn + 1.3 + 3.4 * k)
        if _dry(px, py, 30.0, frame, seed):
            n = _put(
                table,
                seeds,
                n,
                INDUSTRY,
                px,
                py,
                angle + 0.4 * draw(h, 39),
                ax,
                ay,
                1.0,
                hash_cell(i, j, 140 + k, seed),
            )
    for k in range(2):  # loose housing on the slopes around
        if k == 1 and draw(h, 40) > 0.5:
            continue
        size = 85.0 + 75.0 * draw(h, 41 + k)
        away = radius + size + 60.0 + 160.0 * draw(h, 44 + k)
        px, py = x + away * np.cos(turn + 4.4 + 1.9 * k), y + away * np.sin(turn + 4.4 + 1.9 * k)
        if _dry(px, py, 30.0, frame, seed):
            n = _put(
                table,
                seeds,
                n,
                SUBURB,
                px,
                py,
                angle + 0.7,
                size * 1.15,
                size * 0.85,
                0.0,
                hash_cell(i, j, 150 + k, seed),
            )
    return n


@njit(cache=True, nogil=True)
def _cell_range(low, high, cell, reach):
    return np.int64(np.floor((low - reach) / cell)), np.int64(np.floor((high + reach) / cell)) + 1


@njit(cache=True, nogil=True)
def _collect(x0, y0, x1, y1, frame, seed):
    capacity = 64
    for cell, each in (
        (TOWN_CELL, 7),
        (_QUARRY_CELL, 1),
        (_LAKE_CELL, 1),
        (_BARE_CELL, 1),
        (_FARM_CELL, 1),
    ):
        capacity += each * np.int64(
            ((x1 - x0 + 2 * _FAR) / cell + 3) * ((y1 - y0 + 2 * _FAR) / cell + 3)
        )
    table = np.zeros((capacity, COLUMNS), np.float64)
    seeds = np.zeros(capacity, np.uint64)
    n = 0
    i0, i1 = _cell_range(x0, x1, TOWN_CELL, _FAR)
    j0, j1 = _cell_range(y0, y1, TOWN_CELL, _FAR)
    for j in range(j0, j1):
        for i in range(i0, i1):
            n = _around_settlement(i, j, table, seeds, n, frame, seed)
    i0, i1 = _cell_range(x0, x1, _QUARRY_CELL, 300.0)
    j0, j1 = _cell_range(y0, y1, _QUARRY_CELL, 300.0)
    for j in range(j0, j1):
        for i in range(i0, i1):
            x, y, h = _remote_spot(i, j, _QUARRY_CELL, _QUARRY_TAG, seed)
            size = 95.0 + 75.0 * draw(h, 1)
            if draw(h, 2) < 0.92 and _dry(x, y, 80.0, frame, seed):
                stretch = 0.75 + 0.5 * draw(h, 3)
                n = _put(
                    table,
                    seeds,
                    n,
                    QUARRY,
                    x,
                    y,
                    3.14 * draw(h, 4),
                    size * stretch,
                    size / stretch,
                    0.0,
                    h,
                )
    i0, i1 = _cell_range(x0, x1, _LAKE_CELL, 300.0)
    j0, j1 = _cell_range(y0, y1, _LAKE_CELL, 300.0)
    for j in range(j0, j1):
        for i in range(i0, i1):
            x, y, h = _remote_spot(i, j, _LAKE_CELL, _LAKE_TAG, seed)
            size = 45.0 + 90.0 * draw(h, 1) * draw(h, 5)
            if draw(h, 2) < 0.75 and slope_at(x, y, frame, seed) < 0.5:
                stretch = 0.6 + 0.8 * draw(h, 3)
                n = _put(
                    table,
                    seeds,
                    n,
                    LAKE,
                    x,
                    y,
                    3.14 * draw(h, 4),
                    size * stretch,
                    size / stretch,
                    0.0,
                    h,
                )
    i0, i1 = _cell_range(x0, x1, _BARE_CELL, 300.0)
    j0, j1 = _cell_range(y0, y1, _BARE_CELL, 300.0)
    for j in range(j0, j1):
        for i in range(i0, i1):
            h = hash_cell(i, j, _BARE_TAG, seed)
            x, y = (i + draw(h, 1)) * _BARE_CELL, (j + draw(h, 2)) * _BARE_CELL
            slope = slope_at(x, y, frame, seed)
            if draw(h, 3) < 0.45 + 1.5 * slope:
                size = 52.0 + 48.0 * draw(h, 4)
                n = _put(
                    table, seeds, n, BARE, x, y, 3.14 * draw(h, 5), size * 1.5, size * 0.8, 0.0, h
                )
    i0, i1 = _cell_range(x0, x1, _FARM_CELL, 100.0)
    j0, j1 = _cell_range(y0, y1, _FARM_CELL, 100.0)
    for j in range(j0, j1):
        for i in range(i0, i1):
            h = hash_cell(i, j, _FARM_TAG, seed)
            x, y = (i + draw(h, 1)) * _FARM_CELL, (j + draw(h, 2)) * _FARM_CELL
            if draw(h, 3) < 0.42 and _dry(x, y, 40.0, frame, seed):
                size = 22.0 + 14.0 * draw(h, 4)
                n = _put(
                    table, seeds, n, FARM, x, y, 3.14 * draw(h, 5), size * 1.15, size * 0.85, 1.0, h
                )
    keep = np.zeros(n, np.bool_)
    for k in range(n):
        reach = table[k, REACH]
        keep[k] = (
            table[k, X] + reach >= x0
            and table[k, X] - reach <= x1
            and table[k, Y] + reach >= y0
            and table[k, Y] - reach <= y1
        )
    return table[:n][keep], seeds[:n][keep]


def collect_sites(
    x0: float, y0: float, x1: float, y1: float, frame: np.ndarray, seed: np.uint64
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sites that may touch a rectangle, lowest first.

    Args:
        x0: West edge of the rectangle, in metres from the upper-left corner of the world.
        y0: North edge, in metres south of that corner.
        x1: East edge.
        y1: South edge.
        frame: From `terrain.make_frame`.
        seed: From `noise.seed_hash`.

    Returns:
        Table (n, COLUMNS) float64 and hashes (n,) uint64, in an order that does not depend on
        the rectangle.
    """
    table, seeds = _collect(x0, y0, x1, y1, frame, seed)
    order = np.lexsort((seeds, table[:, KIND]))
    return table[order], seeds[order]


@njit(cache=True, nogil=True)
def site_at(table, x, y):
    """Return the row of the uppermost site at a position, or -1."""
    for k in range(len(table) - 1, -1, -1):
        reach = table[k, REACH]
        near = abs(x - table[k, X]) <= reach and abs(y - table[k, Y]) <= reach
        if near and inside(table[k], x, y):
            return k
    return -1


@njit(cache=True, nogil=True)
def paint_sites(table, x0, y0, step, rows, columns):
    """Return (rows, columns) uint16: 1 + row of the uppermost site at each pixel's center, or 0."""
    out = np.zeros((rows, columns), np.uint16)
    for k in range(len(table)):
        site = table[k]
        reach = site[REACH]
        r0 = max(np.int64((site[Y] - reach - y0) / step) - 1, 0)
        r1 = min(np.int64((site[Y] + reach - y0) / step) + 2, rows)
        c0 = max(np.int64((site[X] - reach - x0) / step) - 1, 0)
        c1 = min(np.int64((site[X] + reach - x0) / step) + 2, columns)
        for r in range(r0, r1):
            y = y0 + (r + 0.5) * step
            for c in range(c0, c1):
                if inside(site, x0 + (c + 0.5) * step, y):
                    out[r, c] = k + 1
    return out
