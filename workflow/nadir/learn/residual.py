"""Parts of small networks that learn from random weights: residual blocks, halving convolutions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """A residual block of two convolutions (He et al. 2016) that starts as the identity.

    Args:
        channels: Of the maps that go in and come out.
    """

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
        """Return maps of the same shape, (n, channels, rows, columns)."""
        return functional.relu(maps + self.body(maps))


def halving(before: int, after: int, kernel: int) -> nn.Sequential:
    """Return a convolution that halves the sides, with normalization and rectifier."""
    convolution = nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())
