"""Small images are predicted in memory, with the very windows and totals of the batch rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nadir.errors import NadirError
from nadir.segmentation.predict import Image, predict_into
from nadir.segmentation.sliding import Layout, WindowModel
from nadir.service.batching import Batcher
from nadir.service.catalog import Model
from nadir.service.layers import levels_of_percent


class Halted(NadirError):
    """Prediction ends because nobody waits for it any more."""


class MemoryRaster:
    """A uint8 raster in memory, with the interface of `nadir.segmentation.mosaic.RawRaster`."""

    def __init__(self, height: int, width: int) -> None:
        self.values = np.zeros((height, width), np.uint8)

    def write(self, y: int, x: int, values: NDArray[np.uint8]) -> None:
        """Write a window."""
        self.values[y : y + values.shape[0], x : x + values.shape[1]] = values


class MemoryMosaic:
    """The state of a prediction in memory, with the interface of `Mosaic`.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
    """

    def __init__(self, height: int, width: int) -> None:
        self.ids, self.confidence = MemoryRaster(height, width), MemoryRaster(height, width)
        self.probability = MemoryRaster(height, width)
        self.done = 0
        self._carried: dict[tuple[int, int], NDArray[np.int32]] = {}

    def write_further(self, y: int, x: int, total: NDArray[np.int32]) -> None:
        """Do nothing: only maps of the batch rule have further layers."""

    def write_carried(self, offset: int, total: NDArray[np.int32]) -> None:
        """Keep the totals of unfinished rows for the next block row."""
        self._carried[self.done, offset] = total.copy()

    def read_carried(self, offset: int, shape: tuple[int, int, int]) -> NDArray[np.int32]:
        """Return the totals that the previous block row kept."""
        return self._carried[self.done - 1, offset].reshape(shape)

    def commit_row(self) -> None:
        """Count the block row under way as complete."""
        self.done += 1
        self._carried = {
            key: value for key, value in self._carried.items() if key[0] >= self.done - 1
        }


def window_model(
    image: Image, model: Model, batcher: Batcher, stop: Callable[[], bool]
) -> WindowModel:
    """Return a function from windows to probabilities that shares batches with other requests.

    Args:
        image: Where the windows come from.
        model: The model.
        batcher: Joins windows.
        stop: Asked before each call.
    """
    scale = [image.scale[date] for date in image.dates]
    offset = [image.offset[date] for date in image.dates]

    def ask(raw: NDArray[np.uint16], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        if stop():
            raise Halted("nobody waits for this prediction")
        return batcher.predict(model.windows, model.batch, raw, valid, scale, offset)

    return ask


def predict_in_memory(
    image: Image, model: Model, batcher: Batcher, stop: Callable[[], bool]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Predict a small image.

    Args:
        image: The image.
        model: The model.
        batcher: Joins its windows with those of other requests.
        stop: Asked between batches; true ends the prediction.

    Returns:
        Levels (h, w) uint8 of the target class and None; for models of many classes levels of the
        likeliest class, and its ids (h, w) uint8.

    Raises:
        Halted: When `stop` said so.
    """
    mosaic = MemoryMosaic(*image.grid.shape)
    table, settings = model.predictor.table, model.settings
    layout = Layout.of(
        image.grid.shape, settings.window or model.predictor.tile, settings.overlap, table.count, 1
    )
    # As many as there are: where others' windows may join, nothing is filled up here.
    together = min(layout.count, 4 * model.batch)
    predict_into(
        mosaic,  # type: ignore[arg-type]
        image,
        model.predictor,
        settings.model_copy(update={"batch_size": together}),
        model=window_model(image, model, batcher, stop),
    )
    if model.target is None:
        return levels_of_percent(mosaic.confidence.values), mosaic.ids.values
    return mosaic.probability.values, None
