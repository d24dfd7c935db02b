"""Searches whose experiment, dataset or space lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from nadir.config.base import ConfigModel
from nadir.config.encoders import model_faults
from nadir.config.experiments import ExperimentConfig
from nadir.config.explain import explain
from nadir.config.nested import section_of
from nadir.config.searches import SEARCHED, SearchConfig
from nadir.config.seeds import seeds_hint
from nadir.errors import did_you_mean, sentences

_NO_PARAMETERS = {
    "train.seed": "a seed is luck, no parameter",
    "train.max_seconds": "trials have equal time (`max_seconds` of the search)",
    "train.monitor": "what is watched is no parameter (`metric` of the search)",
}


def search_ends(
    job_name: str,
    searches: dict[str, SearchConfig],
    experiments: Mapping[str, ExperimentConfig],
    raw: dict[str, Any],
) -> Iterator[str]:
    """Yield one line for everything that would make a search fail after it has begun.

    Args:
        job_name: Name of the job's section.
        searches: Its valid searches.
        experiments: Its valid experiments.
        raw: The configuration with recipes filled in.
    """
    named = section_of(raw, job_name, "experiments")
    for name, search in searches.items():
        path = f"{job_name}.searches.{name}"
        several = seeds_hint(search.experiment, named)
        if several:
            yield f"{path}.experiment: {several}; a search trains each trial once"
        elif search.experiment not in named:
            hint = did_you_mean(search.experiment, named)
            yield f"{path}.experiment: no experiment {search.experiment!r}{hint}"
        elif search.experiment in experiments:
            experiment = experiments[search.experiment]
            yield from _base_ends(path, search, experiment)
            yield from _space_ends(f"{path}.space", search, experiment)


def _base_ends(path: str, search: SearchConfig, experiment: ExperimentConfig) -> Iterator[str]:
    name = search.experiment
    if experiment.ensemble is not None:
        yield f"{path}.experiment: {name!r} is an ensemble, which is not trained; name a member"
    elif experiment.model.name == "random_forest":
        yield f"{path}.experiment: {name!r} is a random forest; searches are for networks"
    if search.dataset is not None and search.dataset not in experiment.datasets:
        hint = did_you_mean(search.dataset, experiment.datasets)
        yield f"{path}.dataset: {name!r} is not trained on {search.dataset!r}{hint}"


def _space_ends(path: str, search: SearchConfig, experiment: ExperimentConfig) -> Iterator[str]:
    """Yield a line for every key and value that no experiment can have."""
    seen: set[str] = set()
    for key in search.space:
        head = key.split(".")[0]
        if head not in SEARCHED:
            listed = " and ".join(f"`{name}`" for name in SEARCHED)
            hint = did_you_mean(head, SEARCHED)
            yield f"{path}.{key}: only keys of {listed} change a training{hint}"
            seen.add(key)
        elif key in _NO_PARAMETERS:
            yield f"{path}.{key}: {_NO_PARAMETERS[key]}"
            seen.add(key)
    for key, value, made in search.tried(experiment.model_dump(mode="json")):
        if key in seen:
            continue
        problem = _problem(type(experiment), made)
        if problem:
            seen.add(key)
            yield f"{path}.{key}: {value!r} cannot be: {problem}"


def _problem(kind: type[ConfigModel], made: dict[str, Any]) -> str | None:
    """Return what is wrong with an experiment, or None."""
    try:
        experiment = kind.model_validate(made)
    except ValidationError as error:
        return "; ".join(explain(error, kind))
    assert isinstance(experiment, ExperimentConfig)
    if experiment.model.name == "random_forest":
        return "searches are for networks"
    faults = [f"model.{key}: {sentences(a, b)}" for key, a, b in model_faults(experiment.model)]
    return "; ".join(faults) or None
