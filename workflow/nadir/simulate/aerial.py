"""The world from the air, in natural colors at a fraction of a metre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from nadir.simulate.blocks import is_built
from nadir.simulate.buildings import BAX, BAY, BCOS, BSIN, BX, BY, edge_distance
from nadir.simulate.crowns import RADIUS, TX, TY, collect_crowns
from nadir.simulate.epochs import Epoch, exists, local
from nadir.simulate.grain import grain_tiles
from nadir.simulate.ground import lattice, paint_ground
from nadir.simulate.overhang import trees_at_walls
from nadir.simulate.shadows import shade, shadow_heights, shadow_reach
from nadir.simulate.sites import paint_sites, site_at
from nadir.simulate.surface import (
    building_hash,
    paint_crowns,
    paint_roofs,
)
from nadir.simulate.terrain import LATTICE, heights, tabulate_fields
from nadir.simulate.ways import paint_ways
from nadir.simulate.world import World

_AMBIENT = np.array([0.30, 0.36, 0.45])  # the sky lights shadows, more so in blue
_TAPS = np.array([0.0448, 0.2456, 0.4192, 0.2456, 0.0448], np.float32)
"""Blur of the optics along one axis: a Gaussian of about one pixel, 0.95 pixel wide (sigma)."""
_HALO = 2
_BLACK, _WHITE, _GAMMA = 0.012, 0.40, 0.52
_LEVELS = 4096
_NEW_HOUSE, _LOST_HOUSE = 0.07, 0.04


@dataclass(frozen=True)
class Aerial:
    """A window of the world from the air, rows from north to south.

    Attributes:
        rgb: (rows, columns, 3) uint8.
        height: (rows, columns) float32 height of roofs and crowns above the ground in metres.
        owner: (rows, columns) uint32: low bits of `surface.building_hash`, 0 off the buildings.
        buildings: (n, 10) float64 buildings that stand in that year in and near the window, see
            `buildings.collect_buildings`.
    """

    rgb: np.ndarray
    height: np.ndarray
    owner: np.ndarray
    buildings: np.ndarray


@njit(cache=True, nogil=True)
def _stand_in(buildings, sites, hashes, epoch, seed):
    """Return (n,) bool: which buildings stand in the year."""
    out = np.zeros(len(buildings), np.bool_)
    for k in range(len(buildings)):
        x, y = buildings[k, BX], buildings[k, BY]
        if not exists(building_hash(buildings[k]), 55, _NEW_HOUSE, _LOST_HOUSE, epoch):
            continue
        own = site_at(sites, x, y)
        if own >= 0:
            u, v = local(sites[own], x, y)
            out[k] = is_built(sites[own], hashes[own], u, v, seed, epoch)
    return out


@njit(cache=True, nogil=True)
def _beside(crowns, buildings):
    """Return (n,) bool: which crowns have their trunk off the buildings."""
    out = np.ones(len(crowns), np.bool_)
    order = np.argsort(crowns[:, TY])
    south = crowns[order, TY]
    for k in range(len(buildings)):
        b = buildings[k]
        reach = np.hypot(b[BAX], b[BAY]) + 1.0
        first = np.searchsorted(south, b[BY] - reach)
        last = np.searchsorted(south, b[BY] + reach)
        for n in order[first:last]:
            dx, dy = crowns[n, TX] - b[BX], crowns[n, TY] - b[BY]
            if abs(dx) > reach:
                continue
            u, v = dx * b[BCOS] + dy * b[BSIN], dy * b[BCOS] - dx * b[BSIN]
            margin = 0.4 + 0.4 * crowns[n, RADIUS]
            if edge_distance(b, u, v) > -margin:
                out[n] = False
    return out


@njit(cache=True, nogil=True)
def _slopes(nodes, i0, j0, x0, y0, step, rows, columns):
    """Return (2, rows, columns) float32: rise of the ground per metre, eastward and southward."""
    out = np.empty((2, rows, columns), np.float32)
    for r in range(rows):
        ly = (y0 + (r + 0.5) * step) / LATTICE - j0
        fr = np.int64(ly)
        for c in range(columns):
            lx = (x0 + (c + 0.5) * step) / LATTICE - i0
            fc = np.int64(lx)
            for k in range(2):
                out[k, r, c] = lattice(nodes, k, fr, fc, lx - fc, ly - fr)
    return out


@njit(cache=True, nogil=True)
def _expose(color, taps, curve):
    """Return uint8 pixels, `_HALO` fewer on each side: blurred by the optics, on the tone curve."""
    rows, columns = color.shape[0] - 2 * _HALO, color.shape[1] - 2 * _HALO
    out = np.empty((rows, columns, 3), np.uint8)
    line = np.empty((columns + 2 * _HALO, 3), np.float32)
    for r in range(rows):
        for c in range(columns + 2 * _HALO):
            for band in range(3):
                total = np.float32(0.0)
                for k in range(2 * _HALO + 1):
                    total += taps[k] * color[r + k, c, band]
                line[c, band] = total
        for c in range(columns):
            for band in range(3):
                total = np.float32(0.0)
                for k in range(2 * _HALO + 1):
                    total += taps[k] * line[c + k, band]
                level = min(max(total, np.float32(0.0)), np.float32(1.0))
                out[r, c, band] = curve[np.int64(level * (_LEVELS - 1))]
    return out


def _tone_curve() -> np.ndarray:
    """Return (_LEVELS,) uint8: pixel value of a reflectance between 0 and 1.

    The deepest shadow is 1: a value of 0 in all bands is what pictures use for holes.
    """
    level = np.clip((np.arange(_LEVELS) / (_LEVELS - 1) - _BLACK) / (_WHITE - _BLACK), 0, 1)
    return np.rint(1 + 254 * level**_GAMMA).astype(np.uint8)


def tone(reflectance: np.ndarray) -> np.ndarray:
    """Return uint8 pixels of reflectance 0..1, of any shape, on the camera's tone curve."""
    level = np.clip(reflectance, 0, 1)
    return _tone_curve()[(level * (_LEVELS - 1)).astype(np.int64)]


