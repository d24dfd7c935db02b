"""Compiled kernel of perspective views: rays through a relief, to what they meet first.

Rays go from cell to cell (J. Amanatides and A. Woo, "A fast voxel traversal algorithm for ray
tracing", 1987) and leap over blocks of cells that they pass above. Walls and roofs are those of the
buildings' tables, not of the raster, so that their edges are sharp at any distance.
"""

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
    HEIGHT,
)
from nadir.simulate.facade import crown_color, ground_color, trunk_color, wall_color
from nadir.simulate.grid_sampling import blend, sample
from nadir.simulate.noise import draw, hash_cell
from nadir.simulate.surface import half_span, roof_rise

SKY, GROUND, ROOF_TOP, WALL, CROWN, TRUNK = range(6)
"""What a pixel of a view shows."""

BLOCK = 16
"""Side in cells of the blocks of `relief.Relief.peak`."""

_NEAR = 45.0  # leaves are drawn one by one up to this distance, in metres
_LEAF_TAG = 733
_DEEPEST = 6.0  # how far walls go down below a building's floor, in metres


@njit(cache=True, nogil=True)
def _roof_above(building, rise, u, v):
    """Return the height (m) of a roof above its building's floor; negative off it."""
    inner_u, inner_v = building[BAX] - abs(u), building[BAY] - abs(v)
    inner = min(inner_u, inner_v)
    if building[COURT_U] > 0.0:
        court = max(abs(u) - building[COURT_U], abs(v) - building[COURT_V])
        if inner < 0.0 or court < 0.0:
            return -1e9
        across = half_span(building) - min(inner, court)
    else:
        if inner < 0.0:
            return -1e9
        across = v if building[BAX] >= building[BAY] else u
    return building[HEIGHT] - rise * min(abs(across) / half_span(building), 1.0)


@njit(cache=True, nogil=True)
def _crossing(position, rate, half):
    """Return when a coordinate enters and leaves (-half, half), and the side that it enters by."""
    if rate == 0.0:
        return (-np.inf, np.inf) if abs(position) < half else (np.inf, -np.inf)
    a, b = (-half - position) / rate, (half - position) / rate
    return (a, b) if a < b else (b, a)


@njit(cache=True, nogil=True)
def _meet_building(building, h, level, eye, ray, first, last, out):
    """Return where a ray meets a building between two lengths: (length or inf, is a wall).

    Args:
        building: Its row.
        h: Its hash.
        level: Height of its floor above the sea.
        eye: Where the ray starts.
        ray: Its direction.
        first: Length from which on to look, a little before the cell.
        last: Length at which the ray leaves the cell.
        out: (4,) float64, written: position along both axes, height above the floor, 1 where the
            wall faces along the first axis.
    """
    cos, sin = building[BCOS], building[BSIN]
    px, py = eye[0] - building[BX], eye[1] - building[BY]
    u0, v0 = px * cos + py * sin, py * cos - px * sin
    du, dv = ray[0] * cos + ray[1] * sin, ray[1] * cos - ray[0] * sin
    enter_u, leave_u = _crossing(u0, du, building[BAX])
    enter_v, leave_v = _crossing(v0, dv, building[BAY])
    enter, leave = max(enter_u, enter_v), min(leave_u, leave_v)
    if leave <= enter or leave < first or enter > last:
        return np.inf, False
    rise = roof_rise(building, h)
    inside = 1e-7 * (leave - enter)
    if enter >= first:
        t = enter + inside
        above = eye[2] + t * ray[2] - level
        u, v = u0 + t * du, v0 + t * dv
        if -_DEEPEST < above < _roof_above(building, rise, u, v):
            out[0], out[1], out[2], out[3] = u, v, above, 1.0 if enter_u > enter_v else 0.0
            return enter, True
    low, high = max(first, enter + inside), min(last, leave - inside)
    u, v = u0 + high * du, v0 + high * dv
    if high <= low or eye[2] + high * ray[2] - level > _roof_above(building, rise, u, v):
        return np.inf, False
    for _ in range(12):
        mid = 0.5 * (low + high)
        if eye[2] + mid * ray[2] - level < _roof_above(
            building, rise, u0 + mid * du, v0 + mid * dv
        ):
            high = mid
        else:
            low = mid
    u, v = u0 + high * du, v0 + high * dv
    above = eye[2] + high * ray[2] - level
    to_u, to_v = abs(u) - building[COURT_U], abs(v) - building[COURT_V]
    out[0], out[1], out[2], out[3] = u, v, above, 1.0 if to_u > to_v else 0.0
    return high, above < _roof_above(building, rise, u, v) - 0.05


