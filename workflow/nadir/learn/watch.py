"""Watching a training from outside: each epoch's scores, with the share that is over."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from nadir.learn.keeper import Keeper


class Watch(Callback):
    """Tells a score after each epoch, once the epoch's state is saved; it may end the training.

    Epochs that an earlier process has trained are told first, when a training is resumed.

    Args:
        metric: Name of the score, as in the history.
        report: (share of the training that is over, score) -> None; what it raises ends the
            training, which can be resumed.
    """

    def __init__(self, metric: str, report: Callable[[float, float], None]) -> None:
        self.metric = metric
        self.report = report
        self._told = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what was trained before."""
        self._tell(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell the epoch."""
        self._tell(trainer)

    def _tell(self, trainer: Trainer) -> None:
        keeper = next(part for part in trainer.callbacks if isinstance(part, Keeper))  # type: ignore[attr-defined]
        rows = keeper.progress.rows
        last = max(trainer.max_epochs or 1, 1)
        for number, row in enumerate(rows[self._told :], start=self._told + 1):
            share = number / last
            if keeper.max_seconds is not None:
                # Of the epochs before this one, only their share of the whole time is known.
                spent = keeper.progress.spent * _part(rows, number)
                share = max(share, spent / keeper.max_seconds)
            self._told = number
            self.report(min(share, 1.0), row.get(self.metric, math.nan))


def _part(rows: list[dict[str, Any]], number: int) -> float:
    """Return the share of the time of all epochs so far that the first few of them took."""
    total = sum(row["seconds"] for row in rows)
    return sum(row["seconds"] for row in rows[:number]) / total if total else 1.0
