"""Ensembles whose members lead nowhere, and what only land cover knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nadir.config.experiments import ExperimentConfig
from nadir.config.nested import section_of
from nadir.errors import did_you_mean


def ensemble_ends(
    job_name: str, experiments: Mapping[str, ExperimentConfig], raw: dict[str, Any]
) -> Iterator[str]:
    """Yield one line for every member that is no trained experiment of the same datasets.

    Args:
        job_name: Name of the job's section.
        experiments: Its valid experiments.
        raw: The configuration as given, whose names count even where their values are at fault.
    """
    named = section_of(raw, job_name, "experiments")
    for name, experiment in experiments.items():
        path = f"{job_name}.experiments.{name}"
        if job_name != "landcover":
            yield from _elsewhere(path, experiment)
        if experiment.ensemble is None:
            continue
        members = experiment.ensemble.members
        for member in dict.fromkeys(members):
            where = f"{path}.ensemble.members"
            if members.count(member) > 1:
                yield f"{where}: {member!r} is named twice"
            if member not in named:
                yield f"{where}: no experiment {member!r}{did_you_mean(member, named)}"
            elif member in experiments:
                yield from _member_ends(where, experiment, member, experiments[member])


def _member_ends(
    where: str, experiment: ExperimentConfig, name: str, member: ExperimentConfig
) -> Iterator[str]:
    if member.ensemble is not None:
        yield f"{where}: {name!r} is an ensemble itself; name its members"
    lacking = [dataset for dataset in experiment.datasets if dataset not in member.datasets]
    if lacking:
        yield f"{where}: {name!r} is not trained on {', '.join(lacking)}; add it to its datasets"


def _elsewhere(path: str, experiment: ExperimentConfig) -> Iterator[str]:
    predict = experiment.predict
    for key, given in (
        ("ensemble", experiment.ensemble is not None),
        ("predict.calibrate", predict.calibrate),
        ("predict.polygons", predict.polygons is not None),
        ("predict.generalize", bool(predict.generalize.smooth or predict.generalize.min_area)),
        ("evaluate.quality", experiment.evaluate.quality is not None),
    ):
        if given:
            yield f"{path}.{key}: this is for land cover; leave it out"
