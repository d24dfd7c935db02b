"""Fitting the descriptor, and reading it back from its bundle."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from nadir.config.experiments import OptimizerConfig, SchedulerConfig, TrainConfig
from nadir.config.localization import DescriptorConfig
from nadir.errors import InputError
from nadir.learn.bundle import check_tensors, load_bundle, save_bundle
from nadir.learn.devices import device_label, lease
from nadir.learn.history import write_history
from nadir.learn.loop import fit
from nadir.learn.seeds import derived_seed, seed_all
from nadir.learn.session import Session
from nadir.localization.coarse import cell_size
from nadir.localization.descriptor import STRIDE, Descriptor
from nadir.localization.descriptor_data import LocatedPhoto, PairBatches
from nadir.localization.descriptor_task import DescriptorLearner
from nadir.localization.photos import poses_of
from nadir.localization.references import Reference
from nadir.localization.turning import reduce
from nadir.raster.pictures import read_picture

EPOCH = 25
"""Steps an epoch: what a killed run loses at most."""

_VALIDATION = 4  # batches that choose the epoch; they are made, like all, but never trained on
_WEIGHTS = 2**32  # an epoch that never comes: the stream of the initial weights
TASK = "localization descriptor"
"""What `model.yaml` calls the task of these models."""


def fit_descriptor(
    references: list[Path],
    located: pd.DataFrame,
    sides: list[float],
    cfg: DescriptorConfig,
    session: Session,
) -> dict[str, Any]:
    """Train (or resume) and write bundle and history.

    Args:
        references: Manifests of the references.
        located: Rows of the photo table with known pose.
        sides: Longer side of the photos in pixels, and their scale.
        cfg: The descriptor's section.
        session: How and where.

    Returns:
        Facts for the run card.
    """
    run_seed = derived_seed(session.seed, cfg.seed)
    cell = cell_size(round(sides[0] * sides[1]))
    level = cell // STRIDE
    side = 8 * max(int(sides[0] * sides[1] / level) // 8, 8)
    opened = [Reference(path) for path in references]
    photos = [
        LocatedPhoto(np.ascontiguousarray(reduce(read_picture(path), level)), pose)
        for path, pose in zip(located["path"], poses_of(located), strict=True)
    ]
    epochs = math.ceil(cfg.steps / EPOCH)
    train_cfg = TrainConfig(
        epochs=epochs,
        batch_size=cfg.batch_size,
        optimizer=OptimizerConfig(name="adamw", learning_rate=cfg.learning_rate, weight_decay=1e-3),
        scheduler=SchedulerConfig(name="cosine", warmup=1 if epochs > 4 else 0),
    )
    with lease(session.device, lower=[DescriptorLearner.batch_key]) as found:
        torch.set_num_threads(session.threads)
        seed_all(run_seed, _WEIGHTS)
        network = Descriptor(cfg.channels, cfg.width)
        learner = DescriptorLearner(network, train_cfg)
        made_of = (opened, photos, level, side, cfg.batch_size)
        train = PairBatches(*made_of, min(EPOCH, cfg.steps), run_seed)
        held = PairBatches(*made_of, _VALIDATION, run_seed, fixed=True)
        best, progress = fit(
            learner,
            train,
            held,
            work=session.work,
            seed=run_seed,
            device=found,
            out_of_memory=session.out_of_memory,
        )
        label = device_label(found)
    description = {
        "task": TASK,
        "network": {"channels": cfg.channels, "width": cfg.width},
        "cell_px": cell,
        "input": "RGB, 0 to 1, at a quarter of a cell a pixel",
        "keys": session.keys,
    }
    save_bundle(session.folder, description, best)
    write_history(session.folder / "history.parquet", progress.rows)
    return {
        "device": label,
        "seconds": progress.seconds,
        "result": {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "epochs": progress.epochs,
            "best_epoch": progress.best_epoch,
            "best": progress.best,
            "located_photos": len(photos),
            "references": [one.name for one in opened],
        },
    }


def load_descriptor(folder: str | os.PathLike[str]) -> Descriptor:
    """Read a descriptor from its bundle.

    Raises:
        InputError: When it is absent, damaged, or the bundle of something else.
    """
    bundle = load_bundle(folder)
    if bundle.description.get("task") != TASK:
        raise InputError(
            bundle.folder, "this is no descriptor of the localization", "Name the right bundle."
        )
    network = Descriptor(**bundle.description["network"])
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    check_tensors(bundle.folder, wanted, {k: v.shape for k, v in bundle.weights.items()})
    network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in bundle.weights.items()})
    return network.eval()
