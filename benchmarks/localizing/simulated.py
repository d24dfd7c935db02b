"""Simulated cases: all methods on photos of known pose, by cloud cover.

Parts that lie in the work folder are reused: a case as long as its settings are the same, and
answers as long as the code is.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from localizing import tables
from localizing.tables import Figure
from nadir.config.cases import CaseConfig
from nadir.config.localization import (
    CaseDataset,
    DescriptorConfig,
    Localiser,
    SiftRansac,
    SiftVoting,
)
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.learn.kept import TrainingRun
from nadir.localization.case import check_case
from nadir.localization.casefile import Case, read_case
from nadir.localization.deployment import descriptions
from nadir.localization.descriptor_train import train_descriptor
from nadir.localization.guesses import constant_answers
from nadir.localization.localizer import Localizer
from nadir.localization.locate import locate_photos
from nadir.localization.metrics import Errors, compare, summarize
from nadir.localization.mosaic import placed_photos, write_mosaic
from nadir.localization.photos import asked, read_photos, write_photos
from nadir.localization.pooled import measures_of
from nadir.localization.pose import DEGREES, PIXELS
from nadir.localization.poses import aligned, read_poses
from nadir.localization.references import Reference, build_reference
from nadir.localization.sparse import SparseReference
from nadir.provenance.atomic import write_json
from nadir.provenance.code import code_fingerprint
from nadir.simulate.case import simulate_case

log = logging.getLogger(__name__)

METHODS = {
    "localiser": Localiser(pool=False),
    "localiser_pool": Localiser(),
    "sift_ransac": SiftRansac(),
    "sift_ransac_clahe": SiftRansac(clahe=True),
    "sift_voting": SiftVoting(),
    "sift_voting_pool": SiftVoting(pool=True),
    "constant": None,
}
"""What can be compared; `constant` answers the middle of the substrate to every photo."""

CONDITIONS = {"clear": (0.0, 0.02), "clouds 0.35–0.8": (0.35, 0.8), "all": (0.0, 1.0)}
"""Conditions by the share of a photo that clouds cover."""


@dataclass(frozen=True)
class Plan:
    """What is simulated.

    Attributes:
        seeds: Seeds of worlds and of what happens in them: a case each.
        world_km: Extent of a world.
        substrate_px: Side of a substrate.
        photo_px: Side of a photo.
        resolution: Metres a pixel.
        train: Photos with known position.
        test: Photos to locate.
        cloudy: Share of photos with clouds.
        steps: Training steps of the descriptor; 0 searches with gradients.
        validation: Share of the located photos that calibrate the confidence.
    """

    seeds: tuple[int, ...]
    world_km: float
    substrate_px: int
    photo_px: int
    resolution: float
    train: int
    test: int
    cloudy: float
    steps: int
    validation: float

    def world(self, seed: int) -> WorldConfig:
        """Return the world of a seed."""
        return WorldConfig(seed=seed, width_km=self.world_km, height_km=self.world_km)

    def case(self, seed: int) -> CaseConfig:
        """Return the case of a seed."""
        return CaseConfig(
            seed=seed,
            substrate_px=self.substrate_px,
            photo_px=self.photo_px,
            resolution=self.resolution,
            train=self.train,
            test=self.test,
            cloudy=self.cloudy,
        )


@dataclass(frozen=True)
class Prepared:
    """A case on disk.

    Attributes:
        folder: Its work folder.
        case: What is known of it.
        photos: Its photo table.
        clouds: Photo -> share that clouds cover.
    """

    folder: Path
    case: Case
    photos: pd.DataFrame
    clouds: dict[str, float]

    def references(self, pool: bool) -> list[Path]:
        """Return the manifests that a method searches."""
        names = ["substrate", "train"] if pool else ["substrate"]
        return [self.folder / "references" / f"{name}.manifest.json" for name in names]


def prepare(plan: Plan, seed: int, folder: Path, threads: int) -> Prepared:
    """Simulate a case, check it, lay its train photos on a mosaic, and index both references."""
    _require_same(plan, seed, folder)
    truth, raw = folder / "case/truth.json", folder / "case"
    if not truth.exists():
        simulate_case(plan.world(seed), plan.case(seed), raw, workers=threads)
    if not (folder / "case.json").exists():
        config = CaseDataset(folder=str(raw), validation=plan.validation)
        facts, photos = check_case(config, raw, truth=truth, workers=threads)
        write_photos(folder / "photos.parquet", photos)
        write_json(folder / "case.json", facts)
    case, photos = read_case(folder / "case.json"), read_photos(folder / "photos.parquet")
    _index(Path(case.path), folder / "references/substrate.manifest.json")
    mosaic = folder / "mosaics/train.tif"
    if not mosaic.exists():
        train = photos[photos["split"] == "train"]
        write_mosaic(placed_photos(train), case.ground, mosaic, threads)
    _index(mosaic, folder / "references/train.manifest.json")
    said = json.loads(truth.read_text())["photos"]
    return Prepared(folder, case, photos, {name: one["cloud"] for name, one in said.items()})


def _require_same(plan: Plan, seed: int, folder: Path) -> None:
    """See that what the folder holds was made from these settings."""
    one = {
        "world": plan.world(seed).model_dump(mode="json"),
        "case": plan.case(seed).model_dump(mode="json"),
        "validation": plan.validation,
    }
    path = folder / "settings.json"
    if path.exists() and json.loads(path.read_text()) != json.loads(json.dumps(one)):
        raise InputError(
            folder, "it holds a case of other settings", "Name another work folder, or remove it."
        )
    write_json(path, one)


def _index(raster: Path, manifest: Path) -> None:
    if not manifest.exists():
        build_reference(raster, manifest)


def answer(name: str, prepared: Prepared, steps: int, threads: int) -> tuple[pd.DataFrame, float]:
    """Return a method's poses and its CPU seconds a photo, without preparation.

    Preparation (references described and indexed, at the start of each run) is timed by itself and
    subtracted; mosaics of neighbors are part of the search, and are not.
    """
    method = METHODS[name]
    if method is None:
        return constant_answers(prepared.case, prepared.photos), 0.0
    folder = prepared.folder / "located" / (f"{name}-{steps}" if "localiser" in name else name)
    code = code_fingerprint("nadir.localization.locate")
    facts = folder / "facts.json"
    if not facts.exists() or json.loads(facts.read_text())["code"] != code:
        references = prepared.references(method.pool)
        model: Path | None = None
        if isinstance(method, Localiser) and steps:
            model = _trained(name, prepared, references, steps, threads)
        photos = str(prepared.folder / "photos.parquet")
        begin = time.process_time()
        locate_photos(
            photos,
            references,
            method,
            folder / "poses.parquet",
            descriptor=model,
            device="cpu",
            threads=threads,
        )
        spent = time.process_time() - begin
        begin = time.process_time()
        _prepare_alone(method, references, model, prepared.photos)
        spent -= time.process_time() - begin
        count = len(asked(prepared.photos))
        write_json(facts, {"code": code, "cpu_s": max(spent, 0.0) / count, "photos": count})
    poses = read_poses(folder / "poses.parquet")
    return poses, float(json.loads(facts.read_text())["cpu_s"])


def _trained(
    name: str, prepared: Prepared, references: list[Path], steps: int, threads: int
) -> Path:
    """Return the folder of a trained descriptor; trainings of the same things are kept."""
    folder = prepared.folder / "descriptors" / f"{name}-{steps}"
    train_descriptor(
        references,
        prepared.folder / "photos.parquet",
        cfg=DescriptorConfig(steps=steps),
        model=folder,
        history=folder / "history.parquet",
        run=TrainingRun(
            prepared.folder / "trainings",
            code_fingerprint("nadir.localization.descriptor_train"),
            device="cpu",
            threads=threads,
        ),
    )
    return folder


def _prepare_alone(
    method: Localiser | SiftRansac | SiftVoting,
    references: list[Path],
    model: Path | None,
    photos: pd.DataFrame,
) -> None:
    """Do what a search does before its first photo."""
    opened = [Reference(one) for one in references]
    if isinstance(method, Localiser):
        device = torch.device("cpu")
        side, scale = measures_of(asked(photos))
        describe = descriptions(model, device)
        Localizer(opened, method.search, side, describe, device=device, scale=scale)
        return
    for one in opened:
        _ = SparseReference.of(one).index


def run(plan: Plan, methods: Sequence[str], out: Path, work: Path, threads: int) -> None:
    """Compare methods on simulated cases.

    Args:
        plan: What is simulated.
        methods: Names of `METHODS`.
        out: Folder of the tables.
        work: Folder of cases and of what is kept.
        threads: CPU threads.

    Raises:
        InputError: For unknown methods, or a work folder of other settings.
    """
    unknown = sorted(set(methods) - set(METHODS))
    if unknown:
        raise InputError("--methods", f"there is no {unknown[0]!r}", f"Known: {', '.join(METHODS)}")
    parts: dict[str, list[tuple[Errors, NDArray[np.float64]]]] = {name: [] for name in methods}
    costs: dict[str, list[float]] = {name: [] for name in methods}
    photos = []
    for seed in plan.seeds:
        prepared = prepare(plan, seed, work / f"seed{seed}", threads)
        for name in methods:
            poses, cost = answer(name, prepared, plan.steps, threads)
            errors, clouds, table = _errors(poses, prepared)
            parts[name].append((errors, clouds))
            costs[name].append(cost)
            photos.append(table.assign(method=name, seed=seed))
            log.info("seed %d, %s: %.1f %% right", seed, name, 100 * errors.success.mean())
    rows = []
    for condition, (low, high) in CONDITIONS.items():
        for name in methods:
            errors, clouds = _joined(parts[name])
            within = (clouds >= low) & (clouds < high if high < 0.1 else clouds <= high)
            if within.any():
                cost = float(np.mean(costs[name]))
                rows.append(_row(condition, name, _some(errors, within), cost))
    tables.report(out, "simulated", rows, pd.concat(photos))


def _errors(
    poses: pd.DataFrame, prepared: Prepared
) -> tuple[Errors, NDArray[np.float64], pd.DataFrame]:
    """Return the errors of the test photos, their clouds, and both as a table."""
    wanted = asked(prepared.photos)
    answers = aligned(poses, prepared.photos, "poses")
    test = (wanted["split"] == "test").to_numpy()
    truth, given = wanted[test].reset_index(drop=True), answers[test].reset_index(drop=True)
    errors = compare(given, truth, prepared.case)
    clouds = np.array([prepared.clouds[name] for name in truth["photo"]])
    table = given[["photo", "resolved", "probability", "margin", "reference", "stage"]].assign(
        cloud=clouds,
        x=truth["x"],
        y=truth["y"],
        error_px=errors.pixels,
        error_deg=errors.degrees,
        right=errors.success > 0,
    )
    return errors, clouds, table


def _joined(
    parts: list[tuple[Errors, NDArray[np.float64]]],
) -> tuple[Errors, NDArray[np.float64]]:
    """Return the errors of all cases as one."""
    names = list(vars(parts[0][0]))
    joined = {name: np.concatenate([getattr(one, name) for one, _ in parts]) for name in names}
    return Errors(**joined), np.concatenate([clouds for _, clouds in parts])


def _some(errors: Errors, which: NDArray[np.bool_]) -> Errors:
    return replace(errors, **{name: values[which] for name, values in vars(errors).items()})


def _row(condition: str, name: str, errors: Errors, cost: float) -> dict[str, Any]:
    """Return a row of the summary."""
    said = summarize(errors)

    def figure(key: str, digits: int) -> Figure:
        one = said[key]
        return Figure(one["value"], one["low"], one["high"], digits) if one else Figure(np.nan)

    sure = errors.resolved > 0
    return {
        "condition": condition,
        "method": name,
        "photos": said["photos"],
        "score": figure("score", 4),
        f"right ({PIXELS:g} px, {DEGREES:g} degree), %": tables.share(errors.success > 0),
        "median, px": figure("center_px_median", 2),
        "median, degrees": figure("angle_deg_median", 3),
        "resolved, %": tables.share(sure),
        "right of the resolved, %": tables.share(errors.success[sure] > 0),
        "CPU s a photo": Figure(cost),
    }
