"""The threshold between building and ground: chosen on validation pixels, then applied to a map."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.raster.cog import MapWriter, write_qml
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid
from nadir.segmentation.evaluate import HardLabels
from nadir.segmentation.split_ground import paint_tiles

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

LEVELS = 250
"""A probability v / 250 is stored as v; 255 is no data."""
NO_DATA = 255
"""Value of pixels without a probability."""
POSITIVE = "building"
"""Name of the class that probabilities are of."""

_BLOCK = 1024


def positive_id(classes: ClassTable) -> int:
    """Return the id of the class that probabilities are of: `building`, or the last of two.

    Raises:
        InputError: When the table has no such class.
    """
    found = classes.id_of(POSITIVE)
    if found is None and classes.count == 2:
        return 2
    if found is None:
        raise InputError(
            "classes",
            f"no class is called {POSITIVE!r} among {', '.join(classes.names[1:])}",
            f"Call the class to find {POSITIVE!r}, or give a table of two, that class last.",
        )
    return found


def negative_id(classes: ClassTable) -> int:
    """Return the id of what is no building: the first other class."""
    return 2 if positive_id(classes) == 1 else 1


@dataclass(frozen=True)
class ProbableScene:
    """A scene with probabilities and labels.

    Attributes:
        name: Name of the scene, as in the split.
        probability: The probabilities (uint8 v / 250, 255 = no data).
        labels: The truth, on the same grid.
    """

    name: str
    probability: str | os.PathLike[str]
    labels: HardLabels


def choose_threshold(
    scenes: Sequence[ProbableScene],
    split: pd.DataFrame,
    classes: ClassTable,
    *,
    name: str = "validation",
) -> dict[str, Any]:
    """Choose the threshold of greatest IoU, over the pixels of one split of all scenes.

    A pixel counts once, however many tiles cover it; pixels without a label or a probability do
    not count. Counts are int64, pooled over the scenes. Where several levels are equally good,
    the one nearest to 0.5 is taken.

    Args:
        scenes: The scenes.
        split: Columns scene, y, x, size, split.
        classes: The class table.
        name: The split.

    Returns:
        Content of `threshold.json`: `threshold`, `level` (1 to 250; a pixel is of a building when
        its value is at least that), `split`, `iou`, `pixels`, and `curve`: for each level
        `level`, `iou`, `precision`, `recall`.

    Raises:
        InputError: When the split has no pixel of a building with a probability, or a raster has
            another grid than its labels.
    """
    counts = np.zeros((2, 256), np.int64)
    for scene in scenes:
        tiles = split[(split["scene"] == scene.name) & (split["split"] == name)]
        if len(tiles):
            counts += _histogram(scene, tiles, positive_id(classes))
    pixels = int(counts[:, : LEVELS + 1].sum())
    if not counts[1, : LEVELS + 1].any():
        raise InputError(
            f"split {name}",
            "it has no labelled pixel of a building to choose a threshold by",
            "Give the split more tiles, or see that the labels hold buildings.",
        )
    curve = threshold_curve(counts[:, : LEVELS + 1])
    best = max(curve, key=lambda row: (row["iou"], -abs(row["level"] - LEVELS // 2)))
    log.info("threshold %.3f: IoU %.4f over %d pixels", best["level"] / LEVELS, best["iou"], pixels)
    return {
        "threshold": best["level"] / LEVELS,
        "level": best["level"],
        "split": name,
        "iou": best["iou"],
        "pixels": pixels,
        "curve": curve,
    }


def threshold_curve(counts: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return IoU, precision and recall of every threshold.

    Args:
        counts: int64 (2, 251): pixels by truth (other, building) and probability level.

    Returns:
        One row a level from 1 to 250: `level`, `iou`, `precision` (None where nothing is found)
        and `recall`.
    """
    other, found = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    total = int(found[0])
    rows = []
    for level in range(1, counts.shape[1]):
        right, wrong = int(found[level]), int(other[level])
        rows.append(
            {
                "level": level,
                "iou": right / (total + wrong),
                "precision": right / (right + wrong) if right + wrong else None,
                "recall": right / total,
            }
        )
    return rows


