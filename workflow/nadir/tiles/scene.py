"""What this package needs of a scene's cube and labels, whatever holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from nadir.raster.grid import Grid


class CubeLike(Protocol):
    """Imagery of one scene; `nadir.raster.cube.Cube` has this face.

    Attributes:
        grid: Where its pixels lie.
        dates: Names of the dates.
        bands: Names of the bands.
        scale: Date -> scale; reflectance = scale * (raw + offset).
        offset: Date -> offset.
    """

    grid: Grid
    dates: Sequence[str]
    bands: Sequence[str]
    scale: Mapping[str, float]
    offset: Mapping[str, float]

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return raw values (date, band, h, w) uint16 and validity (date, h, w) bool."""


class LabelsLike(Protocol):
    """Labels of one scene; `nadir.raster.labels.Labels` has this face."""

    def hard(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return class ids (h, w) uint8, 0 for no data."""
