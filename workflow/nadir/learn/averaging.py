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
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step; counters and other integers are copied."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for mine, new in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if mine.dtype.is_floating_point:
                mine.lerp_(new, 1 - decay)
            else:
                mine.copy_(new)

    def state_dict(self) -> dict[str, Any]:
        """Return the state: tensors and plain values."""
        return {"steps": self.steps, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`'s state."""
        self.steps = int(state["steps"])
        self.network.load_state_dict(state["network"])