def _histogram(scene: ProbableScene, tiles: pd.DataFrame, positive: int) -> NDArray[np.int64]:
    """Return pixels by truth and value, int64 (2, 256), where some tiles lie."""
    counts = np.zeros(512, np.int64)
    with open_raster(str(scene.probability)) as dataset:
        if not Grid.of(dataset).same_as(scene.labels.grid):
            raise InputError(
                scene.probability,
                "it lies elsewhere than the labels",
                "Predict it again from this very scene.",
            )
        for y, x, height, width in _touched(dataset, tiles):
            values = dataset.read(1, window=Window(x, y, width, height))
            truth = scene.labels.hard(y, x, height, width)
            asked = paint_tiles(tiles, y, x, height, width) & (truth > 0)
            key = values[asked].astype(np.int64) + 256 * (truth[asked] == positive)
            counts += np.bincount(key, minlength=512)
    return counts.reshape(2, 256)


def _touched(
    dataset: rasterio.DatasetReader, tiles: pd.DataFrame
) -> list[tuple[int, int, int, int]]:
    """Return the blocks (y, x, height, width) of a raster that some tiles touch."""
    rows, columns = dataset.shape
    top, left, size = (tiles[key].to_numpy(np.int64) for key in ("y", "x", "size"))
    return [
        (y, x, min(_BLOCK, rows - y), min(_BLOCK, columns - x))
        for y in range(0, rows, _BLOCK)
        for x in range(0, columns, _BLOCK)
        if np.any((top < y + _BLOCK) & (top + size > y) & (left < x + _BLOCK) & (left + size > x))
    ]


def read_level(facts: dict[str, Any], path: str | os.PathLike[str]) -> int:
    """Return the level of a `threshold.json`.

    Args:
        facts: What the file holds.
        path: The file, for messages.

    Raises:
        InputError: When it states no level from 1 to 250.
    """
    level = facts.get("level") if isinstance(facts, dict) else None
    if not isinstance(level, int) or isinstance(level, bool) or not 1 <= level <= LEVELS:
        raise InputError(
            path, f"it states no level from 1 to {LEVELS}", "Run choose-threshold again."
        )
    return level


def threshold_map(
    probability: str | os.PathLike[str],
    level: int,
    classes: ClassTable,
    path: str | os.PathLike[str],
) -> None:
    """Make a map of class ids, its confidence and its style out of probabilities.

    Args:
        probability: uint8 raster, v / 250 of class building, 255 = no data.
        level: Least value of a building's pixels.
        classes: The class table, with colors.
        path: The map; `confidence.tif` (probability of the class taken, in percent, 255 = no
            data) and the style (`.qml`) go beside it.

    Raises:
        InputError: When the raster cannot be read, or is none of probabilities.
        OutputError: When the disk is full or not writable.
    """
    path = Path(path)
    values = np.arange(256)
    ids = np.where(values >= level, positive_id(classes), negative_id(classes)).astype(np.uint8)
    share = np.where(values >= level, values, LEVELS - values) / LEVELS
    percent = np.rint(100 * np.clip(share, 0, 1)).astype(np.uint8)
    ids[LEVELS + 1 :], percent[LEVELS + 1 :] = 0, NO_DATA
    with open_raster(str(probability)) as dataset:
        if dataset.count != 1 or dataset.dtypes[0] != "uint8":
            raise InputError(
                probability,
                "it is no map of probabilities (one band of uint8)",
                "Give probability.tif, as predict-map writes it.",
            )
        grid = Grid.of(dataset)
        write_qml(path.with_suffix(".qml"), classes)
        # The map is what others wait for, so it is finished last.
        with (
            MapWriter(path, grid, table=classes, nodata=0) as mapped,
            MapWriter(path.with_name("confidence.tif"), grid, nodata=NO_DATA) as sure,
        ):
            for y in range(0, grid.height, _BLOCK):
                for x in range(0, grid.width, _BLOCK):
                    height, width = min(_BLOCK, grid.height - y), min(_BLOCK, grid.width - x)
                    block = dataset.read(1, window=Window(x, y, width, height))
                    mapped.write(y, x, ids[block])
                    sure.write(y, x, percent[block])
