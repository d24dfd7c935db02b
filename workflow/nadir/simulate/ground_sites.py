"""The ground of towns, estates, parks and pits at the scale of a car."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate import sites as site_kinds
from nadir.simulate.blocks import LOT_DEPTH, LOT_LENGTH, STREET, block_hash, is_built, on_street
from nadir.simulate.buildings import hall_grid, street_grid
from nadir.simulate.cover import (
    M_ALFALFA,
    M_ASPHALT,
    M_CONCRETE,
    M_DRY,
    M_FACE,
    M_FALLOW,
    M_FLOOR,
    M_GRAVEL,
    M_LAKE,
    M_LAWN,
    M_METAL,
    M_PALE,
    M_ROCK,
    M_SHRUB,
    M_SOIL,
    M_WASTE,
)
from nadir.simulate.epochs import local, of_year
from nadir.simulate.noise import draw, gradient_noise, hash_cell
from nadir.simulate.palette import (
    CAR_BLUE,
    CAR_DARK,
    CAR_GREY,
    CAR_RED,
    CAR_WHITE,
    PAINT,
    POOL,
)
from nadir.simulate.sites import AX, AY, KIND


@njit(cache=True, nogil=True)
def _car(h):
    pick = draw(h, 5)
    if pick < 0.34:
        return CAR_WHITE
    if pick < 0.66:
        return CAR_GREY
    return CAR_DARK if pick < 0.86 else CAR_RED if pick < 0.93 else CAR_BLUE


@njit(cache=True, nogil=True)
def _parked(along, across, lane, share, h, salt):
    """Return the car that stands at a position of a row of cars, or -1.

    Args:
        along: Position along the row (m), one car every 5.8 m.
        across: Position across a car, -1 to 1 being the width of the parking lane.
        lane: Number of the lane.
        share: Share of places taken.
        h: Hash of the street.
        salt: From `epochs.Epoch.salt`.
    """
    place = np.floor(along / 5.8)
    at = along - 5.8 * place
    g = of_year(hash_cell(np.int64(place), lane, 561, h), salt)
    if draw(g, 1) < share and abs(across) < 0.9 and 0.5 < at < 4.6 + 0.5 * draw(g, 2):
        return _car(g)
    return -1


@njit(cache=True, nogil=True)
def _town(site, h, u, v, seed, salt):
    length, depth = street_grid(h)
    iu, iv = np.floor(u / length), np.floor(v / depth)
    fu, fv = u - iu * length, v - iv * depth
    du, dv = min(fu, length - fu), min(fv, depth - fv)
    if du < STREET or dv < STREET:
        crossing = du < STREET and dv < STREET
        if du <= dv:
            d, along, side = du, v, 2 * np.int64(np.floor(u / length + 0.5)) + (fu > du)
        else:
            d, along, side = dv, u, -2 * np.int64(np.floor(v / depth + 0.5)) - (fv > dv) - 1
        if d > 3.3:
            return M_CONCRETE, M_ASPHALT, 0.08, h, 0.92 if d < 3.7 else 1.0  # kerb and sidewalk
        if 5.6 < max(du, dv) < 8.0:
            stripe = d / 1.1 - np.floor(d / 1.1)
            if stripe < 0.45:
                return PAINT, M_ASPHALT, 0.4, h, 0.85  # a crossing for those on foot
        elif not crossing and d > 1.3 and max(du, dv) > 10.0:
            car = _parked(along, (d - 2.3) / 1.0, side, 0.42, h, salt)
            if car >= 0:
                return car, car, 0.0, h, 1.0
        return M_ASPHALT, M_CONCRETE, 0.04, h, 1.0
    block = block_hash(site, h, u, v, seed)
    yard = hash_cell(np.int64(np.floor(u / 14.0)), np.int64(np.floor(v / 11.0)), 562, block)
    eu, ev = u / 14.0 - np.floor(u / 14.0), v / 11.0 - np.floor(v / 11.0)
    if min(eu, 1.0 - eu) * 14.0 < 0.3 or min(ev, 1.0 - ev) * 11.0 < 0.3:
        return M_CONCRETE, M_SHRUB, 0.3, block, 0.75  # walls between the yards
    pick = draw(yard, 1)
    if pick < 0.1 + 0.5 * draw(block, 1):
        return M_DRY, M_LAWN if draw(yard, 2) < 0.5 else M_SOIL, 0.4, yard, 1.0
    if pick < 0.85:
        return M_CONCRETE, M_SOIL, 0.2, yard, 0.95
    return M_SOIL, M_DRY, 0.3, yard, 1.0


@njit(cache=True, nogil=True)
def _gardens(site, h, u, v, seed, salt):
    lot = block_hash(site, h, u, v, seed)
    fu = u - LOT_LENGTH * np.floor(u / LOT_LENGTH)
    row = np.floor(v / LOT_DEPTH)
    fv = v - LOT_DEPTH * row
    street = fv if np.int64(row) % 2 == 0 else LOT_DEPTH - fv  # the street lies at even rows' start
    if site[KIND] == site_kinds.SUBURB:
        if np.int64(row) % 2 == 0 and street < 6.0:
            if street > 4.6:
                return M_CONCRETE, M_ASPHALT, 0.1, h, 0.95
            car = _parked(u, (street - 3.6) / 0.95, np.int64(row), 0.16, h, salt)
            if car >= 0:
                return car, car, 0.0, h, 1.0
            return M_ASPHALT, M_CONCRETE, 0.05, h, 1.0
        if (street > 6.0 and min(fu, LOT_LENGTH - fu) < 0.6) or min(fv, LOT_DEPTH - fv) < 0.6:
            return (M_SHRUB if draw(lot, 7) < 0.65 else M_CONCRETE), M_SHRUB, 0.2, lot, 0.85
        drive = 5.0 + 5.0 * draw(lot, 8)
        if abs(fu - drive) < 1.7 and street < 17.0:
            g = of_year(lot, salt)
            if draw(g, 1) < 0.4 and abs(fu - drive) < 0.9 and 8.0 < street < 12.5:
                car = _car(g)
                return car, car, 0.0, lot, 1.0
            return (M_CONCRETE if draw(lot, 9) < 0.6 else M_GRAVEL), M_SOIL, 0.15, lot, 1.0
        pool_u, pool_v = 24.0 + 4.0 * draw(lot, 10), 27.0 + 3.0 * draw(lot, 11)
        if draw(lot, 2) < 0.3:
            edge = max(abs(fu - pool_u) - 3.6, abs(street - pool_v) - 2.0)
            if edge < 0.0:
                return POOL, POOL, 0.0, lot, 1.0
            if edge < 1.1:
                return M_CONCRETE, M_CONCRETE, 0.0, lot, 1.05
        pick = draw(lot, 6)
        if pick < 0.5:
            return M_LAWN, M_DRY, 0.1 + 0.6 * draw(lot, 4), lot, 1.0
        if pick < 0.8:
            return M_DRY, M_SOIL, 0.35, lot, 1.0
        return M_SOIL, M_CONCRETE, 0.35, lot, 1.0
    return M_SOIL, M_DRY if draw(h, 3) < 0.7 else M_CONCRETE, 0.45, h, 1.0


@njit(cache=True, nogil=True)
def _park(h, x, y, wiggle, seed):
    path = abs(gradient_noise(x / 75.0, y / 75.0, 534, seed))
    if path < 0.032:
        return M_GRAVEL, M_SOIL, 0.25, h, 1.0
    if path < 0.04:
        return M_DRY, M_GRAVEL, 0.4, h, 0.95
    if gradient_noise(x / 47.0, y / 47.0, 533, seed) + 0.3 * (draw(h, 3) - 0.4) > 0.06:
        return M_LAWN, M_SOIL, 0.4 + 0.1 * wiggle, h, 0.85
    return M_LAWN, M_DRY, 0.15 + 0.5 * draw(h, 5), h, 1.0


@njit(cache=True, nogil=True)
def _estate(site, h, u, v, seed, salt):
    length, depth = hall_grid(h)
    iu, iv = np.floor(u / length), np.floor(v / depth)
    fu, fv = u - iu * length, v - iv * depth
    du, dv = min(fu, length - fu), min(fv, depth - fv)
    lot = block_hash(site, h, u, v, seed)
    d = min(du, dv)
    if d < 8.0:
        if d < 5.5:
            line = max(0.16 - d, 0.0) > 0.0 and max(du, dv) > 8.0
            return (PAINT if line else M_ASPHALT), M_ASPHALT, 0.05, h, 1.0
        if d < 7.2:
            return M_CONCRETE, M_ASPHALT, 0.2, h, 0.95
        return M_DRY, M_SOIL, 0.3, lot, 1.0
    use = draw(lot, 1)
    if use < 0.3:  # a car park: two rows of cars, then a lane
        bay = np.floor(fv / 16.0)
        at, slot = fv - 16.0 * bay, np.floor(fu / 2.6)
        if at < 10.0:
            across = fu - 2.6 * slot - 1.3
            row = 2 * np.int64(bay) + (at > 5.0)
            g = of_year(hash_cell(np.int64(slot), row, 563, lot), salt)
            if draw(g, 1) < 0.55 and abs(across) < 0.9 and 0.4 < at - 5.0 * (at > 5.0) < 4.6:
                car = _car(g)
                return car, car, 0.0, lot, 1.0
            if abs(across) > 1.2:
                return PAINT, M_ASPHALT, 0.45, lot, 0.8
        return M_ASPHALT, M_CONCRETE, 0.08, lot, 1.0
    stack = hash_cell(np.int64(np.floor(fu / 7.0)), np.int64(np.floor(fv / 3.4)), 564, lot)
    stack = of_year(stack, salt)
    across, along = fv - 3.4 * np.floor(fv / 3.4), fu - 7.0 * np.floor(fu / 7.0)
    if draw(stack, 1) < 0.07 and 0.4 < across < 2.9 and along < 6.2:  # containers
        box = CAR_RED if draw(stack, 2) < 0.3 else CAR_BLUE if draw(stack, 2) < 0.6 else M_METAL
        return box, box, 0.0, stack, 0.9
    if use < 0.5:
        return M_GRAVEL, M_SOIL, 0.35, lot, 1.0
    slab = 1.0 + 0.12 * (draw(hash_cell(np.int64(fu / 6.0), np.int64(fv / 6.0), 565, lot), 1) - 0.5)
    return M_CONCRETE, M_DRY if draw(lot, 2) < 0.3 else M_ASPHALT, 0.15, lot, slab


@njit(cache=True, nogil=True)
def _pit(site, h, u, v, x, y, wiggle, seed):
    q = np.sqrt((u / site[AX]) ** 2 + (v / site[AY]) ** 2)
    q += 0.12 * gradient_noise(x / 45.0, y / 45.0, 536, seed) + 0.012 * wiggle
    if draw(h, 7) < 0.25:  # a landfill: cells of different age
        lot = hash_cell(np.int64(np.floor(u / 55.0)), np.int64(np.floor(v / 40.0)), 537, h)
        age = draw(lot, 1)
        if age < 0.4:
            return M_WASTE, M_SOIL, 0.25, lot, 1.0
        if age < 0.75:
            return M_SOIL, M_WASTE, 0.2, lot, 1.0
        return M_DRY, M_SOIL, 0.35, lot, 1.0
    if q < 0.22 and draw(h, 8) < 0.45:
        return M_LAKE, M_LAKE, 0.0, h, 1.0
    bench = q * 3.6 - np.floor(q * 3.6)
    if bench < 0.4 and q > 0.25:
        lit = 0.8 + 0.5 * (bench / 0.4)  # from the foot of a face to its edge
        return (M_FACE if draw(h, 9) < 0.5 else M_PALE), M_ROCK, 0.3, h, lit
    ground = M_FLOOR if draw(h, 10) < 0.4 else M_WASTE if draw(h, 10) < 0.7 else M_SOIL
    return ground, M_SHRUB if q > 0.95 else M_SOIL, 0.3, h, 1.0


@njit(cache=True, nogil=True)
def site_floor(site, h, x, y, wiggle, seed, epoch, salt):
    """Return what lies on a site, trees and roofs aside.

    Args:
        site: Row of a site table.
        h: Its hash.
        x: Position in metres east of the world's corner.
        y: The same, southwards.
        wiggle: Fine noise at the position, to roughen natural borders.
        seed: From `noise.seed_hash`.
        epoch: From `epochs.Epoch.table`.
        salt: From `epochs.Epoch.salt`.

    Returns:
        Material, what is mixed into it, the share of that, the hash of the lot, and a factor of
        brightness.
    """
    kind = site[KIND]
    u, v = local(site, x, y)
    if kind == site_kinds.LAKE:
        return M_LAKE, M_LAKE, 0.0, h, 1.0
    if kind == site_kinds.PARK:
        return _park(h, x, y, wiggle, seed)
    if kind == site_kinds.QUARRY:
        return _pit(site, h, u, v, x, y, wiggle, seed)
    if kind == site_kinds.BARE:
        ground = draw(h, 7)
        bend = 9.0 * gradient_noise(x / 21.0, y / 21.0, 566, seed)
        gully = abs(gradient_noise((x + bend) / 46.0, (y - bend) / 46.0, 538, seed))
        width = 0.05 + 0.05 * gradient_noise(x / 70.0, y / 70.0, 567, seed) + 0.015 * wiggle
        if gully < width:
            return M_ROCK if ground < 0.6 else M_SOIL, M_SHRUB, 0.4, h, 0.8
        if ground < 0.25:
            return M_ROCK, M_SOIL, 0.4, h, 1.0
        return (
            (M_SOIL if ground < 0.6 else M_PALE if ground < 0.8 else M_GRAVEL),
            M_DRY,
            0.2,
            h,
            1.0,
        )
    if not is_built(site, h, u, v, seed, epoch) and not on_street(site, h, u, v):
        g = of_year(block_hash(site, h, u, v, seed), salt)  # ground that waits, or is dug up
        if draw(g, 72) < 0.6:
            return M_FALLOW, M_ALFALFA, 0.2, h, 1.0
        return M_SOIL, M_DRY, 0.3, h, 1.1
    if kind == site_kinds.TOWN:
        return _town(site, h, u, v, seed, salt)
    if kind == site_kinds.INDUSTRY:
        return _estate(site, h, u, v, seed, salt)
    return _gardens(site, h, u, v, seed, salt)
