"""What a training learns from: scenes, tiles by split, statistics, tiles rich in rare classes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nadir.config.classes import ClassTable
from nadir.config.experiments import AugmentConfig
from nadir.errors import InputError
from nadir.segmentation.normalize import Statistics
from nadir.segmentation.patches import Scene, Window
from nadir.tiles.augment import COPIES
from nadir.tiles.balance import ClassPlaces
from nadir.tiles.table import read_split

if TYPE_CHECKING:
    import pandas as pd

_REBUILD = "Delete it and run snakemake again: it is rebuilt."


@dataclass(frozen=True)
class TrainingData:
    """Everything that a model learns from.

    Attributes:
        scenes: The scenes, in the order of the windows' numbers.
        train: Training tiles.
        validation: Validation tiles.
        statistics: Reflectance of the training tiles.
        counts: int64 (K,) labelled training pixels by class, ids 1..K.
        bands: Names of the bands.
        dates: Names of the dates.
        table: The classes.
    """

    scenes: Sequence[Scene]
    train: Sequence[Window]
    validation: Sequence[Window]
    statistics: Statistics
    counts: np.ndarray
    bands: tuple[str, ...]
    dates: tuple[str, ...]
    table: ClassTable

    @property
    def tile(self) -> int:
        """Side in pixels of the largest training tile."""
        return max(window.size for window in self.train)


def assemble(
    scenes: Mapping[str, Scene],
    split: str | os.PathLike[str],
    statistics: str | os.PathLike[str],
    table: ClassTable,
) -> TrainingData:
    """Bring scenes, split and statistics together.

    Args:
        scenes: Scene name -> open cube and labels.
        split: `split.parquet`.
        statistics: `statistics.json`.
        table: The classes.

    Raises:
        InputError: When the split names other scenes, leaves training or validation empty, or the
            statistics are of another number of classes, bands or dates.
    """
    facts = _read_statistics(Path(statistics), table)
    tiles = read_split(split)
    names = list(scenes)
    unknown = sorted(set(tiles["scene"]) - set(names))
    if unknown:
        raise InputError(
            split, f"it splits scenes that are not given: {', '.join(unknown)}", _REBUILD
        )
    train, validation = (_windows(tiles, wanted, names) for wanted in ("train", "validation"))
    for wanted, windows in (("train", train), ("validation", validation)):
        if not windows:
            raise InputError(
                split,
                f"no tile is in the split {wanted!r}",
                "Use more or smaller tiles, or other fractions, so that each split gets some.",
            )
    return TrainingData(
        [scenes[name] for name in names],
        train,
        validation,
        Statistics.of(facts["mean"], facts["std"]),
        np.asarray([facts["classes"][name] for name in table.names[1:]], np.int64),
        tuple(facts["bands"]),
        tuple(facts["dates"]),
        table,
    )


def rich_tiles(data: TrainingData, cfg: AugmentConfig) -> np.ndarray | None:
    """Return which training tiles are rich in rare classes, bool (n,), or None for "not asked".

    A tile is rich when the rare classes cover more than `cfg.rare_share` of its labelled pixels.
    Names that the class table has not are passed over: recipes are shared between tables.
    """
    rare = [number for name in cfg.rare_classes if (number := data.table.id_of(name)) is not None]
    if cfg.dihedral == "none" or not rare:
        return None
    counts = tile_counts(data)
    shares = counts[:, rare].sum(axis=1) / np.maximum(1, counts[:, 1:].sum(axis=1))
    return shares > cfg.rare_share


def crop_chances(rich: np.ndarray | None) -> np.ndarray | None:
    """Return how likely random crops lie in each training tile, (n,); None for all alike.

    Args:
        rich: Tiles rich in rare classes, of `rich_tiles`: as often as they are shown whole.
    """
    return None if rich is None else 1.0 + len(COPIES) * rich


def crop_places(
    data: TrainingData, cfg: AugmentConfig, seed: int, rich: np.ndarray | None
) -> ClassPlaces | None:
    """Return where the middles of crops lie that are balanced by class; None where none are.

    Args:
        data: What to learn from.
        cfg: The section of the configuration.
        seed: Seed of the training.
        rich: As for `crop_chances`: among the tiles that have a class, these are drawn more often.
    """
    if not cfg.balance or not data.counts.any():
        return None
    tiles = np.array([(w.scene, w.y, w.x, w.size) for w in data.train], np.int64)
    labels = (_labels_of(data, window) for window in data.train)
    return ClassPlaces(tiles, labels, cfg.balance, seed, crop_chances(rich))


def tile_counts(data: TrainingData) -> np.ndarray:
    """Return the pixels of each id in each training tile, int64 (n, K + 1), no data first."""
    counts = np.zeros((len(data.train), data.table.count + 1), np.int64)
    for row, window in enumerate(data.train):
        labels = _labels_of(data, window)
        counts[row] = np.bincount(labels.reshape(-1), minlength=data.table.count + 1)
    return counts


def _labels_of(data: TrainingData, window: Window) -> np.ndarray:
    """Return the ids of a tile, uint8 (size, size)."""
    return data.scenes[window.scene].labels.hard(window.y, window.x, window.size, window.size)


def _windows(tiles: pd.DataFrame, split: str, names: Sequence[str]) -> list[Window]:
    mine = tiles[tiles["split"] == split]
    return [
        Window(names.index(str(scene)), int(y), int(x), int(size))
        for scene, y, x, size in zip(mine["scene"], mine["y"], mine["x"], mine["size"], strict=True)
    ]


def _read_statistics(path: Path, table: ClassTable) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(path, "these are no readable statistics", _REBUILD) from error
    lacking = [key for key in ("bands", "dates", "mean", "std", "classes") if key not in facts]
    if lacking:
        raise InputError(path, f"these statistics lack {', '.join(lacking)}", _REBUILD)
    shape = (len(facts["dates"]), len(facts["bands"]))
    if np.shape(facts["mean"]) != shape or np.shape(facts["std"]) != shape:
        raise InputError(
            path, f"means and deviations are not {shape[0]} dates x {shape[1]} bands", _REBUILD
        )
    if set(facts["classes"]) != set(table.names[1:]):
        raise InputError(path, "these statistics are of other classes", _REBUILD)
    return facts
