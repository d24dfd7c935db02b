"""The classic U-Net (Ronneberger, Fischer and Brox 2015), trained from random weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import nn

from nadir.config.experiments import UNetScratch
from nadir.segmentation.models.dates import DatesEncoder
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


class ScratchEncoder(nn.ModuleList):
    """The way down of a U-Net: double convolutions with poolings between them.

    Args:
        in_channels: Channels of the input.
        widths: Channels of the stages, from the finest on.
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__(
            double_convolution(before, after)
            for before, after in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.out_channels = [in_channels, *widths]
        self.output_stride = 2 ** (len(widths) - 1)

    def forward(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Return the input itself, and the features at strides 1, 2, 4, ..."""
        features = [values]
        for stage, block in enumerate(self):
            values = block(values if stage == 0 else functional.max_pool2d(values, 2))
            features.append(values)
        return features


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
        self.down: nn.Module = ScratchEncoder(in_channels, widths)
        self.rise = nn.ModuleList(
            nn.ConvTranspose2d(widths[stage + 1], widths[stage], 2, stride=2)
            for stage in reversed(range(depth))
        )
        self.up = nn.ModuleList(
            double_convolution(2 * widths[stage], widths[stage]) for stage in reversed(range(depth))
        )
        self.head = nn.Conv2d(width, n_classes, 1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K, H, W) for (B, C, H, W) with H and W multiples of 2^depth."""
        *skips, values = self.down(values)[1:]
        for rise, block in zip(self.rise, self.up, strict=True):
            values = block(torch.cat([skips.pop(), rise(values)], dim=1))
        return self.head(values)


def build_scratch(cfg: UNetScratch, dates: int, bands: int, n_classes: int) -> nn.Module:
    """Return the classic U-Net: (B, dates * bands, H, W) -> logits (B, K, H, W)."""
    attend = cfg.dates == "attention" and dates > 1
    network = ScratchUNet(bands if attend else dates * bands, n_classes, cfg.width, cfg.depth)
    stride = 2**cfg.depth
    if attend:
        network.down = DatesEncoder(network.down, dates, bands, stride)
    return fitted(network, stride, cfg.reduce)
