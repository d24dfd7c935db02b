"""Single buildings: footprints with heights, and their raster with shadows."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.noise import draw, hash_cell, mix
from nadir.simulate.roads import near_road
from nadir.simulate.sites import (
    AX,
    AY,
    COS,
    FARM,
    INDUSTRY,
    KIND,
    SIN,
    SUBURB,
    TOWN,
    X,
    Y,
    inside,
    site_at,
)
from nadir.simulate.terrain import BEACH, coast_distance, river_distance, river_half_width

BX, BY, BCOS, BSIN, BAX, BAY, HEIGHT, ROOF, COURT_U, COURT_V = range(10)
"""Columns of a building table: center, axis, half extents, height (all m), roof, and the half
extents of the courtyard in its middle (m; 0 without one)."""

SHADE, TILE, GREY, METAL, PALE = 1, 2, 3, 4, 5
"""Codes that `paint_buildings` burns: shadow, then kinds of roofs; the highest wins."""

SHADOW_PER_HEIGHT = 0.66
"""Length of a shadow per metre of height: the sun stands 57 degrees high on both dates."""

SHADOW_EAST, SHADOW_SOUTH = -0.537, -0.843
"""Where shadows fall: the sun stands at azimuth 147.5 degrees."""


@njit(cache=True, nogil=True)
def street_grid(h):
    """Return (block length, block depth) of a town's streets in metres; streets are 10 m wide."""
    return 68.0 + 44.0 * draw(h, 60), 46.0 + 22.0 * draw(h, 61)


@njit(cache=True, nogil=True)
def hall_grid(h):
    """Return (lot length, lot depth) of an industrial estate in metres."""
    return 86.0 + 54.0 * draw(h, 62), 70.0 + 36.0 * draw(h, 63)


@njit(cache=True, nogil=True)
def edge_distance(building, u, v):
    """Return how far inside a footprint a position lies, in metres; negative off it.

    Courtyards count as off the footprint. Beyond corners the distance is that of a square.

    Args:
        building: Row of a building table.
        u: Position along its first axis, from its center.
        v: The same along its second axis.
    """
    inner = min(building[BAX] - abs(u), building[BAY] - abs(v))
    if building[COURT_U] > 0.0:
        inner = min(inner, max(abs(u) - building[COURT_U], abs(v) - building[COURT_V]))
    return inner


