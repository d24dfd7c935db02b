"""The ground at the scale of a car, below trees and roofs, as colors."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.countryside import (
    BROADLEAVES,
    GRASSLAND,
    MEADOWS,
    P_WILD,
    SHRUBS,
    STAND_CELL,
    USE,
    nearest_cell,
)
from nadir.simulate.cover import (
    M_ASPHALT,
    M_CEREAL,
    M_CONCRETE,
    M_DRY,
    M_FALLOW,
    M_GRAVEL,
    M_GREY,
    M_MAIZE,
    M_MEADOW,
    M_PALE,
    M_RAPESEED,
    M_RIVER,
    M_ROCK,
    M_SAND,
    M_SEA,
    M_SHRUB,
    M_SOIL,
    M_SUNFLOWER,
    M_VINE,
    crop_of,
    parcel_at,
    woody_kind,
)
from nadir.simulate.epochs import CHANGE, OWN, SEASON, exists, of_year
from nadir.simulate.grain import FINE, ROWS, SOFT, sample, sample_year
from nadir.simulate.ground_sites import site_floor
from nadir.simulate.noise import draw, gradient_noise, hash_cell, smoothstep
from nadir.simulate.palette import ROUGH, tint
from nadir.simulate.roads import BALLAST, MEDIAN, SURFACE
from nadir.simulate.terrain import BEACH, LATTICE

_UPROOTED, _PLANTED, _FELLED, _CLEARED = 0.04, 0.06, 0.05, 0.04


@njit(cache=True, nogil=True)
def lattice(fields, k, fr, fc, tx, ty):
    """Return a slow field (see `terrain.tabulate_fields`) between the nodes of its lattice."""
    top = fields[k, fr, fc] + tx * (fields[k, fr, fc + 1] - fields[k, fr, fc])
    low = fields[k, fr + 1, fc] + tx * (fields[k, fr + 1, fc + 1] - fields[k, fr + 1, fc])
    return top + ty * (low - top)


@njit(cache=True, nogil=True)
def is_wooded(h, epoch):
    """Whether the trees of a natural stand are there, neither felled nor yet to grow."""
    return exists(h, 81, _CLEARED, _FELLED, epoch)


@njit(cache=True, nogil=True)
def planted(district, parcel, epoch):
    """Return the kind of woody crop of a parcel in the year (see `cover.woody_kind`), or -1."""
    if exists(parcel, 83, _PLANTED, _UPROOTED, epoch):
        return woody_kind(district, parcel)
    return -1


@njit(cache=True, nogil=True)
def _crop(district, parcel, epoch, salt):
    """Return the crop that a parcel carries in the year."""
    g = of_year(parcel, salt)
    return crop_of(district, g if draw(g, 85) < 0.7 * epoch[CHANGE] else parcel)


@njit(cache=True, nogil=True)
def _field(district, parcel, u, v, edge, rough, epoch, salt):
    """Return the floor of a parcel: material, mixed in, its share, factor, weight of rows."""
    if edge < 1.3 + 0.35 * rough:
        if draw(parcel, 12) < 0.35:  # a track with two ruts
            rut = abs(edge - 0.5) < 0.25
            return (M_PALE if rut else M_DRY), M_SOIL, 0.4, 1.0, 0.0
        return (M_DRY if draw(parcel, 12) < 0.75 else M_SOIL), M_SHRUB, 0.25, 1.0, 0.0
    kind = planted(district, parcel, epoch)
    if kind < 0:
        crop = _crop(district, parcel, epoch, salt)
        gain = 1.0
        summer = epoch[SEASON] > 0.5
        if crop in (M_CEREAL, M_RAPESEED):
            width = 18.0 + 6.0 * draw(parcel, 15)
            at = u - width * np.floor(u / width)
            if abs(abs(at - 0.5 * width) - 0.9) < 0.3:
                gain = 1.16 if summer else 0.82  # wheel tracks of the sprayer
            elif summer:
                lane = u / 6.0 - np.floor(u / 6.0)
                gain = 1.0 + 0.12 * (abs(lane - 0.5) - 0.25)  # swaths of the harvester
        elif crop in (M_MAIZE, M_SUNFLOWER):
            gain = 1.0 + 0.08 * np.sin(2.0 * np.pi * u / 1.5)
        mixed = M_SOIL if crop != M_SOIL else M_FALLOW
        return crop, mixed, 0.05 + 0.12 * draw(parcel, 16), gain, 1.0
    floor = M_SOIL if draw(parcel, 4) < 0.6 else (M_DRY if draw(parcel, 4) < 0.85 else M_PALE)
    lane = 27.0 + 14.0 * draw(parcel, 13)
    if v - lane * np.floor(v / lane) < 4.5 and kind == 0:
        return (M_DRY if draw(parcel, 14) < 0.6 else M_SOIL), M_SOIL, 0.3, 1.0, 0.0
    if kind == 0:
        fu = 2.6 * (u / 2.6 - np.floor(u / 2.6)) - 1.3
        half = (0.55 + 0.3 * draw(parcel, 5)) * (1.0 if epoch[SEASON] > 0.5 else 0.62)
        if abs(fu) < half * (1.0 + 0.35 * rough):
            return M_VINE, M_SHRUB, 0.12, 0.95 - 0.25 * fu, 0.0
        return floor, M_DRY, 0.2, 0.78 if 0.0 < fu - half < 0.5 else 1.0, 0.4
    return floor, M_DRY if floor != M_DRY else M_SOIL, 0.25, 1.0, 0.8


@njit(cache=True, nogil=True)
def _wild(stand, h, x, y, rough, epoch, seed):
    """Return the floor of a natural stand: material, mixed in, its share, factor."""
    kind, density = stand[USE], stand[P_WILD]
    if kind <= BROADLEAVES:
        if not is_wooded(h, epoch):
            return M_SOIL, M_DRY, 0.45, 0.95
        clearing = gradient_noise(x / 48.0, y / 48.0, 522, seed)
        if clearing + 0.03 * rough > 0.62:
            return M_DRY, M_SHRUB, 0.35, 1.0
        return M_SHRUB, M_DRY, 0.55 - 0.3 * density, 0.8
    patch = gradient_noise(x / 37.0, y / 37.0, 521, seed)
    if kind == MEADOWS:
        return M_MEADOW, M_DRY, 0.15 + 0.3 * max(patch, 0.0), 1.0
    if kind == GRASSLAND:
        return M_DRY, M_SOIL, 0.16 - 0.2 * patch, 1.0
    if kind == SHRUBS:
        return M_DRY, M_SOIL, 0.4 - 0.3 * patch, 1.0
    return (M_DRY, M_ROCK, 0.35 - 0.3 * patch, 1.0) if draw(h, 87) < 0.5 else (
        M_DRY, M_SOIL, 0.45 - 0.3 * patch, 1.0
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _road(code, x, y, seed):
    """Return the floor of a road: material, mixed in, its share, hash."""
    h = hash_cell(np.int64(np.floor(x / 450.0)), np.int64(np.floor(y / 450.0)), 545, seed)
    if code == SURFACE:
        age = draw(h, 1)
        surface = M_ASPHALT if age < 0.45 else M_GREY if age < 0.8 else M_CONCRETE
        return surface, M_ASPHALT, 0.1, h
    if code == BALLAST:
        return M_GRAVEL, M_SOIL, 0.2, h
    if code == MEDIAN:
        return M_SHRUB, M_DRY, 0.35, h
    return M_DRY, M_SOIL, 0.3, h


@njit(cache=True, nogil=True)
def paint_ground(
    x0, y0, step, rows, columns, fields, fi0, fj0, districts, district_hashes, di0, dj0,
    stands, stand_hashes, si0, sj0, sites, site_hashes, zone, road, paint, tiles,
    epoch, salt, variation, seed,
):  # fmt: skip
    """Return the color of the ground, sunlit and level, of the pixels of a window.

    Args:
        x0: West edge of the window (m).
        y0: North edge (m).
        step: Size of a pixel (m).
        rows: Height of the window in pixels.
        columns: Width of the window in pixels.
        fields: From `terrain.tabulate_fields`.
        fi0: Its first column on the lattice.
        fj0: Its first row on the lattice.
        districts: As the following seven, from `World.cells`.
        district_hashes: See there.
        di0: See there.
        dj0: See there.
        stands: See there.
        stand_hashes: See there.
        si0: See there.
        sj0: See there.
        sites: From `sites.collect_sites`.
        site_hashes: Likewise.
        zone: Raster of the window from `sites.paint_sites`.
        road: Raster of the window from `ways.paint_ways`.
        paint: Likewise.
        tiles: From `grain.grain_tiles`.
        epoch: From `epochs.Epoch.table`.
        salt: From `epochs.Epoch.salt`.
        variation: Strength of the differences between things.
        seed: From `noise.seed_hash`.

    Returns:
        (rows, columns, 3) float32 reflectance: red, green, blue.
    """
    out = np.empty((rows, columns, 3), np.float32)
    one, two = np.zeros(3), np.zeros(3)
    last, last_mixed, last_h = -1, -1, np.uint64(0)
    season = np.int64(epoch[SEASON])
    zero = np.uint64(0)
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
            rough = sample(tiles, SOFT, x, y, zero)
            coast = lattice(fields, 0, fr, fc, tx, ty) + 0.4 * rough
            river = lattice(fields, 1, fr, fc, tx, ty) + 0.4 * rough
            u, v, h, share, gain, streaks, blur = x, y, seed, 0.0, 1.0, 0.0, 0.0
            white = 0.0
            if coast <= 0.0:
                mat, mixed = M_SEA, M_SEA
                gain = 1.0 + 0.9 * smoothstep(-14.0, 0.0, coast)  # shallows, then surf
                if coast > -2.5 + rough:
                    gain += 1.6
            elif road[r, c] > 0:
                mat, mixed, share, h = _road(road[r, c], x, y, seed)
                white = max(paint[r, c], 0.0)
                if paint[r, c] < 0.0:
                    gain = 1.0 + 0.5 * paint[r, c]
            elif river <= 0.0:
                mat, mixed = M_RIVER, M_RIVER
                gain = 1.0 + 0.35 * smoothstep(-4.0, 0.0, river)
            elif coast < BEACH:
                mat, mixed = M_SAND, M_DRY
                share = 0.4 * smoothstep(0.6 * BEACH, BEACH, coast)
                gain = 1.0 - 0.3 * smoothstep(7.0, 0.0, coast)
            elif zone[r, c] > 0:
                k = zone[r, c] - 1
                mat, mixed, share, h, gain = site_floor(
                    sites[k], site_hashes[k], x, y, rough, seed, epoch, salt
                )
            else:
                wx = lattice(fields, 2, fr, fc, tx, ty)
                wy = lattice(fields, 3, fr, fc, tx, ty)
                dr, dc, parcel, pu, pv, edge = parcel_at(
                    x, y, wx, wy, river, districts, district_hashes, di0, dj0
                )
                if dr >= 0:
                    h, u, v = parcel, pu, pv
                    mat, mixed, share, gain, streaks = _field(
                        districts[dr, dc], parcel, u, v, edge, rough, epoch, salt
                    )
                    if streaks == 1.0:  # thin spots of a crop, and its slow changes of vigor
                        blur = 1.3
                        gain += 0.10 * gradient_noise(u / 31.0, v / 47.0, 591, of_year(h, salt))
                        gain += 0.08 * gradient_noise(u / 43.0, v / 37.0, 592, h)
                elif river < 22.0:
                    bar = gradient_noise(x / 160.0, y / 160.0, 551, seed) > 0.22
                    bar = bar and river < 16.0 + rough
                    mat, mixed, share = (M_GRAVEL, M_SAND, 0.3) if bar else (M_DRY, M_MEADOW, 0.5)
                else:
                    sr, sc = nearest_cell(stands, si0, sj0, STAND_CELL, x + wx, y + wy)
                    h = stand_hashes[sr, sc]
                    mat, mixed, share, gain = _wild(stands[sr, sc], h, x, y, rough, epoch, seed)
            if mat != last or mixed != last_mixed or h != last_h:
                tint(mat, h, season, epoch[OWN], salt, variation, one)
                tint(mixed, h, season, epoch[OWN], salt, variation, two)
                last, last_mixed, last_h = mat, mixed, h
            soft = sample_year(tiles, SOFT, u, v, h, epoch, salt)
            weight = 0.0
            if share > 0.0:
                weight = smoothstep(-0.5 - blur, 0.5 + blur, soft + 3.2 * (share - 0.5))
                if blur > 0.0:
                    weight *= 0.7
            texture = ROUGH[mat, 0] * soft
            texture += ROUGH[mat, 1] * sample_year(tiles, FINE, u, v, h, epoch, salt)
            if streaks > 0.0:
                texture += streaks * ROUGH[mat, 2] * sample_year(tiles, ROWS, u, v, h, epoch, salt)
            gain *= max(1.0 + texture, 0.2)
            for band in range(3):
                value = gain * (one[band] + weight * (two[band] - one[band]))
                out[r, c, band] = value + white * (0.36 - value)
    return out
