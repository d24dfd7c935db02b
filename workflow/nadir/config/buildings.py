"""Buildings: pictures of 8 bits from the air, and footprints as masks or polygons."""

from __future__ import annotations

from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from nadir.config.base import ConfigModel, Name
from nadir.config.classes import ClassTable
from nadir.config.experiments import ExperimentConfig
from nadir.config.footprints import FootprintConfig
from nadir.config.landcover import DatasetConfig
from nadir.config.layouts import SourceConfig, WorldLayout
from nadir.config.listing import LayoutFault
from nadir.config.nested import section_of
from nadir.config.pictures import FOOTPRINTS, PICTURE
from nadir.config.scenes import SceneConfig
from nadir.config.searches import SearchConfig
from nadir.config.tiling import TileConfig

BANDS = ("red", "green", "blue")
"""Bands of a picture in natural colors."""


class BuildingsTiles(TileConfig):
    """Which tiles are cut, and which are dropped."""

    sizes: tuple[int, ...] = Field(default=(256,), min_length=1)
    """Sides of the tiles in pixels; several give several scales at once."""
    drop_water_only: bool = False
    """Drop tiles whose labelled pixels are all water."""


class BuildingsDataset(DatasetConfig):
    """Pictures from the air with footprints, and how they are tiled and split."""

    classes: str | ClassTable = "buildings"
    """A class table by name, or written out."""
    bands: tuple[str, ...] = Field(default=BANDS, min_length=1)
    """Bands that the cube holds, in this order."""
    sources: dict[Name, SourceConfig] = Field(default_factory=dict)
    """Source name -> a layout of files, whose pictures become scenes; or a simulated world."""
    scenes: dict[Name, SceneConfig] = Field(default_factory=dict)
    """Scene name -> raw data, for scenes that no layout finds; pictures are of 8 bits and polygons
    are buildings where nothing else is said.
    """
    resolution: float | None = Field(default=None, gt=0)
    """Size of a pixel on the ground, in metres, to which every picture is resampled: by area when
    it is finer, bilinearly when it is coarser. null: pictures stay as they are.
    """
    tiles: BuildingsTiles = BuildingsTiles()
    """Tiles and filters."""

    def is_made(self, scene: str) -> bool:
        """Whether a scene's image is put together or resampled before it is read."""
        images = self.scenes[scene].images.values()
        return self.resolution is not None or any(image.tiles or image.range for image in images)

    def simulated(self) -> dict[str, WorldLayout]:
        """Return the simulated sources by name."""
        return {
            name: source for name, source in self.sources.items() if isinstance(source, WorldLayout)
        }


class BuildingsExperiment(ExperimentConfig):
    """One model on one or more data sets of buildings."""

    footprints: FootprintConfig = FootprintConfig()
    """How probabilities become polygons."""


class BuildingsJob(ConfigModel):
    """Buildings: their data sets and the experiments on them."""

    datasets: dict[Name, BuildingsDataset] = Field(default_factory=dict)
    """Dataset name -> raw data, tiles, split."""
    experiments: dict[Name, BuildingsExperiment] = Field(default_factory=dict)
    """Experiment name -> model, training, prediction, footprints, evaluation."""
    searches: dict[Name, SearchConfig] = Field(default_factory=dict)
    """Search name -> which hyper-parameters of an experiment are varied (`snakemake tune`)."""


def fill_scenes(raw: dict[str, Any], problems: list[str], look: bool) -> dict[str, Any]:
    """Put the scenes of all layouts into the section `buildings`.

    Args:
        raw: The configuration with recipes filled in.
        problems: What is wrong is added to it.
        look: Whether folders are listed; without, layouts give no scenes.

    Returns:
        The configuration, with what a picture means filled in where a scene is silent.
    """
    datasets = section_of(raw, "buildings", "datasets")
    if not datasets:
        return raw
    filled = {
        name: _filled(f"buildings.datasets.{name}", dataset, problems, look)
        if isinstance(dataset, dict)
        else dataset
        for name, dataset in datasets.items()
    }
    return {**raw, "buildings": {**raw["buildings"], "datasets": filled}}


def _filled(path: str, dataset: dict[str, Any], problems: list[str], look: bool) -> dict[str, Any]:
    """Return a data set with the scenes of its layouts beside its own."""
    given = dataset.get("scenes", {})
    if not isinstance(given, dict):
        return dataset
    scenes = {name: _as_picture(scene) for name, scene in given.items()}
    sources = dataset.get("sources")
    for name, source in sources.items() if isinstance(sources, dict) and look else ():
        where = f"{path}.sources.{name}"
        try:
            found = TypeAdapter(SourceConfig).validate_python(source).scenes(str(name))
        except ValidationError:
            continue  # reported with everything else that does not validate
        except LayoutFault as fault:
            problems.append(f"{where}.{fault}")
            continue
        both = sorted(found.keys() & scenes.keys())
        if both:
            problems.append(f"{where}: there is another scene {both[0]!r}; rename one")
        scenes |= found
    return {**dataset, "scenes": scenes}


def _as_picture(scene: Any) -> Any:
    """Return a scene that is written out, with what goes without saying of pictures."""
    if not isinstance(scene, dict):
        return scene
    dates, mask = scene.get("dates"), scene.get("mask")
    filled = dict(scene)
    if isinstance(dates, dict):
        filled["dates"] = {
            name: {**PICTURE, **image} if isinstance(image, dict) else image
            for name, image in dates.items()
        }
    if isinstance(mask, dict) and "vector" in mask and not {"field", "polygons"} & mask.keys():
        filled["mask"] = {**FOOTPRINTS, **mask}
    return filled
