"""The recipes beside each other: equal seconds of computing, several seeds, both directions.

A run is one network on one choice of training places. Its figures are added to the table as soon as
it ends, and runs that the table has already are not repeated: a killed benchmark goes on.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from nadir.config.recipes import merge
from nadir.config.retrieval import RankingConfig
from nadir.config.retrieval_experiments import RetrievalExperiment
from nadir.config.retrieval_recipes import RETRIEVAL_RECIPES
from nadir.learn.session import Session
from nadir.provenance.atomic import write_text
from nadir.retrieval.evaluate import Images, Intervals, evaluate
from nadir.retrieval.extraction import asked_for, extract, load_embedder
from nadir.retrieval.feature_store import Stored
from nadir.retrieval.fitting import fit_retrieval
from nadir.retrieval.places import read_images, show
from nadir.retrieval.training import retrieval_data
from nadir.retrieval.weather import WEATHERS

VIEWS = ("drone", "satellite")
DIRECTIONS = (VIEWS, VIEWS[::-1])
HISTOGRAM = "color histograms"

SIZE = 128
"""Side of the seed's pictures here, in pixels: its 256 scaled to what the data have."""

_NO_TURNS = {"turn": 0.0, "turn_together": 0.0, "quarter_turns": False}

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "two_view": ("two_view", {"model": {"weights": None, "size": SIZE}}),
    "two_view, full rate": (
        "two_view",
        {"model": {"weights": None, "size": SIZE}, "train": {"encoder_rate": 1.0}},
    ),
    "nadir": ("nadir_retrieval", {}),
    "nadir - turns": ("nadir_retrieval", {"train": {"augment": _NO_TURNS}}),
    "nadir - mirroring": ("nadir_retrieval", {"train": {"augment": {"flip": "none"}}}),
    "nadir - jitter": ("nadir_retrieval", {"train": {"augment": {"jitter": 0.0}}}),
    "nadir - zoom and shift": (
        "nadir_retrieval",
        {"train": {"augment": {"zoom": 1.0, "shift": 0.0}}},
    ),
    "nadir - color statistics": ("nadir_retrieval", {"model": {"statistics": False}}),
    "nadir - generalized mean": ("nadir_retrieval", {"model": {"pool": "avg"}}),
    "nadir - average of weights": ("nadir_retrieval", {"train": {"ema": None}}),
    "nadir - light encoder": ("nadir_retrieval", {"model": {"encoder": "resnet50"}}),
    "nadir + rings": ("nadir_retrieval", {"model": {"pool": "parts"}}),
    "nadir + erasing": ("nadir_retrieval", {"train": {"augment": {"erasing": 0.5}}}),
    "nadir + hard negatives": (
        "nadir_retrieval",
        {"train": {"hard_negatives": 0.5, "neighbors": 16}},
    ),
    "nadir, instance loss alone": (
        "nadir_retrieval",
        {"train": {"losses": {"terms": {"instance": 1.0, "infonce": 0.0}}}},
    ),
    "nadir + instance loss": (
        "nadir_retrieval",
        {"train": {"losses": {"terms": {"instance": 0.5}}}},
    ),
    "nadir + weathers": ("nadir_retrieval", {"train": {"augment": {"weather": 0.5}}}),
}
"""Name -> recipe, and what is changed in it: each ingredient taken out, or put in, alone."""


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        names: Names of `VARIANTS`, and `HISTOGRAM`.
        seeds: Seeds of the trainings.
        seconds: Seconds of computing of a training.
        weathers: Whether queries ask in all ten weathers.
        threads: CPU threads.
        own: What all of nadir's variants are told of the data, such as known headings.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    seconds: float
    weathers: bool = False
    threads: int = 1
    own: dict[str, Any] = field(default_factory=dict)


def variant(name: str, plan: Plan, seed: int) -> RetrievalExperiment:
    """Return a variant as an experiment that trains for the plan's seconds."""
    recipe, changes = VARIANTS[name]
    filled = RETRIEVAL_RECIPES[recipe]
    if recipe == "nadir_retrieval":
        filled = merge(filled, plan.own)
    filled = merge(filled, changes)
    limits = {"train": {"epochs": 100_000, "max_seconds": plan.seconds, "seed": seed}}
    return RetrievalExperiment.model_validate({"datasets": ["benchmark"], **merge(filled, limits)})


