"""Optimizers and learning-rate schedules, by name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from nadir.config.experiments import OptimizerConfig, SchedulerConfig


def build_optimizer(cfg: OptimizerConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Return the optimizer that `cfg` names, over `parameters`."""
    options: dict[str, Any] = {"lr": cfg.learning_rate, "weight_decay": cfg.weight_decay}
    if cfg.name == "adamw":
        return AdamW(parameters, **options)
    if cfg.name == "sgd":
        return SGD(parameters, momentum=0.9, nesterov=True, **options)
    return Adam(parameters, **options)


class Schedule:
    """A learning-rate schedule that takes one step an epoch, with the validation loss.

    The loop calls it itself, before it saves the state: Lightning steps metric-driven schedules
    after its end-of-epoch checkpoint, so that a resumed run would miss a step.

    Args:
        cfg: The section of the configuration.
        optimizer: Whose learning rate is set.
        epochs: Length of the whole training.
    """

    def __init__(self, cfg: SchedulerConfig, optimizer: Optimizer, epochs: int) -> None:
        self.plateau: ReduceLROnPlateau | None = None
        self.by_epoch: LambdaLR | None = None
        if cfg.name == "plateau":
            self.plateau = ReduceLROnPlateau(
                optimizer, "min", factor=cfg.factor, patience=cfg.patience
            )
        elif cfg.name == "cosine":
            self.by_epoch = LambdaLR(
                optimizer, lambda epoch: cosine_factor(epoch, epochs, cfg.warmup)
            )

    def step(self, validation_loss: float) -> None:
        """Set the learning rate of the next epoch."""
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


def cosine_factor(epoch: int, epochs: int, warmup: int) -> float:
    """Return the factor on the learning rate in `epoch`: a linear rise, then half a cosine.

    Loshchilov and Hutter 2017 (SGDR), without restarts. The last epoch still learns: the cosine
    would reach zero one epoch after it.
    """
    if epoch < warmup:
        return (epoch + 1) / (warmup + 1)
    done = (epoch - warmup) / max(1, epochs - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def learning_rate(optimizer: Optimizer) -> float:
    """Return the learning rate of the first group of parameters."""
    rate = optimizer.param_groups[0]["lr"]
    return float(rate.item() if isinstance(rate, torch.Tensor) else rate)
