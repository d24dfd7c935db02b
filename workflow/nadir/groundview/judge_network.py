"""The network by which views are judged: a small residual one that learns from random weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nadir.config.groundview_evaluate import JudgeConfig

SHARES = 13
"""Shares of a view: sky, and the twelve classes of land cover."""


class JudgeNetwork(nn.Module):
    """Photos to features of variance one, shares of classes, and directions to compare photos by.

    Features are normalized over the training photos and not scaled thereafter, so that distances
    between them are in deviations of real photos.

    Args:
        cfg: Width and length of the features.
    """

    def __init__(self, cfg: JudgeConfig) -> None:
        super().__init__()
        width = cfg.width
        self.stages = nn.Sequential(
            _halving(3, width, 5),
            _halving(width, 2 * width, 3),
            _Block(2 * width),
            _halving(2 * width, 4 * width, 3),
            _Block(4 * width),
            _halving(4 * width, 8 * width, 3),
            _Block(8 * width),
        )
        self.describe = nn.Sequential(
            nn.Linear(16 * width, cfg.features, bias=False),
            nn.BatchNorm1d(cfg.features, affine=False),
        )
        self.classes = nn.Linear(cfg.features, SHARES)
        self.projection = nn.Sequential(nn.ReLU(), nn.Linear(cfg.features, cfg.features))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features (n, features) of pictures (n, 3, size, size) with values -1..1."""
        maps = self.stages(pictures.contiguous(memory_format=torch.channels_last))
        upper, lower = maps.chunk(2, dim=2)  # what lies above the horizon, and what below
        pooled = torch.cat([part.mean(dim=(2, 3)) for part in (upper, lower)], dim=1)
        return self.describe(pooled)

    def shares(self, features: Tensor) -> Tensor:
        """Return logarithms of the shares (n, SHARES) that views with these features show."""
        return functional.log_softmax(self.classes(features).float(), dim=1)

    def direction(self, features: Tensor) -> Tensor:
        """Return unit vectors (n, features) by which changed photos are known again."""
        return functional.normalize(self.projection(features).float(), dim=1)


class _Block(nn.Module):
    """A residual block of two convolutions (He et al. 2016) that starts as the identity."""

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
