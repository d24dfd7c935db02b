"""Finding a learning rate: raise it step by step, and see where the loss falls and grows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from nadir.learn.learner import Batches, Learner
from nadir.learn.loop import autocast
from nadir.learn.optim import build_optimizer

_SMOOTHING = 0.9  # share of the old mean loss that a step leaves
_BROKEN = 1.5  # times what it was at first, and the loss has blown up: the test ends
_ENDS = 0.1  # share of the steps at the start that say little: their mean has just begun


@dataclass(frozen=True)
class RateTrace:
    """How the loss went while the learning rate rose.

    Attributes:
        rates: float64 (n,), learning rate of each step.
        losses: float64 (n,), loss of each step's batch.
        smooth: float64 (n,), their moving mean.
        steepest: Rate at which the moving mean fell fastest: a good one for a constant schedule.
        lowest: Rate at which it was lowest, which is too high; a tenth of it is a common choice.
    """

    rates: np.ndarray
    losses: np.ndarray
    smooth: np.ndarray
    steepest: float
    lowest: float


def find_rate(
    learner: Learner,
    batches: Batches,
    device: torch.device,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
) -> RateTrace:
    """Train a network for some steps, each with a higher learning rate than the one before.

    The range test of Smith (2017), with the steepest fall in the logarithm of the rate. It ends
    early when the loss grows far beyond where it began. The network is spoilt by it.

    Steps are those of a training: of as many batches (`accumulate`), in the same precision, with
    the same optimizer and clipping; else the rate that is found would be one for other steps.

    Args:
        learner: The job's module.
        batches: Training batches; begun anew as often as needed.
        device: Where to compute.
        low: The first rate.
        high: The last.
        steps: Steps from one to the other, at least 10.

    Raises:
        ValueError: For fewer than 10 steps, or no rise.
    """
    if steps < 10 or not 0 < low < high:
        raise ValueError("the rate must rise from above 0, in at least 10 steps")
    learner.to(device).train()
    optimizer = build_optimizer(learner.cfg.optimizer, learner.parameter_groups())
    scales = [
        float(group["lr"]) / learner.cfg.optimizer.learning_rate for group in optimizer.param_groups
    ]
    rates = np.geomspace(low, high, steps)
    losses: list[float] = []
    smooth: list[float] = []
    mean = 0.0
    shown = _endless(batches)
    for number, rate in enumerate(rates):
        for group, scale in zip(optimizer.param_groups, scales, strict=True):
            group["lr"] = float(rate) * scale
        losses.append(_step(learner, optimizer, shown, device))
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * losses[-1]
        smooth.append(mean / (1 - _SMOOTHING ** (number + 1)))
        if not math.isfinite(smooth[-1]):
            del losses[-1], smooth[-1]
            break
        began = max(smooth[: 1 + int(_ENDS * steps)])
        if number > _ENDS * steps and smooth[-1] > _BROKEN * began:
            break
    return trace_of(rates[: len(losses)], np.array(losses), np.array(smooth))


def _step(
    learner: Learner, optimizer: Optimizer, batches: Iterator[Any], device: torch.device
) -> float:
    """Take a step with the mean gradient of as many batches as in a training; return the loss."""
    cfg = learner.cfg
    total = 0.0
    optimizer.zero_grad()
    for number in range(cfg.accumulate):
        batch = next(batches)
        with autocast(cfg.precision, device):
            loss: Any = learner.training_step(batch, number)
        (loss / cfg.accumulate).backward()
        total += float(loss.detach()) / cfg.accumulate
    if cfg.clip is not None:
        clip_grad_norm_(learner.network().parameters(), cfg.clip)
    optimizer.step()
    return total


def trace_of(rates: np.ndarray, losses: np.ndarray, smooth: np.ndarray) -> RateTrace:
    """Return a trace with the rates that stand out in it."""
    lowest = int(np.argmin(smooth))
    first = min(int(_ENDS * len(rates)), max(0, lowest - 2))  # the mean has just begun there
    steepest = lowest
    if lowest - first >= 2:
        slope = np.gradient(smooth[first : lowest + 1], np.log(rates[first : lowest + 1]))
        steepest = first + int(np.argmin(slope))
    return RateTrace(rates, losses, smooth, float(rates[steepest]), float(rates[lowest]))


def _endless(batches: Batches) -> Iterator[Any]:
    for epoch in itertools.count():
        batches.set_epoch(epoch)
        yield from batches
