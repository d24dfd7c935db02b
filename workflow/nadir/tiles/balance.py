"""Drawing a class, then a tile that has it, then one of its pixels there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_PLACES = 6  # separates this stream of random numbers from those of `nadir.tiles.sampling`
_REMEMBERED = 2**22  # pixels of each class that are remembered, about, of all tiles together
_LEAST = 16  # pixels of a class that are remembered of every tile


@dataclass(frozen=True)
class _Places:
    """Where one class lies.

    Attributes:
        tile: (m,) int64, the tiles that have it.
        until: (m,) float64, their chances, added up.
        start: (m + 1,) int64, which part of `place` is of which tile.
        place: int32 positions of its pixels in their tile, row by row.
    """

    tile: np.ndarray
    until: np.ndarray
    start: np.ndarray
    place: np.ndarray


class ClassPlaces:
    """Where each class lies in the training tiles.

    Of large tiles a random part of the pixels of each class is remembered.

    Args:
        tiles: (n, 4) int64: number of the scene, row, column and side of each tile.
        labels: uint8 (side, side) ids of each tile, in their order; 0 is no label.
        balance: A class is drawn with a chance that goes as the power 1 - `balance` of its number
            of pixels: 0 leaves it that number, 1 draws each class equally often.
        seed: Seed of the training.
        weights: (n,) how much more often than others each tile is drawn for a class that it has;
            None for all alike.

    Raises:
        ValueError: When no pixel has a label.
    """

    def __init__(
        self,
        tiles: np.ndarray,
        labels: Iterable[np.ndarray],
        balance: float,
        seed: int,
        weights: np.ndarray | None = None,
    ) -> None:
        self._tiles = np.asarray(tiles, np.int64)
        weights = np.ones(len(self._tiles)) if weights is None else weights
        most = max(_LEAST, _REMEMBERED // max(1, len(self._tiles)))
        found: dict[int, list[tuple[int, int, np.ndarray]]] = {}
        for tile, ids in enumerate(labels):
            rng = np.random.default_rng([seed, _PLACES, tile])
            for number, places in _places_by_class(np.asarray(ids)).items():
                some = places
                if len(places) > most:
                    some = np.sort(rng.choice(places, most, replace=False))
                found.setdefault(number, []).append((tile, len(places), some))
        if not found:
            raise ValueError("no pixel of the tiles has a label")
        self.classes = tuple(sorted(found))
        pixels = [sum(count for _, count, _ in found[number]) for number in self.classes]
        self._until = _added_up(np.asarray(pixels, np.float64) ** (1 - balance))
        self._places = [_gathered(found[number], weights) for number in self.classes]

    def draw(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Return the number of a tile, and row and column of a pixel of its scene in it."""
        mine = self._places[_chosen(self._until, rng)]
        at = _chosen(mine.until, rng)
        tile = int(mine.tile[at])
        place = int(mine.place[rng.integers(mine.start[at], mine.start[at + 1])])
        _, top, left, side = (int(value) for value in self._tiles[tile])
        return tile, top + place // side, left + place % side


def _places_by_class(ids: np.ndarray) -> dict[int, np.ndarray]:
    """Return class -> positions of its pixels, row by row."""
    flat = ids.reshape(-1)
    there = np.flatnonzero(np.bincount(flat, minlength=1)[1:]) + 1
    return {int(number): np.flatnonzero(flat == number) for number in there}


def _gathered(found: list[tuple[int, int, np.ndarray]], weights: np.ndarray) -> _Places:
    """Return where a class lies; a tile's chance goes as its number of pixels."""
    tiles = np.array([tile for tile, _, _ in found], np.int64)
    counts = np.array([count for _, count, _ in found], np.float64)
    start = np.cumsum([0, *(len(some) for _, _, some in found)])
    place = np.concatenate([some for _, _, some in found]).astype(np.int32)
    return _Places(tiles, _added_up(counts * weights[tiles]), start, place)


def _added_up(chances: np.ndarray) -> np.ndarray:
    return np.cumsum(chances) / chances.sum()


def _chosen(until: np.ndarray, rng: np.random.Generator) -> int:
    return min(int(np.searchsorted(until, rng.random(), "right")), len(until) - 1)
