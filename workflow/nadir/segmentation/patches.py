"""Scenes and tiles as training sees them (no torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nadir.segmentation.normalize import Statistics, gain_and_bias
from nadir.tiles.augment import Look
from nadir.tiles.disturb import Disturbance, Mix


class CubeLike(Protocol):
    """What training needs of a cube (`nadir.raster.cube.Cube`)."""

    @property
    def dates(self) -> Sequence[str]:
        """Names of the dates."""

    @property
    def scale(self) -> Mapping[str, float]:
        """Date -> scale: reflectance = scale * (raw + offset)."""

    @property
    def offset(self) -> Mapping[str, float]:
        """Date -> offset."""

    def read(self, y: int, x: int, height: int, width: int, /) -> tuple[np.ndarray, np.ndarray]:
        """Return raw uint16 (date, band, height, width) and valid bool (date, height, width)."""


class LabelsLike(Protocol):
    """What training needs of labels (`nadir.raster.labels.Labels`)."""

    @property
    def fraction_scale(self) -> int:
        """What a whole pixel counts in `fraction`."""

    def hard(self, y: int, x: int, height: int, width: int, /) -> np.ndarray:
        """Return uint8 ids (height, width), 0 = no data."""

    def fraction(self, y: int, x: int, height: int, width: int, /) -> np.ndarray:
        """Return uint8 shares x `fraction_scale` (K + 1, height, width), no data first."""


class OutlinesLike(Protocol):
    """What training needs of outlines (`nadir.segmentation.outlines`)."""

    def distance(self, y: int, x: int, height: int, width: int, /) -> np.ndarray:
        """Return int8 (height, width): pixels to the nearest outline, positive inside."""


@dataclass(frozen=True)
class Scene:
    """One scene to learn from; without outlines, those of the labels serve where any are needed."""

    cube: CubeLike
    labels: LabelsLike
    outlines: OutlinesLike | None = None


@dataclass(frozen=True)
class Window:
    """A tile: number of its scene, upper-left pixel and side."""

    scene: int
    y: int
    x: int
    size: int


@dataclass(frozen=True)
class Shot:
    """How a window is shown to a network.

    Attributes:
        window: The ground.
        symmetry: How it is turned: 0..7 of `nadir.tiles.augment`.
        side: Pixels of a side to which it is resampled; None leaves it as it is.
        look: Radiometric jitter; None for none.
        angle: Degrees counterclockwise by which it is turned besides: what is shown is the largest
            square so turned in the window. Needs `side`.
        disturbance: What befalls it; None for nothing.
        mix: Which part of the next sample of its batch is pasted on it; None for none.
    """

    window: Window
    symmetry: int = 0
    side: int | None = None
    look: Look | None = None
    angle: float = 0.0
    disturbance: Disturbance | None = None
    mix: Mix | None = None


def affine_of(cube: CubeLike, statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """Return gain and bias, float32 (date, band), from a cube's raw integers to a model's input."""
    scale = [cube.scale[date] for date in cube.dates]
    offset = [cube.offset[date] for date in cube.dates]
    return gain_and_bias(statistics, scale, offset)
