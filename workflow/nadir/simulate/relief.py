"""The surface of the world around a place: ground, what stands on it, and how it looks from above.

A perspective view is cast through nested reliefs: a fine one around the camera, coarser ones
beyond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter

from nadir.simulate.aerial import render_aerial, tone
from nadir.simulate.cover import Cover
from nadir.simulate.epochs import SEASON, Epoch
from nadir.simulate.palette import COLORS
from nadir.simulate.surface import building_hash
from nadir.simulate.world import World

_TRUNK_REACH = 1.2  # a crown's top is the highest point within this distance, in metres
_TRUNK_TALL = 3.5  # lower growth has no trunk that one sees, in metres
_LOW = np.uint64(0xFFFFFFFF)
_DISTANT = {Cover.FOREST: 11.0, Cover.SCRUB: 1.0, Cover.WOODY: 2.0}
"""Mean height of growth where single trees are too small to be drawn, in metres."""


@dataclass(frozen=True)
class Relief:
    """A window of the world's surface, rows from north to south, in metres of the world's corner.

    Attributes:
        x: West edge.
        y: North edge, southwards.
        step: Size of a cell.
        color: (rows, columns, 3) uint8, from above, shadows included.
        ground: (rows, columns) float32 height of the ground above the sea.
        height: (rows, columns) float32 height of roofs and crowns above the ground.
        owner: (rows, columns) int32 row of the building in `buildings`, -1 off the buildings.
        trunk: (rows, columns) bool, where the trunks of trees stand.
        cover: (rows, columns) uint8, values of `cover.Cover`.
        buildings: (n, 8) float64, see `buildings.collect_buildings`.
        hashes: (n,) uint64 `surface.building_hash` of each.
    """

    x: float
    y: float
    step: float
    color: np.ndarray
    ground: np.ndarray
    height: np.ndarray
    owner: np.ndarray
    trunk: np.ndarray
    cover: np.ndarray
    buildings: np.ndarray
    hashes: np.ndarray

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """West, north, east and south edge."""
        rows, columns = self.ground.shape
        return self.x, self.y, self.x + columns * self.step, self.y + rows * self.step

    def elevation(self, x: float, y: float) -> float:
        """Return the height of the ground above the sea (m) at a position inside."""
        rows, columns = self.ground.shape
        row = min(max(int((y - self.y) / self.step), 0), rows - 1)
        column = min(max(int((x - self.x) / self.step), 0), columns - 1)
        return float(self.ground[row, column])


def relief_around(
    world: World, epoch: Epoch, x: float, y: float, reach: float, step: float
) -> Relief:
    """Return the surface of a square around a place.

    Args:
        world: The world.
        epoch: Season, year and sun.
        x: East of the world's upper-left corner, in metres.
        y: South of it.
        reach: Half the side of the square, in metres; rounded to whole cells.
        step: Size of a cell in metres.
    """
    half = round(reach / step)
    side = 2 * half
    # Cells lie on multiples of the step: views of neighboring places agree on what they share.
    x0, y0 = (round(x / step) - half) * step, (round(y / step) - half) * step
    aerial = render_aerial(world, epoch, x0, y0, side, side, step)
    left, top = world.cfg.origin
    bounds = (left + x0, top - y0 - side * step, left + x0 + side * step, top - y0)
    ground = world.terrain(bounds, step)
    cover = world.landcover_at(x0, y0, side, side, step).cover
    hashes = np.array([building_hash(row) for row in aerial.buildings], np.uint64)
    owner = _rows_of(aerial.owner, hashes)
    crowns = np.where(owner < 0, aerial.height, np.float32(0))
    size = 2 * max(1, round(_TRUNK_REACH / step)) + 1
    trunk = (crowns > _TRUNK_TALL) & (crowns == maximum_filter(crowns, size))
    return Relief(
        x0, y0, step, aerial.rgb, ground, aerial.height, owner, trunk, cover,
        np.ascontiguousarray(aerial.buildings), hashes,
    )  # fmt: skip


def distant_relief(
    world: World, epoch: Epoch, x: float, y: float, reach: float, step: float
) -> Relief:
    """Return the surface of a wide square without single trees and buildings.

    Args:
        world: The world.
        epoch: Season, year and sun.
        x: East of the world's upper-left corner, in metres.
        y: South of it.
        reach: Half the side of the square, in metres; rounded to whole cells.
        step: Size of a cell in metres; some ten metres and more.
    """
    half = round(reach / step)
    side = 2 * half
    x0, y0 = (round(x / step) - half) * step, (round(y / step) - half) * step
    left, top = world.cfg.origin
    bounds = (left + x0, top - y0 - side * step, left + x0 + side * step, top - y0)
    ground = world.terrain(bounds, step)
    land = world.landcover_at(x0, y0, side, side, step)
    rough = _hashed(land.thing) * 0.5 + _hashed(np.arange(side * side).reshape(side, side)) * 0.5
    lit = _lit(ground, step, epoch.sun) * (0.85 + 0.3 * rough)
    season = int(epoch.table[SEASON])
    color = tone(COLORS[season][land.material] * lit[..., None].astype(np.float32))
    height = np.zeros(ground.shape, np.float32)
    for cover, tall in _DISTANT.items():
        grown = land.cover == cover
        height[grown] = (tall * (0.75 + 0.5 * rough[grown])).astype(np.float32)
    nothing = np.zeros((0, 8)), np.zeros(0, np.uint64)
    return Relief(
        x0, y0, step, color, ground, height, np.full(ground.shape, -1, np.int32),
        np.ones(ground.shape, bool), land.cover, *nothing,
    )  # fmt: skip


def _hashed(values: np.ndarray) -> np.ndarray:
    """Return a number in [0, 1) of each integer, float32."""
    mixed = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed >> np.uint64(40)).astype(np.float32)) / np.float32(1 << 24)


def _lit(ground: np.ndarray, step: float, sun: np.ndarray) -> np.ndarray:
    """Return the light on slopes relative to level ground."""
    south, east = np.gradient(ground, step)
    facing = (sun[2] - east * sun[0] - south * sun[1]) / np.sqrt(1 + east**2 + south**2)
    return 0.35 + 0.65 * np.maximum(facing, 0.0) / sun[2]


def _rows_of(owner: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Return the row of each cell's building, int32, -1 for none."""
    if not len(hashes):
        return np.full(owner.shape, -1, np.int32)
    keys = (hashes & _LOW).astype(np.uint32)
    order = np.argsort(keys)
    at = np.minimum(np.searchsorted(keys[order], owner), len(keys) - 1)
    rows = order[at].astype(np.int32)
    return np.where((owner != 0) & (keys[rows] == owner), rows, np.int32(-1)).astype(np.int32)