def render_aerial(
    world: World,
    epoch: Epoch,
    x: float,
    y: float,
    rows: int,
    columns: int,
    step: float = 0.5,
    overhang: float = 0.0,
) -> Aerial:
    """Render a window of the world as an aerial camera sees it, straight from above.

    Args:
        world: The world.
        epoch: The flight.
        x: West edge of the window, in metres from the world's upper-left corner; windows agree on
            the ground they share when their pixels coincide.
        y: North edge, in metres south of that corner.
        rows: Height in pixels.
        columns: Width in pixels.
        step: Size of a pixel in metres.
        overhang: Share of the places beside low houses from which a tree spreads over the roof,
            see `overhang.trees_at_walls`.
    """
    sun, table, salt, tiles = epoch.sun, epoch.table, epoch.salt, grain_tiles()
    reach = int(np.ceil(shadow_reach(sun) / step)) + _HALO + 1
    # Shadows come from the side of the sun alone.
    top, low = (_HALO, reach) if sun[1] > 0 else (reach, _HALO)
    left, right = (_HALO, reach) if sun[0] > 0 else (reach, _HALO)
    wide = (x - left * step, y - top * step, step, rows + top + low, columns + left + right)
    inner = (
        x - _HALO * step, y - _HALO * step, step, rows + 2 * _HALO, columns + 2 * _HALO
    )  # fmt: skip
    edges = (wide[0], wide[1], wide[0] + wide[4] * step, wide[1] + wide[3] * step)
    sites, hashes, roads, houses = world.features(*edges)
    houses = houses[_stand_in(houses, sites, hashes, table, world.seed)]
    color = _ground(world, inner, sites, hashes, roads, epoch)
    height = np.zeros(wide[3:], np.float32)
    owner = np.zeros(wide[3:], np.uint32)
    variation = world.cfg.variation
    at = (top - _HALO, left - _HALO)
    slopes = _ground_slopes(world, wide)
    paint_roofs(houses, *wide[:3], height, owner, color, *at, tiles, sun, table, salt, variation)
    crowns, grown = collect_crowns(world, epoch, *edges)
    clear = _beside(crowns, houses)
    crowns, grown = crowns[clear], grown[clear]
    if overhang > 0:
        leaning, leaned = trees_at_walls(houses, roads, overhang, table)
        crowns, grown = np.concatenate([crowns, leaning]), np.concatenate([grown, leaned])
    paint_crowns(crowns, grown, *wide[:3], height, color, *at, tiles, sun, table, salt, variation)
    shadow = _shadows(height, slopes, sun, step)
    shade(color, height, shadow, slopes[0], slopes[1], _AMBIENT, sun, *at)
    here = (slice(top, top + rows), slice(left, left + columns))
    return Aerial(
        _expose(color, _TAPS, _tone_curve()), height[here].copy(), owner[here].copy(), houses
    )


