"""Experiments of several seeds: one section of the configuration, one experiment a seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nadir.config.nested import section_of


def spread_seeds(raw: dict[str, Any], jobs: Iterable[str], problems: list[str]) -> dict[str, Any]:
    """Return the configuration with each experiment of several `seeds` as one for each of them.

    `NAME` of seeds 0 and 1 becomes `NAME_0` and `NAME_1`, each with a seed of its own, which train
    side by side. An ensemble that has `NAME` as a member has all of them.

    Args:
        raw: Nested dictionaries, recipes filled in.
        jobs: Sections whose experiments may have seeds.
        problems: Faults found are added to it.
    """
    filled = dict(raw)
    for job in jobs:
        section, experiments = section_of(filled, job), section_of(filled, job, "experiments")
        names = {name: _seeds(experiment) for name, experiment in experiments.items()}
        if not any(names.values()):
            continue
        spread: dict[str, Any] = {}
        for name, experiment in experiments.items():
            path = f"{job}.experiments.{name}"
            if not names[name]:
                spread[name] = _with_members(experiment, names)
                continue
            problems.extend(_faults(path, name, experiment, names[name], experiments))
            plain = {key: value for key, value in experiment.items() if key != "seeds"}
            for seed in names[name]:
                train = {**section_of(plain, "train"), "seed": seed}
                spread[f"{name}_{seed}"] = {**plain, "repeats": name, "train": train}
        filled[job] = {**section, "experiments": spread}
    return filled


def seeds_hint(name: str, experiments: Mapping[str, Any]) -> str | None:
    """Return what is wrong with naming an experiment of several seeds, if `name` is one.

    Args:
        name: What is named.
        experiments: The job's experiments, one a seed: models or sections.
    """
    own = [key for key, experiment in experiments.items() if _repeats(experiment) == name]
    if not own or name in experiments:
        return None
    listed = ", ".join(map(repr, own))
    return f"{name!r} has several seeds, an experiment each: name one of them ({listed})"


def _repeats(experiment: Any) -> Any:
    if isinstance(experiment, dict):
        return experiment.get("repeats")
    return getattr(experiment, "repeats", None)


def _seeds(experiment: Any) -> list[int]:
    """Return the seeds of an experiment; none where what is given is no list of different ones."""
    seeds = experiment.get("seeds") if isinstance(experiment, dict) else None
    if not isinstance(seeds, (list, tuple)) or len(set(map(repr, seeds))) < len(seeds):
        return []
    return list(seeds) if all(type(seed) is int and seed >= 0 for seed in seeds) else []


def _faults(
    path: str,
    name: str,
    experiment: Mapping[str, Any],
    seeds: list[int],
    experiments: Mapping[str, Any],
) -> Iterable[str]:
    if "seed" in section_of(dict(experiment), "train"):
        yield f"{path}: it has both `seeds` and `train.seed`; leave one of them out"
    if experiment.get("ensemble") is not None:
        yield f"{path}.seeds: an ensemble has none of its own; give them to its members"
    for seed in seeds:
        if f"{name}_{seed}" in experiments:
            yield f"{path}.seeds: there is an experiment {name}_{seed!r} already; rename one"


def _with_members(experiment: Any, names: Mapping[str, list[int]]) -> Any:
    """Return an experiment whose members of several seeds are all of them."""
    if not isinstance(experiment, dict):
        return experiment
    ensemble = section_of(experiment, "ensemble")
    members = ensemble.get("members")
    if not isinstance(members, (list, tuple)):
        return experiment
    spread = [
        own
        for member in members
        for own in (
            [f"{member}_{seed}" for seed in names[member]]
            if isinstance(member, str) and names.get(member)
            else [member]
        )
    ]
    return {**experiment, "ensemble": {**ensemble, "members": spread}}