@njit(cache=True, nogil=True)
def _meet_ground(ground, x0, y0, step, eye, ray, first, last):
    """Return the length at which a ray goes below the ground between two lengths, or inf."""
    low, high = first, last
    if eye[2] + high * ray[2] > blend(
        ground, (eye[1] + high * ray[1] - y0) / step, (eye[0] + high * ray[0] - x0) / step
    ):
        return np.inf
    for _ in range(14):
        mid = 0.5 * (low + high)
        row, column = (eye[1] + mid * ray[1] - y0) / step, (eye[0] + mid * ray[0] - x0) / step
        if eye[2] + mid * ray[2] > blend(ground, row, column):
            low = mid
        else:
            high = mid
    return high


@njit(cache=True, nogil=True)
def _meet_crown(
    ground, crown, floor, trunk, x0, y0, step, eye, ray, first, last, fine
):  # fmt: skip
    """Return where a ray meets a tree between two lengths: (length or inf, is a trunk)."""
    pace = 0.12 if fine else 0.6 * step
    count = min(np.int64(np.ceil((last - first) / pace)), 64)
    for k in range(count):
        t = first + (k + 0.5) / count * (last - first)
        x, y, z = eye[0] + t * ray[0], eye[1] + t * ray[1], eye[2] + t * ray[2]
        row, column = (y - y0) / step, (x - x0) / step
        above = z - blend(ground, row, column)
        if above < 0.0:
            return np.inf, False
        r = min(max(np.int64(row), 0), crown.shape[0] - 1)
        c = min(max(np.int64(column), 0), crown.shape[1] - 1)
        if trunk[r, c] and above < floor[r, c] + 0.5:
            return t, True
        tall = blend(crown, row, column)
        if above >= tall:
            continue
        inside = min(tall - above, above - blend(floor, row, column) + 0.02)
        if inside <= 0.0:
            continue
        if not fine:
            return t, False
        # Leaves hide what lies deep inside a crown and show gaps at its rim.
        rough = min(0.45, 0.16 * tall)
        g = hash_cell(
            np.int64(np.floor(x / 0.16)), np.int64(np.floor(y / 0.16)),
            _LEAF_TAG + np.int64(np.floor(z / 0.16)), np.uint64(0),
        )  # fmt: skip
        if inside > rough * draw(g, 1):
            return t, False
    return np.inf, False


@njit(cache=True, nogil=True)
def _exit(position, rate, low, high):
    """Return how much further a ray goes until a coordinate leaves an interval, at least 0.

    Rays along a border would crawl: what changes by less than a micrometre a kilometre rests.
    """
    if rate > 1e-9:
        return max((high - position) / rate, 0.0)
    if rate < -1e-9:
        return max((low - position) / rate, 0.0)
    return np.inf


