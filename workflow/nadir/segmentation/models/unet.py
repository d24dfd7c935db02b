"""U-Net with skip connections on a library's encoder."""

from __future__ import annotations

from segmentation_models_pytorch import Unet
from torch import nn

from nadir.config.networks import UNet
from nadir.learn.encoders import build_encoder, encoder_options, encoder_stride
from nadir.segmentation.models.dates import attend_dates
from nadir.segmentation.models.reduced import fitted


def build_unet(cfg: UNet, dates: int, bands: tuple[str, ...], n_classes: int) -> nn.Module:
    """Return segmentation-models-pytorch's U-Net: (B, dates * bands, H, W) -> logits (B, K, H, W).

    The encoder's features at strides 2 to 2^depth are joined by concatenation while the decoder
    doubles the resolution (nearest neighbour, two 3x3 convolutions a stage).
    """
    depth = len(cfg.decoder_channels)
    seen = bands * (1 if cfg.dates == "attention" else dates)
    network = Unet(
        encoder_name=cfg.encoder,
        encoder_depth=depth,
        encoder_weights=None,
        decoder_channels=list(cfg.decoder_channels),
        in_channels=len(seen),
        classes=n_classes,
        **encoder_options(cfg.encoder),
    )
    if cfg.weights is not None:
        network.encoder = build_encoder(cfg.encoder, cfg.weights, len(seen), depth, bands=seen)
    stride = encoder_stride(cfg.encoder, depth)
    if cfg.dates == "attention":
        network = attend_dates(network, dates, len(bands), stride)
    return fitted(network, stride, cfg.reduce)
