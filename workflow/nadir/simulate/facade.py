"""Compiled colors of what one sees from the side or close by: walls, leaves, bark, soil."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.buildings import (
    BAX,
    BAY,
    BCOS,
    BSIN,
    COURT_U,
    COURT_V,
    HEIGHT,
    METAL,
    ROOF,
)
from nadir.simulate.cover import (
    C_BARE,
    C_FOREST,
    C_GREEN,
    C_HERBACEOUS,
    C_SCRUB,
    C_WATER,
    C_WOODY,
)
from nadir.simulate.noise import draw, hash_cell
from nadir.simulate.surface import roof_rise

_STOREY, _BAY = 3.0, 2.6  # in metres
_AMBIENT = 0.52
_GRAIN_TAG, _LEAF_TAG = 731, 734
_SIZES = np.array([0.9, 0.3, 0.11, 0.04])
"""Sizes of the grains of the ground, in metres; those smaller than a pixel are not seen."""


@njit(cache=True, nogil=True)
def wall_color(building, h, spot, sun, out):
    """Write the color of a spot on a wall, 0..255.

    Args:
        building: Its row.
        h: Its hash.
        spot: Position along both axes from the building's center and height above its floor, in
            metres; 1 where the wall faces along the first axis, else 0.
        sun: Unit vector to the sun: east, south, up.
        out: (3,) float64, written.
    """
    u, v, above, on_u = spot[0], spot[1], spot[2], spot[3] > 0.5
    ax, ay = building[BAX], building[BAY]
    sign = 1.0 if (u if on_u else v) > 0 else -1.0
    if building[COURT_U] > 0.0 and min(ax - abs(u), ay - abs(v)) > 0.1:
        ax, ay, sign = building[COURT_U], building[COURT_V], -sign
    along = v + ay if on_u else u + ax
    length = 2.0 * (ay if on_u else ax)
    east = sign * (building[BCOS] if on_u else -building[BSIN])
    south = sign * (building[BSIN] if on_u else building[BCOS])
    hall = building[ROOF] == METAL or max(ax, ay) > 15.0
    shade, warm = 0.75 + 0.25 * draw(h, 71), draw(h, 72)
    out[0], out[1], out[2] = (
        232.0 * shade,
        (222.0 - 34.0 * warm) * shade,
        (205.0 - 75.0 * warm) * shade,
    )
    if hall:
        tone = 0.62 + 0.3 * draw(h, 73)
        out[0], out[1], out[2] = 196.0 * tone, 202.0 * tone, 208.0 * tone
    light = _AMBIENT + (1.0 - _AMBIENT) * max(east * sun[0] + south * sun[1], 0.0) / max(
        np.hypot(sun[0], sun[1]), 0.2
    )
    eaves = building[HEIGHT] - roof_rise(building, h) - 0.4
    bays = max(np.floor(length / (2.0 * _BAY if hall else _BAY)), 1.0)
    width = length / bays
    bay, at = np.floor(along / width), along / width - np.floor(along / width)
    storey, up = np.floor(above / _STOREY), above / _STOREY - np.floor(above / _STOREY)
    face = np.int64(2 * on_u + (sign > 0))
    g = hash_cell(np.int64(bay) + 64 * face, np.int64(storey), 735, h)
    if above < 0.45:
        for band in range(3):
            out[band] *= 0.72  # plinth
    elif hall and storey == 0 and draw(g, 1) < 0.25 and 0.15 < at < 0.85:
        for band in range(3):
            out[band] *= 0.55 if up * 14.0 % 1.0 < 0.8 else 0.48  # gates
    elif not hall and storey == 0 and draw(g, 2) < 0.2 and 0.32 < at < 0.68 and up < 0.72:
        out[0], out[1], out[2] = 96.0, 66.0, 48.0  # doors
    elif (
        (storey + 0.78) * _STOREY < eaves
        and draw(g, 3) < (0.25 if hall else 0.85)
        and 0.28 < at < 0.72
        and 0.32 < up < 0.78
    ):
        if at < 0.32 or at > 0.68 or up < 0.36 or up > 0.74 or 0.485 < at < 0.515:
            for band in range(3):
                out[band] = 0.5 * out[band] + 105.0  # frames
        else:
            glass = 0.6 + 0.5 * draw(g, 4)
            out[0], out[1], out[2] = 62.0 * glass, 78.0 * glass, 96.0 * glass
    else:
        stain = 0.97 + 0.03 * _smooth(along / 1.7, above / 2.9, np.uint64(h))
        for band in range(3):
            out[band] *= stain
    for band in range(3):
        out[band] *= light * (0.93 + 0.07 * min(max(above, 0.0) / 1.5, 1.0))


@njit(cache=True, nogil=True)
def _smooth(x, y, h):
    """Return smooth noise of cells of size 1, -1..1."""
    i, j = np.int64(np.floor(x)), np.int64(np.floor(y))
    a, b = x - i, y - j
    a, b = a * a * (3.0 - 2.0 * a), b * b * (3.0 - 2.0 * b)
    upper = (1.0 - a) * draw(hash_cell(i, j, _GRAIN_TAG, h), 1) + a * draw(
        hash_cell(i + 1, j, _GRAIN_TAG, h), 1
    )
    lower = (1.0 - a) * draw(hash_cell(i, j + 1, _GRAIN_TAG, h), 1) + a * draw(
        hash_cell(i + 1, j + 1, _GRAIN_TAG, h), 1
    )
    return 2.0 * ((1.0 - b) * upper + b * lower) - 1.0


@njit(cache=True, nogil=True)
def crown_color(x, y, z, above, tall, floor, distance, out):
    """Turn the color of a crown from above into that of a spot on it, in place.

    Args:
        x: Position, in metres.
        y: Likewise.
        z: Likewise.
        above: Height above the ground.
        tall: Height of the crown there.
        floor: Height of its lower side.
        distance: From the camera: near by, leaves differ one by one.
        out: (3,) float64, 0..255.
    """
    size = 0.16 if distance < 25.0 else 0.4
    g = hash_cell(
        np.int64(np.floor(x / size)), np.int64(np.floor(y / size)),
        _LEAF_TAG + np.int64(np.floor(z / size)), np.uint64(0),
    )  # fmt: skip
    clump = _smooth(x / 0.7 + 0.37 * z, y / 0.7 + 1.1 * z, np.uint64(0))
    light = 0.58 + 0.45 * min(max((above - floor) / max(tall - floor, 0.6), 0.0), 1.0)
    light *= (1.0 + 0.16 * clump) * (0.8 + 0.4 * draw(g, 2))
    for band in range(3):
        out[band] *= light


@njit(cache=True, nogil=True)
def trunk_color(x, y, z, out):
    """Write the color of bark at a position, 0..255."""
    tone = 0.85 + 0.3 * _smooth(x / 0.07 + y / 0.07, z / 0.5, np.uint64(0))
    out[0], out[1], out[2] = 84.0 * tone, 70.0 * tone, 56.0 * tone


@njit(cache=True, nogil=True)
def ground_color(x, y, cover, pixel, step, out):
    """Add to the color of the ground from above what is too fine to be seen there, in place.

    Args:
        x: Position, in metres.
        y: Likewise.
        cover: Land cover there.
        pixel: Size of a pixel on a plane that faces the camera, in metres.
        step: Size of the cells that the color is given on.
        out: (3,) float64, 0..255.
    """
    if cover == C_WATER:
        return
    soft = cover in (C_HERBACEOUS, C_WOODY, C_FOREST, C_SCRUB, C_GREEN)
    strength = 0.13 if soft else 0.1 if cover == C_BARE else 0.045
    rough, lush = 1.0, 0.0
    for k in range(4):
        size = _SIZES[k]
        share = min(max(size / pixel - 1.0, 0.0), 1.0)
        if share <= 0.0 or size > 4.0 * step:
            continue
        grain = _smooth(x / size, y / size, np.uint64(k + 1))
        rough += share * strength * grain
        if k == 1:
            lush = share * grain
    out[0] *= rough * (1.0 - (0.06 * lush if soft else 0.0))
    out[1] *= rough
    out[2] *= rough * (1.0 - (0.08 * lush if soft else 0.0))
