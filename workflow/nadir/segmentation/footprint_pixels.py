"""Pixel scores of maps of buildings, by scene and by tiles of 256 pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from nadir.errors import InputError
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid
from nadir.segmentation.evaluate import HardLabels
from nadir.segmentation.split_ground import paint_tiles

if TYPE_CHECKING:
    import pandas as pd

TILE = 256
"""Side of the tiles of the seed's protocol, in pixels."""
LEAST_COVER = 0.5
"""Least share of a tile that must belong to the split, and be labelled and mapped."""

_BLOCK = 4 * TILE


@dataclass
class PixelCounts:
    """Pixels of a scene in one split, that are labelled and mapped.

    Attributes:
        counts: int64 (2, 2): by truth and map (other, building).
        tiles: int64 (n, 2, 2): the same by tile of 256 px with enough of them.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, 2), np.int64))
    tiles: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2, 2), np.int64))

    @property
    def iou(self) -> float:
        """Intersection over union of buildings; NaN where there is none."""
        return float(ious(self.counts[None])[0])

    @property
    def accuracy(self) -> float:
        """Share of right pixels; NaN without pixels."""
        return float(accuracies(self.counts[None])[0])


def ious(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the IoU of buildings of (n, 2, 2) counts; NaN where truth and map have none."""
    union = counts.sum(axis=(1, 2)) - counts[:, 0, 0]
    return np.where(union > 0, counts[:, 1, 1] / np.maximum(union, 1), np.nan)


def accuracies(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of right pixels of (n, 2, 2) counts; NaN without pixels."""
    total = counts.sum(axis=(1, 2))
    right = counts[:, 0, 0] + counts[:, 1, 1]
    return np.where(total > 0, right / np.maximum(total, 1), np.nan)


def tile_scores(tiles: NDArray[np.int64]) -> dict[str, Any]:
    """Return the scores of the seed's protocol: medians and means over tiles of 256 px.

    Args:
        tiles: int64 (n, 2, 2): counts of each tile.

    Returns:
        `tiles`, `tiles_with_buildings` (in truth or map; only those have an IoU), `median_iou`,
        `mean_iou`, `median_accuracy`, `mean_accuracy` (over all tiles).
    """
    iou, accuracy = ious(tiles), accuracies(tiles)
    built = iou[~np.isnan(iou)]
    return {
        "tiles": len(tiles),
        "tiles_with_buildings": len(built),
        "median_iou": float(np.median(built)) if len(built) else None,
        "mean_iou": float(built.mean()) if len(built) else None,
        "median_accuracy": float(np.median(accuracy)) if len(accuracy) else None,
        "mean_accuracy": float(accuracy.mean()) if len(accuracy) else None,
    }


def count_pixels(
    path: str | os.PathLike[str],
    labels: HardLabels,
    positive: int,
    tiles: Mapping[str, pd.DataFrame | None],
) -> dict[str, PixelCounts]:
    """Count right and wrong pixels of a map, split by split, each pixel once.

    Args:
        path: The map (uint8 class ids, 0 = no data).
        labels: The truth, on the same grid.
        positive: Id of class building.
        tiles: Split -> its tiles in this scene (columns y, x, size); None: the whole scene.

    Returns:
        Split -> counts. Tiles of 256 px lie on a lattice from the scene's first pixel.

    Raises:
        InputError: When the map cannot be read or has another grid than its labels.
    """
    found = {name: PixelCounts() for name in tiles}
    parts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in tiles}
    for (y, x, height, width), mapped in _blocks(path, labels.grid):
        truth = labels.hard(y, x, height, width)
        usable = (truth > 0) & (mapped > 0)
        key = 2 * (truth == positive) + (mapped == positive)
        for name, some in tiles.items():
            inside = paint_tiles(some, y, x, height, width) if some is not None else True
            counts = _by_tile(np.where(usable & inside, key, 4))
            found[name].counts += counts.sum(axis=0)
            parts[name].append(counts[counts.sum(axis=(1, 2)) >= LEAST_COVER * TILE**2])
    for name, several in parts.items():
        found[name].tiles = np.concatenate(several)
    return found


def _blocks(
    path: str | os.PathLike[str], grid: Grid
) -> Iterator[tuple[tuple[int, int, int, int], NDArray[np.uint8]]]:
    """Yield a map block by block: (y, x, height, width) and ids."""
    with open_raster(str(path)) as dataset:
        if not Grid.of(dataset).same_as(grid):
            raise InputError(
                path, "it lies elsewhere than the labels", "Make it again from this very scene."
            )
        for y in range(0, grid.height, _BLOCK):
            for x in range(0, grid.width, _BLOCK):
                height, width = min(_BLOCK, grid.height - y), min(_BLOCK, grid.width - x)
                yield (y, x, height, width), dataset.read(1, window=Window(x, y, width, height))


def _by_tile(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (n, 2, 2) counts of keys 0 to 3 by tile; key 4 does not count."""
    height, width = key.shape
    padded = np.full((-(-height // TILE) * TILE, -(-width // TILE) * TILE), 4, np.int64)
    padded[:height, :width] = key
    across = padded.shape[1] // TILE
    rows, columns = np.arange(padded.shape[0]) // TILE, np.arange(padded.shape[1]) // TILE
    number = rows[:, None] * across + columns
    count = int(number[-1, -1]) + 1
    counts = np.bincount((5 * number + padded).ravel(), minlength=5 * count)
    return counts.reshape(count, 5)[:, :4].reshape(count, 2, 2)
