"""Probabilities where a split lies, through the same windows and blending as the map's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nadir.config.experiments import PredictConfig
from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.segmentation.blend import ONE
from nadir.segmentation.conformal import pixel_draws
from nadir.segmentation.evaluate import HardLabels
from nadir.segmentation.mosaic import Mosaic
from nadir.segmentation.predict import Image, check_image, predict_into
from nadir.segmentation.predictor import Predictor
from nadir.segmentation.split_ground import owners, paint_tiles

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class HeldOutScene:
    """A scene of which some ground was held out of the training.

    Attributes:
        name: Name of the scene.
        image: The imagery.
        labels: The truth, on its grid.
        tiles: Tiles (y, x, size and, where known, block) of that ground.
    """

    name: str
    image: Image
    labels: HardLabels
    tiles: pd.DataFrame


@dataclass(frozen=True)
class Sample:
    """Labelled pixels with probabilities.

    Attributes:
        probabilities: (n, K) float32, rows add up to 1.
        truth: (n,) int64, class id - 1.
        block: (n,) int64, number of each pixel's square.
        draws: (n,) in [0, 1), `conformal.pixel_draws` of the place.
        dates: (n,) int64, on how many dates the pixel is valid.
        drawn: (blocks,) int64, number of the block of the split that each square lies in; None
            where each square is a draw of its own.
    """

    probabilities: NDArray[np.float32]
    truth: NDArray[np.int64]
    block: NDArray[np.int64]
    draws: NDArray[np.float64]
    dates: NDArray[np.int64]
    drawn: NDArray[np.int64] | None = None

    @property
    def blocks(self) -> int:
        """Number of squares."""
        return len(np.unique(self.block))

    @property
    def draw(self) -> NDArray[np.int64]:
        """Number of the draw that each pixel belongs to, (n,)."""
        return self.block if self.drawn is None else self.drawn[self.block]


@dataclass(frozen=True)
class _Touched:
    """A scene of which only windows that touch some tiles hold data: others are not predicted.

    Windows themselves are whole, so that pixels of the tiles come out as on the map.
    """

    image: Image
    tiles: pd.DataFrame

    @property
    def path(self) -> Path:
        return self.image.path

    @property
    def grid(self) -> Grid:
        return self.image.grid

    @property
    def bands(self) -> Sequence[str]:
        return self.image.bands

    @property
    def dates(self) -> Sequence[str]:
        return self.image.dates

    @property
    def scale(self) -> Mapping[str, float]:
        return self.image.scale

    @property
    def offset(self) -> Mapping[str, float]:
        return self.image.offset

    def wanted(self, y: int, x: int, height: int, width: int) -> bool:
        return bool(paint_tiles(self.tiles, y, x, height, width).any())

    def read(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        if self.wanted(y, x, height, width):
            return self.image.read(y, x, height, width)
        dates = len(self.dates)
        shape = (dates, len(self.bands), height, width)
        return np.zeros(shape, np.uint16), np.zeros((dates, height, width), bool)


@dataclass
class _Collector:
    """Takes labelled pixels out of finished totals; a `nadir.segmentation.mosaic.Reader`."""

    scene: HeldOutScene
    share: float
    side: int
    layers: dict[str, str] = field(default_factory=dict)
    parts: list[tuple[NDArray, ...]] = field(default_factory=list)

    def __call__(self, total: NDArray[np.int32], y: int, x: int) -> dict[str, NDArray]:
        height, width = total.shape[1:]
        truth = self.scene.labels.hard(y, x, height, width)
        asked = paint_tiles(self.scene.tiles, y, x, height, width) & (truth > 0) & (total[-1] > 0)
        rows, columns = np.nonzero(asked)
        draws = pixel_draws(rows + y, columns + x)
        # Another part of the same bits decides who is drawn, so that draws stay uniform.
        drawn = (draws * 2**20) % 1.0 < self.share
        rows, columns = rows[drawn], columns[drawn]
        values = total[:-1, rows, columns].T.astype(np.float64) / ONE
        values /= np.maximum(values.sum(axis=1, keepdims=True), 1e-9)
        self.parts.append(
            (
                values.astype(np.float32),
                truth[rows, columns].astype(np.int64) - 1,
                ((rows + y) // self.side << 32) + (columns + x) // self.side,
                draws[drawn],
                total[-1, rows, columns].astype(np.int64),
            )
        )
        return {}

    def blocks(self) -> dict[int, str]:
        """Return the block of the split of each square by the square's key; "" for none."""
        found = [part[2] for part in self.parts]
        keys = np.unique(np.concatenate(found)).tolist() if found else []
        corners = [_corner(key) for key in keys]
        squares = [(self.side * row, self.side * column, self.side) for row, column in corners]
        return dict(zip(keys, owners(squares, self.scene.tiles), strict=True))


def _corner(key: int) -> tuple[int, int]:
    """Return the place of a square among squares, (row, column), by its key."""
    return key >> 32, key & (2**32 - 1)


def sample_of(
    scenes: Sequence[HeldOutScene],
    predictor: Predictor,
    cfg: PredictConfig,
    *,
    pixels: int,
    side: int,
    what: str,
    progress: bool = True,
) -> Sample:
    """Return the blended probabilities of labelled pixels of held-out ground.

    Args:
        scenes: The scenes.
        predictor: The model.
        cfg: As for the map.
        pixels: Most pixels; of more, an even part is drawn by place.
        side: Side of the squares that pixels are grouped by, in pixels.
        what: Name of the split, for messages.
        progress: Whether to show progress bars.

    Raises:
        InputError: When no pixel there is labelled and mapped, or an image does not fit.
    """
    share = min(1.0, pixels / max(sum(_covered(scene) for scene in scenes), 1))
    parts: list[tuple[NDArray, ...]] = []
    blocks: dict[int, str] = {}
    for number, scene in enumerate(scenes):
        check_image(scene.image, predictor)
        collector = _Collector(scene, share, side)
        with tempfile.TemporaryDirectory(prefix="nadir-sample-") as folder:
            mosaic = Mosaic(Path(folder), *scene.image.grid.shape, reader=collector)
            try:
                touched = _Touched(scene.image, scene.tiles)
                predict_into(mosaic, touched, predictor, cfg, progress=progress)
            finally:
                mosaic.close()
        blocks |= {key + (number << 58): name for key, name in collector.blocks().items()}
        parts += [(*part[:2], part[2] + (number << 58), *part[3:]) for part in collector.parts]
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else []
    if not joined or not len(joined[1]):
        raise InputError(
            f"split {what}",
            "it has no pixel that is both labelled and mapped",
            "Give the split more tiles, or see that labels cover them.",
        )
    keys, numbers = np.unique(joined[2], return_inverse=True)
    # A square without a block of the split is a draw of its own; names are never digits alone.
    names = [blocks[key] or str(key) for key in keys.tolist()]
    _, drawn = np.unique(np.array(names), return_inverse=True)
    return Sample(
        joined[0], joined[1], numbers.reshape(-1), joined[3], joined[4], drawn.reshape(-1)
    )


def _covered(scene: HeldOutScene) -> int:
    """Return the labelled pixels that a scene's tiles cover."""
    height, width = scene.image.grid.shape
    found = 0
    for y in range(0, height, 1024):
        for x in range(0, width, 1024):
            box = y, x, min(1024, height - y), min(1024, width - x)
            mask = paint_tiles(scene.tiles, *box)
            if mask.any():
                found += int((mask & (scene.labels.hard(*box) > 0)).sum())
    return found
