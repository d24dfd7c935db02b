"""References inside the section of buildings, and from it to worlds, that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nadir.config.buildings import BuildingsDataset, BuildingsJob
from nadir.config.landcover import JobConfig
from nadir.config.layouts import WorldLayout
from nadir.config.nested import section_of
from nadir.errors import did_you_mean


def buildings_ends(job: BuildingsJob, raw: dict[str, Any]) -> Iterator[str]:
    """Yield one line for every reference of the buildings that leads nowhere.

    Args:
        job: What is valid of the section.
        raw: The configuration as given, whose names count even where their values are at fault.
    """
    worlds = section_of(raw, "worlds")
    flown: dict[tuple[str, str], tuple[str, WorldLayout]] = {}
    for name, dataset in job.datasets.items():
        path = f"buildings.datasets.{name}"
        if not dataset.scenes and not dataset.sources:
            yield f"{path}: give `sources` (layouts of files) or `scenes`"
        yield from _picture_ends(path, dataset)
        for key, source in dataset.simulated().items():
            where = f"{path}.sources.{key}"
            if source.world not in worlds:
                hint = did_you_mean(source.world, worlds)
                yield f"{where}.world: no world {source.world!r}{hint}"
            yield from _size_ends(where, source, dataset)
            first, other = flown.setdefault((source.world, key), (where, source))
            if other.simulate != source.simulate:
                yield (
                    f"{where}.simulate: differs from {first}.simulate, which has the same name; "
                    "give one of the two sources another name"
                )


def _picture_ends(path: str, dataset: BuildingsDataset) -> Iterator[str]:
    """Yield a line for scenes of several dates, and for class tables that footprints do not fit."""
    for name, scene in dataset.scenes.items():
        if scene.world and not scene.aerial:
            yield (
                f"{path}.scenes.{name}.world: a world is seen by satellite here; for pictures from "
                "the air give `sources: {NAME: {kind: world, world: ...}}`"
            )
        if len(scene.dates) > 1:
            yield f"{path}.scenes.{name}.dates: a picture has one date, not {len(scene.dates)}"
    names = [item.name for item in getattr(dataset.classes, "classes", ())]
    masks = [scene.mask for scene in dataset.scenes.values() if scene.mask]
    wanted = dict.fromkeys(name for mask in masks for name in mask.names())
    for name in wanted if names else ():
        if name not in names:
            yield (
                f"{path}.classes: footprints need a class {name!r}{did_you_mean(name, names)} "
                f"(there are: {', '.join(names)})"
            )


def _size_ends(path: str, source: WorldLayout, dataset: BuildingsDataset) -> Iterator[str]:
    """Yield a line for tiles that are larger than the simulated pictures."""
    side, largest = source.simulate.size_px, max(dataset.tiles.sizes)
    if dataset.resolution:
        side = int(side * source.simulate.resolution / dataset.resolution)
    if largest > side:
        yield (
            f"{path}.simulate.size_px: the pictures have {side} pixels a side, a tile {largest}; "
            "make the pictures larger or the tiles smaller"
        )


def forest_ends(landcover: JobConfig, buildings: BuildingsJob) -> Iterator[str]:
    """Yield a line for each name that is a forest in one job and a network in the other.

    The graph tells them apart by the experiment's name alone.
    """
    for name in landcover.experiments.keys() & buildings.experiments.keys():
        kinds = {
            job.experiments[name].model.name == "random_forest" for job in (landcover, buildings)
        }
        if len(kinds) > 1:
            yield (
                f"buildings.experiments.{name}: there is a random forest and a network of this "
                "name; rename one"
            )
