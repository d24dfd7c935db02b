"""U-Net with skip connections on a library's encoder."""

from __future__ import annotations

from segmentation_models_pytorch import Unet
from torch import nn

from nadir.config.experiments import UNet
from nadir.learn.encoders import build_encoder
from nadir.segmentation.models.reduced import fitted


def build_unet(cfg: UNet, in_channels: int, n_classes: int) -> nn.Module:
    """Return segmentation-models-pytorch's U-Net: (B, in_channels, H, W) -> logits (B, K, H, W).

    The encoder's features at strides 2 to 2^depth are joined by concatenation while the decoder
    doubles the resolution (nearest neighbour, two 3x3 convolutions a stage).
    """
    depth = len(cfg.decoder_channels)
    network = Unet(
        encoder_name=cfg.encoder,
        encoder_depth=depth,
        encoder_weights=None,
        decoder_channels=list(cfg.decoder_channels),
        in_channels=in_channels,
        classes=n_classes,
    )
    if cfg.weights is not None:
        network.encoder = build_encoder(cfg.encoder, cfg.weights, in_channels, depth)
    return fitted(network, 2**depth, cfg.reduce)
