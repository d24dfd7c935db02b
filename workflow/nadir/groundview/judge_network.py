"""The network by which views are judged: a small residual one that learns from random weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nadir.config.groundview_evaluate import JudgeConfig
from nadir.learn.residual import ResidualBlock, halving

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
            halving(3, width, 5),
            halving(width, 2 * width, 3),
            ResidualBlock(2 * width),
            halving(2 * width, 4 * width, 3),
            ResidualBlock(4 * width),
            halving(4 * width, 8 * width, 3),
            ResidualBlock(8 * width),
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
