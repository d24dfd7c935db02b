"""Fitting the regression baseline: one network a member, by nadir's loop."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import mse_loss

from nadir.config.experiments import OptimizerConfig, SchedulerConfig, TrainConfig
from nadir.config.localization import Regression
from nadir.learn.bundle import save_bundle
from nadir.learn.devices import device_label, lease
from nadir.learn.history import write_history
from nadir.learn.imagenet import MEAN, STD
from nadir.learn.keeper import Progress
from nadir.learn.learner import Learner
from nadir.learn.loop import fit
from nadir.learn.seeds import derived_seed, seed_all
from nadir.learn.session import Session
from nadir.localization.photos import sizes_of
from nadir.localization.pose import angle_difference
from nadir.localization.regression import (
    OUTPUTS,
    RegressionNetwork,
    build_regression,
    decode_poses,
)
from nadir.localization.regression_data import (
    Batch,
    CropSource,
    PhotoBatches,
    load_samples,
)
from nadir.localization.regression_train import RegressionData
from nadir.localization.substrate import open_substrate

TASK = "photo localization by regression"
"""What `model.yaml` calls the task of these models."""

_WEIGHTS = 2**32  # an epoch that never comes: the stream of the initial weights


class RegressionLearner(Learner):
    """Trains a regression network on the mean squared error of its outputs.

    Args:
        model: The network.
        cfg: The training.
        substrate: The substrate's (width, height), for errors in pixels.
    """

    sample_axis = 0
    batch_key = "method.batch_size"

    def __init__(
        self, model: RegressionNetwork, cfg: TrainConfig, substrate: tuple[int, int]
    ) -> None:
        super().__init__(cfg)
        self.model = model
        self.substrate = substrate
        self._sums: dict[str, torch.Tensor] = {}
        self._errors: list[np.ndarray] = []

    def network(self) -> torch.nn.Module:
        """Return the network."""
        return self.model

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        photos, targets = batch
        loss = mse_loss(self.in_parts(self.model, photos), targets)
        self._add("train", loss, len(targets))
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Add a batch to the validation loss and to the errors."""
        photos, targets = batch
        outputs = self.model(photos)
        self._add("validation", mse_loss(outputs, targets), len(targets))
        guess = decode_poses(outputs.cpu().numpy(), self.substrate)
        truth = decode_poses(targets.cpu().numpy(), self.substrate)
        away = np.hypot(*(guess - truth)[:, :2].T)
        self._errors.append(np.column_stack([away, angle_difference(guess[:, 2], truth[:, 2])]))

    def epoch_scores(self) -> dict[str, float]:
        """Return losses, and the median errors of center (px) and angle (degrees)."""
        scores = {}
        for split in ("train", "validation"):
            total, count = self._sums.pop(split, torch.zeros(2)).tolist()
            scores[f"{split}_loss"] = total / count if count else float("nan")
        center, angle = np.median(np.concatenate(self._errors), axis=0)
        self._errors = []
        return scores | {"validation_center": float(center), "validation_angle": float(angle)}

    def _add(self, split: str, loss: torch.Tensor, count: int) -> None:
        # Stays on the device: reading a number there would wait for the GPU at each step.
        both = torch.stack([loss.detach() * count, torch.full_like(loss, count)]).double()
        self._sums[split] = self._sums[split] + both if split in self._sums else both


def fit_regression(data: RegressionData, cfg: Regression, session: Session) -> dict[str, Any]:
    """Train every member (or resume) and write `model.safetensors`, `model.yaml`, history.

    Args:
        data: What to learn from.
        cfg: The method.
        session: How and where.

    Returns:
        Facts for the run card: device, seconds, result.

    Raises:
        InputError: For a photo or a substrate that cannot be read, weights that cannot be had.
    """
    weights: dict[str, np.ndarray] = {}
    rows: list[dict[str, float]] = []
    done: list[Progress] = []
    sides = _sides(data)
    with lease(session.device, lower=[RegressionLearner.batch_key]) as device:
        torch.set_num_threads(session.threads)
        train = load_samples(data.train, cfg.size, sides)
        validation = PhotoBatches(load_samples(data.validation, cfg.size, sides), cfg.batch_size)
        with open_substrate(data.substrate["path"]) if cfg.crops else nullcontext() as substrate:
            crops = CropSource(substrate, *_photo_kind(data)) if substrate else None
            for member in range(cfg.members):
                run_seed = derived_seed(session.seed, cfg.seed, member)
                seed_all(run_seed, _WEIGHTS)
                learner = RegressionLearner(build_regression(cfg), _training(cfg), sides)
                batches = PhotoBatches(train, cfg.batch_size, run_seed, crops, cfg.crops)
                best, progress = fit(
                    learner,
                    batches,
                    validation,
                    work=_member_folder(session.work, member),
                    seed=run_seed,
                    device=device,
                    out_of_memory=session.out_of_memory,
                )
                weights |= {member_tensor(member, name): best[name] for name in best}
                rows += [{"member": member + 1.0, **row} for row in progress.rows]
                done.append(progress)
        label = device_label(device)
    save_bundle(session.folder, _describe(data, cfg, session.keys), weights)
    write_history(session.folder / "history.parquet", rows)
    parameters = [p for p in learner.network().parameters()]
    return {
        "device": label,
        "seconds": sum(progress.seconds for progress in done),
        "result": {
            "parameters": sum(p.numel() for p in parameters),
            "trained_parameters": sum(p.numel() for p in parameters if p.requires_grad),
            "best_epochs": [progress.best_epoch for progress in done],
            "best": [progress.best for progress in done],
            "training_photos": len(data.train),
            "validation_photos": len(data.validation),
            "crops_an_epoch": cfg.crops,
        },
    }


def member_tensor(member: int, name: str) -> str:
    """Return the name of a member's tensor in the bundle."""
    return f"member{member}.{name}"


def _training(cfg: Regression) -> TrainConfig:
    """Return the training's section: Adam at a constant rate; the best validation loss is kept.

    In 32 bits: 16-bit outputs would round positions to dozens of pixels.
    """
    return TrainConfig(
        epochs=cfg.epochs,
        batch_size=cfg.batch_size,
        optimizer=OptimizerConfig(name="adam", learning_rate=cfg.learning_rate),
        scheduler=SchedulerConfig(name="constant"),
        precision="32",
    )


def _sides(data: RegressionData) -> tuple[int, int]:
    """Return the substrate's (width, height)."""
    return int(data.substrate["width"]), int(data.substrate["height"])


def _photo_kind(data: RegressionData) -> tuple[tuple[int, int], float]:
    """Return the commonest (width, height) of the training photos, and their median scale."""
    size, _ = Counter(sizes_of(data.train)).most_common(1)[0]
    return size, float(data.train["scale"].median())


def _member_folder(work: Path, member: int) -> Path:
    folder = work / f"member-{member}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _describe(data: RegressionData, cfg: Regression, keys: dict[str, Any]) -> dict[str, Any]:
    """Return what `model.yaml` says: all that inference needs, and equal for equal trainings."""
    method = cfg.model_dump(mode="json")
    weights = method.pop("weights")
    return {
        "task": TASK,
        "method": method,
        "pretrained": Path(weights).name if weights else None,
        "outputs": list(OUTPUTS),
        "mean": list(MEAN),
        "std": list(STD),
        "substrate": {key: data.substrate[key] for key in ("width", "height", "digest")},
        "scale": _photo_kind(data)[1],
        "keys": keys,
    }
