"""U-Net on two encoders side by side: what a transformer sees from afar, and a ResNet close by."""

from __future__ import annotations

from typing import Any

import torch
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import nn

from nadir.config.networks import UNetTwoEncoders
from nadir.learn.encoders import build_encoder, encoder_stride
from nadir.segmentation.models.dates import attend_dates
from nadir.segmentation.models.reduced import fitted

_DEPTH = 5


class JointEncoder(nn.Module):
    """Encoders whose features are joined scale by scale.

    Args:
        encoders: Each (B, C, H, W) -> features at strides 1, 2, 4, 8, 16, 32.
    """

    def __init__(self, encoders: list[nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        each: list[Any] = [encoder.out_channels for encoder in encoders]
        finer = zip(*(channels[1:] for channels in each), strict=True)
        self.out_channels = [each[0][0], *(sum(scale) for scale in finer)]
        self.output_stride = 2**_DEPTH

    def forward(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Return the joined features; the first is the input itself."""
        each = [encoder(values)[1:] for encoder in self.encoders]
        return [values, *(torch.cat(scale, dim=1) for scale in zip(*each, strict=True))]


class JointUNet(nn.Module):
    """A joint encoder and the decoder of a U-Net: (B, C, H, W) -> logits (B, K, H, W)."""

    def __init__(self, encoder: nn.Module, channels: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        widths: Any = encoder.out_channels
        self.decoder = UnetDecoder(
            encoder_channels=widths, decoder_channels=channels, n_blocks=_DEPTH
        )
        self.head = SegmentationHead(channels[-1], n_classes, kernel_size=3)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return logits for H and W that are multiples of 32."""
        return self.head(self.decoder(self.encoder(values)))


def build_two_encoders(
    cfg: UNetTwoEncoders, dates: int, bands: tuple[str, ...], n_classes: int
) -> nn.Module:
    """Return the network: (B, dates * bands, H, W) -> logits (B, K, H, W).

    Raises:
        InputError: When the weights cannot be had.
    """
    seen = bands * (1 if cfg.dates == "attention" else dates)
    encoders = [
        build_encoder(name, weights, len(seen), _DEPTH, bands=seen)
        for name, weights in zip(cfg.encoders, cfg.each, strict=True)
    ]
    network: nn.Module = JointUNet(JointEncoder(encoders), cfg.decoder_channels, n_classes)
    stride = max(encoder_stride(name) for name in cfg.encoders)
    if cfg.dates == "attention":
        network = attend_dates(network, dates, len(bands), stride)
    return fitted(network, stride, cfg.reduce)
