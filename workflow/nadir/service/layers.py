"""What a prediction says, pixel by pixel, and the forms in which it is given away.

A raster of levels holds a probability in every pixel: of the target class for binary models, of
the mapped class for models of many; so any threshold can be applied afterwards.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nadir.config.classes import ClassTable
from nadir.raster.cog import rgb
from nadir.segmentation.blend import LEVELS, NO_CONFIDENCE
from nadir.service.catalog import level_of

HISTOGRAM = 256
"""Bins of the histogram of levels."""


@dataclass(frozen=True)
class Legend:
    """What the values of a result mean; it lies beside the result, which may outlive its model.

    Attributes:
        table: The classes.
        target: Id of the class that is looked for; None for models of many classes.
    """

    table: ClassTable
    target: int | None

    def level(self, threshold: float | None) -> int:
        """Return the least level of pixels that are mapped (as the target) at a threshold."""
        return 0 if threshold is None else level_of(threshold)

    def ids(
        self, levels: NDArray[np.uint8], classes: NDArray[np.uint8] | None, level: int
    ) -> NDArray[np.uint8]:
        """Return class ids (h, w) at a threshold; 0 without data.

        Args:
            levels: Probabilities as levels, (h, w).
            classes: Likeliest classes, for models of many classes.
            level: Least level: of the target class, or of any mapped pixel.
        """
        if self.target is None:
            assert classes is not None
            return np.where((levels >= level) & (levels != NO_CONFIDENCE), classes, 0).astype(
                np.uint8
            )
        values = np.full(HISTOGRAM, 3 - self.target, np.uint8)  # the other one of classes 1 and 2
        values[level:] = self.target
        values[NO_CONFIDENCE] = 0
        return values[levels]

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"classes": self.table.model_dump(mode="json"), "target": self.target}


def levels_of_percent(percent: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return confidence in percent (255 no data) as levels."""
    levels = (percent.astype(np.uint16) * LEVELS + 50) // 100
    return np.where(percent == NO_CONFIDENCE, NO_CONFIDENCE, levels).astype(np.uint8)


def histogram(
    levels: NDArray[np.uint8], classes: NDArray[np.uint8] | None, count: int
) -> NDArray[np.int64]:
    """Return how often each level occurs, by class: (count + 1, 256); row 0 for binary models.

    Args:
        levels: Levels.
        classes: Class ids of the same pixels, for models of many classes.
        count: Number of classes K.
    """
    table = np.zeros((count + 1, HISTOGRAM), np.int64)
    if classes is None:
        table[0] = np.bincount(levels.reshape(-1), minlength=HISTOGRAM)
        return table
    joint = classes.astype(np.int64).reshape(-1) * HISTOGRAM + levels.reshape(-1)
    return np.bincount(joint, minlength=table.size)[: table.size].reshape(table.shape)


def class_pixels(legend: Legend, table: NDArray[np.int64], level: int) -> dict[int, int]:
    """Return class id -> pixels at a threshold, read off a histogram."""
    data = table[:, :NO_CONFIDENCE]
    if legend.target is None:
        return {number: int(data[number, level:].sum()) for number in range(1, len(data))}
    inside = int(data[0, level:].sum())
    return {3 - legend.target: int(data[0].sum()) - inside, legend.target: inside}


def mask_png(ids: NDArray[np.uint8], table: ClassTable) -> bytes:
    """Return class ids as an indexed PNG in the classes' colors, no data transparent."""
    image = Image.fromarray(ids).convert("L")
    image.putpalette([part for color in table.colors for part in rgb(color)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=0, compress_level=2)
    return buffer.getvalue()
