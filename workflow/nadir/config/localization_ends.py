"""References inside the localization section, and from it to worlds, that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nadir.config.cases import CaseConfig
from nadir.config.encoders import encoder_faults
from nadir.config.localization import LocalizationConfig, MethodConfig, Regression
from nadir.config.nested import section_of
from nadir.config.worlds import WorldConfig
from nadir.errors import did_you_mean, sentences

RESERVED_NAMES = ("references", "mosaics")
"""Names that an experiment may not have, because a folder of every case is called so."""


def localization_ends(
    job: LocalizationConfig, worlds: dict[str, WorldConfig], raw: dict[str, Any]
) -> Iterator[str]:
    """Yield one line for every reference of the localization that leads nowhere.

    Args:
        job: What is valid of the section.
        worlds: Valid worlds.
        raw: The configuration as given, whose names count even where their values are at fault.
    """
    known = section_of(raw, "worlds")
    for name, dataset in job.datasets.items():
        path = f"localization.datasets.{name}"
        if dataset.world and dataset.world not in known:
            yield f"{path}.world: no world {dataset.world!r}{did_you_mean(dataset.world, known)}"
        elif dataset.world:
            world = worlds.get(dataset.world)
            yield from _size_ends(f"{path}.simulate", dataset.simulate, dataset.world, world)
    experiments = section_of(raw, "localization", "experiments")
    for name, given in experiments.items():
        path = f"localization.experiments.{name}"
        if name in RESERVED_NAMES:
            yield f"{path}: the name {name!r} is reserved; choose another"
        yield from _method_ends(f"{path}.method", given)
    cases = section_of(raw, "localization", "datasets")
    for name, experiment in job.experiments.items():
        for case in experiment.datasets:
            if case not in cases:
                hint = did_you_mean(case, cases)
                yield f"localization.experiments.{name}.datasets: no dataset {case!r}{hint}"


def _size_ends(path: str, cfg: CaseConfig, name: str, world: WorldConfig | None) -> Iterator[str]:
    """Yield a line for a substrate larger than its world, and for photos larger than it."""
    if cfg.photo_px > cfg.substrate_px:
        yield (
            f"{path}.photo_px: a photo of {cfg.photo_px} pixels is larger than the substrate of "
            f"{cfg.substrate_px}; use at most {cfg.substrate_px}"
        )
    if world is None:
        return
    extent, room = cfg.substrate_px * cfg.resolution, 1000 * min(world.width_km, world.height_km)
    if extent > room:
        yield (
            f"{path}.substrate_px: {cfg.substrate_px} pixels of {cfg.resolution:g} m are larger "
            f"than the world {name!r} of {world.width_km:g} x {world.height_km:g} km; "
            f"use at most {int(room / cfg.resolution)}"
        )


def _method_ends(path: str, experiment: Any) -> Iterator[str]:
    """Yield a line for a network that cannot be built, also where its experiment is at fault."""
    section = experiment.get("method") if isinstance(experiment, dict) else None
    try:
        method = TypeAdapter(MethodConfig).validate_python(section)
    except ValidationError:
        return
    if isinstance(method, Regression):
        for key, problem, remedy in encoder_faults(method.encoder, method.weights):
            yield f"{path}.{key}: {sentences(problem, remedy)}"
