"""Compiled kernels of perspective views: rays through a relief, and what they see of walls."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.buildings import BAX, BAY, BCOS, BSIN, BX, BY, HEIGHT, METAL, ROOF
from nadir.simulate.noise import draw, hash_cell

SKY, GROUND, ROOF_TOP, WALL, CROWN, TRUNK = range(6)
"""What a pixel of a view shows."""

_CLEARANCE = 0.3  # share of a tree's height below its crown
_SHRUB = 2.5  # lower growth reaches down to the ground, in metres
_STOREY, _BAY = 3.0, 2.6  # in metres
_AMBIENT = 0.52
_GRAIN_TAG, _LEAF_TAG = 731, 733


@njit(cache=True, nogil=True)
def _wall_color(building, h, u, v, above, sun, out):
    """Write the color of a spot on a wall, 0..255.

    Args:
        building: Its row.
        h: Its hash.
        u: Position along its first axis from its center, in metres.
        v: Along the second.
        above: Height above the ground in metres.
        sun: Unit vector to the sun: east, south, up.
        out: (3,) float64, written.
    """
    ax, ay = building[BAX], building[BAY]
    on_u = ax - abs(u) < ay - abs(v)
    along = v + ay if on_u else u + ax
    length = 2.0 * (ay if on_u else ax)
    sign = 1.0 if (u if on_u else v) > 0 else -1.0
    east = sign * (building[BCOS] if on_u else -building[BSIN])
    south = sign * (building[BSIN] if on_u else building[BCOS])
    hall = building[ROOF] == METAL or max(ax, ay) > 15.0
    shade = 0.75 + 0.25 * draw(h, 71)
    warm = draw(h, 72)
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
    bays = max(np.floor(length / (2.0 * _BAY if hall else _BAY)), 1.0)
    width = length / bays
    bay, at = np.floor(along / width), along / width - np.floor(along / width)
    storey, up = np.floor(above / _STOREY), above / _STOREY - np.floor(above / _STOREY)
    face = np.int64(2 * on_u + (sign > 0))
    g = hash_cell(np.int64(bay) + 64 * face, np.int64(storey), 735, h)
    if hall and storey == 0 and draw(g, 1) < 0.25 and 0.15 < at < 0.85:
        for band in range(3):
            out[band] *= 0.55  # gates
    elif not hall and storey == 0 and draw(g, 2) < 0.2 and 0.32 < at < 0.68 and up < 0.72:
        out[0], out[1], out[2] = 96.0, 66.0, 48.0  # doors
    elif draw(g, 3) < (0.25 if hall else 0.85) and 0.28 < at < 0.72 and 0.32 < up < 0.78:
        if at < 0.32 or at > 0.68 or up < 0.36 or up > 0.74 or 0.485 < at < 0.515:
            for band in range(3):
                out[band] = 0.5 * out[band] + 105.0  # frames
        else:
            glass = 0.6 + 0.5 * draw(g, 4)
            out[0], out[1], out[2] = 62.0 * glass, 78.0 * glass, 96.0 * glass
    for band in range(3):
        out[band] *= light * (0.93 + 0.07 * min(above / 1.5, 1.0))


@njit(cache=True, nogil=True)
def _enter_wall(building, x, y, dx, dy, back):
    """Return the position (x, y) where a ray crossed the outline of a building, just before."""
    c, s = building[BCOS], building[BSIN]
    px, py = x - building[BX], y - building[BY]
    u, v = px * c + py * s, py * c - px * s
    du, dv = dx * c + dy * s, dy * c - dx * s
    best = 0.0
    for value, rate, half in ((u, du, building[BAX]), (v, dv, building[BAY])):
        if rate != 0.0:
            # The side through which the ray came in lies behind, within one cell.
            t = (value - (half if rate < 0 else -half)) / rate
            if 0.0 < t <= back and t > 0.0 and (best == 0.0 or t < best):
                best = t
    return x - best * dx, y - best * dy


@njit(cache=True, nogil=True)
def _sample(color, row, column, out):
    """Write the color at a continuous position (pixel centers at halves), bilinear."""
    rows, columns = color.shape[0], color.shape[1]
    fr = min(max(row - 0.5, 0.0), rows - 1.001)
    fc = min(max(column - 0.5, 0.0), columns - 1.001)
    r, c = np.int64(fr), np.int64(fc)
    a, b = fr - r, fc - c
    for band in range(3):
        top = (1.0 - b) * color[r, c, band] + b * color[r, c + 1, band]
        low = (1.0 - b) * color[r + 1, c, band] + b * color[r + 1, c + 1, band]
        out[band] = (1.0 - a) * top + a * low


@njit(cache=True, nogil=True)
def _grain(x, y, size):
    """Return noise in -1..1 of cells of `size` metres."""
    return 2.0 * draw(
        hash_cell(np.int64(np.floor(x / size)), np.int64(np.floor(y / size)), _GRAIN_TAG,
                  np.uint64(0)), 1
    ) - 1.0  # fmt: skip


@njit(cache=True, nogil=True)
def _ground_height(ground, row, column):
    """Return the height of the ground at a continuous position, bilinear."""
    rows, columns = ground.shape
    fr = min(max(row - 0.5, 0.0), rows - 1.001)
    fc = min(max(column - 0.5, 0.0), columns - 1.001)
    r, c = np.int64(fr), np.int64(fc)
    a, b = fr - r, fc - c
    top = (1.0 - b) * ground[r, c] + b * ground[r, c + 1]
    low = (1.0 - b) * ground[r + 1, c] + b * ground[r + 1, c + 1]
    return (1.0 - a) * top + a * low


@njit(cache=True, nogil=True)
def cast(
    x0, y0, step, color, ground, height, owner, trunk, cover, buildings, hashes,
    eye, rays, sun, tallest, travelled, image, depth, kind, seen,
):  # fmt: skip
    """Carry rays on through one relief; those that hit something are colored, in place.

    Args:
        x0: West edge of the relief; see `relief.Relief` for it and the following.
        y0: North edge.
        step: Size of a cell.
        color: Colors from above.
        ground: Heights of the ground.
        height: Heights of roofs and crowns above it.
        owner: Rows of buildings.
        trunk: Trunks.
        cover: Land cover.
        buildings: The buildings.
        hashes: Their hashes.
        eye: (3,) float64 position of the camera: east, south, height above the sea.
        rays: (rows, columns, 3) float64 directions: east, south, up; of unit length.
        sun: (3,) unit vector to the sun.
        tallest: Height above the sea that nothing in the relief exceeds.
        travelled: (rows, columns) float64 length that each ray has gone already; updated.
        image: (rows, columns, 3) float32, 0..255, written where a ray hits.
        depth: (rows, columns) float32, written likewise: distance in metres.
        kind: (rows, columns) uint8, written likewise; rays with a kind other than `SKY` rest.
        seen: (rows, columns) uint8, written likewise: land cover of the ground there.
    """
    rows, columns = ground.shape
    out = np.zeros(3)
    for i in range(rays.shape[0]):
        for j in range(rays.shape[1]):
            if kind[i, j] != SKY:
                continue
            dx, dy, dz = rays[i, j, 0], rays[i, j, 1], rays[i, j, 2]
            flat = max(np.hypot(dx, dy), 1e-9)
            t = travelled[i, j]
            stride = 0.5 * step / flat
            last_r, last_c = -1, -1
            while True:
                t += stride * (1.0 if t * flat < 400.0 * step else 1.5)
                x, y, z = eye[0] + t * dx, eye[1] + t * dy, eye[2] + t * dz
                column, row = (x - x0) / step, (y - y0) / step
                if row < 0.0 or column < 0.0 or row >= rows or column >= columns:
                    break
                if dz >= 0.0 and z > tallest:
                    t = np.inf
                    break
                r, c = np.int64(row), np.int64(column)
                base = _ground_height(ground, row, column)
                above = z - base
                if above <= 0.0:
                    # Back to the surface, so that near ground shows no steps.
                    low, high = t - stride * 1.5, t
                    for _ in range(8):
                        mid = 0.5 * (low + high)
                        mr = (eye[1] + mid * dy - y0) / step
                        mc = (eye[0] + mid * dx - x0) / step
                        if eye[2] + mid * dz > _ground_height(ground, mr, mc):
                            low = mid
                        else:
                            high = mid
                    t = high
                    x, y = eye[0] + t * dx, eye[1] + t * dy
                    row, column = (y - y0) / step, (x - x0) / step
                    r = min(max(np.int64(row), 0), rows - 1)
                    c = min(max(np.int64(column), 0), columns - 1)
                    _sample(color, row, column, out)
                    near = max(0.0, 1.0 - t / 60.0)
                    rough = 1.0 + near * (0.07 * _grain(x, y, 0.09) + 0.06 * _grain(x, y, 0.31))
                    for band in range(3):
                        image[i, j, band] = out[band] * rough
                    kind[i, j], depth[i, j], seen[i, j] = GROUND, t, cover[r, c]
                    break
                tall = height[r, c]
                if above < tall:
                    k = owner[r, c]
                    if k >= 0:
                        b = buildings[k]
                        came_in = last_r < 0 or owner[last_r, last_c] != k
                        if came_in and above < b[HEIGHT]:
                            wx, wy = _enter_wall(b, x, y, dx / flat, dy / flat, 2.0 * step)
                            px, py = wx - b[BX], wy - b[BY]
                            u = px * b[BCOS] + py * b[BSIN]
                            v = py * b[BCOS] - px * b[BSIN]
                            _wall_color(b, hashes[k], u, v, above, sun, out)
                            kind[i, j] = WALL
                        else:
                            _sample(color, row, column, out)
                            kind[i, j] = ROOF_TOP
                    else:
                        free = 0.0 if tall < _SHRUB else _CLEARANCE * tall
                        if above < free:
                            if not trunk[r, c]:
                                last_r, last_c = r, c
                                continue
                            tone = 0.75 + 0.4 * _grain(x, z, 0.15)
                            out[0], out[1], out[2] = 84.0 * tone, 70.0 * tone, 56.0 * tone
                            kind[i, j] = TRUNK
                        else:
                            # Leaves are sparse at the rim of a crown.
                            g = hash_cell(
                                np.int64(np.floor(x / 0.3)), np.int64(np.floor(y / 0.3)),
                                _LEAF_TAG + np.int64(np.floor(z / 0.3)), np.uint64(0),
                            )  # fmt: skip
                            if tall - above < 0.5 and draw(g, 1) < 0.4:
                                last_r, last_c = r, c
                                continue
                            _sample(color, row, column, out)
                            light = 0.55 + 0.45 * (above - free) / max(tall - free, 0.1)
                            light *= 0.78 + 0.44 * draw(g, 2)
                            for band in range(3):
                                out[band] *= light
                            kind[i, j] = CROWN
                    for band in range(3):
                        image[i, j, band] = out[band]
                    depth[i, j], seen[i, j] = t, cover[r, c]
                    break
                last_r, last_c = r, c
            travelled[i, j] = t
