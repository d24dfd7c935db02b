"""Land cover and surface material, pixel by pixel.

The class is what a cartographer would draw (a parcel, a stand, an estate as a whole); the material
is what lies on each square metre of it. A sensor sees the material, a mask holds the class.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numba import njit

from nadir.simulate import sites as site_kinds
from nadir.simulate.buildings import GREY, METAL, PALE, SHADE, TILE, hall_grid, street_grid
from nadir.simulate.countryside import (
    BROADLEAVES,
    C_KIND,
    CCOS,
    CONIFERS,
    CSIN,
    CX,
    CY,
    DEEP,
    DISTRICT_CELL,
    FARMED,
    GRASSLAND,
    MEADOWS,
    OAKS,
    P_ROWS,
    P_SUMMER,
    P_WILD,
    SHRUBS,
    STAND_CELL,
    USE,
    WIDE,
    nearest_cell,
)
from nadir.simulate.materials import Material
from nadir.simulate.noise import draw, gradient_noise, hash_cell, mix, unit
from nadir.simulate.roads import BALLAST, MEDIAN, SURFACE
from nadir.simulate.sites import AX, AY, COS, KIND, SIN, X, Y
from nadir.simulate.terrain import BEACH, LATTICE


class Cover(IntEnum):
    """The twelve classes of the seed project (values of the mask)."""

    HERBACEOUS = 1
    WOODY = 2
    FOREST = 3
    SCRUB = 4
    BARE = 5
    URBAN = 6
    ISOLATED = 7
    GREEN = 8
    INDUSTRY = 9
    MINING = 10
    TRANSPORT = 11
    WATER = 12


_GRAIN = 501
_ROOFS = np.zeros(6, np.uint8)
_ROOFS[SHADE], _ROOFS[TILE], _ROOFS[GREY] = Material.SHADOW, Material.TILE_ROOF, Material.GREY_ROOF
_ROOFS[METAL], _ROOFS[PALE] = Material.METAL_ROOF, Material.CONCRETE

# Plain integers: numba compiles them as constants.
(C_HERBACEOUS, C_WOODY, C_FOREST, C_SCRUB, C_BARE, C_URBAN, C_ISOLATED, C_GREEN, C_INDUSTRY,
 C_MINING, C_TRANSPORT, C_WATER) = (int(c) for c in Cover)  # fmt: skip
(M_CEREAL, M_RAPESEED, M_MAIZE, M_SUNFLOWER, M_ALFALFA, M_FALLOW, M_SOIL, M_PALE, M_VINE, M_OLIVE,
 M_ALMOND, M_CONIFER, M_OAK, M_BROADLEAF, M_SHRUB, M_DRY, M_MEADOW, M_LAWN, M_ROCK, M_GRAVEL,
 M_SAND, M_ASPHALT,
 M_CONCRETE, M_TILE, M_GREY, M_METAL, M_FACE, M_FLOOR, M_WASTE, M_RIVER, M_LAKE, M_SEA, M_SHADOW,
 M_PLASTIC) = (int(m) for m in Material)  # fmt: skip


@njit(cache=True, nogil=True)
def _grain(x, y, size, seed):
    """Return a uniform number of the square of `size` metres around a position."""
    return unit(hash_cell(np.int64(np.floor(x / size)), np.int64(np.floor(y / size)), _GRAIN, seed))


@njit(cache=True, nogil=True)
def _parcel(u, v, district, h):
    """Return (hash, distance to its nearest long edge) of the parcel at local (u, v)."""
    wide, deep = district[WIDE], district[DEEP]
    iu = np.int64(np.floor(u / wide))
    column = hash_cell(iu, 0, 511, h)
    iv = np.int64(np.floor(v / deep + unit(column)))
    parcel = hash_cell(iu, iv, 512, h)
    fu = u - iu * wide
    if draw(parcel, 1) < 0.25:  # cut lengthwise in two
        half = 1 if fu > 0.5 * wide else 0
        fu -= 0.5 * wide * half
        wide *= 0.5
        parcel = mix(parcel + np.uint64(half + 1))
    return parcel, min(fu, wide - fu)


@njit(cache=True, nogil=True)
def parcel_at(x, y, wx, wy, river, districts, district_hashes, di0, dj0):
    """Return what is farmed at a position in the open country.

    Args:
        x: Position in metres east of the world's corner.
        y: The same, southwards.
        wx: Displacement of natural borders there (m), see `terrain.tabulate_fields`.
        wy: The same, southwards.
        river: Distance to the bank of the river (m).
        districts: From `countryside.tabulate_districts`.
        district_hashes: Likewise.
        di0: Column of its first cell.
        dj0: Row of its first cell.

    Returns:
        Row and column of the district in `districts`, the row -1 where nature is left alone; hash
        of the parcel; position in metres across and along its rows; distance to its nearest long
        edge (m).
    """
    dr, dc = nearest_cell(districts, di0, dj0, DISTRICT_CELL, x + wx, y + wy)
    district = districts[dr, dc]
    if district[USE] == FARMED and river > 22.0:
        px, py = x + 0.2 * wx - district[CX], y + 0.2 * wy - district[CY]
        u = px * district[CCOS] + py * district[CSIN]
        v = py * district[CCOS] - px * district[CSIN]
        parcel, edge = _parcel(u, v, district, district_hashes[dr, dc])
        if draw(parcel, 8) >= district[P_WILD]:
            return dr, dc, parcel, u, v, edge
    return -1, dc, district_hashes[dr, dc], 0.0, 0.0, 0.0


@njit(cache=True, nogil=True)
def woody_kind(district, parcel):
    """Return the kind of woody crop of a parcel (0 vines, 1 olives, 2 almonds), or -1: none."""
    if draw(parcel, 9) >= district[P_ROWS]:
        return -1
    if draw(parcel, 10) < 0.3:
        return np.int64(3.0 * draw(parcel, 11))
    return np.int64(district[C_KIND])


@njit(cache=True, nogil=True)
def _woody(u, v, x, y, kind, parcel, seed):
    """Return the material in woody crops: rows or a grid of crowns over soil or grass."""
    floor = M_SOIL if draw(parcel, 4) < 0.6 else (M_DRY if draw(parcel, 4) < 0.85 else M_PALE)
    lane = 27.0 + 14.0 * draw(parcel, 13)  # terraces, drives: seen at 10 m, unlike the rows
    if v / lane - np.floor(v / lane) < 10.0 / lane:
        return M_DRY if draw(parcel, 14) < 0.6 else M_SOIL
    if kind == 0:
        fu = u / 2.6 - np.floor(u / 2.6)
        return M_VINE if fu < 0.42 + 0.26 * draw(parcel, 5) else floor
    pitch = (7.5 if kind == 1 else 6.0) + 2.0 * draw(parcel, 6)
    fu, fv = u / pitch - np.floor(u / pitch) - 0.5, v / pitch - np.floor(v / pitch) - 0.5
    crown = 0.33 + 0.15 * draw(parcel, 7)
    if fu * fu + fv * fv < crown * crown and _grain(x, y, pitch, seed) > 0.06:
        return M_OLIVE if kind == 1 else M_ALMOND
    return floor


@njit(cache=True, nogil=True)
def crop_of(district, parcel):
    """Return the material of a parcel of herbaceous crops."""
    pick = draw(parcel, 3)
    if draw(parcel, 2) < district[P_SUMMER]:
        return M_MAIZE if pick < 0.45 else M_ALFALFA if pick < 0.8 else M_SUNFLOWER
    if pick < 0.5:
        return M_CEREAL
    if pick < 0.6:
        return M_RAPESEED
    if pick < 0.68:
        return M_ALFALFA
    if pick < 0.84:
        return M_FALLOW
    return M_SOIL if pick < 0.95 else M_PALE


@njit(cache=True, nogil=True)
def _stand(stand, x, y, seed):
    """Return (class, material) of a natural stand."""
    kind, density = stand[USE], stand[P_WILD]
    g = _grain(x, y, 4.0, seed)
    if kind <= BROADLEAVES:
        clearing = gradient_noise(x / 48.0, y / 48.0, 522, seed)
        if clearing > 0.62:
            return C_FOREST, M_DRY if g < 0.5 else M_SHRUB
        if g < density:
            tree = M_CONIFER if kind == CONIFERS else M_OAK if kind == OAKS else M_BROADLEAF
            if kind != CONIFERS and g < 0.12:
                tree = M_CONIFER
            return C_FOREST, tree
        return C_FOREST, M_SHRUB if g < density + 0.6 * (1.0 - density) else M_DRY
    patch = gradient_noise(x / 37.0, y / 37.0, 521, seed)
    patch = min(max(3.0 * patch, -1.0), 1.0)  # thickets and open ground between them
    if kind == SHRUBS:
        share = 0.25 + 0.6 * density + 0.45 * patch
        if g < share:
            return C_SCRUB, M_OAK if g < 0.5 * density else M_SHRUB
        return C_SCRUB, M_DRY if g < share + 0.7 * (1.0 - share) else M_SOIL
    if kind == MEADOWS:
        return C_SCRUB, M_MEADOW if g < 0.93 - 0.6 * max(patch, 0.0) else M_SHRUB
    if kind == GRASSLAND:
        if patch > 0.8:
            return C_SCRUB, M_OAK if g < 0.7 else M_DRY
        return C_SCRUB, M_DRY if g < 0.86 else M_SHRUB if g < 0.95 else M_SOIL
    share = 0.05 + 0.4 * density + 0.4 * patch
    if g < share:
        return C_SCRUB, M_SHRUB
    return C_SCRUB, M_DRY if g < share + 0.6 * (1.0 - share) else M_SOIL if g < 0.92 else M_ROCK


@njit(cache=True, nogil=True)
def _site_cover(site, h, x, y, seed):
    """Return (class, material, hash of the lot) on a site."""
    dx, dy = x - site[X], y - site[Y]
    u = dx * site[COS] + dy * site[SIN]
    v = dy * site[COS] - dx * site[SIN]
    g = _grain(x, y, 4.0, seed)
    kind = site[KIND]
    if kind == site_kinds.TOWN:
        length, depth = street_grid(h)
        iu, iv = np.floor(u / length), np.floor(v / depth)
        fu, fv = u - iu * length, v - iv * depth
        if fu < 5.0 or fu > length - 5.0 or fv < 5.0 or fv > depth - 5.0:
            if g < 0.1:
                return C_URBAN, M_BROADLEAF, h
            return C_URBAN, M_ASPHALT if g < 0.75 else M_CONCRETE, h
        lot = mix(h ^ hash_cell(np.int64(iu), np.int64(iv), 531, seed))
        green = 0.1 + 0.5 * draw(lot, 1)
        if g < green:
            return C_URBAN, M_BROADLEAF if g < 0.4 * green else M_DRY, lot
        return C_URBAN, M_CONCRETE if g < green + 0.6 * (1.0 - green) else M_SOIL, lot
    if kind == site_kinds.SUBURB or kind == site_kinds.FARM:
        lot = mix(
            h ^ hash_cell(np.int64(np.floor(u / 34.0)), np.int64(np.floor(v / 36.0)), 532, seed)
        )
        if kind == site_kinds.SUBURB:
            fv = v / 72.0 - np.floor(v / 72.0)
            if fv * 72.0 < 6.0:
                return C_ISOLATED, M_ASPHALT, h
            if g > 0.97 and draw(lot, 2) < 0.4:
                return C_ISOLATED, M_LAKE, lot  # a pool
            trees, lawn = 0.12 + 0.3 * draw(lot, 3), 0.15 + 0.35 * draw(lot, 4)
        else:
            trees, lawn = 0.08 + 0.15 * draw(h, 3), 0.05 + 0.1 * draw(h, 4)
        if g < trees:
            return C_ISOLATED, M_CONIFER if draw(lot, 5) < 0.5 else M_BROADLEAF, lot
        if g < trees + lawn:
            return C_ISOLATED, M_LAWN if draw(lot, 6) < 0.55 else M_DRY, lot
        return C_ISOLATED, M_CONCRETE if g > 0.78 else M_SOIL if g > 0.55 else M_DRY, lot
    if kind == site_kinds.PARK:
        clump = gradient_noise(x / 47.0, y / 47.0, 533, seed) + 0.3 * (draw(h, 3) - 0.4)
        path = abs(gradient_noise(x / 75.0, y / 75.0, 534, seed))
        if path < 0.045:
            return C_GREEN, M_GRAVEL, h
        if clump > 0.06:
            tree = M_BROADLEAF if draw(h, 4) < 0.6 else M_CONIFER
            return C_GREEN, tree if g < 0.82 else M_LAWN, h
        return C_GREEN, M_LAWN if g < 0.75 + 0.25 * draw(h, 5) else M_DRY, h
    if kind == site_kinds.INDUSTRY:
        length, depth = hall_grid(h)
        iu, iv = np.floor(u / length), np.floor(v / depth)
        fu, fv = u - iu * length, v - iv * depth
        lot = mix(h ^ hash_cell(np.int64(iu), np.int64(iv), 535, seed))
        if fu < 8.0 or fu > length - 8.0 or fv < 8.0 or fv > depth - 8.0:
            return C_INDUSTRY, M_ASPHALT if g < 0.9 else M_DRY, h
        if draw(lot, 1) < 0.3:
            return C_INDUSTRY, M_ASPHALT if g < 0.85 else M_METAL, lot  # parked cars
        if draw(lot, 1) < 0.5:
            return C_INDUSTRY, M_GRAVEL if g < 0.7 else M_SOIL, lot
        return C_INDUSTRY, M_CONCRETE if g < 0.85 else M_DRY, lot
    if kind == site_kinds.QUARRY:
        q = np.sqrt((u / site[AX]) ** 2 + (v / site[AY]) ** 2)
        q += 0.12 * gradient_noise(x / 45.0, y / 45.0, 536, seed)
        if draw(h, 7) < 0.25:  # a landfill: cells of different age
            lot = hash_cell(np.int64(np.floor(u / 55.0)), np.int64(np.floor(v / 40.0)), 537, h)
            age = draw(lot, 1)
            if age < 0.4:
                return C_MINING, M_WASTE if g < 0.8 else M_SOIL, lot
            if age < 0.75:
                return C_MINING, M_SOIL if g < 0.85 else M_WASTE, lot
            return C_MINING, M_DRY if g < 0.7 else M_SOIL, lot
        if q < 0.22 and draw(h, 8) < 0.45:
            return C_MINING, M_LAKE, h
        bench = q * 3.6 - np.floor(q * 3.6)
        if bench < 0.4 and q > 0.25:
            return C_MINING, M_FACE if draw(h, 9) < 0.5 else M_PALE, h
        if q > 0.95 and g < 0.3:
            return C_MINING, M_SHRUB, h
        ground = M_FLOOR if draw(h, 10) < 0.4 else M_WASTE if draw(h, 10) < 0.7 else M_SOIL
        return C_MINING, ground if g < 0.8 else M_SOIL, h
    if kind == site_kinds.LAKE:
        return C_WATER, M_LAKE, h
    ground = draw(h, 7)  # bare ground, cut by gullies where some plants hold on
    gully = abs(gradient_noise(x / 46.0, y / 46.0, 538, seed))
    if gully < 0.09:
        return C_BARE, M_SHRUB if g < 0.6 else M_ROCK, h
    if g < 0.06:
        return C_BARE, M_DRY, h
    if ground < 0.25:
        return C_BARE, M_ROCK if g < 0.6 else M_SOIL, h
    return C_BARE, M_SOIL if ground < 0.6 else M_PALE if ground < 0.8 else M_GRAVEL, h


@njit(cache=True, nogil=True)
def paint_cover(
    x0, y0, step, rows, columns, fields, fi0, fj0, districts, district_hashes, di0, dj0,
    stands, stand_hashes, si0, sj0, sites, site_hashes, zone, road, roof, owner, seed,
):  # fmt: skip
    """Paint land cover at the centers of the pixels of a window.

    Args:
        x0: West edge of the window (m).
        y0: North edge of the window (m).
        step: Pixel size (m).
        rows: Height of the window in pixels.
        columns: Width of the window in pixels.
        fields: From `terrain.tabulate_fields`.
        fi0: Its first column on the lattice.
        fj0: Its first row on the lattice.
        districts: From `countryside.tabulate_districts`.
        district_hashes: Likewise.
        di0: Column of its first cell.
        dj0: Row of its first cell.
        stands: From `countryside.tabulate_stands`.
        stand_hashes: Likewise.
        si0: Column of its first cell.
        sj0: Row of its first cell.
        sites: From `sites.collect_sites`.
        site_hashes: Likewise.
        zone: Raster of the window from `sites.paint_sites`.
        road: Raster of the window from `roads.paint_roads`.
        roof: Raster of the window from `buildings.paint_buildings`.
        owner: Likewise.
        seed: From `noise.seed_hash`.

    Returns:
        Class (`Cover`) uint8, material (`Material`) uint8, and object uint32: equal within a
        parcel, a stand, a lot; each of shape (rows, columns).
    """
    cover = np.empty((rows, columns), np.uint8)
    material = np.empty((rows, columns), np.uint8)
    thing = np.empty((rows, columns), np.uint32)
    low = np.uint64(0xFFFFFFFF)
    for r in range(rows):
        y = y0 + (r + 0.5) * step
        ly = y / LATTICE - fj0
        fr = np.int64(ly)
        ty = ly - fr
        for c in range(columns):
            x = x0 + (c + 0.5) * step
            lx = x / LATTICE - fi0
            fc = np.int64(lx)
            tx = lx - fc
            w00, w01 = (1.0 - tx) * (1.0 - ty), tx * (1.0 - ty)
            w10, w11 = (1.0 - tx) * ty, tx * ty
            coast = (
                w00 * fields[0, fr, fc]
                + w01 * fields[0, fr, fc + 1]
                + w10 * fields[0, fr + 1, fc]
                + w11 * fields[0, fr + 1, fc + 1]
            )
            river = (
                w00 * fields[1, fr, fc]
                + w01 * fields[1, fr, fc + 1]
                + w10 * fields[1, fr + 1, fc]
                + w11 * fields[1, fr + 1, fc + 1]
            )
            cls, mat, h = 0, 0, seed
            if coast <= 0.0:
                cls, mat = C_WATER, M_SEA
            elif road[r, c] > 0:
                cls = C_TRANSPORT
                g = _grain(x, y, 4.0, seed)
                h = hash_cell(
                    np.int64(np.floor(x / 450.0)), np.int64(np.floor(y / 450.0)), 545, seed
                )
                if road[r, c] == SURFACE:  # new, worn and concrete carriageways
                    age = draw(h, 1)
                    mat = M_ASPHALT if age < 0.45 else M_GREY if age < 0.8 else M_CONCRETE
                elif road[r, c] == BALLAST:
                    mat = M_GRAVEL
                elif road[r, c] == MEDIAN:
                    mat = M_SHRUB
                else:
                    mat = M_DRY if g < 0.6 else M_GRAVEL if g < 0.85 else M_SHRUB
            elif river <= 0.0:
                cls, mat = C_WATER, M_RIVER
                h = hash_cell(
                    np.int64(np.floor(x / 900.0)), np.int64(np.floor(y / 900.0)), 546, seed
                )
            elif coast < BEACH:
                cls, mat = C_BARE, M_SAND
            elif zone[r, c] > 0:
                k = zone[r, c] - 1
                cls, mat, h = _site_cover(sites[k], site_hashes[k], x, y, seed)
                code = roof[r, c]
                if code > 0 and cls != C_WATER:
                    mat = np.int64(_ROOFS[code])
                    if code > SHADE:
                        h = owner[r, c]  # each roof has its own color
            else:
                wx = (
                    w00 * fields[2, fr, fc]
                    + w01 * fields[2, fr, fc + 1]
                    + w10 * fields[2, fr + 1, fc]
                    + w11 * fields[2, fr + 1, fc + 1]
                )
                wy = (
                    w00 * fields[3, fr, fc]
                    + w01 * fields[3, fr, fc + 1]
                    + w10 * fields[3, fr + 1, fc]
                    + w11 * fields[3, fr + 1, fc + 1]
                )
                dr, dc, parcel, u, v, edge = parcel_at(
                    x, y, wx, wy, river, districts, district_hashes, di0, dj0
                )
                if dr >= 0:
                    h = parcel
                    kind = woody_kind(districts[dr, dc], parcel)
                    if kind >= 0:
                        cls, mat = C_WOODY, _woody(u, v, x, y, kind, parcel, seed)
                    else:
                        cls, mat = C_HERBACEOUS, crop_of(districts[dr, dc], parcel)
                        if _grain(x, y, 4.0, seed) < 0.06:
                            mat = M_SOIL
                    if edge < 2.0:
                        mat = M_DRY if draw(parcel, 12) < 0.6 else M_SOIL
                elif river < 22.0:
                    g = gradient_noise(x / 160.0, y / 160.0, 551, seed)
                    if g > 0.22 and river < 16.0:
                        cls, mat = C_BARE, M_GRAVEL
                    else:
                        cls, mat = C_FOREST, M_BROADLEAF
                else:
                    sr, sc = nearest_cell(stands, si0, sj0, STAND_CELL, x + wx, y + wy)
                    h = stand_hashes[sr, sc]
                    cls, mat = _stand(stands[sr, sc], x, y, seed)
            cover[r, c] = cls
            material[r, c] = mat
            thing[r, c] = np.uint32(h & low)
    return cover, material, thing
