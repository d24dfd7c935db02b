"""Decoders of segmentation-models-pytorch, on encoders of that library or timm."""

from __future__ import annotations

from typing import Any

import segmentation_models_pytorch as smp
import torch
from timm.models import adapt_input_conv
from torch import nn

from nadir.config.networks import LibraryNetwork
from nadir.errors import InputError
from nadir.learn.bundle import check_tensors, read_weights
from nadir.learn.encoders import build_encoder, encoder_options, encoder_stride, unreachable
from nadir.learn.first_layer import color_sources, take_filters
from nadir.segmentation.models.dates import attend_dates
from nadir.segmentation.models.reduced import fitted

_STRIDE = 32
_PAN_STRIDE = 128  # its pyramid halves maps of stride 16 three times
_FIRST = "patch_embed.proj.weight"
_HEADS = ("head.", "head_dist.")  # classifiers


def build_library(
    cfg: LibraryNetwork, dates: int, bands: tuple[str, ...], n_classes: int
) -> nn.Module:
    """Return a network by name: (B, dates * bands, H, W) -> logits (B, K, H, W).

    Args:
        cfg: The section of the configuration.
        dates: Number of dates.
        bands: Names of the bands.
        n_classes: Number of classes K.

    Raises:
        InputError: When the weights cannot be had, or are those of another encoder, or decoder and
            encoder do not go together.
    """
    if cfg.name == "dpt":
        return fitted(_transformer(cfg, bands * dates, n_classes), _STRIDE, cfg.reduce)
    stacked = 1 if cfg.dates == "attention" else dates
    seen = bands * stacked
    build: Any = {
        "unetplusplus": smp.UnetPlusPlus,
        "deeplabv3plus": smp.DeepLabV3Plus,
        "fpn": smp.FPN,
        "upernet": smp.UPerNet,
        "segformer": smp.Segformer,
        "deeplabv3": smp.DeepLabV3,
        "manet": smp.MAnet,
        "linknet": smp.Linknet,
        "pspnet": smp.PSPNet,
        "pan": smp.PAN,
    }[cfg.name]
    try:
        network = build(
            encoder_name=cfg.encoder,
            encoder_weights=None,
            in_channels=len(seen),
            classes=n_classes,
            **encoder_options(cfg.encoder),
            **_width(cfg),
        )
    except (TypeError, ValueError) as error:  # what libraries say of parts that do not fit
        problem = f"{cfg.name} cannot be built on {cfg.encoder} ({error})"
        raise InputError("model.encoder", problem, "Choose another encoder or model.") from error
    if cfg.weights is not None:
        # Into the encoder that is there: it may be dilated, which changes no weights, and may lack
        # the coarsest stages.
        pretrained = build_encoder(cfg.encoder, cfg.weights, len(seen), bands=seen).state_dict()
        own = network.encoder.state_dict()
        network.encoder.load_state_dict({key: pretrained[key] for key in own})
    if cfg.dates == "attention":
        network = attend_dates(network, dates, len(bands), encoder_stride(cfg.encoder))
    stride = max(encoder_stride(cfg.encoder), _PAN_STRIDE if cfg.name == "pan" else 1)
    return fitted(network, stride, cfg.reduce)


def _width(cfg: LibraryNetwork) -> dict[str, Any]:
    """Return the options that set the width of a decoder."""
    width = cfg.width
    if width is None:
        return {}
    if cfg.name in ("unetplusplus", "manet"):
        return {"decoder_channels": [max(4, width >> stage) for stage in range(5)]}
    if cfg.name == "fpn":
        return {
            "decoder_pyramid_channels": width,
            "decoder_segmentation_channels": max(32, width // 64 * 32),  # 32 groups of its norm
        }
    if cfg.name == "pspnet":
        return {"psp_out_channels": width}
    if cfg.name == "segformer":
        return {"decoder_segmentation_channels": width}
    if cfg.name == "dpt":
        return {
            "decoder_fusion_channels": width,
            "decoder_intermediate_channels": (width, 2 * width, 4 * width, 4 * width),
        }
    return {"decoder_channels": width}


def _transformer(cfg: LibraryNetwork, bands: tuple[str, ...], n_classes: int) -> nn.Module:
    """Return DPT on a vision transformer that takes images of any size; `bands` of all dates."""

    def build(weights: str | None, in_channels: int) -> nn.Module:
        return smp.DPT(
            encoder_name=cfg.encoder,
            encoder_weights=weights,
            in_channels=in_channels,
            classes=n_classes,
            dynamic_img_size=True,
            **_width(cfg),
        )

    if cfg.weights not in (None, "imagenet"):
        given = read_weights(str(cfg.weights))
        state = {_plain(key): torch.from_numpy(array) for key, array in given.items()}
        return _with_state(build(None, len(bands)), str(cfg.weights), state, bands)
    if cfg.weights is None:
        return build(None, len(bands))
    try:
        pretrained: Any = build("imagenet", 3)
    except Exception as error:  # hubs, proxies and timm each raise kinds of their own
        raise unreachable(f"the ImageNet weights of {cfg.encoder}", error, "model") from error
    # Their channels are fitted here: timm repeats them whatever the bands are.
    state = pretrained.encoder.model.state_dict()
    colors = color_sources(bands)
    if colors is not None:
        state[_FIRST] = take_filters(state[_FIRST], colors)
    return _with_state(build(None, len(bands)), "ImageNet", state, bands)


def _with_state(
    network: nn.Module, file: str, state: dict[str, torch.Tensor], bands: tuple[str, ...]
) -> nn.Module:
    """Give the transformer of a DPT weights, as timm names them.

    A classifier is left as it is, since nothing asks it. Weights of another number of channels are
    fitted to the bands where their names are known, else repeated and scaled, as timm does it.
    """
    part: Any = network
    model = part.encoder.model
    given = {key: value for key, value in state.items() if not key.startswith(_HEADS)}
    first = given.get(_FIRST)
    if first is not None and first.ndim == 4 and first.shape[1] != len(bands):
        colors = color_sources(bands) if first.shape[1] == 3 else None
        given[_FIRST] = (
            take_filters(first, colors) if colors else adapt_input_conv(len(bands), first)
        )
    wanted = {key: value for key, value in model.state_dict().items() if not key.startswith(_HEADS)}
    check_tensors(
        file,
        {key: tuple(value.shape) for key, value in wanted.items()},
        {key: tuple(value.shape) for key, value in given.items()},
    )
    model.load_state_dict(given, strict=False)
    return network


def _plain(key: str) -> str:
    """Return a tensor's name without the prefixes that whole models put before it."""
    for prefix in ("network.", "encoder.", "model."):
        key = key.removeprefix(prefix)
    return key
