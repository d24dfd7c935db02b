"""From a model's section of the configuration to the network."""

from __future__ import annotations

from torch import nn

from nadir.config.experiments import ModelConfig, UNet, UNetNoSkip, UNetScratch, UNetSmall
from nadir.errors import InputError, did_you_mean
from nadir.segmentation.models.names import check_model

NETWORKS = ("unet", "unet_noskip", "unet_scratch", "unet_small")
"""Names of the models that are neural networks."""


def build_model(
    cfg: ModelConfig, in_channels: int, n_classes: int, *, pretrained: bool = True
) -> nn.Module:
    """Build a network: float32 (B, in_channels, H, W) -> logits (B, K, H, W), any H, W.

    Random weights come from torch's global generator: seed it first.

    Args:
        cfg: The model's section.
        in_channels: Dates times bands.
        n_classes: Number of classes K.
        pretrained: Load the encoder weights that `cfg` names; False when others are loaded anyway.

    Raises:
        InputError: As `check_model` and `build_encoder` do, or when the model is no network.
    """
    if not pretrained and isinstance(cfg, (UNet, UNetNoSkip)):
        cfg = cfg.model_copy(update={"weights": None})
    check_model(cfg)
    # Imported where needed: each pulls in a library, and the code fingerprint follows them anyway.
    if isinstance(cfg, UNet):
        from nadir.segmentation.models.unet import build_unet

        return build_unet(cfg, in_channels, n_classes)
    if isinstance(cfg, UNetNoSkip):
        from nadir.segmentation.models.noskip import build_noskip

        return build_noskip(cfg, in_channels, n_classes)
    if isinstance(cfg, UNetScratch):
        from nadir.segmentation.models.scratch import build_scratch

        return build_scratch(cfg, in_channels, n_classes)
    if isinstance(cfg, UNetSmall):
        from nadir.segmentation.models.small import build_small

        return build_small(in_channels, n_classes)
    raise InputError(
        "model.name",
        f"{cfg.name!r} is no neural network{did_you_mean(cfg.name, NETWORKS)}",
        f"One of {NETWORKS}.",
    )
