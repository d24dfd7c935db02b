"""How training pictures are turned, moved, colored, covered: by seed, epoch and place alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nadir.config.retrieval_experiments import RetrievalAugment
from nadir.retrieval.weather import apply_weather

_PLACE, _VIEW = 31, 32  # streams of random numbers

_ERASED = (0.02, 0.3)
"""Least and largest share of a picture that is erased; sides have ratios of 0.4 to 2.5."""


@dataclass(frozen=True)
class Shown:
    """Which picture it is that is changed.

    Attributes:
        seed: Seed of the training.
        epoch: Number of the epoch.
        view: Number of its view.
        place: Number of its place.
        overhead: Whether the view looks straight down.
    """

    seed: int
    epoch: int
    view: int
    place: int
    overhead: bool


def augment(picture: NDArray[np.uint8], cfg: RetrievalAugment, shown: Shown) -> NDArray[np.uint8]:
    """Return a picture as an epoch shows it.

    Args:
        picture: uint8 RGB (side, side, 3); it is not changed.
        cfg: What is done.
        shown: Which picture it is.

    Returns:
        uint8 RGB of the same shape.
    """
    together = np.random.default_rng([shown.seed, _PLACE, shown.epoch, shown.place])
    own = np.random.default_rng([shown.seed, _VIEW, shown.epoch, shown.view, shown.place])
    if not shown.overhead and own.random() < cfg.weather:
        weather = cfg.weathers[int(own.integers(len(cfg.weathers)))]
        name = f"{shown.epoch} {shown.view} {shown.place}"
        picture = apply_weather(picture, weather, seed=shown.seed, name=name)
    picture = _moved(picture, cfg, shown.overhead, together, own)
    if cfg.jitter:
        picture = jittered(picture, cfg.jitter, own)
    if own.random() < cfg.erasing:
        picture = erased(picture, own)
    return picture


def _moved(
    picture: NDArray[np.uint8],
    cfg: RetrievalAugment,
    overhead: bool,
    together: Generator,
    own: Generator,
) -> NDArray[np.uint8]:
    """Return a picture turned, scaled, shifted and mirrored, in one resampling."""
    angle = together.uniform(-cfg.turn_together, cfg.turn_together)
    mirrored = (together if cfg.flip == "together" else own).random() < 0.5
    if overhead:
        angle += own.uniform(-cfg.turn, cfg.turn)
        angle += 90.0 * int(own.integers(4)) if cfg.quarter_turns else 0.0
    else:
        angle += own.uniform(-cfg.turn_others, cfg.turn_others)
    scale = math.exp(own.uniform(-1, 1) * math.log(cfg.zoom))
    side = picture.shape[0]
    shift = own.uniform(-cfg.shift, cfg.shift, 2) * side
    middle = (side - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), angle, scale)
    matrix[:, 2] += shift
    if mirrored and cfg.flip != "none":
        matrix[0] *= -1
        matrix[0, 2] += side - 1
    if np.array_equal(matrix, np.eye(2, 3)):
        return picture
    size = (picture.shape[1], side)
    moved = cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)


def jittered(picture: NDArray[np.uint8], most: float, random: Generator) -> NDArray[np.uint8]:
    """Return a picture in other light: brightness, contrast, saturation and tint are changed.

    Args:
        picture: uint8 RGB.
        most: Largest relative change; of the tint half of it, by channel.
        random: Source of randomness.
    """
    brightness, contrast, saturation = 1 + random.uniform(-most, most, 3)
    tint = (1 + random.uniform(-most / 2, most / 2, 3)) * brightness
    # All of it is linear: one matrix on the channels, and what keeps mean and grey in place.
    mixing = saturation * np.eye(3) + (1 - saturation) / 3
    matrix = contrast * np.diag(tint) @ mixing
    mean = np.asarray(cv2.mean(picture)[:3])
    offset = (1 - contrast) * np.mean(np.diag(tint) @ mixing @ mean)
    values = picture.astype(np.float32) @ matrix.T.astype(np.float32) + np.float32(offset)
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def erased(picture: NDArray[np.uint8], random: Generator) -> NDArray[np.uint8]:
    """Return a picture with a rectangle in its mean color (Zhong et al. 2020, random erasing)."""
    rows, columns = picture.shape[:2]
    area = random.uniform(*_ERASED) * rows * columns
    ratio = math.exp(random.uniform(-1, 1) * math.log(2.5))
    height = min(rows, max(1, round(math.sqrt(area * ratio))))
    width = min(columns, max(1, round(math.sqrt(area / ratio))))
    top = int(random.integers(rows - height + 1))
    left = int(random.integers(columns - width + 1))
    result = picture.copy()
    result[top : top + height, left : left + width] = np.rint(picture.mean((0, 1)))
    return result
