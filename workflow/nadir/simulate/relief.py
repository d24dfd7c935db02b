"""The surface of the world around a place: ground, what stands on it, and how it looks from above.

A perspective view is cast through nested reliefs: a fine one around the camera, coarser ones
beyond.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import maximum_filter

from nadir.simulate.aerial import render_aerial, tone
from nadir.simulate.buildings import BX, BY, HEIGHT
from nadir.simulate.cover import Cover
from nadir.simulate.epochs import SEASON, Epoch
from nadir.simulate.palette import COLORS
from nadir.simulate.raycast import BLOCK
from nadir.simulate.surface import building_hashes, owner_keys
from nadir.simulate.terrain import height_at
from nadir.simulate.world import World

_TRUNK_REACH = 1.2  # a crown's top is the highest point within this distance, in metres
_TRUNK_TALL = 3.5  # lower growth has no trunk that one sees, in metres
_CROWN_REACH = 2.0  # a crown's lower side follows its top within this distance, in metres
_CLEARANCE = 0.3  # share of a tree's height below its crown
_LEAVES = 1.6  # colors of leaves are averaged over this distance, in metres
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
        leaves: (rows, columns, 3) uint8: the same of crowns, smoothed.
        ground: (rows, columns) float32 height of the ground above the sea.
        crown: (rows, columns) float32 height of crowns above the ground, 0 without.
        floor: (rows, columns) float32 height of their lower side.
        trunk: (rows, columns) bool, where the trunks of trees stand.
        cover: (rows, columns) uint8, values of `cover.Cover`.
        owner: (rows, columns) int32 row of the building in `buildings` on a cell or beside it, -1
            away from buildings.
        roofed: (rows, columns) bool, where buildings stand.
        top: (rows, columns) float32 height above the sea that nothing on a cell exceeds.
        peak: The same by squares of `raycast.BLOCK` cells.
        buildings: (n, 10) float64, see `buildings.collect_buildings`.
        hashes: (n,) uint64 `surface.building_hash` of each.
        levels: (n,) float64 height of each one's floor above the sea.
    """

    x: float
    y: float
    step: float
    color: np.ndarray
    leaves: np.ndarray
    ground: np.ndarray
    crown: np.ndarray
    floor: np.ndarray
    trunk: np.ndarray
    cover: np.ndarray
    owner: np.ndarray
    roofed: np.ndarray
    top: np.ndarray
    peak: np.ndarray
    buildings: np.ndarray
    hashes: np.ndarray
    levels: np.ndarray

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
    ground = _ground(world, x0, y0, side, step)
    cover = world.landcover_at(x0, y0, side, side, step).cover
    houses = np.ascontiguousarray(aerial.buildings)
    hashes = building_hashes(houses)
    owner = _rows_of(aerial.owner, owner_keys(houses))
    # Crowns may spread over roofs: whatever is higher than the ridge is a crown.
    ridge = np.where(owner >= 0, houses[owner, HEIGHT], 0.0) if len(houses) else 0.0
    crown = np.where((owner < 0) | (aerial.height > ridge + 0.1), aerial.height, np.float32(0))
    size = 2 * max(1, round(_TRUNK_REACH / step)) + 1
    trunk = (crown > _TRUNK_TALL) & (crown == maximum_filter(crown, size))
    levels = np.array([height_at(b[BX], b[BY], world.frame, world.seed) for b in houses])
    beside = np.where(owner < 0, maximum_filter(owner, 3), owner)
    top, peak = _ceilings(ground + crown, beside, levels, houses)
    return Relief(
        x0, y0, step, aerial.rgb, _leaves(aerial.rgb, crown, step), ground, crown,
        _lower_side(crown, step), trunk, cover, beside, owner >= 0, top, peak, houses, hashes,
        levels,
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
    column, row = round(x / step) - half, round(y / step) - half
    x0, y0 = column * step, row * step
    ground = _ground(world, x0, y0, side, step)
    land = world.landcover_at(x0, y0, side, side, step)
    rough = 0.5 * (_random(land.thing.astype(np.int64), 0) + _random(*_cells(row, column, side)))
    lit = _lit(ground, step, epoch.sun) * (0.85 + 0.3 * rough)
    season = int(epoch.table[SEASON])
    color = tone(COLORS[season][land.material] * lit[..., None].astype(np.float32))
    crown = np.zeros(ground.shape, np.float32)
    for cover, tall in _DISTANT.items():
        grown = land.cover == cover
        crown[grown] = (tall * (0.75 + 0.5 * rough[grown])).astype(np.float32)
    owner, no = np.full(ground.shape, -1, np.int32), np.zeros(ground.shape, bool)
    houses, levels = np.zeros((0, 10)), np.zeros(0)
    top, peak = _ceilings(ground + crown, owner, levels, houses)
    return Relief(
        x0, y0, step, color, color, ground, crown, np.zeros_like(crown), no, land.cover, owner, no,
        top, peak, houses, np.zeros(0, np.uint64), levels,
    )  # fmt: skip


def _ground(world: World, x0: float, y0: float, side: int, step: float) -> np.ndarray:
    """Return the heights of the ground at the centers of a square's cells."""
    left, top = world.cfg.origin
    bounds = (left + x0, top - y0 - side * step, left + x0 + side * step, top - y0)
    return world.terrain(bounds, step)


def _leaves(color: np.ndarray, crown: np.ndarray, step: float) -> np.ndarray:
    """Return colors averaged over the crowns around, uint8."""
    size = (max(1, round(_LEAVES / step)),) * 2
    grown = (crown > 0).astype(np.float32)
    total = cv2.blur(color.astype(np.float32) * grown[..., None], size)
    mean = total / np.maximum(cv2.blur(grown, size), 1e-6)[..., None]
    return np.where(grown[..., None] > 0, np.rint(mean), color).astype(np.uint8)


def _lower_side(crown: np.ndarray, step: float) -> np.ndarray:
    """Return the height above the ground of the lower side of crowns; they close at their rim.

    Beside a crown it lies above the crown's rim, so that nothing hangs down there.
    """
    size = 2 * max(1, round(_CROWN_REACH / step)) + 1
    tree = maximum_filter(crown, size)
    floor = _CLEARANCE * tree + (tree - crown) / 6.0
    floor[tree < _TRUNK_TALL] = 0.0
    lower = (crown > 0) & (crown < 0.33 * tree)  # a shrub beside a tree
    return np.where(lower, 0.0, floor).astype(np.float32)


def _ceilings(
    surface: np.ndarray, owner: np.ndarray, levels: np.ndarray, houses: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return `Relief.top` and `Relief.peak`; between centers of cells surfaces are bilinear."""
    top = maximum_filter(surface, 3)
    if len(houses):
        ridges = (levels + houses[:, HEIGHT]).astype(np.float32) + np.float32(0.01)
        top = np.where(owner >= 0, np.maximum(top, ridges[owner]), top)
    rows, columns = (-(-length // BLOCK) for length in top.shape)
    padded = np.full((rows * BLOCK, columns * BLOCK), -np.inf, np.float32)
    padded[: top.shape[0], : top.shape[1]] = top
    return top, padded.reshape(rows, BLOCK, columns, BLOCK).max(axis=(1, 3))


def _cells(row: int, column: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of a square's cells, counted from the world's corner."""
    at = np.arange(side, dtype=np.int64)
    return (row + at)[:, None], (column + at)[None]


def _random(i: np.ndarray, j: np.ndarray | int) -> np.ndarray:
    """Return a number in [0, 1) of each pair of integers, float32."""
    with np.errstate(over="ignore"):
        mixed = i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ np.asarray(j).astype(np.uint64)) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    return (mixed >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def _lit(ground: np.ndarray, step: float, sun: np.ndarray) -> np.ndarray:
    """Return the light on slopes relative to level ground."""
    south, east = np.gradient(ground, step)
    facing = (sun[2] - east * sun[0] - south * sun[1]) / np.sqrt(1 + east**2 + south**2)
    return 0.35 + 0.65 * np.maximum(facing, 0.0) / sun[2]


def _rows_of(owner: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the row of each cell's building, int32, -1 for none."""
    if not len(keys):
        return np.full(owner.shape, -1, np.int32)
    order = np.argsort(keys)
    at = np.minimum(np.searchsorted(keys[order], owner), len(keys) - 1)
    rows = order[at].astype(np.int32)
    return np.where((owner != 0) & (keys[rows] == owner), rows, np.int32(-1)).astype(np.int32)
