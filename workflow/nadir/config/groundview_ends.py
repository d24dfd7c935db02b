"""References inside the section of the ground view, and from it to others, that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nadir.config.groundview_job import GroundviewConfig
from nadir.config.listing import store_fault
from nadir.config.nested import section_of
from nadir.errors import did_you_mean

RESERVED_NAMES = ("judge", "closing", "photos", "crops")
"""Names that an experiment may not have, because a folder of a dataset is called so."""


def groundview_ends(job: GroundviewConfig, raw: dict[str, Any]) -> Iterator[str]:
    """Yield one line for every reference from the ground view that leads nowhere.

    Args:
        job: What is valid of the section.
        raw: The configuration as given, whose names count even where their values are at fault.
    """
    worlds = section_of(raw, "worlds")
    datasets = section_of(raw, "groundview", "datasets")
    for name, dataset in job.datasets.items():
        if dataset.world and dataset.world not in worlds:
            near = did_you_mean(dataset.world, worlds)
            yield f"groundview.datasets.{name}.world: no world {dataset.world!r}{near}"
        for key, folder in (
            ("folder", dataset.folder),
            ("panels.folder", dataset.panels.folder if dataset.panels else None),
        ):
            if problem := store_fault(folder):
                yield f"groundview.datasets.{name}.{key}: {problem}"
        scene = dataset.crop.scene
        if scene and not _has_scene(raw, scene):
            yield (
                f"groundview.datasets.{name}.crop.scene: no dataset of the land cover has a scene "
                f"{scene!r}"
            )
    for name in section_of(raw, "groundview", "experiments"):
        if name in RESERVED_NAMES:
            path = f"groundview.experiments.{name}"
            yield f"{path}: the name {name!r} is reserved; choose another"
    for name, experiment in job.experiments.items():
        for given in experiment.datasets:
            if given not in datasets:
                near = did_you_mean(given, datasets)
                yield f"groundview.experiments.{name}.datasets: no dataset {given!r}{near}"
        yield from _path_ends(name, job)


def _has_scene(raw: dict[str, Any], scene: str) -> bool:
    return any(
        scene in section_of(dataset, "scenes")
        for dataset in section_of(raw, "landcover", "datasets").values()
        if isinstance(dataset, dict)
    )


def _path_ends(name: str, job: GroundviewConfig) -> Iterator[str]:
    """Yield a line for a path over datasets that have no map."""
    experiment = job.experiments[name]
    for given in experiment.datasets if experiment.path else ():
        dataset = job.datasets.get(given)
        mapped = dataset and (dataset.world or dataset.crop.source == "substrate")
        if dataset and not mapped:
            yield (
                f"groundview.experiments.{name}.path: {given!r} has no map to go over; give its "
                "crops a substrate, or leave path out"
            )