def run_all(tables: dict[str, Path], plan: Plan, out: Path) -> pd.DataFrame:
    """Run what the table lacks, and return the table.

    Args:
        tables: Name of a choice of places -> its image table.
        plan: What is run.
        out: The table, CSV.
    """
    done = pd.read_csv(out, dtype={"fold": str}) if out.is_file() else pd.DataFrame()
    for fold, images in tables.items():
        for seed in plan.seeds:
            for name in plan.names:
                if name == HISTOGRAM and seed != plan.seeds[0]:
                    continue
                key = {"variant": name, "fold": fold, "seed": seed, "budget": plan.seconds}
                if _known(done, key, plan.weathers):
                    continue
                rows = [{**key, **row} for row in run_one(images, name, seed, plan)]
                done = pd.concat([done, pd.DataFrame(rows)], ignore_index=True)
                out.parent.mkdir(parents=True, exist_ok=True)
                write_text(out, done.to_csv(index=False, float_format="%.6g"))
                shown = " / ".join(f"{row['R@1']:.1f}" for row in rows if row["weather"] == "all")
                print(f"{name}, {fold}, seed {seed}: R@1 {shown}", flush=True)
    return done


def _known(done: pd.DataFrame, key: dict[str, Any], weathers: bool) -> bool:
    if done.empty:
        return False
    same = np.logical_and.reduce([done[name] == value for name, value in key.items()])
    return bool((same & (done["weathers"] == (10 if weathers else 1))).any())


def run_one(images: Path, name: str, seed: int, plan: Plan) -> list[dict[str, Any]]:
    """Train and rank once; one row a direction, and with weathers one each as well."""
    chosen = WEATHERS if plan.weathers else ("normal",)
    ranking = RankingConfig(weathers=chosen, resamples=0)
    table = read_images(images)
    rows = asked_for(table, VIEWS, ranking)
    facts: dict[str, Any] = {"seconds": 0.0, "epochs": 0, "parameters": 0}
    if name == HISTOGRAM:
        features = histograms(rows, ranking)
    else:
        experiment = variant(name, plan, seed)
        with tempfile.TemporaryDirectory() as folder:
            work, made = Path(folder) / "work", Path(folder) / "made"
            work.mkdir()
            session = Session(work, made, threads=plan.threads)
            data = retrieval_data(images, VIEWS, False, experiment.train)
            result = fit_retrieval(data, experiment.model, experiment.train, session)
            facts = {"seconds": result["seconds"], **result["result"]}
            embedder = load_embedder(made, torch.device("cpu"))
            features = extract(embedder, rows, ranking, upright=False)
    told = {key: facts[key] for key in ("seconds", "epochs", "parameters")}
    return [
        {**told, "weathers": len(chosen), **row} for row in ranked(Stored(rows, features), chosen)
    ]


def ranked(stored: Stored, weathers: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return figures in percent, both ways: of all weathers together ("all"), and of each."""
    found = []
    for query, gallery in DIRECTIONS:
        _, kept = stored.side(gallery, "gallery")
        for weather in ("all", *weathers) if len(weathers) > 1 else ("all",):
            _, asked = stored.side(query, "query", weather=None if weather == "all" else weather)
            plain = Images(asked.features, asked.places, asked.names)
            figures = evaluate(plain, kept, intervals=Intervals(resamples=0)).figures["public"]
            found.append(
                {
                    "direction": f"{query} -> {gallery}",
                    "weather": weather,
                    "R@1": 100 * figures["Recall@1"]["value"],
                    "R@5": 100 * figures["Recall@5"]["value"],
                    "AP": 100 * figures["AP"]["value"],
                }
            )
    return found


def histograms(rows: pd.DataFrame, ranking: RankingConfig) -> NDArray[np.float32]:
    """Return color histograms (8 x 8 x 8 bins, square roots): what needs no training at all."""
    found = []
    for path, image, weather in zip(rows["path"], rows["image"], rows["weather"], strict=True):
        picture = show(path, image, weather, seed=ranking.seed)
        counts = cv2.calcHist([picture], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel()
        found.append(np.sqrt(counts / counts.sum()))
    return np.array(found, np.float32)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over runs by variant and direction, with the standard deviation of R@1."""
    groups = table[table["weather"] == "all"].groupby(["variant", "direction"], sort=False)
    means = groups[["R@1", "R@5", "AP", "epochs"]].mean().round(1)
    return means.assign(spread=groups["R@1"].std().round(1), runs=groups.size()).reset_index()
