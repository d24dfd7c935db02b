"""Training of a retrieval network: kept by key, resumed where it was killed.

How a network is fitted is handed in (`Fit`), so that nothing here imports torch: a training that
has been done before is delivered in seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nadir.config.encoders import encoder_faults
from nadir.config.retrieval_experiments import LIGHT, RetrievalModel, RetrievalTrain
from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, check_weights_file
from nadir.learn.kept import CARD, TrainingRun, keep_training, pretrained_parts
from nadir.learn.session import Session
from nadir.retrieval.places import complete_places, read_images

TASK = "place retrieval"
"""What `model.yaml` calls the task of these models."""

_KEYED = ["image", "place", "view", "split", "digest"]


@dataclass(frozen=True)
class RetrievalData:
    """What a network learns from.

    Attributes:
        train: Rows of the image table to learn from, of complete places only.
        validation: Rows to choose the epoch by; may be empty.
        views: The two views.
        upright: Whether pictures are turned as their EXIF orientation says.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    views: tuple[str, str]
    upright: bool = False


Fit = Callable[[RetrievalData, RetrievalModel, RetrievalTrain, Session], dict[str, Any]]
"""(data, network, training, session) -> facts for the run card."""


def train_retrieval(
    fit: Fit,
    images: str | os.PathLike[str],
    views: tuple[str, str],
    *,
    upright: bool,
    network: RetrievalModel,
    train: RetrievalTrain,
    model: Path,
    history: Path,
    run: TrainingRun,
) -> str:
    """Train a retrieval network, or deliver what an equal training gave before.

    The result is kept under a key of all that it depends on: names, places and digests of the
    pictures of training and validation, network, training, code and seed. An unfinished run with
    the same key is resumed after its last finished epoch.

    Args:
        fit: Fits a network to the pictures.
        images: The image table.
        views: The two views.
        upright: Whether pictures are turned as their EXIF orientation says.
        network: The network's section.
        train: The training's section.
        model: Folder for `model.safetensors`, `model.yaml` and `card.json`.
        history: `history.parquet` to write.
        run: Where it is kept, of which code and seed, and what computes it.

    Returns:
        The key.

    Raises:
        InputError: For a network that cannot be built, a device that is not there, a table without
            complete places to learn from, or without places to choose the epoch by.
        OutputError: When the disk is full or not writable.
    """
    check_network(network)
    data = retrieval_data(images, views, upright, train)
    parts = {
        "images": _rows(pd.concat([data.train, data.validation])),
        "views": list(views),
        "upright": upright,
        "model": network.model_dump(mode="json") | pretrained_parts(network.weights),
        "train": train.model_dump(mode="json"),
    }

    def fit_into(session: Session) -> dict[str, Any]:
        return fit(data, network, train, session)

    outputs = {name: model / name for name in (WEIGHTS, DESCRIPTION, CARD)}
    outputs["history.parquet"] = history
    cfg = ("model", "train", "views", "upright")
    return keep_training(fit_into, run, parts, outputs, cfg=cfg, parallel=True)


def check_network(cfg: RetrievalModel) -> None:
    """See that the network can be built, before any picture is touched.

    Raises:
        InputError: For an unknown encoder, or a file of weights that is absent or no such file.
    """
    if cfg.encoder == LIGHT and cfg.name == "shared_encoder":
        return
    for key, problem, remedy in encoder_faults(cfg.encoder, cfg.weights):
        raise InputError(f"model.{key}", problem, remedy)
    if cfg.weights not in (None, "imagenet"):
        check_weights_file(str(cfg.weights), "model.weights")


def retrieval_data(
    images: str | os.PathLike[str], views: tuple[str, str], upright: bool, train: RetrievalTrain
) -> RetrievalData:
    """Return what there is to learn from, and to choose the epoch by.

    Raises:
        InputError: When the table cannot be read, fewer than two places are complete, or the
            training chooses an epoch by validation places that are not there.
    """
    table = read_images(images)
    table = table[table["view"].isin(views)]
    learnt = complete_places(table, views)
    if len(learnt) < 2:
        problem = "there is a single place to learn from, and nothing to tell it from"
        raise InputError(images, problem, "Give at least two places of the split 'train'.")
    held: list[str] = []
    if (table["split"] == "validation").any():
        held = complete_places(table, views, "validation")
    if not held and train.monitor != "epoch":
        raise InputError(
            "train.monitor",
            f"{train.monitor} needs places of the split 'validation', and there are none",
            "Give the data set a share of validation places, or set monitor to epoch.",
        )
    parts = [
        table[(table["split"] == split) & table["place"].isin(places)]
        for split, places in (("train", learnt), ("validation", held))
    ]
    return RetrievalData(parts[0], parts[1], views, upright)


def _rows(images: pd.DataFrame) -> list[list[Any]]:
    return [list(row) for row in images[_KEYED].itertuples(index=False)]
