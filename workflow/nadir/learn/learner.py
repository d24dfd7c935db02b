"""What the loop needs of a job's Lightning module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch.optim import Optimizer

from nadir.config.experiments import TrainConfig
from nadir.learn.optim import Schedule, build_optimizer


class Batches(Protocol):
    """Batches of an epoch: a pure function of its number."""

    samples: int

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


class Learner(LightningModule):
    """A Lightning module with nadir's optimizer, schedule and end-of-epoch scores.

    A job defines `training_step`, `validation_step` and `epoch_scores`.

    Args:
        cfg: The training's section of the configuration.
    """

    def __init__(self, cfg: TrainConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.schedule: Schedule | None = None
        self.pending: dict[str, Any] | None = None

    @abstractmethod
    def network(self) -> torch.nn.Module:
        """Return the network whose weights are the result."""

    @abstractmethod
    def epoch_scores(self) -> dict[str, float]:
        """Return what the epoch gave, by name, and forget it.

        Must hold `train_loss`, `validation_loss`, and whatever `cfg.monitor` names.
        """

    def pictures(self) -> dict[str, np.ndarray]:
        """Return pictures of samples: name -> uint8 (height, width, 3)."""
        return {}

    def configure_optimizers(self) -> Optimizer:
        """Build optimizer and schedule; take up the state of a run that was killed."""
        optimizer = build_optimizer(self.cfg.optimizer, self.network().parameters())
        self.schedule = Schedule(self.cfg.scheduler, optimizer, self.cfg.epochs)
        if self.pending is not None:
            optimizer.load_state_dict(self.pending["optimizer"])
            self.schedule.load_state_dict(self.pending["schedule"])
            self.pending = None
        return optimizer
