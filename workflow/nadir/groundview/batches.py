"""Batches of pairs for training: photos, and what a generator is told of their places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nadir.config.groundview_experiments import GeneratorConfig, ViewTrain
from nadir.groundview.conditions import Condition, Frame, conditions, signed

Batch = tuple[Tensor, Condition]
"""Photos float32 (n, 3, px, px), values -1..1, and the condition."""

_ORDER, _CHANGE = 9501, 9502


@dataclass(frozen=True)
class Places:
    """Pairs to learn from.

    Attributes:
        photos: uint8 (n, 3, px, px).
        crops: uint8 (n, 3, c, c), north up.
        headings: float32 (n,), degrees clockwise from north; NaN where unknown.
    """

    photos: NDArray[np.uint8]
    crops: NDArray[np.uint8]
    headings: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.photos)

    def take(self, rows: NDArray[np.int64]) -> Places:
        """Return some of them."""
        return Places(self.photos[rows], self.crops[rows], self.headings[rows])


class ViewBatches:
    """The batches of an epoch: some passes over the pairs; see `nadir.learn.learner.Batches`.

    Each pass has an order of its own, and batches go across passes, so that all are full: also
    where there are fewer pairs than a batch holds.

    Args:
        places: The pairs.
        model: The generator's section.
        frame: Sizes of views and crops.
        cfg: The training's section.
        seed: Seed of order and changes.
    """

    def __init__(
        self, places: Places, model: GeneratorConfig, frame: Frame, cfg: ViewTrain, seed: int
    ) -> None:
        self.places, self.model, self.frame, self.cfg = places, model, frame, cfg
        self.seed = seed
        self._count = len(places) * cfg.passes // cfg.batch_size or 1
        self.samples = self._count * cfg.batch_size
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Batch]:
        passes = range(-(-self.samples // len(self.places)))
        order = np.concatenate(
            [
                np.random.default_rng([self.seed, _ORDER, self.epoch, number]).permutation(
                    len(self.places)
                )
                for number in passes
            ]
        )
        size = self.cfg.batch_size
        for number in range(self._count):
            yield self._batch(order[number * size : (number + 1) * size], number)

    def _batch(self, rows: NDArray[np.int64], number: int) -> Batch:
        """Return the pairs of some rows, changed as the training's section says."""
        shown = self.places.take(rows)
        rng = np.random.default_rng([self.seed, _CHANGE, self.epoch, number])
        photos, crops = shown.photos, shown.crops
        headings = shown.headings + self.cfg.turn_deg * rng.standard_normal(len(rows))
        headings = np.where(rng.random(len(rows)) < self.cfg.drop_heading, np.nan, headings)
        if self.cfg.mirror:
            flip = rng.random(len(rows)) < 0.5
            wide = flip[:, None, None, None]
            photos = np.where(wide, photos[..., ::-1], photos)
            crops = np.where(wide, crops[..., ::-1], crops)
            headings = np.where(flip, -headings, headings)  # east and west change places
        return signed(photos), conditions(crops, headings, self.model, self.frame)


class NoBatches:
    """An epoch without batches: there is nothing to validate batch by batch."""

    samples = 0

    def set_epoch(self, epoch: int) -> None:
        """Do nothing."""

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Batch]:
        return iter(())
