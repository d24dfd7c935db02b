"""What stands on the ground: roofs and crowns, as heights and colors."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.buildings import (
    BAX,
    BAY,
    BCOS,
    BSIN,
    BX,
    BY,
    COURT_U,
    COURT_V,
    GREY,
    HEIGHT,
    METAL,
    ROOF,
    TILE,
)
from nadir.simulate.cover import M_CONCRETE, M_CONIFER, M_GREY, M_METAL, M_SHRUB, M_TILE
from nadir.simulate.crowns import RADIUS, SPECIES, TALL, TX, TY
from nadir.simulate.epochs import OWN, SEASON
from nadir.simulate.grain import FINE, SOFT, sample_year
from nadir.simulate.noise import draw, hash_cell
from nadir.simulate.palette import tint

TALLEST = 20.0
"""No roof and no tree is higher than this, in metres."""

_OWNER_TAG = 305
_LOW = np.uint64(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def building_hash(building):
    """Return the hash of a row of a building table."""
    return hash_cell(
        np.int64(np.floor(10.0 * building[BX])),
        np.int64(np.floor(10.0 * building[BY])),
        _OWNER_TAG,
        np.uint64(0),
    )


@njit(cache=True, nogil=True)
def building_hashes(buildings):
    """Return (n,) uint64: the hash of every row of a building table."""
    out = np.empty(len(buildings), np.uint64)
    for k in range(len(buildings)):
        out[k] = building_hash(buildings[k])
    return out


def owner_keys(buildings: np.ndarray) -> np.ndarray:
    """Return (n,) uint32: what `paint_roofs` writes into `owner` for rows of a building table."""
    return (building_hashes(buildings) & _LOW).astype(np.uint32)


@njit(cache=True, nogil=True)
def half_span(building):
    """Return the distance in metres from the ridge of a roof to its eaves."""
    if building[COURT_U] > 0.0:
        return 0.5 * (building[BAX] - building[COURT_U])
    return min(building[BAX], building[BAY])


@njit(cache=True, nogil=True)
def _ring_slope(building, u, v):
    """Return where a spot lies on the roof around a courtyard.

    Returns:
        Distance to the nearest edge (m); the direction in which the roof falls there, east and
        south.
    """
    to_u, to_v = building[BAX] - abs(u), building[BAY] - abs(v)
    outer = min(to_u, to_v)
    court = max(abs(u) - building[COURT_U], abs(v) - building[COURT_V])
    fall = 1.0 if outer <= court else -1.0
    if to_u < to_v:
        fall *= 1.0 if u > 0.0 else -1.0
        return min(outer, court), fall * building[BCOS], fall * building[BSIN]
    fall *= 1.0 if v > 0.0 else -1.0
    return min(outer, court), -fall * building[BSIN], fall * building[BCOS]


@njit(cache=True, nogil=True)
def roof_rise(building, h):
    """Return how far the ridge of a roof lies above its eaves in metres; 0 on a flat roof."""
    narrow = half_span(building)
    roof = building[ROOF]
    if roof == TILE or (roof == GREY and draw(h, 50) < 0.35):
        return min(0.42 * narrow, 0.45 * building[HEIGHT])
    if roof == METAL or draw(h, 51) < 0.5:
        return 0.07 * narrow
    return 0.0


@njit(cache=True, nogil=True)
def _roof_material(roof):
    return M_TILE if roof == TILE else M_GREY if roof == GREY else M_METAL if roof == METAL else (
        M_CONCRETE
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _roof_detail(u, v, inner, across, rise, halls, h, grain):
    """Return a factor of brightness of a spot on a roof: parapet, skylights, machines, joints."""
    if rise > 1.0:
        if abs(across) < 0.3:
            return 1.18  # ridge
        g = hash_cell(np.int64(np.floor(u / 2.5)), np.int64(np.floor(v / 2.5)), 581, h)
        fu, fv = u / 2.5 - np.floor(u / 2.5), v / 2.5 - np.floor(v / 2.5)
        if inner > 1.2 and draw(g, 1) < 0.07 and 0.2 < fu < 0.65 and 0.2 < fv < 0.6:
            return 0.55 if draw(g, 2) < 0.6 else 1.5  # chimney, window
        return 0.94 if inner < 0.4 else 1.0
    if inner < 0.5:
        return 1.16
    if halls and draw(h, 52) < 0.6:
        pitch = 9.0 + 6.0 * draw(h, 53)
        at = u / pitch - np.floor(u / pitch)
        if at < 1.3 / pitch and inner > 2.5:
            return 1.45 if draw(h, 54) < 0.6 else 0.6  # strips of skylights
    g = hash_cell(np.int64(np.floor(u / 4.0)), np.int64(np.floor(v / 4.0)), 582, h)
    fu, fv = u / 4.0 - np.floor(u / 4.0), v / 4.0 - np.floor(v / 4.0)
    if inner > 1.5 and draw(g, 1) < 0.13:
        if 0.15 < fu < 0.4 + 0.4 * draw(g, 3) and 0.15 < fv < 0.4 + 0.4 * draw(g, 4):
            return 0.6 if draw(g, 2) < 0.4 else 1.3  # machines, hatches
        if 0.0 < fu < 0.15 + 0.4 * draw(g, 3):
            return 0.8
    return 1.0 + 0.05 * grain


@njit(cache=True, nogil=True)
def paint_roofs(
    buildings, x0, y0, step, height, owner, color, top, left, tiles, sun, epoch, salt, variation
):
    """Paint roofs over the ground, in place.

    Args:
        buildings: From `buildings.collect_buildings`.
        x0: West edge of the window (m).
        y0: North edge (m).
        step: Size of a pixel (m).
        height: (rows, columns) float32 heights above the ground (m).
        owner: (rows, columns) uint32, low bits of `building_hash`, 0 off the buildings.
        color: (fewer rows, fewer columns, 3) float32 reflectance of the middle of the window.
        top: Rows of the window above `color`.
        left: Columns of the window left of it.
        tiles: From `grain.grain_tiles`.
        sun: Unit vector to the sun: east, south, up.
        epoch: From `epochs.Epoch.table`.
        salt: From `epochs.Epoch.salt`.
        variation: Strength of the differences between roofs.
    """
    rows, columns = height.shape
    out = np.zeros(3)
    for k in range(len(buildings)):
        b = buildings[k]
        h = building_hash(b)
        key = np.uint32(h & _LOW)
        ax, ay = b[BAX], b[BAY]
        reach = np.hypot(ax, ay) + step
        r0 = max(np.int64((b[BY] - reach - y0) / step) - 1, 0)
        r1 = min(np.int64((b[BY] + reach - y0) / step) + 2, rows)
        c0 = max(np.int64((b[BX] - reach - x0) / step) - 1, 0)
        c1 = min(np.int64((b[BX] + reach - x0) / step) + 2, columns)
        if r0 >= r1 or c0 >= c1:
            continue
        rise = roof_rise(b, h)
        long_u = ax >= ay
        ring, narrow = b[COURT_U] > 0.0, half_span(b)
        tint(
            _roof_material(b[ROOF]), h, np.int64(epoch[SEASON]), 0.4 * epoch[OWN], salt, variation,
            out,
        )  # fmt: skip
        slope = rise / narrow
        tilt = 1.0 / np.sqrt(1.0 + slope * slope)
        # Light on the two sides of the ridge, relative to level ground.
        east, south = (-b[BSIN], b[BCOS]) if long_u else (b[BCOS], b[BSIN])
        facing = (slope * (east * sun[0] + south * sun[1])) * tilt / sun[2]
        halls = max(ax, ay) > 15.0 and not ring
        for r in range(r0, r1):
            dy = y0 + (r + 0.5) * step - b[BY]
            for c in range(c0, c1):
                dx = x0 + (c + 0.5) * step - b[BX]
                u, v = dx * b[BCOS] + dy * b[BSIN], dy * b[BCOS] - dx * b[BSIN]
                across = v if long_u else u
                if ring:
                    inner, fall_east, fall_south = _ring_slope(b, u, v)
                    across = narrow - inner  # from the ridge
                    facing = (slope * (fall_east * sun[0] + fall_south * sun[1])) * tilt / sun[2]
                else:
                    inner = min(ax - abs(u), ay - abs(v))
                share = min(0.5 + inner / step, 1.0)
                if share <= 0.0:
                    continue
                if share >= 0.5:
                    height[r, c] = b[HEIGHT] - rise * min(abs(across) / narrow, 1.0)
                    owner[r, c] = key
                rr, cc = r - top, c - left
                if rr < 0 or cc < 0 or rr >= color.shape[0] or cc >= color.shape[1]:
                    continue
                grain = sample_year(tiles, SOFT, u, v, h, epoch, salt)
                light = tilt + (facing if across > 0.0 or ring else -facing)
                light = 0.22 + 0.78 * max(light, 0.0)
                light *= _roof_detail(u, v, inner, across, rise, halls, h, grain)
                light *= 1.0 + 0.06 * grain
                light *= 1.0 + 0.05 * sample_year(tiles, FINE, u, v, h, epoch, salt)
                for band in range(3):
                    under = color[rr, cc, band]
                    color[rr, cc, band] = under + share * (out[band] * light - under)


@njit(cache=True, nogil=True)
def paint_crowns(
    crowns, hashes, x0, y0, step, height, color, top, left, tiles, sun, epoch, salt, variation
):
    """Paint crowns over the ground, in place: where two overlap, the higher covers the lower.

    Args:
        crowns: From `crowns.collect_crowns`.
        hashes: Likewise.
        x0: West edge of the window (m).
        y0: North edge (m).
        step: Size of a pixel (m).
        height: See `paint_roofs`.
        color: See there.
        top: See there.
        left: See there.
        tiles: From `grain.grain_tiles`.
        sun: Unit vector to the sun: east, south, up.
        epoch: From `epochs.Epoch.table`.
        salt: From `epochs.Epoch.salt`.
        variation: Strength of the differences between trees.
    """
    rows, columns = height.shape
    out = np.zeros(3)
    for k in range(len(crowns)):
        x, y, radius, tall = crowns[k, TX], crowns[k, TY], crowns[k, RADIUS], crowns[k, TALL]
        species = np.int64(crowns[k, SPECIES])
        h = hashes[k]
        reach = 1.35 * radius + step
        r0 = max(np.int64((y - reach - y0) / step), 0)
        r1 = min(np.int64((y + reach - y0) / step) + 1, rows)
        c0 = max(np.int64((x - reach - x0) / step), 0)
        c1 = min(np.int64((x + reach - x0) / step) + 1, columns)
        if r0 >= r1 or c0 >= c1:
            continue
        tint(species, h, np.int64(epoch[SEASON]), epoch[OWN], salt, variation, out)
        cone = species == M_CONIFER
        bulge = 1.0 if cone else 0.8
        soft_edge = 0.9 * step / radius
        for r in range(r0, r1):
            dy = (y0 + (r + 0.5) * step - y) / radius
            for c in range(c0, c1):
                dx = (x0 + (c + 0.5) * step - x) / radius
                d2 = dx * dx + dy * dy
                if d2 > 1.9:
                    continue
                leaf = sample_year(tiles, SOFT, dx * radius, dy * radius, h, epoch, salt)
                d = np.sqrt(d2) * (1.0 + 0.13 * leaf)
                share = min(0.5 + (1.0 - d) / soft_edge, 1.0)
                if share <= 0.0:
                    continue
                dome = 1.0 - min(d, 1.0) if cone else np.sqrt(max(1.0 - d * d, 0.0))
                z = tall * (0.4 + 0.6 * dome) + 0.12 * leaf
                if z < height[r, c]:
                    continue
                if share >= 0.5:
                    height[r, c] = z
                rr, cc = r - top, c - left
                if rr < 0 or cc < 0 or rr >= color.shape[0] or cc >= color.shape[1]:
                    continue
                light = sun[2] * (1.0 - 0.45 * d2) + bulge * (dx * sun[0] + dy * sun[1])
                light = 0.42 + 0.9 * max(light, 0.0)
                light *= max(1.0 + (0.2 if species != M_SHRUB else 0.1) * leaf, 0.3)
                for band in range(3):
                    under = color[rr, cc, band]
                    color[rr, cc, band] = under + share * (out[band] * light - under)
