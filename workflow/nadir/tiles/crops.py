"""Random crops of the training ground: of any size and place, and never beyond the tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nadir.tiles.augment import COUNT
from nadir.tiles.balance import ClassPlaces
from nadir.tiles.sampling import SamplePlan, sample_rng

_ATTEMPTS = 20


class Ground:
    """The ground that tiles cover together, scene by scene.

    Args:
        tiles: (n, 4) int64: number of the scene, row, column and side of each tile.
    """

    def __init__(self, tiles: np.ndarray) -> None:
        self.tiles = np.asarray(tiles, np.int64)
        self._cover = {
            int(scene): _Cover.of(self.tiles[self.tiles[:, 0] == scene, 1:])
            for scene in np.unique(self.tiles[:, 0])
        }

    def holds(self, scene: int, y: int, x: int, side: int) -> bool:
        """Tell whether a square lies on the ground of a scene with every pixel."""
        return self._cover[scene].holds(y, x, side)


@dataclass(frozen=True)
class _Cover:
    """Which of the cells that the edges of tiles cut are covered.

    Attributes:
        rows: Edges of the cells along y, ascending.
        columns: Edges along x.
        bare: (rows, columns) int64: sums of cells without a tile above and left of a corner.
    """

    rows: np.ndarray
    columns: np.ndarray
    bare: np.ndarray

    @classmethod
    def of(cls, tiles: np.ndarray) -> _Cover:
        y, x, side = tiles.T
        rows = np.unique(np.concatenate([y, y + side]))
        columns = np.unique(np.concatenate([x, x + side]))
        covered = np.zeros((len(rows) - 1, len(columns) - 1), bool)
        for top, left, length in tiles.tolist():
            there = (
                slice(*np.searchsorted(rows, (top, top + length))),
                slice(*np.searchsorted(columns, (left, left + length))),
            )
            covered[there] = True
        bare = np.zeros((len(rows), len(columns)), np.int64)
        bare[1:, 1:] = (~covered).cumsum(0).cumsum(1)
        return cls(rows, columns, bare)

    def holds(self, y: int, x: int, side: int) -> bool:
        if y < self.rows[0] or x < self.columns[0]:
            return False
        if y + side > self.rows[-1] or x + side > self.columns[-1]:
            return False
        top = int(np.searchsorted(self.rows, y, "right")) - 1
        left = int(np.searchsorted(self.columns, x, "right")) - 1
        bottom = int(np.searchsorted(self.rows, y + side))
        right = int(np.searchsorted(self.columns, x + side))
        bare = self.bare
        holes = bare[bottom, right] - bare[top, right] - bare[bottom, left] + bare[top, left]
        return bool(holes == 0)


def crop_plan(
    ground: Ground,
    seed: int,
    epoch: int,
    *,
    count: int,
    side: int,
    scale: float = 1.0,
    turned: bool = False,
    rotate: float = 0.0,
    chances: Sequence[float] | np.ndarray | None = None,
    places: ClassPlaces | None = None,
) -> SamplePlan:
    """Plan an epoch of random crops.

    A crop's side on the ground is `side` times a log-uniform factor between 1/`scale` and `scale`.
    Its middle lies anywhere in a random tile; a crop that would leave the ground is drawn again,
    and after some attempts is one inside of its tile (smaller, where the tile is).

    With `places`, its middle is a pixel of a class that is drawn first; a crop that would leave the
    ground is moved into the pixel's tile, so that it still shows that pixel.

    Args:
        ground: The training tiles.
        seed: Seed of the training.
        epoch: Number of the epoch, from 0.
        count: Number of crops.
        side: Side of a crop, in pixels.
        scale: Largest factor on it, at least 1.
        turned: Whether each crop has one of the eight symmetries at random.
        rotate: Largest angle in degrees by which crops are turned besides, either way.
        chances: (tiles,) how much more often than others each tile is drawn; None for all alike.
        places: Where each class lies in these tiles; then nothing is asked of `chances`.

    Returns:
        The plan: for each crop its tile, its symmetry, its place and its angle.
    """
    likely = np.ones(len(ground.tiles)) if chances is None else np.asarray(chances, np.float64)
    until = np.cumsum(likely) / likely.sum()
    tile, symmetry = np.empty(count, np.int64), np.zeros(count, np.uint8)
    crop, angle = np.empty((count, 3), np.int64), np.zeros(count)
    for number in range(count):
        rng = sample_rng(seed, epoch, number)
        middle = None
        if places is None:
            chosen = min(int(np.searchsorted(until, rng.random(), "right")), len(until) - 1)
        else:
            chosen, *middle = places.draw(rng)
        tile[number] = chosen
        if turned:
            symmetry[number] = rng.integers(COUNT)
        box = ground.tiles[chosen]
        if middle is None:
            found = _draw(ground, box, side, scale, rotate, rng)
        else:
            found = _draw_around(ground, box, (middle[0], middle[1]), side, scale, rotate, rng)
        *crop[number], angle[number] = found
    return SamplePlan(tile, symmetry, crop, angle if rotate else None)


def spread_of(angle: float) -> float:
    """Return how much larger a square around a turned square is; `angle` in degrees."""
    radians = math.radians(angle)
    return abs(math.cos(radians)) + abs(math.sin(radians))


def _draw(
    ground: Ground,
    tile: np.ndarray,
    side: int,
    scale: float,
    rotate: float,
    rng: np.random.Generator,
) -> tuple[int, int, int, float]:
    """Return row, column and side of one crop's ground, and its angle."""
    scene, top, left, length = (int(value) for value in tile)
    for _ in range(_ATTEMPTS):
        size, angle = _draw_size(side, scale, rotate, rng)
        y = top + int(rng.integers(length)) - size // 2
        x = left + int(rng.integers(length)) - size // 2
        if ground.holds(scene, y, x, size):
            return y, x, size, angle
    size = min(side, length)
    y, x = (int(value) for value in rng.integers(length - size + 1, size=2))
    return top + y, left + x, size, 0.0


def _draw_around(
    ground: Ground,
    tile: np.ndarray,
    middle: tuple[int, int],
    side: int,
    scale: float,
    rotate: float,
    rng: np.random.Generator,
) -> tuple[int, int, int, float]:
    """Return row, column and side of the ground of one crop around a pixel, and its angle."""
    scene, top, left, length = (int(value) for value in tile)
    size, angle = _draw_size(side, scale, rotate, rng)
    y, x = (at - size // 2 for at in middle)
    if ground.holds(scene, y, x, size):
        return y, x, size, angle
    if size > length:
        size, angle = min(side, length), 0.0
    y, x = (
        min(max(at - size // 2, first), first + length - size)
        for at, first in zip(middle, (top, left), strict=True)
    )
    return y, x, size, angle


def _draw_size(
    side: int, scale: float, rotate: float, rng: np.random.Generator
) -> tuple[int, float]:
    """Return the side of a crop's ground, and its angle."""
    spread = math.log(scale)
    angle = float(rng.uniform(-rotate, rotate)) if rotate else 0.0
    factor = math.exp(rng.uniform(-spread, spread)) * spread_of(angle)
    return max(1, round(side * factor)), angle
