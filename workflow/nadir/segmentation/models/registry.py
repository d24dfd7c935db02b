"""From a model's section of the configuration to the network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from nadir.config.networks import (
    LibraryNetwork,
    ModelConfig,
    UNet,
    UNetNoSkip,
    UNetScratch,
    UNetSmall,
    UNetTwoEncoders,
)
from nadir.errors import InputError, did_you_mean
from nadir.segmentation.models.names import check_model

NETWORKS = (
    *("unet", "unet_noskip", "unet_scratch", "unet_small", "unet_two_encoders"),
    *("unetplusplus", "deeplabv3plus", "fpn", "upernet", "segformer", "dpt"),
    *("deeplabv3", "manet", "linknet", "pspnet", "pan"),
)
"""Names of the models that are neural networks."""


def build_model(
    cfg: ModelConfig,
    in_channels: int,
    n_classes: int,
    *,
    pretrained: bool = True,
    dates: int = 1,
    bands: Sequence[str] = (),
) -> nn.Module:
    """Build a network: float32 (B, in_channels, H, W) -> logits (B, K, H, W), any H, W.

    Random weights come from torch's global generator: seed it first.

    Args:
        cfg: The model's section.
        in_channels: Dates times bands.
        n_classes: Number of classes K.
        pretrained: Load the encoder weights that `cfg` names; False when others are loaded anyway.
        dates: Number of dates among the channels.
        bands: Names of the bands, where they are known: some pretrained weights are of bands with
            names.

    Raises:
        InputError: As `check_model` and `build_encoder` do, or when the model is no network.
    """
    if not pretrained and isinstance(cfg, (UNet, UNetNoSkip, LibraryNetwork, UNetTwoEncoders)):
        cfg = cfg.model_copy(update={"weights": None})
    check_model(cfg)
    names = tuple(bands) or ("",) * (in_channels // dates)
    if dates * len(names) != in_channels:
        raise ValueError(f"{dates} dates of {len(names)} bands are not {in_channels} channels")
    # Imported where needed: each pulls in a library, and the code fingerprint follows them anyway.
    if isinstance(cfg, UNet):
        from nadir.segmentation.models.unet import build_unet

        return build_unet(cfg, dates, names, n_classes)
    if isinstance(cfg, LibraryNetwork):
        from nadir.segmentation.models.library import build_library

        return build_library(cfg, dates, names, n_classes)
    if isinstance(cfg, UNetTwoEncoders):
        from nadir.segmentation.models.two_encoders import build_two_encoders

        return build_two_encoders(cfg, dates, names, n_classes)
    if isinstance(cfg, UNetNoSkip):
        from nadir.segmentation.models.noskip import build_noskip

        return build_noskip(cfg, names * dates, n_classes)
    if isinstance(cfg, UNetScratch):
        from nadir.segmentation.models.scratch import build_scratch

        return build_scratch(cfg, dates, len(names), n_classes)
    if isinstance(cfg, UNetSmall):
        from nadir.segmentation.models.small import build_small

        return build_small(in_channels, n_classes)
    raise InputError(
        "model.name",
        f"{cfg.name!r} is no neural network{did_you_mean(cfg.name, NETWORKS)}",
        f"One of {NETWORKS}.",
    )