@njit(cache=True, nogil=True)
def _block_is_free(sites, own, segments, building):
    """Whether a whole block lies on its own site and off roads: a circle around it is too wide."""
    reach = 0.25 * np.hypot(building[BAX], building[BAY]) + 1.0
    for k in range(25):
        u, v = 0.5 * (k % 5 - 2) * building[BAX], 0.5 * (k // 5 - 2) * building[BAY]
        x = building[BX] + u * building[BCOS] - v * building[BSIN]
        y = building[BY] + u * building[BSIN] + v * building[BCOS]
        if site_at(sites, x, y) != own or near_road(segments, x, y, reach):
            return False
    return True


@njit(cache=True, nogil=True)
def _stands(sites, own, segments, building, frame, seed):
    """Whether a building lies wholly on its own site, off roads and water."""
    ax, ay = building[BAX], building[BAY]
    for k in range(5):
        su = 0.0 if k == 4 else (1.0 if k & 1 else -1.0)
        sv = 0.0 if k == 4 else (1.0 if k & 2 else -1.0)
        x = building[BX] + su * ax * building[BCOS] - sv * ay * building[BSIN]
        y = building[BY] + su * ax * building[BSIN] + sv * ay * building[BCOS]
        if site_at(sites, x, y) != own:
            return False
    x, y = building[BX], building[BY]
    reach = np.hypot(ax, ay)
    if building[COURT_U] > 0.0:
        if not _block_is_free(sites, own, segments, building):
            return False
    elif near_road(segments, x, y, max(ax, ay) + 1.0):
        return False
    if coast_distance(x, y, frame, seed) < reach + BEACH + 5.0:
        return False
    return river_distance(x, y, seed) > river_half_width(x, y, seed) + reach + 4.0


@njit(cache=True, nogil=True)
def _try(table, n, sites, own, segments, u, v, ax, ay, height, roof, frame, seed, wing=0.0):
    """Append a building at local (u, v) of a site when it can stand there.

    With a `wing`, it surrounds a courtyard and is so deep (m).
    """
    site = sites[own]
    x = site[X] + u * site[COS] - v * site[SIN]
    y = site[Y] + u * site[SIN] + v * site[COS]
    if n >= len(table) or not inside(site, x, y):
        return n
    row = table[n]
    row[BX], row[BY], row[BCOS], row[BSIN] = x, y, site[COS], site[SIN]
    row[BAX], row[BAY], row[HEIGHT], row[ROOF] = ax, ay, height, roof
    row[COURT_U], row[COURT_V] = (ax - wing, ay - wing) if wing > 0.0 else (0.0, 0.0)
    return n + 1 if _stands(sites, own, segments, table[n], frame, seed) else n


@njit(cache=True, nogil=True)
def _around_court(table, n, sites, own, segments, bu, bv, h, g, frame, seed):
    """Append a building that fills a block of a town, around a courtyard, when it can stand."""
    length, depth = street_grid(h)
    wing = 10.5 + 2.5 * draw(g, 6)
    ax, ay = 0.5 * length - 5.5, 0.5 * depth - 5.5
    roof = TILE if draw(g, 7) < 0.6 else GREY if draw(g, 7) < 0.85 else PALE
    tall = (5.0 + 9.0 * draw(h, 64)) * (0.9 + 0.4 * draw(g, 8))
    u, v = (bu + 0.5) * length, (bv + 0.5) * depth
    return _try(table, n, sites, own, segments, u, v, ax, ay, tall, roof, frame, seed, wing)


@njit(cache=True, nogil=True)
def _town(table, n, sites, own, segments, h, courtyards, frame, seed):
    length, depth = street_grid(h)
    tall = 5.0 + 9.0 * draw(h, 64)
    span_u = np.int64(1.4 * sites[own, AX] / length) + 1
    span_v = np.int64(1.4 * sites[own, AY] / depth) + 1
    for bv in range(-span_v, span_v + 1):
        for bu in range(-span_u, span_u + 1):
            g = mix(h ^ hash_cell(bu, bv, 301, seed))
            if draw(g, 1) < 0.07:
                continue  # a square
            if draw(g, 5) < courtyards:
                before = n
                n = _around_court(table, n, sites, own, segments, bu, bv, h, g, frame, seed)
                if n > before:
                    continue
            lots = np.int64((length - 10.0) / (11.0 + 6.0 * draw(g, 2)))
            wide = (length - 10.0) / lots
            for side in range(2):
                for lot in range(lots):
                    q = mix(g + np.uint64(97 * lot + side))
                    if draw(q, 1) < 0.1:
                        continue
                    deep = 5.5 + 2.5 * draw(q, 2)
                    u = bu * length + 5.0 + (lot + 0.5) * wide
                    v = bv * depth + (5.0 + deep if side == 0 else depth - 5.0 - deep)
                    roof = TILE if draw(q, 3) < 0.5 else GREY if draw(q, 3) < 0.85 else PALE
                    n = _try(
                        table,
                        n,
                        sites,
                        own,
                        segments,
                        u,
                        v,
                        wide * 0.49,
                        deep,
                        tall * (0.6 + 0.8 * draw(q, 4)),
                        roof,
                        frame,
                        seed,
                    )
    return n


@njit(cache=True, nogil=True)
def _suburb(table, n, sites, own, segments, h, frame, seed):
    span_u = np.int64(1.4 * sites[own, AX] / 34.0) + 1
    span_v = np.int64(1.4 * sites[own, AY] / 36.0) + 1
    for bv in range(-span_v, span_v + 1):
        for bu in range(-span_u, span_u + 1):
            q = mix(h ^ hash_cell(bu, bv, 302, seed))
            if draw(q, 1) < 0.12:
                continue
            u = (bu + 0.5) * 34.0 + 8.0 * (draw(q, 2) - 0.5)
            v = (bv + 0.5) * 36.0 + 8.0 * (draw(q, 3) - 0.5)
            roof = TILE if draw(q, 4) < 0.7 else GREY
            n = _try(
                table,
                n,
                sites,
                own,
                segments,
                u,
                v,
                5.0 + 3.5 * draw(q, 5),
                4.5 + 2.5 * draw(q, 6),
                3.5 + 4.0 * draw(q, 7),
                roof,
                frame,
                seed,
            )
    return n


@njit(cache=True, nogil=True)
def _estate(table, n, sites, own, segments, h, frame, seed):
    length, depth = hall_grid(h)
    span_u = np.int64(sites[own, AX] / length) + 1
    span_v = np.int64(sites[own, AY] / depth) + 1
    for bv in range(-span_v, span_v + 1):
        for bu in range(-span_u, span_u + 1):
            q = mix(h ^ hash_cell(bu, bv, 303, seed))
            if draw(q, 1) < 0.08:
                continue  # a yard
            pick = draw(q, 2)
            roof = GREY if pick < 0.45 else METAL if pick < 0.53 else PALE if pick < 0.78 else TILE
            n = _try(
                table,
                n,
                sites,
                own,
                segments,
                (bu + 0.5) * length,
                (bv + 0.5) * depth,
                length * (0.3 + 0.1 * draw(q, 3)),
                depth * (0.28 + 0.1 * draw(q, 4)),
                7.0 + 7.0 * draw(q, 5),
                roof,
                frame,
                seed,
            )
    return n


@njit(cache=True, nogil=True)
def _farm(table, n, sites, own, segments, h, frame, seed):
    count = 1 + np.int64(draw(h, 70) * 2.6)
    for k in range(count):
        q = mix(h + np.uint64(k + 1))
        u = sites[own, AX] * (-0.45 + 0.9 * (k + 0.5) / count)
        v = sites[own, AY] * 0.7 * (draw(q, 1) - 0.5)
        roof = TILE if draw(q, 2) < 0.65 else GREY if draw(q, 2) < 0.9 else METAL
        n = _try(
            table,
            n,
            sites,
            own,
            segments,
            u,
            v,
            5.0 + 3.0 * draw(q, 3),
            5.5 + 5.0 * draw(q, 4),
            4.0 + 4.0 * draw(q, 5),
            roof,
            frame,
            seed,
        )
    return n


@njit(cache=True, nogil=True)
def collect_buildings(sites, seeds, segments, courtyards, frame, seed):
    """Return the buildings of the given sites: table (n, 10) float64, see `BX`.

    `sites` and `segments` must reach far enough beyond a building to decide whether it stands
    (150 m is enough). `courtyards` is the share of a town's blocks that one building fills.
    """
    capacity = 16
    for k in range(len(sites)):
        area = 4.0 * 1.9 * sites[k, AX] * sites[k, AY]
        kind = sites[k, KIND]
        if kind == TOWN:
            capacity += np.int64(area / 180.0)
        elif kind in (SUBURB, INDUSTRY):
            capacity += np.int64(area / 600.0) + 8
        elif kind == FARM:
            capacity += 4
    table = np.zeros((capacity, 10), np.float64)
    n = 0
    for k in range(len(sites)):
        kind = sites[k, KIND]
        if kind == TOWN:
            n = _town(table, n, sites, k, segments, seeds[k], courtyards, frame, seed)
        elif kind == SUBURB:
            n = _suburb(table, n, sites, k, segments, seeds[k], frame, seed)
        elif kind == INDUSTRY:
            n = _estate(table, n, sites, k, segments, seeds[k], frame, seed)
        elif kind == FARM:
            n = _farm(table, n, sites, k, segments, seeds[k], frame, seed)
    return table[:n].copy()


@njit(cache=True, nogil=True)
def paint_buildings(buildings, x0, y0, step, rows, columns):
    """Return a kind of roof, SHADE or 0 (uint8), and the building's own hash (uint64), by pixel."""
    out = np.zeros((rows, columns), np.uint8)
    owner = np.zeros((rows, columns), np.uint64)
    for k in range(len(buildings)):
        b = buildings[k]
        own = hash_cell(
            np.int64(np.floor(10.0 * b[BX])), np.int64(np.floor(10.0 * b[BY])), 305, np.uint64(0)
        )
        shadow = SHADOW_PER_HEIGHT * b[HEIGHT]
        reach = np.hypot(b[BAX], b[BAY]) + shadow
        r0 = max(np.int64((b[BY] - reach - y0) / step) - 1, 0)
        r1 = min(np.int64((b[BY] + reach - y0) / step) + 2, rows)
        c0 = max(np.int64((b[BX] - reach - x0) / step) - 1, 0)
        c1 = min(np.int64((b[BX] + reach - x0) / step) + 2, columns)
        for r in range(r0, r1):
            for c in range(c0, c1):
                dx, dy = x0 + (c + 0.5) * step - b[BX], y0 + (r + 0.5) * step - b[BY]
                for part in range(4):
                    length = shadow * part / 3.0
                    px, py = dx - length * SHADOW_EAST, dy - length * SHADOW_SOUTH
                    u = px * b[BCOS] + py * b[BSIN]
                    v = py * b[BCOS] - px * b[BSIN]
                    if edge_distance(b, u, v) >= 0.0:
                        code = np.uint8(b[ROOF]) if part == 0 else np.uint8(SHADE)
                        if code > out[r, c] or (code == out[r, c] and own > owner[r, c]):
                            out[r, c], owner[r, c] = code, own  # whatever the order of buildings
                        break
    return out, owner
