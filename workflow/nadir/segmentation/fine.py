"""Scoring maps against the fine mask itself: each of its pixels is looked up in the coarse map.

A label a pixel of the image hides what a pixel of 10 m mixes. Here every pixel of the fine mask
counts with the class of its own, and the map says of all of them what it says of the pixel around
them. The shares in the aligned labels are the counts that this takes: exact where a pixel of the
image is made of at most 15 x 15 whole ones of the mask; else areas, to a 250th of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nadir.segmentation.confusion import empty_confusion, summary


class ShareLabels(Protocol):
    """What this needs of labels (`nadir.raster.labels.Labels`)."""

    fraction_scale: int
    """Parts of a pixel in which shares are counted."""

    def fraction(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return the parts of each class (K + 1, height, width); class 0 has no label."""


@dataclass
class FineTally:
    """Parts of pixels, by class of the fine mask and class of the map.

    Attributes:
        map: float64 (K, K): rows truth, columns prediction; in pixels of the image.
        best: The same for the best map of such pixels: each says what most of it is.
    """

    map: np.ndarray
    best: np.ndarray

    @classmethod
    def empty(cls, count: int) -> FineTally:
        """Return the tally of nothing, for so many classes."""
        shape = empty_confusion(count).shape
        return cls(np.zeros(shape), np.zeros(shape))

    def add(self, other: FineTally) -> None:
        """Add another tally."""
        self.map += other.map
        self.best += other.best

    def count(
        self, labels: ShareLabels, place: tuple[int, int, int, int], predicted: NDArray[np.uint8]
    ) -> None:
        """Count a window.

        Args:
            labels: The aligned labels.
            place: (y, x, height, width) of the window.
            predicted: Class ids (height, width); where it is 0, nothing counts.
        """
        known = predicted > 0
        if not known.any():
            return
        parts = labels.fraction(*place)[1:, known].astype(np.float64) / labels.fraction_scale
        said = predicted[known].astype(np.int64) - 1
        best = parts.argmax(axis=0)
        for truth, row in enumerate(parts):
            self.map[truth] += np.bincount(said, row, len(self.map))
            self.best[truth] += np.bincount(best, row, len(self.best))

    def scores(self) -> dict[str, Any]:
        """Return the scores of `nadir.segmentation.confusion.summary`, on the fine mask.

        `pixels` are whole pixels of the image that have a label; `ceiling` has `accuracy` and
        `miou` of a map that says of each pixel what most of it is: no map of such pixels is right
        about more of the ground.
        """
        found = summary(self.map)
        ceiling = summary(self.best)
        return {
            **found,
            "confusion": self.map.round(4).tolist(),
            "ceiling": {name: ceiling[name] for name in ("accuracy", "miou")},
        }
