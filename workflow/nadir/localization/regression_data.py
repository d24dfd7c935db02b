"""Photos for the regression baseline, and crops of the substrate that pass for photos.

What an epoch shows is a pure function of (seed, epoch): order, crops and colors alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from nadir.learn.imagenet import MEAN, STD
from nadir.localization.photos import poses_of, sizes_of
from nadir.localization.pose import Pose
from nadir.localization.regression import encode_pose
from nadir.localization.substrate import Substrate
from nadir.raster.pictures import read_picture

_ORDER, _CROP, _COLOR = 1, 2, 3  # streams of random numbers
_JITTER = 0.1  # largest relative change of brightness, contrast and saturation
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)

Batch = tuple[torch.Tensor, torch.Tensor]
"""Normalized photos float32 (B, 3, S, S), and what to say of them float32 (B, 5)."""


@dataclass(frozen=True)
class Samples:
    """Photos with known position, resized.

    Attributes:
        photos: uint8 (N, S, S, 3).
        targets: float32 (N, 5), see `nadir.localization.regression.OUTPUTS`.
    """

    photos: NDArray[np.uint8]
    targets: NDArray[np.float32]


def load_samples(photos: pd.DataFrame, size: int, substrate: tuple[int, int]) -> Samples:
    """Read photos with known position; resized they are small, and stay in memory.

    Args:
        photos: Rows of the photo table.
        size: Side to which photos are resized.
        substrate: The substrate's (width, height).

    Raises:
        InputError: When a photo cannot be read.
    """
    shown = np.empty((len(photos), size, size, 3), np.uint8)
    paths = tqdm(photos["path"], desc="photos", unit="photo", disable=None)
    for number, path in enumerate(paths):
        shown[number] = resize_photo(read_picture(path), size)
    known = zip(poses_of(photos), sizes_of(photos), strict=True)
    targets = [encode_pose(pose, photo, substrate) for pose, photo in known]
    return Samples(shown, np.stack(targets))


@dataclass(frozen=True)
class CropSource:
    """Cuts photos from the substrate, at random places and directions.

    Attributes:
        substrate: Where from.
        photo: (width, height) of a photo.
        scale: Substrate pixels per photo pixel.
    """

    substrate: Substrate
    photo: tuple[int, int]
    scale: float

    def pose(self, seed: int, epoch: int, index: int) -> Pose:
        """Return the pose of a crop: a pure function of the arguments.

        The angle is uniform, and so is the center among the places where the whole crop lies on
        the substrate.
        """
        generator = np.random.default_rng([seed, _CROP, epoch, index])
        angle = float(generator.uniform(0.0, 360.0))
        half = np.abs(Pose(0.0, 0.0, angle, self.scale).corners(*self.photo)).max(0)
        sides = np.array([self.substrate.width, self.substrate.height], float)
        low = np.minimum(half, 0.5 * sides)  # photos larger than the substrate: its middle
        x, y = generator.uniform(low, sides - low)
        return Pose(float(x), float(y), angle, self.scale)

    def sample(
        self, seed: int, epoch: int, index: int, size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return a crop as a photo uint8 (size, size, 3), and what to say of it (5,)."""
        pose = self.pose(seed, epoch, index)
        photo = self.substrate.cut(pose, *self.photo)
        sides = (self.substrate.width, self.substrate.height)
        return resize_photo(photo, size), encode_pose(pose, self.photo, sides)


class PhotoBatches:
    """The batches of an epoch; see `nadir.learn.learner.Batches`.

    Args:
        samples: The photos.
        batch_size: Photos a batch.
        seed: Seed of order, crops and colors; None shows the photos in order and as they are.
        source: Where crops are cut; None for no crops.
        crops: Crops an epoch.
    """

    def __init__(
        self,
        samples: Samples,
        batch_size: int,
        seed: int | None = None,
        source: CropSource | None = None,
        crops: int = 0,
    ) -> None:
        self.data = samples
        self.seed = seed
        self.source = source
        self.epoch = 0
        self.samples = len(samples.targets) + (crops if source is not None else 0)
        self._borders = batch_borders(self.samples, batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._borders) - 1

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(self.samples)
        if self.seed is not None:
            order = np.random.default_rng([self.seed, _ORDER, self.epoch]).permutation(order)
        for first, end in zip(self._borders[:-1], self._borders[1:], strict=True):
            chosen = order[first:end].tolist()
            if self.seed is not None and len(chosen) == 1:
                chosen *= 2  # batch normalization learns nothing from one photo
            shown = [self._sample(index) for index in chosen]
            photos = np.stack([photo for photo, _ in shown])
            targets = np.stack([target for _, target in shown])
            yield normalized(photos), torch.from_numpy(targets)

    def _sample(self, index: int) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
        """Return one photo, float32 in 0..255, and its target."""
        known = len(self.data.targets)
        if index < known:
            photo, target = self.data.photos[index], self.data.targets[index]
        else:
            assert self.source is not None and self.seed is not None
            size = self.data.photos.shape[1]
            photo, target = self.source.sample(self.seed, self.epoch, index - known, size)
        if self.seed is None:
            return photo.astype(np.float32), target
        generator = np.random.default_rng([self.seed, _COLOR, self.epoch, index])
        return color_jitter(photo, generator), target


def batch_borders(samples: int, batch_size: int) -> list[int]:
    """Return where batches begin, and the end; a last single sample joins the batch before it."""
    borders = [*range(0, samples, batch_size), samples]
    if batch_size > 1 and len(borders) > 2 and borders[-1] - borders[-2] == 1:
        del borders[-2]
    return borders


def resize_photo(photo: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return a photo (h, w, 3) resized to (size, size, 3), averaged where it becomes smaller."""
    smaller = size < max(photo.shape[:2])
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(photo, (size, size), interpolation=way)  # type: ignore[return-value]


def color_jitter(photo: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.float32]:
    """Return a photo with brightness, contrast and saturation changed by up to 10 % each.

    Nothing is moved: a photo that is turned or shifted has another answer.

    Args:
        photo: uint8 (h, w, 3).
        generator: Source of the three factors.

    Returns:
        float32 (h, w, 3) in 0..255.
    """
    brightness, contrast, saturation = generator.uniform(1 - _JITTER, 1 + _JITTER, 3)
    values = photo.astype(np.float32) * np.float32(brightness)
    gray = values @ _GRAY
    values = (values - gray[..., None]) * np.float32(saturation) + gray[..., None]
    values = (values - gray.mean()) * np.float32(contrast) + gray.mean()
    return values.clip(0, 255)


def normalized(photos: NDArray[np.floating] | NDArray[np.uint8]) -> torch.Tensor:
    """Return photos (B, h, w, 3) in 0..255 as the network takes them, float32 (B, 3, h, w)."""
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)
    values = (photos.astype(np.float32) / np.float32(255) - mean) / std
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, 1)))
