"""Fitting the judge of views, and reading it back from its bundle."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from nadir.config.groundview_evaluate import JudgeConfig
from nadir.errors import InputError
from nadir.groundview.judge_learner import (
    JudgeBatches,
    JudgedPhotos,
    JudgeLearner,
    as_input,
    scaled,
)
from nadir.groundview.judge_network import JudgeNetwork
from nadir.groundview.judging import TASK
from nadir.groundview.pairs import CLASSES, Pairs
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, check_tensors, load_bundle, save_bundle
from nadir.learn.devices import device_label, lease
from nadir.learn.history import write_history
from nadir.learn.loop import fit
from nadir.learn.seeds import derived_seed, seed_all
from nadir.learn.session import Session

_WEIGHTS = 2**32  # an epoch that never comes: the stream of the initial weights
_BATCH = 256
_TRAIN_AGAIN = "Train the judge again."


@dataclass(frozen=True, eq=False)
class Judge:
    """A trained judge.

    Attributes:
        network: The network, in evaluation mode.
        cfg: Its section.
        knows_classes: Whether it learned shares of classes.
    """

    network: JudgeNetwork
    cfg: JudgeConfig
    knows_classes: bool

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features, float32 (n, features), of pictures (n, 3, height, width).

        Their unit is the standard deviation of each feature over the training photos.
        """
        return self._run(pictures)[0]

    def shares(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return what pictures show: float32 (n, 13), sky and classes; None if it never learned."""
        return self._run(pictures)[1] if self.knows_classes else None

    @torch.inference_mode()
    def _run(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        features, shares = [], []
        for start in range(0, len(pictures), _BATCH):
            batch = scaled(pictures[start : start + _BATCH], self.cfg.size)
            found = self.network(as_input(batch))
            features.append(found.numpy())
            shares.append(self.network.shares(found).exp().numpy())
        return np.concatenate(features), np.concatenate(shares)


def fit_judge(pairs: Pairs, cfg: JudgeConfig, session: Session) -> dict[str, Any]:
    """Train (or resume) and write `model.safetensors`, `model.yaml`, `history.parquet`.

    Args:
        pairs: The pairs; training photos teach, those of validation are scored.
        cfg: The judge's section.
        session: How and where.

    Returns:
        Facts for the run card: device, seconds, result.
    """
    run_seed = derived_seed(session.seed, cfg.seed) % 2**63
    train, held = (
        JudgedPhotos.of(some.photos, some.view_shares(), cfg.size)
        for some in (pairs.of("train"), pairs.of("validation"))
    )
    known = bool(np.isfinite(train.shares).all(axis=1).any())
    with lease(session.device, lower=[JudgeLearner.batch_key]) as device:
        torch.set_num_threads(session.threads)
        seed_all(run_seed, _WEIGHTS)
        network = JudgeNetwork(cfg)
        last, progress = fit(
            JudgeLearner(network, cfg),
            JudgeBatches(train, cfg.batch_size, run_seed),
            JudgeBatches(held, cfg.batch_size),
            work=session.work,
            seed=run_seed,
            device=device,
            out_of_memory=session.out_of_memory,
        )
        label = device_label(device)
    description = {
        "task": TASK,
        "judge": cfg.model_dump(mode="json"),
        "classes": ["sky", *CLASSES] if known else None,
        "keys": session.keys,
    }
    save_bundle(session.folder, description, last)
    write_history(session.folder / "history.parquet", progress.rows)
    return {
        "device": label,
        "seconds": progress.seconds,
        "result": {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "epochs": progress.epochs,
            "training_photos": len(train),
            "validation_photos": len(held),
            "knows_classes": known,
            "validation": progress.rows[-1].get("validation_loss"),
        },
    }


def load_judge(folder: str | os.PathLike[str]) -> Judge:
    """Read a bundle that `fit_judge` made. Nothing in it is executed or unpickled.

    Raises:
        InputError: When it is absent, damaged, or the bundle of something else.
    """
    bundle = load_bundle(folder)
    path = Path(bundle.folder) / DESCRIPTION
    task = bundle.description.get("task")
    if task != TASK:
        raise InputError(path, f"this is a model for {task!r}, not for {TASK}", _TRAIN_AGAIN)
    try:
        cfg = JudgeConfig.model_validate(bundle.description["judge"])
        known = bundle.description["classes"] is not None
    except (ValidationError, KeyError) as error:
        raise InputError(path, "it does not describe a judge of views", _TRAIN_AGAIN) from error
    network = JudgeNetwork(cfg)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: value.shape for name, value in bundle.weights.items()}
    check_tensors(Path(bundle.folder) / WEIGHTS, expected, given)
    weights = {name: torch.from_numpy(np.array(value)) for name, value in bundle.weights.items()}
    network.load_state_dict(weights)
    return Judge(network.eval(), cfg, known)
