"""A small network that describes ground so that another season's picture of it looks the same.

It is trained in minutes on the case at hand (see `descriptor_training`), from located photos and
from the substrate itself. One cell in each direction of its output is four pixels of its input;
its input is a photo reduced to about 256 pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

STRIDE = 4
"""Input pixels in a cell, along each axis."""

_SOFT = 0.3  # length of a feature below which it shrinks to nothing


class Descriptor(nn.Module):
    """(n, 3, height, width) pictures, 0 to 1 -> (n, channels, height / 4, width / 4) features.

    Args:
        channels: Numbers that describe a cell; each cell's vector is shorter than 1.
        width: Channels of the first layer.
    """

    def __init__(self, channels: int = 16, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _layer(6, width, stride=2),
            _layer(width, width),
            _layer(width, 2 * width, stride=2),
            _layer(2 * width, 2 * width),
        )
        # Dilation widens what a cell sees to some 100 pixels without losing its place.
        self.near = _layer(2 * width, 2 * width, dilation=2)
        self.far = _layer(2 * width, 2 * width, dilation=4)
        self.head = nn.Conv2d(2 * width, channels, 1)
        self.sharpness = nn.Parameter(torch.tensor(3.0))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the features."""
        hidden = self.stem(torch.cat([pictures - 0.5, 0.3 * _standardized(pictures)], 1))
        hidden = hidden + self.near(hidden)
        hidden = self.head(hidden + self.far(hidden))
        return hidden / (hidden.square().sum(1, keepdim=True).sqrt() + _SOFT)


def _layer(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation),
        nn.GroupNorm(4, outputs),
        nn.ReLU(inplace=True),
    )


def _standardized(pictures: torch.Tensor) -> torch.Tensor:
    """Return pictures with the mean and contrast of the 33 pixels around taken out."""
    size = pictures.shape[-2:]
    both = torch.cat([pictures, pictures.square()], 1)
    coarse = F.avg_pool2d(both, 33, 8, 16, count_include_pad=False)
    mean, square = F.interpolate(coarse, size=size, mode="bilinear").chunk(2, 1)
    contrast = (square - mean.square()).clamp_min(0).mean(1, keepdim=True).sqrt()
    return (pictures - mean) / (contrast + 0.02)
