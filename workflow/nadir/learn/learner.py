"""What the loop needs of a job's Lightning module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule
from torch.optim import Optimizer

from nadir.config.experiments import TrainConfig
from nadir.learn.averaging import TailAverage, WeightAverage
from nadir.learn.group import ALONE
from nadir.learn.memory import in_parts
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

    A job defines `training_step`, `validation_step` and `epoch_scores`; what it validates is
    `judged()`.

    Args:
        cfg: The training's section of the configuration.

    Attributes:
        group: The processes that train together, as the loop is told.
        parts: In how many parts batches are computed.
        batch: The batch at work.
        sample_axis: Of the tensors of a batch, the axis of its samples; None where a batch is
            something else: then it is not computed in parts.
        batch_key: The setting of the size of a batch.
    """

    sample_axis: int | None = None
    batch_key = "train.batch_size"

    def __init__(self, cfg: TrainConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.schedule: Schedule | None = None
        self.pending: dict[str, Any] | None = None
        self.watchers: list[Callback] = []
        self.group = ALONE
        self.parts = 1
        self.batch: Any = None
        self._average: list[WeightAverage] = []  # in a list: no submodule of this module

    @property
    def average(self) -> WeightAverage | None:
        """The moving average of the weights; None where none is asked for, or before training."""
        return self._average[0] if self._average else None

    def judged(self) -> torch.nn.Module:
        """Return the network that is validated and kept: the average, or the network itself."""
        return self.network() if self.average is None else self.average.network

    def in_parts(
        self, compute: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor
    ) -> Any:
        """Return what is computed of the inputs of a batch, in as many parts as are asked for."""
        return in_parts(compute, inputs, self.parts, self.network(), self.sample_axis or 0)

    def samples_in(self, batch: Any) -> int:
        """Return how many samples a batch has; 0 where that is not known."""
        return 0 if self.sample_axis is None else int(batch[0].shape[self.sample_axis])

    def first_of(self, batch: Any, count: int) -> Any:
        """Return the first samples of a batch."""
        return tuple(part.narrow(self.sample_axis or 0, 0, count) for part in batch)

    @abstractmethod
    def network(self) -> torch.nn.Module:
        """Return the network whose weights are the result."""

    @abstractmethod
    def epoch_scores(self) -> dict[str, float]:
        """Return what the epoch gave, by name, and forget it.

        Must hold `train_loss`, `validation_loss`, and whatever `cfg.monitor` names; of what all
        processes of the group have seen.
        """

    def pictures(self) -> dict[str, np.ndarray]:
        """Return pictures of samples: name -> uint8 (height, width, 3)."""
        return {}

    def configure_callbacks(self) -> list[Callback]:
        """Return who watches; each epoch they are told after its state is saved."""
        return list(self.watchers)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return what is trained, in torch's form; a group may have a learning rate of its own."""
        return [{"params": list(self.network().parameters())}]

    def configure_optimizers(self) -> Optimizer:
        """Build optimizer, schedule and average; take up the state of a run that was killed."""
        if self.cfg.ema is not None:  # the network is on its device by now
            self._average = [WeightAverage(self.network(), self.cfg.ema)]
        elif self.cfg.swa is not None:
            self._average = [TailAverage(self.network(), self.cfg.swa)]
        optimizer = build_optimizer(self.cfg.optimizer, self.parameter_groups())
        self.schedule = Schedule(
            self.cfg.scheduler, optimizer, self.cfg.epochs, self.cfg.max_seconds
        )
        if self.pending is not None:
            optimizer.load_state_dict(self.pending["optimizer"])
            self.schedule.load_state_dict(self.pending["schedule"])
            if self.average is not None:
                self.average.load_state_dict(self.pending["average"])
            self.pending = None
        return optimizer