def standing(world: World, epoch: Epoch, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Return the buildings that stand in a year near a rectangle in metres from the world's corner.

    Returns:
        Table (n, 10) float64 in the order in which roofs are painted, see `buildings.BX`: all whose
        center lies within 80 m of the rectangle.
    """
    sites, hashes, _, houses = world.features(x0, y0, x1, y1)
    return houses[_stand_in(houses, sites, hashes, epoch.table, world.seed)]


def _ground(world, window, sites, hashes, roads, epoch) -> np.ndarray:
    x, y, step, rows, columns = window
    x1, y1 = x + columns * step, y + rows * step
    i0, j0 = int(np.floor(x / LATTICE)), int(np.floor(y / LATTICE))
    i1, j1 = int(np.floor(x1 / LATTICE)) + 2, int(np.floor(y1 / LATTICE)) + 2
    fields = tabulate_fields(i0, j0, j1 - j0, i1 - i0, world.frame, world.seed)
    return paint_ground(
        *window, fields, i0, j0, *world.cells(x, y, x1, y1), sites, hashes,
        paint_sites(sites, *window), *paint_ways(roads, *window), grain_tiles(),
        epoch.table, epoch.salt, world.cfg.variation, world.seed,
    )  # fmt: skip


def _ground_slopes(world: World, window: tuple) -> np.ndarray:
    x, y, step, rows, columns = window
    i0, j0 = int(np.floor(x / LATTICE)), int(np.floor(y / LATTICE))
    i1 = int(np.floor((x + columns * step) / LATTICE)) + 2
    j1 = int(np.floor((y + rows * step) / LATTICE)) + 2
    ground = heights(
        (i0 - 1.0) * LATTICE, (j0 - 1.0) * LATTICE, float(LATTICE), j1 - j0 + 2, i1 - i0 + 2,
        world.frame, world.seed,
    )  # fmt: skip
    nodes = np.stack(
        [ground[1:-1, 2:] - ground[1:-1, :-2], ground[2:, 1:-1] - ground[:-2, 1:-1]]
    ) / np.float32(2 * LATTICE)
    return _slopes(nodes, i0, j0, x, y, step, rows, columns)


def _shadows(height: np.ndarray, slopes: np.ndarray, sun: np.ndarray, step: float) -> np.ndarray:
    """Return the heights of shadows: rows of `shadow_heights` run along the light."""
    flat = np.hypot(sun[0], sun[1])
    along = (-sun[0] * slopes[0] - sun[1] * slopes[1]).astype(np.float32) / np.float32(flat)
    turn = abs(sun[0]) > abs(sun[1])
    flip = (sun[0] if turn else sun[1]) > 0  # the sun stands at the last row: begin there
    if turn:
        height, along = np.ascontiguousarray(height.T), np.ascontiguousarray(along.T)
    out = shadow_heights(height, along, sun, step, flip, turn)
    return np.ascontiguousarray(out.T) if turn else out
