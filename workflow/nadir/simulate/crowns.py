"""Single trees and bushes: crowns with a place, a radius and a height.

Each square cell of the ground holds at most one, so that those near a window are found by looking
at its cells. Where rows were planted, the crown stands on its row instead of at random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from nadir.simulate import sites as site_kinds
from nadir.simulate.blocks import STREET, block_hash, is_built
from nadir.simulate.buildings import street_grid
from nadir.simulate.countryside import (
    BROADLEAVES,
    CCOS,
    CONIFERS,
    CSIN,
    GRASSLAND,
    MEADOWS,
    OAKS,
    P_WILD,
    SHRUBS,
    STAND_CELL,
    USE,
    nearest_cell,
)
from nadir.simulate.cover import (
    M_ALMOND,
    M_BROADLEAF,
    M_CONIFER,
    M_OAK,
    M_OLIVE,
    M_SHRUB,
    parcel_at,
)
from nadir.simulate.epochs import CHANGE, PRESENT, YEAR, Epoch, exists, local
from nadir.simulate.ground import is_wooded, lattice, planted
from nadir.simulate.noise import draw, gradient_noise, hash_cell
from nadir.simulate.roads import near_road
from nadir.simulate.sites import KIND, site_at
from nadir.simulate.terrain import BEACH, LATTICE, tabulate_fields

if TYPE_CHECKING:
    from nadir.simulate.world import World

TX, TY, RADIUS, TALL, SPECIES = range(5)
"""Columns of a crown table: position, radius and height (m), material."""

TREE_CELL, BUSH_CELL = 4.4, 2.7
"""Spacing in metres of the cells of trees and of bushes."""

REACH = 5.0
"""No crown is wider than this radius, in metres."""

_TREE_TAG, _BUSH_TAG = 571, 572
_CAME, _WENT = 0.13, 0.13
NONE = -1


@njit(cache=True, nogil=True)
def _in_site(site, h, x, y, g, bush, seed, epoch):
    """Return the species on a site, or NONE."""
    kind = site[KIND]
    u, v = local(site, x, y)
    pick, sort = draw(g, 3), draw(g, 4)
    if kind == site_kinds.PARK:
        if bush or abs(gradient_noise(x / 75.0, y / 75.0, 534, seed)) < 0.05:
            return NONE
        clump = gradient_noise(x / 47.0, y / 47.0, 533, seed) + 0.3 * (draw(h, 3) - 0.4) > 0.06
        if pick < (0.62 if clump else 0.04):
            return M_BROADLEAF if sort < (0.8 if draw(h, 4) < 0.6 else 0.2) else M_CONIFER
        return NONE
    if kind == site_kinds.QUARRY or kind == site_kinds.LAKE:
        return NONE
    if kind == site_kinds.BARE:
        return M_SHRUB if bush and pick < 0.05 else NONE
    if not is_built(site, h, u, v, seed, epoch):
        return NONE
    block = block_hash(site, h, u, v, seed)
    if kind == site_kinds.TOWN:
        length, depth = street_grid(h)
        du = abs(u - length * np.floor(u / length + 0.5))
        dv = abs(v - depth * np.floor(v / depth + 0.5))
        if min(du, dv) < STREET + 1.0:
            lined = not bush and draw(h, 8) < 0.6 and min(du, dv) > 3.7 and max(du, dv) > 8.0
            return M_BROADLEAF if lined and pick < 0.4 else NONE
        share = 0.05 + 0.35 * draw(block, 1)
        return (M_SHRUB if bush else M_BROADLEAF) if pick < share else NONE
    if kind == site_kinds.INDUSTRY:
        return M_BROADLEAF if not bush and pick < 0.012 else NONE
    if kind == site_kinds.SUBURB:
        if v - 72.0 * np.floor(v / 72.0) < 8.0:
            return NONE
        share = 0.09 + 0.3 * draw(block, 3)
    else:
        share = 0.06 + 0.12 * draw(h, 3)
    if pick > share:
        return NONE
    if bush:
        return M_SHRUB
    return M_CONIFER if sort < (0.7 if draw(block, 5) < 0.5 else 0.2) else M_BROADLEAF


@njit(cache=True, nogil=True)
def _in_stand(stand, h, x, y, g, bush, seed, epoch):
    """Return the species in a natural stand, or NONE."""
    kind, density = stand[USE], stand[P_WILD]
    pick, sort = draw(g, 3), draw(g, 4)
    if kind <= BROADLEAVES:
        if not is_wooded(h, epoch):
            return M_SHRUB if bush and pick < 0.12 else NONE
        if gradient_noise(x / 48.0, y / 48.0, 522, seed) > 0.62:
            return M_SHRUB if bush and pick < 0.25 else NONE
        if bush:
            return M_SHRUB if pick < 0.2 else NONE
        if pick > density:
            return NONE
        if kind == CONIFERS or sort < 0.12:
            return M_CONIFER
        return M_OAK if kind == OAKS else M_BROADLEAF
    patch = min(max(3.0 * gradient_noise(x / 37.0, y / 37.0, 521, seed), -1.0), 1.0)
    if kind == SHRUBS:
        share = 0.2 + 0.5 * density + 0.4 * patch
        if bush:
            return M_SHRUB if pick < share else NONE
        return M_OAK if pick < 0.3 * share * density else NONE
    if kind == MEADOWS:
        return M_SHRUB if bush and pick < 0.05 + 0.4 * max(patch, 0.0) else NONE
    if kind == GRASSLAND:
        if patch > 0.8:
            return M_OAK if not bush and pick < 0.5 else NONE
        return M_SHRUB if bush and pick < 0.06 else NONE
    return M_SHRUB if bush and pick < 0.04 + 0.35 * density + 0.35 * patch else NONE


@njit(cache=True, nogil=True)
def _on_row(kind, parcel, u, v):
    """Return (moved across, moved along, hash) to the nearest place of an orchard's grid."""
    pitch = (7.5 if kind == 1 else 6.0) + 2.0 * draw(parcel, 6)
    iu, iv = np.floor(u / pitch), np.floor(v / pitch)
    place = hash_cell(np.int64(iu), np.int64(iv), 573, parcel)
    return (iu + 0.5) * pitch - u, (iv + 0.5) * pitch - v, place


