"""What this package needs of a scene's cube and labels, whatever holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from nadir.raster.grid import Grid


class CubeLike(Protocol):
    """Imagery of one scene; `nadir.raster.cube.Cube` has this face."""

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""

    @property
    def dates(self) -> Sequence[str]:
        """Names of the dates."""

    @property
    def present(self) -> Sequence[int]:
        """Positions of the dates that the scene has."""

    @property
    def bands(self) -> Sequence[str]:
        """Names of the bands."""

    @property
    def scale(self) -> Mapping[str, float]:
        """Date -> scale; reflectance = scale * (raw + offset)."""

    @property
    def offset(self) -> Mapping[str, float]:
        """Date -> offset."""

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return raw values (date, band, h, w) uint16 and validity (date, h, w) bool."""


class LabelsLike(Protocol):
    """Labels of one scene; `nadir.raster.labels.Labels` has this face."""

    def hard(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return class ids (h, w) uint8, 0 for no data."""
