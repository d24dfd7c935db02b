"""Optimizers and learning-rate schedules, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from nadir.config.experiments import OptimizerConfig, SchedulerConfig


def build_optimizer(
    cfg: OptimizerConfig, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]]
) -> Optimizer:
    """Return the optimizer that `cfg` names, over parameters or groups of them (torch's form)."""
    options: dict[str, Any] = {"lr": cfg.learning_rate, "weight_decay": cfg.weight_decay}
    if cfg.name == "adamw":
        return AdamW(parameters, **options)
    if cfg.name == "sgd":
        return SGD(parameters, momentum=0.9, nesterov=True, **options)
    return Adam(parameters, **options)


class Schedule:
    """A learning-rate schedule that takes one step an epoch, with the validation loss.

    A warm-up of a share of the first epoch goes by batches besides (`begin_batch`).

    The loop calls it itself, before it saves the state: Lightning steps metric-driven schedules
    after its end-of-epoch checkpoint, so that a resumed run would miss a step.

    Args:
        cfg: The section of the configuration.
        optimizer: Whose learning rate is set; groups of parameters with a key `scheduled` that is
            false keep theirs (but for `plateau`).
        epochs: Length of the whole training.
        seconds: Its length in seconds of computing, if it ends by time.
    """

    def __init__(
        self,
        cfg: SchedulerConfig,
        optimizer: Optimizer,
        epochs: int,
        seconds: float | None = None,
    ) -> None:
        self._seconds = seconds
        self._spent = 0.0
        self._rise = 0.0
        self.plateau: ReduceLROnPlateau | None = None
        self.by_epoch: LambdaLR | None = None
        if cfg.name == "plateau":
            self.plateau = ReduceLROnPlateau(
                optimizer, "min", factor=cfg.factor, patience=cfg.patience
            )
        elif cfg.name == "cosine":
            whole = int(cfg.warmup)
            self._rise = cfg.warmup - whole
            self.by_epoch = _by_epoch(optimizer, lambda epoch: self._factor(epoch, epochs, whole))
        elif cfg.name == "step":
            self.by_epoch = _by_epoch(
                optimizer, lambda epoch: cfg.factor if self._done(epoch, epochs) >= 2 / 3 else 1.0
            )

    def _done(self, epoch: int, epochs: int) -> float:
        """Return the share of the training that is over, by epochs or by time."""
        by_time = self._spent / self._seconds if self._seconds is not None else 0.0
        return max(epoch / epochs, by_time)

    def _factor(self, epoch: int, epochs: int, warmup: int) -> float:
        """Return the cosine's factor by epochs or by time, whichever is further on."""
        factor = cosine_factor(epoch, epochs, warmup)
        if self._seconds is None or epoch < warmup:
            return factor
        return min(factor, cosine_factor(epoch, epochs, warmup, self._spent / self._seconds))

    def begin_batch(self, epoch: int, batch: int, batches: int) -> None:
        """Set the learning rate of a batch of the first epoch, where it rises within that epoch.

        A function of the batch's number alone: a run that is resumed needs no state of it.

        Args:
            epoch: Number of the epoch, from 0.
            batch: Number of the batch in it, from 0.
            batches: Batches of the epoch.
        """
        if epoch or not self._rise or self.by_epoch is None:
            return
        risen = min(1.0, (batch + 1) / max(1.0, self._rise * batches))
        groups = self.by_epoch.optimizer.param_groups
        for group, full in zip(groups, self.by_epoch.base_lrs, strict=True):
            if group.get("scheduled", True):
                group["lr"] = full * risen

    def step(self, validation_loss: float, spent: float = 0.0) -> None:
        """Set the learning rate of the next epoch.

        Args:
            validation_loss: Of the epoch that has ended.
            spent: Seconds of computing so far.
        """
        self._spent = spent
        if self.plateau is not None:
            self.plateau.step(validation_loss)
        if self.by_epoch is not None:
            self.by_epoch.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain values."""
        chosen = self.plateau or self.by_epoch
        return chosen.state_dict() if chosen is not None else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`'s state."""
        chosen = self.plateau or self.by_epoch
        if chosen is not None:
            chosen.load_state_dict(state)


def _by_epoch(optimizer: Optimizer, factor: Callable[[int], float]) -> LambdaLR:
    """Return a schedule of factors for all groups that are scheduled; 1 for the others."""
    groups = optimizer.param_groups
    return LambdaLR(
        optimizer, [factor if group.get("scheduled", True) else _unchanged for group in groups]
    )


def _unchanged(epoch: int) -> float:
    return 1.0


def cosine_factor(epoch: int, epochs: int, warmup: int, done: float | None = None) -> float:
    """Return the factor on the learning rate in `epoch`: a linear rise, then half a cosine.

    Loshchilov and Hutter 2017 (SGDR), without restarts. The last epoch still learns: the cosine
    would reach zero one epoch after it.

    Args:
        epoch: The epoch, from 0.
        epochs: Epochs in all.
        warmup: Epochs of the rise.
        done: Share of the way after the rise, where it is known otherwise.
    """
    if epoch < warmup:
        return (epoch + 1) / (warmup + 1)
    if done is None:
        done = (epoch - warmup) / max(1, epochs - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def learning_rate(optimizer: Optimizer) -> float:
    """Return the learning rate of the first group of parameters."""
    rate = optimizer.param_groups[0]["lr"]
    return float(rate.item() if isinstance(rate, torch.Tensor) else rate)
