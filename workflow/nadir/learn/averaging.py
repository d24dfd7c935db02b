"""The moving average of a network's weights: what many steps agree on generalizes better."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class WeightAverage:
    """The exponential moving average of a network's weights and running statistics.

    Polyak averaging with a decay that starts small, so that the random weights of the start are
    soon forgotten (as in TensorFlow's `ExponentialMovingAverage`).

    Args:
        network: Whose weights are averaged.
        decay: Share of the old average that a step leaves, once there have been many.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, done: float = 0.0) -> None:
        """Take in the weights after a step; counters and other integers are copied.

        Args:
            network: Their network.
            done: Share of the training that is over.
        """
        decay = self._decay(done)
        for mine, new in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if mine.dtype.is_floating_point:
                mine.lerp_(new, 1 - decay)
            else:
                mine.copy_(new)

    def _decay(self, done: float) -> float:
        """Return the share of the old average that a step leaves, and count the step."""
        self.steps += 1
        return min(self.decay, (1 + self.steps) / (10 + self.steps))

    def state_dict(self) -> dict[str, Any]:
        """Return the state: tensors and plain values."""
        return {"steps": self.steps, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`'s state."""
        self.steps = int(state["steps"])
        self.network.load_state_dict(state["network"])


class TailAverage(WeightAverage):
    """The plain mean of a network's weights after each step of the last part of a training.

    Stochastic weight averaging (Izmailov et al. 2018), but of each step instead of each epoch, and
    of running statistics, too, in the place of a pass that measures them anew. Before that part
    begins, it is the network itself.

    Args:
        network: Whose weights are averaged.
        start: Share of the training from which on they are.
    """

    def __init__(self, network: nn.Module, start: float) -> None:
        super().__init__(network, 0.0)
        self.start = start

    def _decay(self, done: float) -> float:
        if done < self.start:
            return 0.0
        self.steps += 1
        return 1 - 1 / self.steps
