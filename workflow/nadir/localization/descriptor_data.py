"""Training pairs of the descriptor: a photo turned north-up, and the ground around its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from nadir.localization.descriptor import STRIDE
from nadir.localization.disguise import building, clouds, season, sensor
from nadir.localization.pose import Pose
from nadir.localization.references import Reference
from nadir.localization.turning import turn

SLACK = 64
"""Pixels by which the window of ground is wider than the photo."""

_LOCATED = 0.75  # share of pairs made from located photos, where there are some
_LEAST_SHOWN = 0.6  # share of a photo's ground that a reference must show to teach anything
_TRIES = 32
_TURN = 3.0  # largest direction error of a pair, in degrees: half a step of the search, and some

Pair = tuple[NDArray[np.float32], NDArray[np.float32], float, float]


@dataclass(frozen=True)
class LocatedPhoto:
    """A photo with known pose.

    Attributes:
        picture: (height, width, 3) uint8, reduced by the level of the search.
        pose: Its pose, in pixels of full size.
    """

    picture: NDArray[np.uint8]
    pose: Pose


class PairBatches:
    """Batches of pairs; each pair is a pure function of (seed, epoch, index).

    Args:
        references: Pictures of the ground.
        located: Photos with known pose; may be empty.
        level: Reduction of the photos and of what is cut from the references.
        side: Side of a template in pixels of the level, a multiple of 8.
        batch: Pairs a batch.
        count: Batches an epoch.
        seed: Seed.
        fixed: Whether every epoch shows the same pairs (for validation).
    """

    def __init__(
        self,
        references: list[Reference],
        located: list[LocatedPhoto],
        level: int,
        side: int,
        batch: int,
        count: int,
        seed: int,
        fixed: bool = False,
    ) -> None:
        self.references, self.located = references, located
        self.level, self.side, self.batch, self.count = level, side, batch, count
        self.seed, self.fixed = seed, fixed
        self.samples = batch * count
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows."""
        self._epoch = 0 if self.fixed else epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Yield photos (n, 3, s, s), grounds (n, 3, s + 64, s + 64) and places (n, 2).

        Places are where a photo's upper-left corner lies in its ground: (x, y) in cells.
        """
        for step in range(self.count):
            pairs = [self.pair(step * self.batch + k) for k in range(self.batch)]
            photos = np.stack([pair[0] for pair in pairs])
            grounds = np.stack([pair[1] for pair in pairs])
            places = np.array([pair[2:] for pair in pairs], np.float32)
            yield _planes(photos), _planes(grounds), torch.from_numpy(places)

    def pair(self, index: int) -> Pair:
        """Return photo, ground, and the photo's place in it, in cells."""
        random = np.random.default_rng([self.seed, int(self.fixed), self._epoch, index])
        order = [self.references[k] for k in random.permutation(len(self.references))]
        if self.located and random.random() < _LOCATED:
            photo, x, y = self._taken(random)
            reference = next((one for one in order if self._shown(one, x, y)), order[0])
        else:
            reference = order[0]
            photo, x, y = self._made(reference, random)
        ground, left, top = self._ground(reference, x, y, random)
        return photo, ground, (x - left) / STRIDE, (y - top) / STRIDE

    def _shown(self, reference: Reference, x: float, y: float) -> bool:
        """Whether a reference shows most of the ground right and down of (x, y)."""
        valid = reference.valid(self.level, round(x), round(y), self.side, self.side)
        return bool(valid.mean() >= _LEAST_SHOWN)

    def _taken(self, random: Generator) -> tuple[NDArray[np.float32], float, float]:
        """Return a located photo turned north-up but for some degrees, and its left and top."""
        one = self.located[int(random.integers(len(self.located)))]
        angle = one.pose.angle + random.uniform(-_TURN, _TURN)
        turned = turn(one.picture, angle, one.pose.scale, (self.side, self.side))
        photo = _unit(turned)
        if random.random() < 0.5:
            photo = sensor(season(photo, random), random)
        x, y = one.pose.x / self.level, one.pose.y / self.level
        return np.clip(photo, 0, 1), x - 0.5 * self.side, y - 0.5 * self.side

    def _made(
        self, reference: Reference, random: Generator
    ) -> tuple[NDArray[np.float32], float, float]:
        """Return a disguised crop of a reference, and its left and top."""
        ground, left, top = self._anywhere(reference, random)
        angle, stretch = random.uniform(-_TURN, _TURN), float(np.exp(random.normal(0, 0.01)))
        size = (self.side, self.side)
        photo = _unit(turn(ground, angle, stretch, size))
        if random.random() < 0.5:
            other, _, _ = self._anywhere(reference, random)
            photo = building(photo, _unit(turn(other, 0, 1, size)), random)
        photo = season(photo, random)
        if random.random() < 0.4:
            photo = clouds(photo, random)
        half = 0.5 * (ground.shape[0] - self.side)
        return np.clip(sensor(photo, random), 0, 1), left + half, top + half

    def _anywhere(
        self, reference: Reference, random: Generator
    ) -> tuple[NDArray[np.uint8], int, int]:
        """Return a square of a reference somewhat larger than a photo, and its left and top."""
        rows, columns = reference.level_size(self.level)
        side = min(int(1.1 * self.side), rows, columns)
        for _ in range(_TRIES):  # holes of a mosaic teach nothing
            left = int(random.integers(columns - side + 1))
            top = int(random.integers(rows - side + 1))
            if reference.whole or self._shown(reference, left, top):
                break
        return reference.picture(self.level, left, top, side, side), left, top

    def _ground(
        self, reference: Reference, x: float, y: float, random: Generator
    ) -> tuple[NDArray[np.float32], int, int]:
        """Return a window around a photo's left and top, and its own; black beyond the border."""
        slack = random.integers(1, SLACK // STRIDE, 2) * STRIDE
        left, top, side = round(x) - int(slack[0]), round(y) - int(slack[1]), self.side + SLACK
        return _unit(reference.picture(self.level, left, top, side, side)), left, top


def _planes(pictures: NDArray[np.float32]) -> torch.Tensor:
    """Return (n, h, w, 3) pictures as a tensor (n, 3, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))


def _unit(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a uint8 picture as float32, 0 to 1."""
    return np.multiply(picture, 1 / 255, dtype=np.float32)
