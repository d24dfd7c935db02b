"""References inside a section of segmentation, and from it to worlds, that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nadir.config.buildings import BuildingsJob
from nadir.config.classes import CLASS_TABLES
from nadir.config.encoders import model_faults
from nadir.config.experiments import ExperimentConfig, ModelConfig
from nadir.config.landcover import DatasetConfig, JobConfig
from nadir.config.nested import section_of
from nadir.config.recipes import RECIPES
from nadir.config.scenes import SceneConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import did_you_mean, sentences

RESERVED_NAMES = ("scenes", "searches")
"""Names that an experiment may not have, because a folder of every dataset is called so."""

CHANGES = "changes"
"""Folder of compared maps, beside those of datasets."""

WORLD_DATES = ("april", "august")
"""Dates of every simulated world."""

AERIAL_DATES = ("image",)
"""The date of every simulated aerial picture."""

SMALLEST_TILE = 16
"""Least side of a tile, in pixels."""


def segmentation_ends(
    job_name: str,
    job: JobConfig | BuildingsJob,
    worlds: dict[str, WorldConfig],
    raw: dict[str, Any],
) -> Iterator[str]:
    """Yield one line for every reference of a segmentation job that leads nowhere.

    Args:
        job_name: Its section's name.
        job: What is valid of it.
        worlds: Valid worlds.
        raw: The configuration as given, whose names count even where their values are at fault.
    """
    datasets = section_of(raw, job_name, "datasets")
    if job_name == "landcover" and CHANGES in datasets:
        yield f"landcover.datasets: the name {CHANGES!r} is reserved; choose another"
    yield from _model_ends(f"{job_name}.experiments", section_of(raw, job_name, "experiments"))
    for name, dataset in job.datasets.items():
        path = f"{job_name}.datasets.{name}"
        yield from _dataset_ends(section_of(raw, "worlds"), path, dataset)
        yield from _world_ends(worlds, path, dataset)
        if job_name == "landcover":
            yield from _picture_ends(path, dataset)
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
                if dataset.scenes and not dataset.scenes_of("learn", "test"):
                    yield f"{path}.datasets: no scene of {dataset_name!r} has role 'learn'"
                yield from _class_name_ends(path, experiment, dataset_name, dataset)
                yield from _buffer_ends(path, experiment, dataset_name, dataset)


def _dataset_ends(worlds: dict[str, Any], path: str, dataset: DatasetConfig) -> Iterator[str]:
    for scene_name, scene in dataset.scenes.items():
        if scene.world and not scene.aerial and scene.world not in worlds:
            hint = did_you_mean(scene.world, worlds)
            yield f"{path}.scenes.{scene_name}.world: no world {scene.world!r}{hint}"
    if dataset.scenes_of("test") and not dataset.scenes_of("learn"):
        yield f"{path}.scenes: no scene has role 'learn', so there is nothing to train on"
    if dataset.scenes:
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
    dates = {name: _dates_of(scene) for name, scene in dataset.scenes.items()}
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


def _dates_of(scene: SceneConfig) -> tuple[str, ...]:
    if scene.aerial:
        return AERIAL_DATES
    return WORLD_DATES if scene.world else tuple(scene.dates)


def _picture_ends(path: str, dataset: DatasetConfig) -> Iterator[str]:
    """Yield a line for what only pictures of buildings may say."""
    for name, scene in dataset.scenes.items():
        where = f"{path}.scenes.{name}"
        if scene.aerial:
            yield f"{where}.aerial: aerial pictures are for buildings; leave it out"
        for date, image in scene.images.items():
            for key in ("tiles", "range"):
                if getattr(image, key):
                    yield f"{where}.dates.{date}.{key}: this is for buildings; give one raster"


def _world_ends(worlds: dict[str, WorldConfig], path: str, dataset: DatasetConfig) -> Iterator[str]:
    """Yield a line for every world that a tile does not fit into; files are looked at later."""
    for scene in dataset.scenes.values():
        world = None if scene.aerial else worlds.get(scene.world or "")
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
    return tuple(section_of(RECIPES, recipe or "", "train", "augment").get("rare_classes", ()))


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