@njit(cache=True, nogil=True)
def cast(
    x0, y0, step, color, leaves, ground, crown, floor, owner, trunk, cover, top, peak,
    buildings, hashes, levels, eye, rays, sun, travelled, image, depth, kind, seen,
):  # fmt: skip
    """Carry rays on through one relief; those that hit something are colored, in place.

    Args:
        x0: West edge of the relief; see `relief.Relief` for it and the following.
        y0: North edge.
        step: Size of a cell.
        color: Colors from above.
        leaves: Colors of crowns.
        ground: Heights of the ground.
        crown: Heights of crowns above it.
        floor: Heights of their lower side.
        owner: Rows of buildings.
        trunk: Trunks.
        cover: Land cover.
        top: Heights that nothing near a cell exceeds.
        peak: The same by blocks.
        buildings: The buildings.
        hashes: Their hashes.
        levels: Heights of their floors.
        eye: (3,) float64 position of the camera: east, south, height above the sea.
        rays: (rows, columns, 3) float64 directions: east, south, up; of unit length.
        sun: (3,) unit vector to the sun.
        travelled: (rows, columns) float64 length that each ray has gone already; updated.
        image: (rows, columns, 3) float32, 0..255, written where a ray hits.
        depth: (rows, columns) float32, written likewise: distance in metres.
        kind: (rows, columns) uint8, written likewise; rays with a kind other than `SKY` rest.
        seen: (rows, columns) uint8, written likewise: land cover of the ground there.
    """
    rows, columns = ground.shape
    lowest, highest = np.float64(ground.min()) - 1.0, np.float64(top.max())
    mid = rays[rays.shape[0] // 2]
    pixel = 2.0 * np.sqrt(((mid[1] - mid[0]) ** 2).sum())
    out, spot = np.zeros(3), np.zeros(4)
    for i in range(rays.shape[0]):
        for j in range(rays.shape[1]):
            if kind[i, j] != SKY:
                continue
            ray = rays[i, j]
            dx, dy, dz = ray[0], ray[1], ray[2]
            flat = max(np.hypot(dx, dy), 1e-9)
            small = 1e-6 * step / max(flat, 1e-3)
            end = (lowest - eye[2]) / dz if dz < 0.0 else np.inf
            t = travelled[i, j]
            while True:
                x, y, z = eye[0] + t * dx, eye[1] + t * dy, eye[2] + t * dz
                column, row = (x - x0) / step, (y - y0) / step
                if row < 0.0 or column < 0.0 or row >= rows or column >= columns:
                    break
                if (dz >= 0.0 and z > highest) or t >= end:
                    t = np.inf
                    break
                r, c = np.int64(row), np.int64(column)
                br, bc = r // BLOCK, c // BLOCK
                leave = min(
                    _exit(x, dx, x0 + bc * BLOCK * step, x0 + (bc + 1) * BLOCK * step),
                    _exit(y, dy, y0 + br * BLOCK * step, y0 + (br + 1) * BLOCK * step),
                )
                high = np.float64(peak[br, bc])
                if min(z, z + leave * dz) > high:
                    t += leave + small
                    continue
                if dz < 0.0 and z > high + small:
                    t = (high - eye[2]) / dz + small
                    continue
                leave = min(
                    _exit(x, dx, x0 + c * step, x0 + (c + 1) * step),
                    _exit(y, dy, y0 + r * step, y0 + (r + 1) * step),
                )
                last = min(t + leave, end)
                if min(z, eye[2] + last * dz) > top[r, c]:
                    t = last + small
                    continue
                best, what = np.inf, SKY
                k = owner[r, c]
                if k >= 0:
                    best, wall = _meet_building(
                        buildings[k], hashes[k], levels[k], eye, ray,
                        t - 2.0 * step / max(flat, 0.05), last, spot,
                    )  # fmt: skip
                    what = WALL if wall else ROOF_TOP
                at = _meet_ground(ground, x0, y0, step, eye, ray, t, last)
                if at < best:
                    best, what = at, GROUND
                if crown[r, c] > 0.0 or trunk[r, c]:
                    at, wood = _meet_crown(
                        ground, crown, floor, trunk, x0, y0, step, eye, ray, t, last,
                        t < _NEAR and step < 2.0,
                    )  # fmt: skip
                    if at < best:
                        best, what = at, TRUNK if wood else CROWN
                if what == SKY or best == np.inf:
                    t = last + small
                    continue
                x, y, z = eye[0] + best * dx, eye[1] + best * dy, eye[2] + best * dz
                row, column = (y - y0) / step, (x - x0) / step
                if what == WALL:
                    wall_color(buildings[k], hashes[k], spot, sun, out)
                elif what == CROWN:
                    above = z - blend(ground, row, column)
                    sample(leaves, row, column, out)
                    crown_color(x, y, z, above, crown[r, c], floor[r, c], best, out)
                elif what == TRUNK:
                    trunk_color(x, y, z, out)
                else:
                    sample(color, row, column, out)
                    if what == GROUND:
                        ground_color(x, y, cover[r, c], pixel * best, step, out)
                for band in range(3):
                    image[i, j, band] = out[band]
                kind[i, j], depth[i, j], seen[i, j] = what, best, cover[r, c]
                break
            travelled[i, j] = t
