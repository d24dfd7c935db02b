"""The whole configuration: its sections, what ties them together, and loading.

Everything that is wrong is reported at once: unknown keys and names with the nearest valid one,
values of the wrong type with what they are, references between sections that lead nowhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from nadir.config.base import ConfigModel, Name
from nadir.config.classes import CLASS_TABLES, ClassTable
from nadir.config.encoders import model_faults
from nadir.config.experiments import ExperimentConfig, ModelConfig
from nadir.config.explain import explain
from nadir.config.recipes import RECIPES, merge
from nadir.config.scenes import SENTINEL2_BANDS, CubeConfig, LabelConfig, SceneConfig
from nadir.config.tiling import SplitConfig, TileConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import ConfigError, did_you_mean, sentences

RESERVED_NAMES = ("scenes",)
"""Names that an experiment may not have, because a folder of every dataset is called so."""

WORLD_DATES = ("april", "august")
"""Dates of every simulated world."""

SMALLEST_TILE = 16
"""Least side of a tile, in pixels."""


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


class JobConfig(ConfigModel):
    """One job: its datasets and the experiments on them."""

    datasets: dict[Name, DatasetConfig] = Field(default_factory=dict)
    """Dataset name -> raw data, alignment, tiles, split."""
    experiments: dict[Name, ExperimentConfig] = Field(default_factory=dict)
    """Experiment name -> model, training, prediction, evaluation."""


class ComputeConfig(ConfigModel):
    """Where the work is done; nothing is rebuilt when this changes."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of training and prediction; `cuda` fails where there is no GPU, `auto` takes what is
    there.
    """
    scheduler: str | None = None
    """Address of a Dask scheduler for heavy raster steps; null: threads of the job itself."""


class Config(ConfigModel):
    """The configuration."""

    seed: int = Field(default=0, ge=0)
    """Every random choice derives from it."""
    worlds: dict[Name, WorldConfig] = Field(default_factory=dict)
    """Simulated worlds by name."""
    landcover: JobConfig = JobConfig()
    """Land cover: Sentinel-2 at one or more dates, and a finer mask."""
    compute: ComputeConfig = ComputeConfig()
    """Where the work is done."""

    def job(self, name: str) -> JobConfig:
        """Return the section of a job by its name."""
        return getattr(self, name)


JOBS = ("landcover",)
"""Sections of the configuration that are jobs."""


def load_config(raw: dict[str, Any]) -> Config:
    """Validate a configuration as read from YAML.

    Args:
        raw: Nested dictionaries; `${NAME}` in a string is replaced from the environment.

    Returns:
        The configuration with recipes filled in.

    Raises:
        ConfigError: With every fault found.
    """
    if not isinstance(raw, dict):
        raise ConfigError([f"(top level): must be keys and values, not {type(raw).__name__}"])
    problems: list[str] = []
    expanded = _expand(raw, "", problems)
    filled = _fill_recipes(expanded, problems)
    try:
        config = Config.model_validate(filled)
    except ValidationError as error:
        problems.extend(explain(error, Config))
        config = _valid_parts(filled)
    problems.extend(_loose_ends(config, filled))
    if problems:
        raise ConfigError(problems)
    return config


def _valid_parts(raw: dict[str, Any]) -> Config:
    """Return what is valid taken alone, so that loose ends are found beside other faults."""
    parts: dict[str, Any] = {"worlds": _valid_items(raw.get("worlds"), WorldConfig)}
    for job in JOBS:
        section = _section(raw, job)
        parts[job] = {
            "datasets": _valid_items(section.get("datasets"), DatasetConfig),
            "experiments": _valid_items(section.get("experiments"), ExperimentConfig),
        }
    return Config.model_validate(parts)


def _valid_items(items: Any, model: type[ConfigModel]) -> dict[str, Any]:
    """Return the items of a mapping that validate as `model`."""
    valid = {}
    for name, item in items.items() if isinstance(items, dict) else ():
        try:
            _Names.model_validate({"names": {name: None}})
            model.model_validate(item)
        except ValidationError:
            continue
        valid[name] = item
    return valid


class _Names(ConfigModel):
    """Keys that may name something."""

    names: dict[Name, None]


def _section(raw: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return a nested mapping of the raw configuration, empty where there is none."""
    value: Any = raw
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _expand(value: Any, path: str, problems: list[str]) -> Any:
    """Replace `${NAME}` in every string from the environment."""
    if isinstance(value, dict):
        return {
            key: _expand(item, f"{path}.{key}".lstrip("."), problems) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_expand(item, f"{path}[{i}]", problems) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            problems.append(
                f"{path}: the environment variable {match[1]} is not set; "
                "set it, or write the path out"
            )
            return match[0]
        return found

    return re.sub(r"\$\{(\w+)\}", variable, value)


def _fill_recipes(raw: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Put each experiment's values over those of its recipe."""
    filled = dict(raw)
    for job in JOBS:
        section, experiments = _section(filled, job), _section(filled, job, "experiments")
        if not experiments:
            continue
        merged = {}
        for name, experiment in experiments.items():
            recipe = experiment.get("recipe") if isinstance(experiment, dict) else None
            if recipe is None:
                merged[name] = experiment
            elif isinstance(recipe, str) and recipe in RECIPES:
                merged[name] = merge(RECIPES[recipe], experiment)
            else:
                problems.append(
                    f"{job}.experiments.{name}.recipe: no recipe {recipe!r}"
                    f"{did_you_mean(str(recipe), RECIPES)} (there are: {', '.join(RECIPES)})"
                )
                # What the recipe would have said is unknown, so its absence is no further fault.
                merged[name] = {k: v for k, v in experiment.items() if k not in ("recipe", "model")}
        filled[job] = {**section, "experiments": merged}
    return filled


def _loose_ends(config: Config, raw: dict[str, Any]) -> Iterator[str]:
    """Yield one line for every reference between sections that leads nowhere.

    Args:
        config: What is valid.
        raw: The configuration as given, whose names count even where their values are at fault.
    """
    worlds = _section(raw, "worlds")
    for job_name in JOBS:
        job = config.job(job_name)
        datasets = _section(raw, job_name, "datasets")
        yield from _model_ends(f"{job_name}.experiments", _section(raw, job_name, "experiments"))
        for name, dataset in job.datasets.items():
            path = f"{job_name}.datasets.{name}"
            yield from _dataset_ends(worlds, path, dataset)
            yield from _world_ends(config.worlds, path, dataset)
        for name, experiment in job.experiments.items():
            path = f"{job_name}.experiments.{name}"
            if name in RESERVED_NAMES:
                yield f"{path}: the name {name!r} is reserved; choose another"
            for dataset_name in experiment.datasets:
                if dataset_name not in datasets:
                    hint = did_you_mean(dataset_name, datasets)
                    yield f"{path}.datasets: no dataset {dataset_name!r}{hint}"
                elif dataset_name in job.datasets:
                    dataset = job.datasets[dataset_name]
                    if not dataset.scenes_of("learn", "test"):
                        yield f"{path}.datasets: no scene of {dataset_name!r} has role 'learn'"
                    yield from _class_name_ends(path, experiment, dataset_name, dataset)
                    yield from _buffer_ends(path, experiment, dataset_name, dataset)


def _dataset_ends(worlds: dict[str, Any], path: str, dataset: DatasetConfig) -> Iterator[str]:
    for scene_name, scene in dataset.scenes.items():
        if scene.world and scene.world not in worlds:
            hint = did_you_mean(scene.world, worlds)
            yield f"{path}.scenes.{scene_name}.world: no world {scene.world!r}{hint}"
    if dataset.scenes_of("test") and not dataset.scenes_of("learn"):
        yield f"{path}.scenes: no scene has role 'learn', so there is nothing to train on"
    yield from _date_ends(path, dataset)
    small = [size for size in dataset.tiles.sizes if size < SMALLEST_TILE]
    if small:
        yield f"{path}.tiles.sizes: {small} is too small; use at least {SMALLEST_TILE} pixels"
    if not _has_known_classes(dataset):
        hint = did_you_mean(str(dataset.classes), CLASS_TABLES)
        yield (
            f"{path}.classes: no class table {dataset.classes!r}{hint} "
            f"(there are: {', '.join(CLASS_TABLES)}; or write one out)"
        )
        return
    names = dataset.table.names[1:]
    water = dataset.tiles.water_class
    if water not in names and "water_class" in dataset.tiles.model_fields_set:
        yield f"{path}.tiles.water_class: no class {water!r}{did_you_mean(water, names)}"
    for class_name in dataset.labels.weights:
        if class_name not in names:
            hint = did_you_mean(class_name, names)
            yield f"{path}.labels.weights: no class {class_name!r}{hint}"


def _model_ends(path: str, experiments: dict[str, Any]) -> Iterator[str]:
    """Yield a line for every model that cannot be built, also where its experiment is at fault."""
    for name, experiment in experiments.items():
        section = experiment.get("model") if isinstance(experiment, dict) else None
        try:
            model = TypeAdapter(ModelConfig).validate_python(section)
        except ValidationError:
            continue
        for key, problem, remedy in model_faults(model):
            yield f"{path}.{name}.model.{key}: {sentences(problem, remedy)}"


def _date_ends(path: str, dataset: DatasetConfig) -> Iterator[str]:
    """Yield a line for scenes whose dates differ in number or order: networks see their places."""
    dates = {
        name: WORLD_DATES if scene.world else tuple(scene.dates)
        for name, scene in dataset.scenes.items()
    }
    counts = sorted({len(names) for names in dates.values()})
    if len(counts) > 1:
        yield (
            f"{path}.scenes: scenes have different numbers of dates ({counts}); "
            "give each the same number"
        )
        return
    first = next(iter(dates))
    for name, own in dates.items():
        moved = [date for date, other in zip(own, dates[first], strict=True) if date != other]
        strays = [date for date in moved if date in dates[first]]
        if strays:
            yield (
                f"{path}.scenes.{name}.dates: {strays[0]!r} stands elsewhere than in {first!r}; "
                "give the dates of all scenes in one order"
            )


def _world_ends(worlds: dict[str, WorldConfig], path: str, dataset: DatasetConfig) -> Iterator[str]:
    """Yield a line for every world that a tile does not fit into; files are looked at later."""
    for scene in dataset.scenes.values():
        world = worlds.get(scene.world or "")
        largest = max(dataset.tiles.sizes)
        if world and scene.role != "predict" and largest > min(world.width, world.height):
            yield (
                f"{path}.tiles.sizes: a tile of {largest} pixels is larger than the world "
                f"{scene.world!r} of {world.width} x {world.height} pixels; "
                f"use at most {min(world.width, world.height)}"
            )


def _has_known_classes(dataset: DatasetConfig) -> bool:
    return not isinstance(dataset.classes, str) or dataset.classes in CLASS_TABLES


def _class_name_ends(
    path: str, experiment: ExperimentConfig, dataset_name: str, dataset: DatasetConfig
) -> Iterator[str]:
    if not _has_known_classes(dataset):
        return
    names = dataset.table.names[1:]
    rare = experiment.train.augment.rare_classes
    if rare == _rare_classes_of(experiment.recipe):
        rare = ()  # a recipe's list of rare classes means nothing to another class table
    for key, given in (
        ("loss.manual", experiment.train.loss.manual),
        ("augment.rare_classes", rare),
    ):
        for class_name in given:
            if class_name not in names:
                hint = did_you_mean(class_name, names)
                yield f"{path}.train.{key}: {dataset_name} has no class {class_name!r}{hint}"


def _rare_classes_of(recipe: str | None) -> tuple[str, ...]:
    return tuple(_section(RECIPES, recipe or "", "train", "augment").get("rare_classes", ()))


def _buffer_ends(
    path: str, experiment: ExperimentConfig, dataset_name: str, dataset: DatasetConfig
) -> Iterator[str]:
    split = dataset.buffered_split
    window = experiment.predict.window or max(dataset.tiles.sizes)
    overlap = round(window * experiment.predict.overlap)
    if split.method != "random" and split.buffer is not None and overlap > split.buffer:
        yield (
            f"{path}.predict: windows overlap by {overlap} pixels, more than the buffer of "
            f"{split.buffer} between the splits of {dataset_name}; lower predict.window or "
            f"predict.overlap, or raise the buffer"
        )
