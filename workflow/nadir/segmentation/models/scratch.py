"""The classic U-Net (Ronneberger, Fischer and Brox 2015), trained from random weights."""

from __future__ import annotations

import torch
from torch import nn

from nadir.config.experiments import UNetScratch
from nadir.segmentation.models.reduced import fitted


def double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return two 3x3 convolutions, each with batch norm and ReLU; padding keeps the size."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ScratchUNet(nn.Module):
    """U-Net of double convolutions; unlike the paper's, it pads, and has batch norm.

    Args:
        in_channels: Channels of the input.
        n_classes: Number of classes K.
        width: Channels of the first stage; each deeper one has twice as many.
        depth: Number of poolings.
    """

    def __init__(self, in_channels: int, n_classes: int, width: int, depth: int) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(depth + 1)]
        self.down = nn.ModuleList(
            double_convolution(before, after)
            for before, after in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.rise = nn.ModuleList(
            nn.ConvTranspose2d(widths[stage + 1], widths[stage], 2, stride=2)
            for stage in reversed(range(depth))
        )
        self.up = nn.ModuleList(
            double_convolution(2 * widths[stage], widths[stage]) for stage in reversed(range(depth))
        )
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(width, n_classes, 1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K, H, W) for (B, C, H, W) with H and W multiples of 2^depth."""
        skips = []
        for stage, block in enumerate(self.down):
            values = block(values if stage == 0 else self.pool(values))
            skips.append(values)
        skips.pop()
        for rise, block in zip(self.rise, self.up, strict=True):
            values = block(torch.cat([skips.pop(), rise(values)], dim=1))
        return self.head(values)


def build_scratch(cfg: UNetScratch, in_channels: int, n_classes: int) -> nn.Module:
    """Return the classic U-Net: (B, in_channels, H, W) -> logits (B, K, H, W)."""
    network = ScratchUNet(in_channels, n_classes, cfg.width, cfg.depth)
    return fitted(network, 2**cfg.depth, cfg.reduce)
