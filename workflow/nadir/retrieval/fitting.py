"""Fitting a retrieval network, and reading it back from its bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import TypeAdapter, ValidationError

from nadir.config.retrieval_experiments import RetrievalModel, RetrievalTrain
from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, check_tensors, load_bundle, save_bundle
from nadir.learn.devices import device_label, lease
from nadir.learn.history import write_history
from nadir.learn.imagenet import MEAN, STD
from nadir.learn.loop import fit
from nadir.learn.seeds import derived_seed, seed_all
from nadir.learn.session import Session
from nadir.retrieval.learner import PlaceBatches, PlacePictures, RetrievalLearner, Trained
from nadir.retrieval.losses import RetrievalLoss
from nadir.retrieval.networks import EmbeddingNetwork, build_network
from nadir.retrieval.pictures import Pictures
from nadir.retrieval.training import TASK, RetrievalData

_WEIGHTS = 2**32  # an epoch that never comes: the stream of the initial weights
_EMBEDDING = "embedding."
_TRAIN_AGAIN = "Train the network again."


def fit_retrieval(
    data: RetrievalData, model_cfg: RetrievalModel, cfg: RetrievalTrain, session: Session
) -> dict[str, Any]:
    """Train (or resume) and write `model.safetensors`, `model.yaml`, `history.parquet`.

    Args:
        data: What to learn from.
        model_cfg: The network.
        cfg: The training.
        session: How and where.

    Returns:
        Facts for the run card: device, seconds, result.

    Raises:
        InputError: For a picture that cannot be read, weights that cannot be had.
    """
    run_seed = derived_seed(session.seed, cfg.seed)
    with lease(session.device, session.group, lower=[RetrievalLearner.batch_key]) as device:
        torch.set_num_threads(session.threads)
        train, held = [
            place_pictures(rows, data, cfg, model_cfg.size, session.threads)
            for rows in (data.train, data.validation)
        ]
        seed_all(run_seed, _WEIGHTS)
        network = build_network(model_cfg)
        loss = RetrievalLoss(cfg.losses, model_cfg.dimensions, len(train))
        remembered = len(train) if cfg.hard_negatives else 0
        memory = (len(data.views), remembered, model_cfg.dimensions)
        learner = RetrievalLearner(Trained(network, loss, memory), cfg)
        best, progress = fit(
            learner,
            PlaceBatches(train, cfg, run_seed, lambda: learner.trained.memory, session.group),
            PlaceBatches(held, cfg, group=session.group),
            work=session.work,
            seed=run_seed,
            device=device,
            group=session.group,
            out_of_memory=session.out_of_memory,
        )
        label = device_label(device)
    weights = {
        name.removeprefix(_EMBEDDING): value
        for name, value in best.items()
        if name.startswith(_EMBEDDING)
    }
    save_bundle(session.folder, describe(data, model_cfg, session.keys), weights)
    write_history(session.folder / "history.parquet", progress.rows)
    return {
        "device": label,
        "seconds": progress.seconds,
        "result": {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "epochs": progress.epochs,
            "best_epoch": progress.best_epoch,
            "monitor": cfg.monitor,
            "best": progress.best,
            "stopped_early": progress.stopped,
            "training_places": len(train),
            "training_pictures": len(data.train),
            "validation_places": len(held),
        },
    }


def place_pictures(
    rows: pd.DataFrame, data: RetrievalData, cfg: RetrievalTrain, side: int, threads: int
) -> PlacePictures:
    """Return the pictures of some rows of the image table by place and view, places sorted.

    Raises:
        InputError: When a picture cannot be read.
    """
    rows = rows.reset_index(drop=True)
    shown: dict[str, list[list[int]]] = {
        place: [[] for _ in data.views] for place in sorted(set(rows["place"]))
    }
    for number, (place, view) in enumerate(zip(rows["place"], rows["view"], strict=True)):
        shown[place][data.views.index(view)].append(number)
    pictures = Pictures(
        rows["path"].tolist(),
        side,
        upright=data.upright,
        memory=cfg.memory_mb << 20,
        threads=threads,
    )
    overhead = [view in cfg.augment.overhead for view in data.views]
    return PlacePictures(pictures, list(shown.values()), overhead)


def describe(data: RetrievalData, cfg: RetrievalModel, keys: dict[str, Any]) -> dict[str, Any]:
    """Return what `model.yaml` says: all that features need, and equal for equal trainings."""
    network = cfg.model_dump(mode="json")
    weights = network.pop("weights")
    return {
        "task": TASK,
        "network": network,
        "pretrained": Path(weights).name if weights else None,
        "views": list(data.views),
        "upright": data.upright,
        "mean": list(MEAN),
        "std": list(STD),
        "keys": keys,
    }


def load_network(
    folder: str | os.PathLike[str],
) -> tuple[EmbeddingNetwork, RetrievalModel, tuple[str, str]]:
    """Read a bundle that `fit_retrieval` made. Nothing in it is executed or unpickled.

    Args:
        folder: The bundle's folder.

    Returns:
        The network in evaluation mode, its section, and the names of the views.

    Raises:
        InputError: When it is absent, damaged, or the bundle of something else.
    """
    bundle = load_bundle(folder)
    path = Path(bundle.folder) / DESCRIPTION
    task = bundle.description.get("task")
    if task != TASK:
        raise InputError(path, f"this is a model for {task!r}, not for {TASK}", _TRAIN_AGAIN)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(RetrievalModel)
        cfg = adapter.validate_python(bundle.description["network"])
        one, other = bundle.description["views"]
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        raise InputError(path, "it does not describe this kind of model", _TRAIN_AGAIN) from error
    network = build_network(cfg, pretrained=False)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: value.shape for name, value in bundle.weights.items()}
    check_tensors(Path(bundle.folder) / WEIGHTS, expected, given)
    network.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in bundle.weights.items()}
    )
    return network.eval(), cfg, (str(one), str(other))
