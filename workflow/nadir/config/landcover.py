"""Land cover: raw data and how they are aligned, tiled and split; experiments on them."""

from __future__ import annotations

from pydantic import Field, field_validator

from nadir.config.base import ConfigModel, Name
from nadir.config.classes import CLASS_TABLES, ClassTable
from nadir.config.experiments import ExperimentConfig
from nadir.config.scenes import SENTINEL2_BANDS, CubeConfig, LabelConfig, SceneConfig
from nadir.config.searches import SearchConfig
from nadir.config.tiling import SplitConfig, TileConfig


class DatasetConfig(ConfigModel):
    """Raw data and how they are aligned, tiled and split."""

    classes: str | ClassTable = "catalonia"
    """A class table by name, or written out."""
    bands: tuple[str, ...] = Field(default=SENTINEL2_BANDS, min_length=1)
    """Bands that the cube holds, in this order."""
    scenes: dict[Name, SceneConfig] = Field(min_length=1)
    """Scene name -> raw data."""
    cube: CubeConfig = CubeConfig()
    """How imagery is stored."""
    labels: LabelConfig = LabelConfig()
    """How fine labels become one label a pixel."""
    tiles: TileConfig = TileConfig()
    """Tiles and filters."""
    split: SplitConfig = SplitConfig()
    """Training, validation and test."""

    @field_validator("bands")
    @classmethod
    def _distinct_bands(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({band for band in bands if bands.count(band) > 1})
        if twice:
            raise ValueError(f"band given twice: {', '.join(twice)}")
        return bands

    @property
    def table(self) -> ClassTable:
        """The class table itself."""
        return CLASS_TABLES[self.classes] if isinstance(self.classes, str) else self.classes

    @property
    def buffered_split(self) -> SplitConfig:
        """The split with its buffer filled in."""
        if self.split.buffer is not None:
            return self.split
        return self.split.model_copy(update={"buffer": max(self.tiles.sizes) // 2})

    def scenes_of(self, *roles: str) -> list[str]:
        """Return the names of the scenes with one of these roles."""
        return [name for name, scene in self.scenes.items() if scene.role in roles]


class MapConfig(ConfigModel):
    """A map that the graph makes."""

    dataset: Name
    """Name of the dataset."""
    experiment: Name
    """Name of the experiment whose map it is."""
    scene: Name
    """Name of the scene."""


class ChangeConfig(ConfigModel):
    """Two maps of the same ground, such as of two years: where, and from what to what."""

    before: MapConfig
    """The earlier map."""
    after: MapConfig
    """The later one, on the same grid and of the same classes."""


class JobConfig(ConfigModel):
    """One job: its datasets and the experiments on them."""

    datasets: dict[Name, DatasetConfig] = Field(default_factory=dict)
    """Dataset name -> raw data, alignment, tiles, split."""
    experiments: dict[Name, ExperimentConfig] = Field(default_factory=dict)
    """Experiment name -> model, training, prediction, evaluation."""
    searches: dict[Name, SearchConfig] = Field(default_factory=dict)
    """Search name -> which hyper-parameters of an experiment are varied (`snakemake tune`)."""
    changes: dict[Name, ChangeConfig] = Field(default_factory=dict)
    """Name -> two maps that are compared (`results/landcover/changes`, target `quality`)."""
