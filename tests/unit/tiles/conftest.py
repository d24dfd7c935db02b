"""Scenes in memory, with the faces that cubes and labels show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from nadir.config.classes import ClassTable, LandClass
from nadir.raster.grid import Grid

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


@dataclass
class MemoryCube:
    """A cube in memory; counts how often every pixel is read."""

    data: np.ndarray  # (date, band, y, x) uint16
    valid: np.ndarray  # (date, y, x) bool
    grid: Grid
    dates: list[str] = field(default_factory=lambda: ["april", "august"])
    bands: tuple[str, ...] = BANDS
    scale: dict[str, float] = field(default_factory=lambda: {"april": 1e-4, "august": 1e-4})
    offset: dict[str, float] = field(default_factory=lambda: {"april": -1e3, "august": -1e3})

    @property
    def present(self) -> list[int]:
        return [number for number, valid in enumerate(self.valid) if valid.any()]

    def __post_init__(self) -> None:
        self.reads = np.zeros(self.grid.shape, int)

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        h, w = height, width
        self.reads[y : y + h, x : x + w] += 1
        return self.data[:, :, y : y + h, x : x + w], self.valid[:, y : y + h, x : x + w]


@dataclass
class MemoryLabels:
    """Labels in memory."""

    ids: np.ndarray  # (y, x) uint8

    def hard(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        return self.ids[y : y + height, x : x + width]


def make_grid(
    height: int,
    width: int,
    crs: str = "EPSG:32631",
    x: float = 300000,
    y: float = 4600000,
    pixel: float = 10,
) -> Grid:
    return Grid(crs, (pixel, 0.0, x, 0.0, -pixel, y), height, width)


def make_scene(
    height: int, width: int, seed: int = 0, classes: int = 4, patch: int = 7, **grid: object
) -> tuple[MemoryCube, MemoryLabels]:
    """A random scene: patches of classes, with no-data in image and labels."""
    rng = np.random.default_rng(seed)
    shape = (-(-height // patch), -(-width // patch))
    ids = rng.integers(0, classes + 1, shape, dtype=np.uint8)
    ids = ids.repeat(patch, 0).repeat(patch, 1)[:height, :width]
    data = rng.integers(1, 9000, (2, len(BANDS), height, width), dtype=np.uint16)
    valid = rng.random((2, height, width)) > 0.1
    data *= valid[:, None]
    return MemoryCube(data, valid, make_grid(height, width, **grid)), MemoryLabels(ids)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def scene() -> Callable[..., tuple[MemoryCube, MemoryLabels]]:
    return make_scene


@pytest.fixture(scope="session")
def grid() -> Callable[..., Grid]:
    return make_grid


@pytest.fixture(scope="session")
def cube_type() -> type[MemoryCube]:
    return MemoryCube


@pytest.fixture(scope="session")
def labels_type() -> type[MemoryLabels]:
    return MemoryLabels


@pytest.fixture(scope="session")
def classes() -> ClassTable:
    colors = ("#e8d36a", "#1f6b35", "#c0392b", "#2e86c1")
    names = ("crops", "forest", "urban", "water")
    return ClassTable(
        classes=tuple(
            LandClass(value=number, name=name, color=color)
            for number, (name, color) in enumerate(zip(names, colors, strict=True), start=1)
        )
    )
