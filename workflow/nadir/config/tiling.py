"""Tiles, their filters, and how they are split into training, validation and test."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel


class TileConfig(ConfigModel):
    """Which tiles are cut, and which are dropped."""

    sizes: tuple[int, ...] = Field(default=(300,), min_length=1)
    """Sides of the tiles in pixels; several give several scales at once."""
    overlap: float = Field(default=0.0, ge=0, lt=1)
    """Share of a tile's side that it shares with the next one."""
    drop_empty: bool = True
    """Drop tiles without a single labelled, valid pixel."""
    drop_water_only: bool = True
    """Drop tiles whose labelled pixels are all water."""
    water_class: str = "water"
    """Name of the class that counts as water."""
    max_cloud: float = Field(default=1.0, ge=0, le=1)
    """Largest share of cloud that is kept, on the cloudiest date."""
    max_snow: float = Field(default=1.0, ge=0, le=1)
    """Largest share of snow that is kept, on the snowiest date."""
    min_valid: float = Field(default=0.0, ge=0, le=1)
    """Least share of pixels that are valid on all dates and labelled."""


class SplitConfig(ConfigModel):
    """How tiles are split."""

    method: Literal["blocks", "random", "file", "clusters", "groups"] = "blocks"
    """`blocks`: spatial blocks stratified by class, with a buffer. `random`: leaky, and named so
    wherever it is shown. `file`: given by the user. `clusters`: connected groups of labelled tiles
    are kept whole (for sparse polygons). `groups`: whole scenes, or groups of scenes such as
    cities; scenes over the same ground count as one.
    """
    fractions: tuple[float, float, float] = (0.64, 0.16, 0.20)
    """Shares of training, validation and test."""
    block: int = Field(default=4, ge=1)
    """Side of a block, in tiles of the largest size."""
    buffer: int | None = Field(default=None, ge=0)
    """Least distance between tiles of different splits, in pixels; by default half the largest
    tile, which is how far a window that overlaps by half can see beyond the pixel it maps.
    """
    file: str | None = None
    """For `file`: a table (CSV, Parquet) with columns id and split, or polygons (GeoJSON,
    GeoPackage) with an attribute split.
    """

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if abs(sum(self.fractions) - 1) > 1e-6 or min(self.fractions) < 0:
            raise ValueError(f"fractions must be positive and add up to 1, not {self.fractions}")
        if (self.method == "file") != (self.file is not None):
            raise ValueError("method 'file' and the key 'file' go together")
        return self
