"""`unet_small`: the U-Net of a building-labelling project, rebuilt from three numbers.

The project that nadir's building job grew from states of its network that it is a U-Net on RGB
tiles of 256 pixels with 3,842,241 parameters, 22 convolutions, 18 batch normalizations and one
logit; its layers are not on record. Eighteen batch normalizations are those of the nine double
convolutions of a U-Net of depth four. That leaves four convolutions without: the one that gives
the logit, and three on the way up.

No network of that kind whose widths double from stage to stage has that number of parameters; the
variants that were counted run from depth 2 to 6, one to four convolutions a stage, skips joined,
added or left out, up-sampling of several forms, shortcuts, biases, and batch normalization in all
places or some. With widths free (multiples of eight) several forms meet all three numbers. This
one is made of the parts of the original U-Net: skips joined, transposed 2x2 convolutions wherever
the width changes on the way up, biases throughout. It says nothing certain of the true layers.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from nadir.segmentation.models.padding import Padded

WIDTHS = (24, 40, 160, 160, 320)
"""Channels of the stages, from the finest on."""


class DoubleConvolution(nn.Sequential):
    """Two 3x3 convolutions with biases, each with batch norm and ReLU; padding keeps the size."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class SmallUNet(nn.Module):
    """The network: (B, in_channels, H, W) -> (B, outputs, H, W), H and W multiples of 16.

    Args:
        in_channels: Channels of the input; 3 for the stated number of parameters.
        outputs: Logits a pixel; 1 for it.
    """

    def __init__(self, in_channels: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            DoubleConvolution(before, after) for before, after in pairwise((in_channels, *WIDTHS))
        )
        steps = list(pairwise(reversed(WIDTHS)))
        self.rise = nn.ModuleList(_rise(before, after) for before, after in steps)
        self.up = nn.ModuleList(DoubleConvolution(2 * width, width) for _, width in steps)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(WIDTHS[0], outputs, 1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        skips: list[torch.Tensor] = []
        for stage, block in enumerate(self.down):
            values = block(values if stage == 0 else self.pool(values))
            skips.append(values)
        skips.pop()
        for rise, block in zip(self.rise, self.up, strict=True):
            values = block(torch.cat([skips.pop(), rise(values)], dim=1))
        return self.head(values)


class TwoClasses(nn.Module):
    """One logit z as the two logits (0, z), so that their softmax is z's sigmoid."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return logits (B, 2, H, W)."""
        logit = self.network(values)
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


def build_small(in_channels: int, n_classes: int) -> nn.Module:
    """Return `unet_small`: (B, in_channels, H, W) -> logits (B, K, H, W), any H and W.

    For two classes it has one logit, as stated; for more it has one a class.
    """
    network = SmallUNet(in_channels, 1 if n_classes == 2 else n_classes)
    return Padded(TwoClasses(network) if n_classes == 2 else network, 2 ** (len(WIDTHS) - 1))


def _rise(before: int, after: int) -> nn.Module:
    """Return what doubles the resolution: a transposed convolution where the width changes."""
    if before == after:
        return nn.Upsample(scale_factor=2, mode="nearest")
    return nn.ConvTranspose2d(before, after, 2, stride=2)
