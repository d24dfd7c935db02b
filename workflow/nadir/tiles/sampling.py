"""In which order and form tiles, or random crops of their ground, are shown.

A pure function of (seed, epoch). Nothing here depends on the number of workers or ranks, or on
where a run was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from nadir.tiles.augment import COPIES, COUNT
from nadir.tiles.filters import class_columns

if TYPE_CHECKING:
    import pandas as pd

_PLAN, _SAMPLE, _LOOK, _DISTURB, _MIX = 1, 2, 3, 4, 5  # separate the streams of random numbers


@dataclass(frozen=True)
class SamplePlan:
    """What one epoch shows, in order.

    Attributes:
        tile: (n,) int64 positions in the table of training tiles.
        symmetry: (n,) uint8, how each is shown: a symmetry 0..7 of `nadir.tiles.augment`.
        crop: (n, 3) int64, where random crops are shown: row, column and side of the ground in the
            scene of the tile; None where tiles are shown as they are.
        angle: (n,) float64 degrees counterclockwise by which each crop is turned besides; its
            ground is then the square around the turned crop. None where none is turned.
    """

    tile: np.ndarray
    symmetry: np.ndarray
    crop: np.ndarray | None = None
    angle: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.tile)


def rare_share(tiles: pd.DataFrame, rare: Sequence[int], count: int) -> np.ndarray:
    """Return the share of rare classes among the labelled pixels of each tile.

    Args:
        tiles: Columns class_1..class_`count`.
        rare: Ids of the rare classes.
        count: Number of classes K.

    Returns:
        (n,) float64 in 0..1, 0 where a tile has no label.
    """
    labelled = tiles[class_columns(count)[1:]].to_numpy(np.int64).sum(axis=1)
    scarce = tiles[[f"class_{number}" for number in rare]].to_numpy(np.int64).sum(axis=1)
    return scarce / np.maximum(labelled, 1)


def sample_plan(
    tiles: int,
    seed: int,
    epoch: int,
    dihedral: Literal["none", "copies", "random"] = "none",
    rich: np.ndarray | None = None,
    shuffle: bool = True,
) -> SamplePlan:
    """Plan one epoch.

    Args:
        tiles: Number of training tiles.
        seed: Seed of the training.
        epoch: Number of the epoch, from 0.
        dihedral: `none`: each tile once as it is. `copies`: each tile once as it is, and tiles that
            are `rich` once more in each form of `augment.COPIES`. `random`: each tile once in a
            random form, `rich` ones as often as with `copies`, each time in a random form.
        rich: (tiles,) bool, tiles rich in rare classes; None for none.
        shuffle: Whether the order is random; else by tile.

    Returns:
        The plan.
    """
    tile = np.arange(tiles, dtype=np.int64)
    symmetry = np.zeros(tiles, np.uint8)
    if dihedral != "none" and rich is not None:
        scarce = np.flatnonzero(rich)
        tile = np.concatenate([tile, np.repeat(scarce, len(COPIES))])
        symmetry = np.concatenate([symmetry, np.tile(np.array(COPIES, np.uint8), len(scarce))])
        order = np.argsort(tile, kind="stable")
        tile, symmetry = tile[order], symmetry[order]
    rng = np.random.default_rng([seed, _PLAN, epoch])
    if dihedral == "random":
        symmetry = rng.integers(0, COUNT, len(tile), dtype=np.uint8)
    if shuffle:
        order = rng.permutation(len(tile))
        tile, symmetry = tile[order], symmetry[order]
    return SamplePlan(tile, symmetry)


def sample_rng(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """Return the random generator of one sample (its position in the plan of its epoch)."""
    return np.random.default_rng([seed, _SAMPLE, epoch, sample])


def look_rng(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """Return the random generator of one sample's radiometry, apart from that of its geometry."""
    return np.random.default_rng([seed, _LOOK, epoch, sample])


def disturb_rng(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """Return the random generator of what befalls one sample."""
    return np.random.default_rng([seed, _DISTURB, epoch, sample])


def mix_rng(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """Return the random generator of what is pasted on one sample."""
    return np.random.default_rng([seed, _MIX, epoch, sample])
