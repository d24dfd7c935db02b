"""nadir's own encoder: a small residual network that learns from random weights in minutes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nadir.learn.residual import ResidualBlock, halving


class LightEncoder(nn.Module):
    """Four halvings, and a residual block at each of the three coarser scales (He et al. 2016).

    The last normalization of a block starts at zero, so that each block starts as the identity.

    Args:
        width: Channels of the first layer; the last has eight times as many.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = [3, width, 2 * width, 4 * width, 8 * width]
        self.stem = nn.Sequential(halving(3, width, 5), halving(width, 2 * width, 3))
        self.stages = nn.Sequential(
            ResidualBlock(2 * width),
            halving(2 * width, 4 * width, 3),
            ResidualBlock(4 * width),
            halving(4 * width, 8 * width, 3),
            ResidualBlock(8 * width),
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the maps of the coarsest scale, float32 (B, 8 width, rows / 16, columns / 16)."""
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        return [self.stages(self.stem(pictures))]
