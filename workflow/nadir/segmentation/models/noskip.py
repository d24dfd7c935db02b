"""The seed project's "U-Net" as its code has it: an encoder and a decoder without skips."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn

from nadir.config.experiments import UNetNoSkip
from nadir.learn.encoders import build_encoder
from nadir.segmentation.models.padding import Padded

DECODER_CHANNELS = (512, 256, 128, 64, 32)
"""Channels after each transposed convolution; the encoder gives 2048 (for ResNet50)."""


class NoSkipDecoder(nn.Module):
    """Transposed convolutions (2x2, stride 2, batch norm, ReLU), then a 1x1 convolution.

    All spatial detail must pass the encoder's coarsest features, which is why this form maps large
    fields well and small things hardly at all. The last of the encoder's five halvings is undone by
    bilinear resizing where the decoder's output is not exactly the tile.

    Args:
        in_channels: Channels of the encoder's coarsest features.
        n_classes: Number of classes K.
    """

    def __init__(self, in_channels: int, n_classes: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for channels in DECODER_CHANNELS:
            stages += [
                nn.ConvTranspose2d(in_channels, channels, kernel_size=2, stride=2, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
            in_channels = channels
        self.stages = nn.Sequential(*stages)
        self.head = nn.Conv2d(in_channels, n_classes, kernel_size=1)

    def forward(self, features: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Return logits (B, K, height, width) from features (B, C, h, w)."""
        logits = self.head(self.stages(features))
        if logits.shape[-2:] != (height, width):
            logits = functional.interpolate(
                logits, size=(height, width), mode="bilinear", align_corners=False
            )
        return logits


class NoSkip(nn.Module):
    """Encoder, then `NoSkipDecoder`; (B, in_channels, H, W) -> logits (B, K, H, W)."""

    def __init__(self, encoder: nn.Module, n_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        channels: Any = encoder.out_channels
        self.decoder = NoSkipDecoder(channels[-1], n_classes)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return logits of the input's height and width."""
        height, width = values.shape[-2:]
        return self.decoder(self.encoder(values)[-1], height, width)


def build_noskip(cfg: UNetNoSkip, bands: tuple[str, ...], n_classes: int) -> nn.Module:
    """Return the encoder-decoder without skips; `bands` are those of all dates.

    The tile is not padded for an encoder whose strides round up (as ResNet's do): the bilinear
    resize brings the logits onto it, as in the seed project.
    """
    network = NoSkip(build_encoder(cfg.encoder, cfg.weights, len(bands), bands=bands), n_classes)
    return Padded(network, 1 if cfg.encoder.startswith("res") else 32)
