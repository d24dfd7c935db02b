"""Where a map errs: block by block, near borders, on mixed pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rasterio.windows import Window

from nadir.config.classes import ClassTable
from nadir.config.quality import QualityConfig
from nadir.errors import InputError
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid
from nadir.segmentation.confusion import (
    accuracy,
    empty_confusion,
    iou,
    macro_mean,
    update_confusion,
)
from nadir.segmentation.split_ground import owners, paint_tiles

_CHUNK = 1024
BLOCK_COLUMNS = ("scene", "y", "x", "size", "block", "truth", "predicted", "pixels")
"""Columns of the table of blocks: how many pixels of a true class got which class in a square.

`block` names the block of the split that the square belongs to, "" where the split has none.
"""
_PLACE = list(BLOCK_COLUMNS[:5])


class SharedLabels(Protocol):
    """What this needs of labels (`nadir.raster.labels.Labels`)."""

    fraction_scale: int

    @property
    def grid(self) -> Grid:
        """Their grid."""

    def hard(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return class ids, 0 = no label, also outside the scene."""

    def fraction(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return shares (K + 1, height, width) x `fraction_scale`."""


@dataclass(frozen=True)
class JudgedScene:
    """A scene whose map is judged where some tiles lie.

    Attributes:
        name: Name of the scene.
        map: The map, uint8 class ids.
        labels: The truth.
        tiles: Tiles (y, x, size and, where known, block) that are held out.
    """

    name: str
    map: str
    labels: SharedLabels
    tiles: pd.DataFrame


@dataclass
class MapQuality:
    """What was counted over the held-out ground of all scenes.

    Attributes:
        distance: (D + 1, K, K) confusion by class of distance to a border.
        purity: (P + 1, K, K) by class of purity.
        band: (3, K) pixels of the bands along borders: common, truth's, map's.
        blocks: Rows of `BLOCK_COLUMNS`.
        mapped: Scene -> (K,) pixels of each class on the whole map where labels are not asked for.
    """

    distance: NDArray[np.int64]
    purity: NDArray[np.int64]
    band: NDArray[np.int64]
    blocks: list[tuple[Any, ...]] = field(default_factory=list)
    mapped: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """Return the table of blocks."""
        return pd.DataFrame(self.blocks, columns=list(BLOCK_COLUMNS))


def judge_maps(
    scenes: Sequence[JudgedScene], classes: ClassTable, cfg: QualityConfig, side: int
) -> MapQuality:
    """Count where maps are right and wrong.

    Args:
        scenes: The scenes.
        classes: The class table.
        cfg: Bands, distances and purities.
        side: Side of the blocks in pixels.

    Raises:
        InputError: When a map does not lie on its labels' grid, or holds unknown ids.
    """
    k = classes.count
    found = MapQuality(
        np.zeros((len(cfg.distances) + 1, k, k), np.int64),
        np.zeros((len(cfg.purities) + 1, k, k), np.int64),
        np.zeros((3, k), np.int64),
    )
    for scene in scenes:
        found.mapped[scene.name] = np.zeros(k, np.int64)
        for place, mapped, near in _windows(scene, classes, cfg, side):
            found.mapped[scene.name] += np.bincount(mapped.ravel(), minlength=k + 1)[1:]
            _judge(found, scene, place, mapped, near, cfg, side)
    return found


def _windows(
    scene: JudgedScene, classes: ClassTable, cfg: QualityConfig, side: int
) -> Iterator[tuple[tuple[int, int, int, int], NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield windows of whole blocks: place, the map there, and the map with a halo."""
    halo = max(*cfg.distances, cfg.boundary)
    step = max(side, _CHUNK // side * side)
    with open_raster(str(scene.map)) as dataset:
        if not Grid.of(dataset).same_as(scene.labels.grid):
            raise InputError(
                scene.map, "it lies elsewhere than the labels", "Predict the map again."
            )
        rows, columns = dataset.shape
        for y in range(0, rows, step):
            for x in range(0, columns, step):
                height, width = min(step, rows - y), min(step, columns - x)
                top, left = max(y - halo, 0), max(x - halo, 0)
                bottom, right = min(y + height + halo, rows), min(x + width + halo, columns)
                read = dataset.read(1, window=Window(left, top, right - left, bottom - top))
                beyond = (
                    (top - y + halo, y + height + halo - bottom),
                    (left - x + halo, x + width + halo - right),
                )
                near = np.pad(read, beyond)
                if near.max() > classes.count:
                    raise InputError(
                        scene.map,
                        f"it holds class id {near.max()}, but there are {classes.count} classes",
                        "Predict the map again with a model of this class table.",
                    )
                yield (y, x, height, width), _inner(near, halo), near


def _inner(values: NDArray, halo: int) -> NDArray:
    return values[..., halo : values.shape[-2] - halo, halo : values.shape[-1] - halo]


def _judge(
    found: MapQuality,
    scene: JudgedScene,
    place: tuple[int, int, int, int],
    mapped: NDArray[np.uint8],
    near: NDArray[np.uint8],
    cfg: QualityConfig,
    side: int,
) -> None:
    """Count one window."""
    y, x, height, width = place
    asked = paint_tiles(scene.tiles, *place)
    if not asked.any():
        return
    halo = (near.shape[0] - height) // 2
    around = scene.labels.hard(y - halo, x - halo, height + 2 * halo, width + 2 * halo)
    truth = _inner(around, halo)
    asked &= (truth > 0) & (mapped > 0)
    if not asked.any():
        return
    far = np.full(truth.shape, len(cfg.distances))
    for number in range(len(cfg.distances) - 1, -1, -1):
        far[_inner(near_border(around, cfg.distances[number]), halo)] = number
    scale = scene.labels.fraction_scale
    purest = scene.labels.fraction(*place)[1:].max(axis=0) / scale
    pure = np.searchsorted(np.asarray(cfg.purities), purest, side="right")
    for group, matrices in ((far, found.distance), (pure, found.purity)):
        for number in np.unique(group[asked]).tolist():
            update_confusion(matrices[number], truth, mapped, asked & (group == number))
    own, other = (_inner(near_border(ids, cfg.boundary), halo) for ids in (around, near))
    for row, mask, ids in (
        (0, own & other & (truth == mapped), truth),
        (1, own, truth),
        (2, other, mapped),
    ):
        count = np.bincount(ids[asked & mask], minlength=found.band.shape[1] + 1)
        found.band[row] += count[1:]
    for top in range(0, height, side):
        for left in range(0, width, side):
            here = np.s_[top : top + side, left : left + side]
            matrix = empty_confusion(found.band.shape[1])
            update_confusion(matrix, truth[here], mapped[here], asked[here])
            counts = np.argwhere(matrix).tolist()
            square = (y + top, x + left, side)
            block = owners([square], scene.tiles)[0] if counts else ""
            for i, j in counts:
                counted = (i + 1, j + 1, int(matrix[i, j]))
                found.blocks.append((scene.name, *square, block, *counted))


def near_border(ids: NDArray[np.uint8], reach: int) -> NDArray[np.bool_]:
    """Return which pixels have one of another class within a square of `reach` pixels around them.

    No data is of no class, and neither is what lies beyond the array.

    Args:
        ids: (height, width), 0 = no data.
        reach: Pixels, at least 1; 1 looks at the eight neighbors.
    """
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    ids = np.ascontiguousarray(ids)
    highest = cv2.dilate(ids, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    filled = np.where(ids == 0, np.uint8(255), ids)
    lowest = cv2.erode(filled, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=255)
    return (ids > 0) & (highest != lowest)


def boundary_scores(band: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return boundary IoU of each class (Cheng et al. 2021), NaN where no border is near.

    Args:
        band: (3, K) pixels in the bands along borders: right ones in both, the truth's, the map's.
    """
    union = band[1] + band[2] - band[0]
    return np.where(union > 0, band[0] / np.maximum(union, 1), np.nan)


def matrices_of(blocks: pd.DataFrame, count: int) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the squares of a table, one row each (scene, y, x, size, block), and their confusions.

    Confusions are (B, K, K) counts, rows true and columns predicted.
    """
    places = blocks[_PLACE].drop_duplicates().sort_values(_PLACE).reset_index(drop=True)
    index = pd.MultiIndex.from_frame(places)
    number = index.get_indexer(pd.MultiIndex.from_frame(blocks[_PLACE]))
    found = np.zeros((len(places), count, count), np.int64)
    truth, predicted = (blocks[name].to_numpy(np.int64) - 1 for name in ("truth", "predicted"))
    np.add.at(found, (number, truth, predicted), blocks["pixels"].to_numpy(np.int64))
    return places, found


def draw_numbers(places: pd.DataFrame) -> NDArray[np.int64]:
    """Return the number of the draw that each square belongs to, (B,), from 0 on without gaps.

    What was drawn at random is a block of the split, as a whole. Its squares lie side by side and
    err together; taken for draws of their own, they would make intervals too narrow. Only where
    the split has no blocks is each square a draw.

    Args:
        places: Columns scene, y, x, size, block, as `matrices_of` returns them.
    """
    named = places["block"] != ""
    keys = pd.DataFrame(
        {
            "block": places["block"],  # scenes that share ground share blocks
            "scene": places["scene"].where(~named, ""),
            "y": places["y"].where(~named, -1),
            "x": places["x"].where(~named, -1),
        }
    )
    return keys.groupby(list(keys), sort=True).ngroup().to_numpy().astype(np.int64)


def drawn_blocks(places: pd.DataFrame, matrices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join squares to what was drawn as a whole (see `draw_numbers`).

    Args:
        places: Columns scene, y, x, size, block of the squares.
        matrices: (B, K, K) confusions of the squares.

    Returns:
        (C, K, K), C at most B.
    """
    number = draw_numbers(places)
    joined = np.zeros((int(number.max(initial=-1)) + 1, *matrices.shape[1:]), np.int64)
    np.add.at(joined, number, matrices)
    return joined


def grouped_scores(
    matrices: NDArray[np.int64], edges: Sequence[float], names: tuple[str, str]
) -> list[dict[str, Any]]:
    """Return `pixels`, `accuracy` and `miou` of confusions by group, with the groups' edges.

    Args:
        matrices: (G + 1, K, K).
        edges: G ascending edges.
        names: Names of the lower and the upper edge in the rows.
    """
    lows, highs = [None, *edges], [*edges, None]
    return [
        {
            names[0]: low,
            names[1]: high,
            "pixels": int(matrix.sum()),
            "accuracy": accuracy(matrix),
            "miou": macro_mean(iou(matrix)),
        }
        for low, high, matrix in zip(lows, highs, matrices, strict=True)
    ]


def block_rows(places: pd.DataFrame, matrices: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return place, `pixels`, `accuracy` and `miou` of each block, and its commonest error."""
    rows = []
    for place, matrix in zip(places.to_dict("records"), matrices, strict=True):
        wrong = matrix - np.diag(np.diag(matrix))
        truth, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
        rows.append(
            {
                "scene": str(place["scene"]),
                **{key: int(place[key]) for key in ("y", "x", "size")},
                "pixels": int(matrix.sum()),
                "accuracy": accuracy(matrix),
                "miou": macro_mean(iou(matrix)),
                "error": [int(truth) + 1, int(predicted) + 1, int(wrong.max())],
            }
        )
    return rows
