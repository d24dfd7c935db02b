"""nadir's own encoder: a small residual network that learns from random weights in minutes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LightEncoder(nn.Module):
    """Four halvings, and a residual block at each of the three coarser scales (He et al. 2016).

    The last normalization of a block starts at zero, so that each block starts as the identity.

    Args:
        width: Channels of the first layer; the last has eight times as many.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = [3, width, 2 * width, 4 * width, 8 * width]
        self.stem = nn.Sequential(_halving(3, width, 5), _halving(width, 2 * width, 3))
        self.stages = nn.Sequential(
            _Block(2 * width),
            _halving(2 * width, 4 * width, 3),
            _Block(4 * width),
            _halving(4 * width, 8 * width, 3),
            _Block(8 * width),
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the maps of the coarsest scale, float32 (B, 8 width, rows / 16, columns / 16)."""
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        return [self.stages(self.stem(pictures))]


class _Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(channels)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            last,
        )

    def forward(self, maps: Tensor) -> Tensor:
        return functional.relu(maps + self.body(maps))


def _halving(before: int, after: int, kernel: int) -> nn.Sequential:
    """Return a convolution that halves the sides."""
    convolution = nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())
