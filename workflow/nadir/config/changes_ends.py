"""Maps to compare that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator

from nadir.config.landcover import JobConfig, MapConfig
from nadir.config.seeds import seeds_hint
from nadir.errors import did_you_mean


def changes_ends(job: JobConfig) -> Iterator[str]:
    """Yield one line for every compared map that the graph does not make, or cannot compare."""
    for name, change in job.changes.items():
        path = f"landcover.changes.{name}"
        faults = [
            *_map_ends(f"{path}.before", job, change.before),
            *_map_ends(f"{path}.after", job, change.after),
        ]
        yield from faults
        if faults:
            continue
        if change.before == change.after:
            yield f"{path}: before and after are one map"
        old, new = (job.datasets[one.dataset].table for one in (change.before, change.after))
        if old.names != new.names:
            yield f"{path}: the two datasets have different classes; give both the same table"


def _map_ends(path: str, job: JobConfig, made: MapConfig) -> Iterator[str]:
    dataset, experiment = job.datasets.get(made.dataset), job.experiments.get(made.experiment)
    if dataset is None:
        yield _nothing(path, "dataset", made.dataset, job.datasets)
    elif made.scene not in dataset.scenes:
        yield _nothing(path, "scene", made.scene, dataset.scenes)
    several = seeds_hint(made.experiment, job.experiments)
    if several:
        yield f"{path}.experiment: {several}, or an ensemble of which it is a member"
    elif experiment is None:
        yield _nothing(path, "experiment", made.experiment, job.experiments)
    elif dataset is not None and made.dataset not in experiment.datasets:
        yield f"{path}.experiment: {made.experiment!r} is not trained on {made.dataset!r}"


def _nothing(path: str, kind: str, name: str, known: object) -> str:
    names = list(known)  # type: ignore[call-overload]
    return f"{path}.{kind}: no {kind} {name!r}{did_you_mean(name, names)}"
