"""The whole configuration: its sections, what ties them together, and loading.

Everything that is wrong is reported at once: unknown keys and names with the nearest valid one,
values of the wrong type with what they are, references between sections that lead nowhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, ValidationError

from nadir.config.base import ConfigModel, Name
from nadir.config.buildings import (
    BuildingsDataset,
    BuildingsExperiment,
    BuildingsJob,
    fill_scenes,
)
from nadir.config.buildings_ends import buildings_ends, forest_ends
from nadir.config.changes_ends import changes_ends
from nadir.config.costs import CostConfig
from nadir.config.ensembles_ends import ensemble_ends
from nadir.config.experiments import ExperimentConfig
from nadir.config.explain import explain
from nadir.config.fetch import fill_fetched
from nadir.config.groundview import PhotosDataset
from nadir.config.groundview_ends import groundview_ends
from nadir.config.groundview_job import GroundviewConfig, ViewExperiment
from nadir.config.groundview_recipes import GROUNDVIEW_RECIPES
from nadir.config.landcover import DatasetConfig, JobConfig
from nadir.config.landcover_ends import segmentation_ends
from nadir.config.localization import CaseDataset, LocalizationConfig, LocalizationExperiment
from nadir.config.localization_ends import localization_ends
from nadir.config.nested import section_of
from nadir.config.recipes import RECIPES, merge
from nadir.config.retrieval import PlacesDataset
from nadir.config.retrieval_ends import retrieval_ends
from nadir.config.retrieval_experiments import RetrievalExperiment
from nadir.config.retrieval_job import RetrievalConfig
from nadir.config.retrieval_recipes import RETRIEVAL_RECIPES
from nadir.config.searches import SearchConfig
from nadir.config.searches_ends import search_ends
from nadir.config.seeds import spread_seeds
from nadir.config.worlds import WorldConfig
from nadir.errors import ConfigError, did_you_mean, has_credentials, without_secrets


class ComputeConfig(ConfigModel):
    """Where the work is done; nothing is rebuilt when this changes."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of training and prediction; `cuda` fails where there is no GPU, `auto` takes what is
    there.
    """
    scheduler: str | None = Field(
        default=None, pattern=r"^(local(:[1-9]\d*)?|([a-z]+://)?[^\s/]+:\d+|[a-z]+://\S+)$"
    )
    """Dask scheduler for heavy raster steps: an address (`tcp://host:8786`), or `local`, `local:4`
    for as many processes of the job's machine; null: threads of the job itself.
    """
    storage: str | None = Field(default=None, pattern=r"^s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/\S*)?$")
    """Prefix in an object store (`s3://bucket/prefix`) where Zarr stores go, each into a folder of
    its own that is never written again; null: beside their manifests.
    """
    processes: int = Field(default=1, ge=1)
    """Processes of a machine that train a network of land cover, buildings or retrieval together,
    each with a GPU of its own where there are any. Each takes its share of every batch: losses are
    those of one process.
    """
    nodes: int = Field(default=1, ge=1)
    """Machines that do so together; more than one only in jobs of SLURM."""
    out_of_memory: Literal["stop", "split"] = "stop"
    """What a training does when a GPU's memory is too small for its batches: `stop` says which
    batch would fit; `split` computes each batch in parts, which takes a third more time, and begins
    the epoch anew. Batches of a ground-view generator stay whole.
    """


class Config(ConfigModel):
    """The configuration."""

    seed: int = Field(default=0, ge=0)
    """Every random choice derives from it."""
    worlds: dict[Name, WorldConfig] = Field(default_factory=dict)
    """Simulated worlds by name."""
    landcover: JobConfig = JobConfig()
    """Land cover: Sentinel-2 at one or more dates, and a finer mask."""
    buildings: BuildingsJob = BuildingsJob()
    """Buildings: pictures from the air, and footprints."""
    localization: LocalizationConfig = LocalizationConfig()
    """Localization: photos of unknown position, and a substrate to find them on."""
    retrieval: RetrievalConfig = RetrievalConfig()
    """Retrieval: the same place from a drone and from a satellite."""
    groundview: GroundviewConfig = GroundviewConfig()
    """Ground view: what an observer would see at a place that is seen from above."""
    compute: ComputeConfig = ComputeConfig()
    """Where the work is done."""
    costs: CostConfig = CostConfig()
    """What computing costs, for the page of costs."""

    def job(self, name: str) -> JobConfig | BuildingsJob:
        """Return the section of a segmentation job by its name."""
        return getattr(self, name)


SEGMENTATION_JOBS = ("landcover", "buildings")
"""Sections of the configuration that are segmentation jobs; the others are kinds of their own."""

_PARTS: dict[str, tuple[type[ConfigModel], type[ConfigModel]]] = {
    "landcover": (DatasetConfig, ExperimentConfig),
    "buildings": (BuildingsDataset, BuildingsExperiment),
    "localization": (CaseDataset, LocalizationExperiment),
    "retrieval": (PlacesDataset, RetrievalExperiment),
    "groundview": (PhotosDataset, ViewExperiment),
}
"""Section -> what its data sets and its experiments are."""

_RECIPES = {
    **dict.fromkeys(SEGMENTATION_JOBS, RECIPES),
    "retrieval": RETRIEVAL_RECIPES,
    "groundview": GROUNDVIEW_RECIPES,
}
"""Section -> recipes that its experiments may start from."""


def load_config(raw: dict[str, Any], look: bool = True) -> Config:
    """Validate a configuration as read from YAML.

    Args:
        raw: Nested dictionaries; `${NAME}` in a string is replaced from the environment.
        look: Whether the folders of layouts are listed, which gives their scenes.

    Returns:
        The configuration with recipes and scenes filled in.

    Raises:
        ConfigError: With every fault found.
    """
    if not isinstance(raw, dict):
        raise ConfigError([f"(top level): must be keys and values, not {type(raw).__name__}"])
    problems: list[str] = []
    expanded = _expand(raw, "", problems)
    recipes = _fill_recipes(expanded, problems)
    filled = fill_scenes(spread_seeds(recipes, SEGMENTATION_JOBS, problems), problems, look)
    filled = fill_fetched(filled, problems)
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
    for job, (dataset, experiment) in _PARTS.items():
        section = section_of(raw, job)
        parts[job] = {
            "datasets": _valid_items(section.get("datasets"), dataset),
            "experiments": _valid_items(section.get("experiments"), experiment),
        }
        if job in SEGMENTATION_JOBS:
            parts[job]["searches"] = _valid_items(section.get("searches"), SearchConfig)
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


def _expand(value: Any, path: str, problems: list[str]) -> Any:
    """Replace `${NAME}` in every string from the environment; refuse passwords in addresses.

    Snakemake keeps the settings of each job in its records, and shows them: no password among them.
    """
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

    expanded = re.sub(r"\$\{(\w+)\}", variable, value)
    if has_credentials(expanded):
        problems.append(
            f"{path}: {without_secrets(expanded)} holds a name or password; give them in ~/.netrc, "
            "of s3:// where AWS tools look for them"
        )
    return expanded


def _fill_recipes(raw: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Put each experiment's values over those of its recipe."""
    filled = dict(raw)
    for job, recipes in _RECIPES.items():
        section, experiments = section_of(filled, job), section_of(filled, job, "experiments")
        if not experiments:
            continue
        merged = {}
        for name, experiment in experiments.items():
            recipe = experiment.get("recipe") if isinstance(experiment, dict) else None
            if recipe is None:
                merged[name] = experiment
            elif isinstance(recipe, str) and recipe in recipes:
                merged[name] = merge(recipes[recipe], experiment)
            else:
                problems.append(
                    f"{job}.experiments.{name}.recipe: no recipe {recipe!r}"
                    f"{did_you_mean(str(recipe), recipes)} (there are: {', '.join(recipes)})"
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
    for name in SEGMENTATION_JOBS:
        yield from segmentation_ends(name, config.job(name), config.worlds, raw)
        yield from ensemble_ends(name, config.job(name).experiments, raw)
        yield from search_ends(name, config.job(name).searches, config.job(name).experiments, raw)
    yield from changes_ends(config.landcover)
    yield from buildings_ends(config.buildings, raw)
    yield from forest_ends(config.landcover, config.buildings)
    yield from localization_ends(config.localization, config.worlds, raw)
    yield from retrieval_ends(config.retrieval, config.localization, raw)
    yield from groundview_ends(config.groundview, raw)
