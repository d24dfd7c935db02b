"""Training of one model on one dataset: kept by key, resumed where it was killed.

How a model is fitted is handed in (`Fit`), so that nothing here imports torch, and so that the code
of networks is no part of what a forest depends on.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nadir.config.classes import ClassTable
from nadir.config.experiments import ModelConfig, RandomForest, TrainConfig
from nadir.errors import InputError, did_you_mean
from nadir.learn.group import Group
from nadir.learn.kept import TrainingRun, keep_training, pretrained_parts
from nadir.learn.session import Session
from nadir.provenance.atomic import swap_folder, temporary_beside, write_faults
from nadir.provenance.digest import sha
from nadir.provenance.manifest import read_manifest
from nadir.segmentation.dataset import TrainingData, assemble
from nadir.segmentation.models.names import check_model
from nadir.segmentation.patches import Scene

log = logging.getLogger(__name__)

_LOGS = "tensorboard"


@dataclass(frozen=True)
class TrainOutputs:
    """Where the products go.

    Attributes:
        model: Folder for `model.safetensors`, `model.yaml` and `card.json`.
        history: `history.parquet`.
        logs: Folder for TensorBoard's event files, written while the training runs; None for none.
    """

    model: Path
    history: Path
    logs: Path | None = None

    def files(self) -> dict[str, Path]:
        """Return name in the kept result -> product."""
        return {
            "model.safetensors": self.model / "model.safetensors",
            "model.yaml": self.model / "model.yaml",
            "card.json": self.model / "card.json",
            "history.parquet": self.history,
        }


@dataclass(frozen=True)
class MapSession(Session):
    """How and where to fit a model that maps.

    Attributes:
        logs: Folder for TensorBoard, or None.
        memory: Bytes that training data may take in memory; None for half of what is free.
    """

    logs: Path | None = None
    memory: int | None = None


Fit = Callable[[TrainingData, Any, TrainConfig, MapSession], dict[str, Any]]
"""(data, model section, training section, session) -> facts for the run card."""


def train_model(
    fit: Fit,
    scenes: Mapping[str, tuple[str | os.PathLike[str], str | os.PathLike[str]]],
    split: str | os.PathLike[str],
    statistics: str | os.PathLike[str],
    *,
    model: ModelConfig,
    train: TrainConfig,
    table: ClassTable,
    outputs: TrainOutputs,
    run: TrainingRun,
    memory: int | None = None,
    outlines: Mapping[str, str | os.PathLike[str]] | None = None,
) -> str:
    """Train a model, or deliver what an equal training gave before.

    The result is kept under a key of all that it depends on: digests of cubes, labels, split and
    statistics, model and training sections, code and seed. Device and threads are not among them.
    An unfinished run with the same key is resumed after its last finished epoch.

    Args:
        fit: Fits a model to training data.
        scenes: Scene name -> (manifest of the cube, manifest of the labels), learning scenes.
        split: `split.parquet`.
        statistics: `statistics.json`.
        model: The model's section.
        train: The training's section.
        table: The classes.
        outputs: Where the products go.
        run: Where it is kept, of which code and seed, and what computes it.
        memory: Bytes that training data may take in memory; by default half of what is free.
        outlines: Scene name -> manifest of its outlines, for a loss that looks at them; by default
            they are found from the labels.

    Returns:
        The key.

    Raises:
        InputError: For a model that cannot be built, a class that is not there, a device that is
            not there, unusable inputs.
        OutputError: When the disk is full or not writable.
    """
    check_model(model)
    check_training(train, table)
    traced = dict(outlines or {}) if train.loss.uses_outlines else {}
    parts = {
        "scenes": {
            name: [
                read_manifest(cube, "cube").digest,
                read_manifest(labels, "labels").digest,
                *([read_manifest(traced[name], "outline").digest] if name in traced else []),
            ]
            for name, (cube, labels) in sorted(scenes.items())
        },
        "split": _digest(split),
        "statistics": _digest(statistics),
        "classes": table.model_dump(mode="json"),
        "model": model.model_dump(mode="json") | pretrained_parts(getattr(model, "weights", None)),
        "train": train.model_dump(mode="json"),
    }
    if isinstance(model, RandomForest):
        run = replace(run, device="cpu")

    def fit_into(session: Session) -> dict[str, Any]:
        data = assemble(open_scenes(scenes, traced), split, statistics, table)
        logs = outputs.logs if session.group.leads else None
        if logs is not None and not any(session.work.glob("state.pt")):
            shutil.rmtree(logs, ignore_errors=True)  # of an older training
        told = MapSession(**vars(session), logs=logs, memory=memory)
        facts = fit(data, model, train, told)
        if logs is not None and logs.is_dir():
            shutil.copytree(logs, session.folder / _LOGS)
        return facts

    cfg = ("model", "train", "classes")
    parallel = not isinstance(model, RandomForest)
    key = keep_training(fit_into, run, parts, outputs.files(), cfg=cfg, parallel=parallel)
    if Group.of_environment().leads:
        _deliver_logs(run.cache_root / key / "result" / _LOGS, outputs.logs)
    return key


def open_scenes(
    scenes: Mapping[str, tuple[str | os.PathLike[str], str | os.PathLike[str]]],
    outlines: Mapping[str, str | os.PathLike[str]] | None = None,
) -> dict[str, Scene]:
    """Open what is learned from.

    Args:
        scenes: Scene name -> (manifest of the cube, manifest of the labels).
        outlines: Scene name -> manifest of its outlines, where there are any.
    """
    from nadir.raster.cube import open_cube
    from nadir.raster.labels import open_labels
    from nadir.segmentation.outlines import OutlineStore

    traced = outlines or {}
    return {
        name: Scene(
            open_cube(cube),
            open_labels(labels),
            OutlineStore(traced[name]) if name in traced else None,
        )
        for name, (cube, labels) in scenes.items()
    }


def check_training(train: TrainConfig, table: ClassTable) -> None:
    """See that a training suits the classes, before any data is touched.

    Raises:
        InputError: When it watches a class that is not there, or its loss is for two classes only.
    """
    names = table.names[1:]
    if train.monitor_class is not None and train.monitor_class not in names:
        raise InputError(
            "train.monitor_class",
            f"there is no class {train.monitor_class!r}{did_you_mean(train.monitor_class, names)}",
            f"One of {', '.join(names)}.",
        )
    if "boundary" in train.loss.terms and table.count != 2:
        raise InputError(
            "train.loss.terms",
            f"the boundary loss is for two classes, and there are {table.count}",
            "Leave `boundary` out; `border_weight` is for any number of classes.",
        )


def _deliver_logs(kept: Path, logs: Path | None) -> None:
    """Put the kept event files where TensorBoard looks, if they are not there yet."""
    if logs is None or not kept.is_dir():
        return
    if logs.is_dir() and {p.name for p in logs.iterdir()} == {p.name for p in kept.iterdir()}:
        return
    with write_faults(logs):
        logs.parent.mkdir(parents=True, exist_ok=True)
        fresh = temporary_beside(logs)
        shutil.copytree(kept, fresh)
        swap_folder(fresh, logs)


def _digest(path: str | os.PathLike[str]) -> str:
    try:
        return sha(Path(path).read_bytes())
    except OSError as error:
        raise InputError(
            path, "there is no such file", "Run snakemake: it makes what is missing."
        ) from error
