"""A search of hyper-parameters of an experiment: each trial is a training like any other.

Trials go through `train_model`, with the fingerprint of the code of the command that trains, so
that they are kept under the keys under which an experiment would look for them: the chosen one is
not trained again.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from nadir.config.classes import ClassTable
from nadir.config.experiments import ExperimentConfig, TrainConfig
from nadir.config.explain import explain
from nadir.config.searches import SearchConfig
from nadir.errors import InputError
from nadir.learn.history import read_history
from nadir.learn.kept import TrainingRun
from nadir.learn.search import Report, TrialOutcome
from nadir.learn.watch import Watch
from nadir.provenance.digest import file_digest, json_digest
from nadir.provenance.manifest import read_manifest
from nadir.segmentation.dataset import TrainingData
from nadir.segmentation.fitting import fit_network
from nadir.segmentation.train import MapSession, TrainOutputs, train_model

KIND = "search"
"""Name of this kind of results in the cache."""


@dataclass(frozen=True)
class SearchData:
    """What all trials learn from.

    Attributes:
        scenes: Scene name -> (manifest of the cube, manifest of the labels).
        split: `split.parquet`.
        statistics: `statistics.json`.
        outlines: Scene name -> manifest of its outlines.
        table: The classes.
    """

    scenes: Mapping[str, tuple[Path, Path]]
    split: Path
    statistics: Path
    outlines: Mapping[str, Path]
    table: ClassTable

    def digests(self) -> dict[str, Any]:
        """Return what scores depend on."""
        return {
            "scenes": {
                name: [read_manifest(cube, "cube").digest, read_manifest(labels, "labels").digest]
                for name, (cube, labels) in sorted(self.scenes.items())
            },
            "outlines": {
                name: read_manifest(path, "outline").digest
                for name, path in sorted(self.outlines.items())
            },
            "split": file_digest(self.split),
            "statistics": file_digest(self.statistics),
            "classes": self.table.model_dump(mode="json"),
        }


def search_key(
    cfg: SearchConfig, base: dict[str, Any], digests: dict[str, Any], run: TrainingRun
) -> str:
    """Return the key of a search: of all that makes its trials comparable.

    How many trials and workers there are, and when trials are ended early, is no part of it: a
    search that is asked for more trials goes on.

    Args:
        cfg: The search.
        base: The experiment that is varied.
        digests: Of the data.
        run: Code and seed.
    """
    kept = {"space", "metric", "max_seconds", "startup", "seed"}
    parts = {
        "search": cfg.model_dump(mode="json", include=kept),
        "base": {name: base[name] for name in ("model", "train")},
        "data": digests,
        "code": run.code,
        "seed": run.seed,
    }
    return json_digest(parts)[:20]


def trial_experiment(
    cfg: SearchConfig, base: dict[str, Any], values: dict[str, Any]
) -> ExperimentConfig:
    """Return the experiment of a trial.

    Args:
        cfg: The search.
        base: The experiment that is varied, without what other jobs alone know.
        values: Values by key.

    Raises:
        InputError: When these values do not go together.
    """
    try:
        return ExperimentConfig.model_validate(cfg.over(base, values))
    except ValidationError as error:
        faults = "; ".join(explain(error, ExperimentConfig))
        raise InputError(
            "search.space",
            f"{values} do not go together: {faults}",
            "Take one of them out of the space, or search in whole sections.",
        ) from error


@dataclass(frozen=True)
class TrialTraining:
    """Trains a trial (an `nadir.learn.search.Objective`).

    Attributes:
        cfg: The search.
        base: The experiment that is varied.
        data: What is learned from.
        run: Where trainings are kept, of which code and seed, and what computes them.
        folder: Where products of trials are put for a moment.
    """

    cfg: SearchConfig
    base: dict[str, Any]
    data: SearchData
    run: TrainingRun
    folder: Path

    def __call__(self, values: dict[str, Any], report: Report) -> TrialOutcome:
        """Train, go on, or take what is kept; return the score of the epoch that is kept.

        Raises:
            InputError: When these values cannot be trained, for lack of memory, say.
        """
        experiment = trial_experiment(self.cfg, self.base, values)
        watch = Watch(self.cfg.metric, report)

        def fit(
            data: TrainingData, model: Any, train: TrainConfig, session: MapSession
        ) -> dict[str, Any]:
            return fit_network(data, model, train, session, [watch])

        with tempfile.TemporaryDirectory(dir=self.folder) as made:
            outputs = TrainOutputs(Path(made), Path(made) / "history.parquet")
            key = train_model(
                fit,
                self.data.scenes,
                self.data.split,
                self.data.statistics,
                model=experiment.model,
                train=experiment.train,
                table=self.data.table,
                outputs=outputs,
                run=self.run,
                outlines=self.data.outlines,
            )
            return _outcome(outputs, self.cfg.metric, experiment.train.monitor, key)


def _outcome(outputs: TrainOutputs, metric: str, monitor: str, key: str) -> TrialOutcome:
    """Return the score of the epoch whose weights are kept."""
    history = read_history(outputs.history)
    watched = history[monitor].to_numpy(float)
    best = 0  # where no epoch has a score
    if not np.isnan(watched).all():
        best = int(np.nanargmin(watched) if monitor.endswith("loss") else np.nanargmax(watched))
    value = float(history[metric].iloc[best])
    facts = {
        "training": key,
        "epochs": len(history),
        "best_epoch": int(history["epoch"].iloc[best]),
        "seconds": round(float(history["seconds"].sum()), 3),
    }
    return TrialOutcome(math.nan if math.isinf(value) else value, facts)
