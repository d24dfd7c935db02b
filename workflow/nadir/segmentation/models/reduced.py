"""Looking at a coarser image: many times quicker, and with more context, where things are large."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import nn

from nadir.segmentation.models.padding import Padded

_LEAST = 1e-3  # below the share of one pixel in any square


class Reduced(nn.Module):
    """Averages the input over squares, and brings the logits back bilinearly.

    Pixels that are exactly 0, as normalization leaves invalid ones, do not count in the averages.

    Args:
        network: (B, C, H, W) -> logits (B, K, H, W).
        factor: Side of the squares, in pixels.
    """

    def __init__(self, network: nn.Module, factor: int) -> None:
        super().__init__()
        self.network = network
        self.factor = factor

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K, H, W) for (B, C, H, W) with H and W multiples of the factor."""
        known = functional.avg_pool2d((values != 0).to(values.dtype), self.factor)
        means = functional.avg_pool2d(values, self.factor) / known.clamp_min(_LEAST)
        logits = self.network(means)
        return functional.interpolate(
            logits, scale_factor=self.factor, mode="bilinear", align_corners=False
        )


def fitted(network: nn.Module, stride: int, reduce: int) -> nn.Module:
    """Return a network for any H and W, at full or reduced resolution.

    Args:
        network: For H and W that are multiples of `stride`.
        stride: Its coarsest stride.
        reduce: Factor of reduction; 1 for none.
    """
    return Padded(network if reduce == 1 else Reduced(network, reduce), stride * reduce)