@njit(cache=True, nogil=True)
def _put(table, hashes, n, x, y, species, g, epoch):
    """Append a crown unless it is not there in the year; return the new count."""
    if not exists(g, 6, _CAME, _WENT, epoch):
        return n
    age = 1.0 - 0.012 * epoch[CHANGE] * (PRESENT - epoch[YEAR])
    size = draw(g, 8)
    if species == M_SHRUB:
        radius, tall = 0.6 + 0.9 * size, 0.7 + 1.3 * size
    elif species in (M_OLIVE, M_ALMOND):
        radius, tall = 1.7 + 0.9 * size, 3.0 + 1.5 * size
    elif species == M_CONIFER:
        radius, tall = 1.7 + 1.3 * size, 6.0 + 8.0 * draw(g, 9)
    else:
        radius, tall = 1.9 + 2.2 * size * size, 4.5 + 6.0 * draw(g, 9)
    row = table[n]
    row[TX], row[TY], row[SPECIES] = x, y, species
    row[RADIUS], row[TALL] = radius * age, tall * age
    hashes[n] = g
    return n + 1


@njit(cache=True, nogil=True)
def _collect(
    bush, box, fields, fi0, fj0, districts, district_hashes, di0, dj0, stands, stand_hashes,
    si0, sj0, sites, site_hashes, segments, epoch, seed,
):  # fmt: skip
    cell, tag = (BUSH_CELL, _BUSH_TAG) if bush else (TREE_CELL, _TREE_TAG)
    i0, i1 = np.int64(np.floor(box[0] / cell)), np.int64(np.floor(box[2] / cell)) + 1
    j0, j1 = np.int64(np.floor(box[1] / cell)), np.int64(np.floor(box[3] / cell)) + 1
    table = np.zeros(((i1 - i0) * (j1 - j0), 5), np.float64)
    hashes = np.zeros((i1 - i0) * (j1 - j0), np.uint64)
    n = 0
    for j in range(j0, j1):
        for i in range(i0, i1):
            g = hash_cell(i, j, tag, seed)
            x, y = (i + 0.1 + 0.8 * draw(g, 1)) * cell, (j + 0.1 + 0.8 * draw(g, 2)) * cell
            lx, ly = x / LATTICE - fi0, y / LATTICE - fj0
            fr, fc = np.int64(ly), np.int64(lx)
            tx, ty = lx - fc, ly - fr
            coast = lattice(fields, 0, fr, fc, tx, ty)
            river = lattice(fields, 1, fr, fc, tx, ty)
            if coast < BEACH or river < 1.0:
                continue
            k = site_at(sites, x, y)
            species = NONE
            if k >= 0:
                species = _in_site(sites[k], site_hashes[k], x, y, g, bush, seed, epoch)
            else:
                wx = lattice(fields, 2, fr, fc, tx, ty)
                wy = lattice(fields, 3, fr, fc, tx, ty)
                mx, my = (i + 0.5) * cell, (j + 0.5) * cell
                dr, dc, parcel, u, v, edge = parcel_at(
                    mx, my, wx, wy, river, districts, district_hashes, di0, dj0
                )
                if dr >= 0:
                    district = districts[dr, dc]
                    kind = planted(district, parcel, epoch)
                    if edge < 1.6:
                        hedged = draw(parcel, 17) < 0.25
                        if draw(g, 3) < (0.45 if hedged else 0.04):
                            species = M_SHRUB if bush else M_OAK
                    elif kind > 0 and not bush and edge > 2.5:
                        du, dv, place = _on_row(kind, parcel, u, v)
                        dx = du * district[CCOS] - dv * district[CSIN]
                        dy = du * district[CSIN] + dv * district[CCOS]
                        if max(abs(dx), abs(dy)) > 0.5 * cell or draw(place, 1) < 0.05:
                            continue
                        x, y, g = mx + dx, my + dy, place
                        species = M_OLIVE if kind == 1 else M_ALMOND
                elif river < 22.0:
                    bar = gradient_noise(x / 160.0, y / 160.0, 551, seed) > 0.22
                    share = 0.06 if bar and river < 16.0 else 0.8
                    if draw(g, 3) < (0.3 if bush else 1.0) * share:
                        species = M_SHRUB if bush else M_BROADLEAF
                else:
                    sr, sc = nearest_cell(stands, si0, sj0, STAND_CELL, x + wx, y + wy)
                    species = _in_stand(
                        stands[sr, sc], stand_hashes[sr, sc], x, y, g, bush, seed, epoch
                    )
            if species != NONE and not near_road(segments, x, y, -1.0 if bush else 0.5):
                n = _put(table, hashes, n, x, y, species, g, epoch)
    return table[:n].copy(), hashes[:n].copy()


def collect_crowns(
    world: World, epoch: Epoch, x0: float, y0: float, x1: float, y1: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the trees and bushes that may touch a rectangle in metres from the world's corner.

    Returns:
        Table (n, 5) float64, see `TX`, and hashes (n,) uint64: trees row by row of their cells,
        then bushes, so that the order does not depend on the rectangle.
    """
    box = (x0 - REACH, y0 - REACH, x1 + REACH, y1 + REACH)
    low, high = int(np.floor(box[0] / LATTICE)) - 2, int(np.floor(box[1] / LATTICE)) - 2
    far, deep = int(np.floor(box[2] / LATTICE)) + 4, int(np.floor(box[3] / LATTICE)) + 4
    fields = tabulate_fields(low, high, deep - high, far - low, world.frame, world.seed)
    cells = world.cells(box[0] - 8, box[1] - 8, box[2] + 8, box[3] + 8)
    sites, hashes, roads = world.sites_and_roads(*box)
    found = [
        _collect(
            bush, box, fields, low, high, *cells, sites, hashes, roads, epoch.table, world.seed
        )
        for bush in (False, True)
    ]
    return np.concatenate([item[0] for item in found]), np.concatenate([item[1] for item in found])
