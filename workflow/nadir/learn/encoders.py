"""Encoders of segmentation-models-pytorch and timm, their weights, and any number of channels."""

from __future__ import annotations

import logging
import math
from typing import Any

import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn

from nadir.errors import InputError
from nadir.learn.bundle import check_tensors, read_weights

log = logging.getLogger(__name__)

_CLASSIFIERS = ("fc.", "classifier.", "head.", "last_linear.")
_OFFLINE = (
    "Set weights: null to train from random weights, or weights: FILE.safetensors with a file that "
    "was fetched where there is a network."
)


def build_encoder(
    name: str, weights: str | None, in_channels: int, depth: int = 5, where: str = "model"
) -> nn.Module:
    """Return an encoder for inputs of `in_channels` channels.

    Args:
        name: `resnet50`, `efficientnet-b0`, ...; `tu-NAME` for timm's.
        weights: `imagenet`, a `.safetensors` file of the 3-channel (or `in_channels`-channel)
            encoder, or None for random weights.
        in_channels: Channels of the input. The first convolution of pretrained weights is repeated
            over the channels and scaled by 3 / in_channels, which keeps the size of its response.
        depth: Number of halvings.
        where: Dotted name of the section that names the encoder, for messages.

    Raises:
        InputError: When ImageNet weights cannot be fetched, or a file holds those of another model.
    """
    if weights is None:
        return get_encoder(name, in_channels=in_channels, depth=depth, weights=None)
    encoder = get_encoder(name, in_channels=3, depth=depth, weights=None)
    if weights == "imagenet":
        _load_imagenet(encoder, name, depth, where)
    else:
        return _from_file(encoder, name, weights, in_channels, depth)
    return adapt_first_layer(encoder, in_channels)


def adapt_first_layer(encoder: nn.Module, in_channels: int) -> nn.Module:
    """Let a 3-channel encoder take `in_channels`, keeping what its first convolution learnt."""
    _, first = _first_convolution(encoder)
    with torch.no_grad():
        learnt = first.weight
        repeats = math.ceil(in_channels / learnt.shape[1])
        weight = learnt.repeat(1, repeats, 1, 1)[:, :in_channels] * (learnt.shape[1] / in_channels)
    first.weight = nn.Parameter(weight.contiguous())
    first.in_channels = in_channels
    owner: Any = encoder
    channels = getattr(owner, "_out_channels", None)
    if isinstance(channels, list) and channels:  # the input itself is the finest "feature"
        owner._out_channels = [in_channels, *channels[1:]]
    owner._in_channels = in_channels
    return encoder


def _from_file(encoder: nn.Module, name: str, file: str, in_channels: int, depth: int) -> nn.Module:
    weights = {
        _plain(key): torch.from_numpy(array)
        for key, array in read_weights(file).items()
        if not _plain(key).startswith(_CLASSIFIERS)
    }
    path, first = _first_convolution(encoder)
    given = weights.get(f"{path}.weight")
    if given is not None and given.ndim == 4 and given.shape[1] == in_channels != first.in_channels:
        encoder = get_encoder(name, in_channels=in_channels, depth=depth, weights=None)
        adapted = True
    else:
        adapted = in_channels == first.in_channels
    state = encoder.state_dict()
    counters = {key: value for key, value in state.items() if key.endswith("num_batches_tracked")}
    weights = {
        **counters,
        **weights,
    }  # older files lack these counters, which only momentum=None reads
    check_tensors(
        file,
        {key: tuple(value.shape) for key, value in state.items()},
        {key: tuple(value.shape) for key, value in weights.items()},
    )
    encoder.load_state_dict(weights)
    return encoder if adapted else adapt_first_layer(encoder, in_channels)


def _plain(key: str) -> str:
    """Return a tensor's name without the prefix that whole models put before their encoder's."""
    return key.removeprefix("network.").removeprefix("encoder.")


def _load_imagenet(encoder: nn.Module, name: str, depth: int, where: str) -> None:
    try:
        pretrained = get_encoder(name, in_channels=3, depth=depth, weights="imagenet")
    except KeyError as error:
        raise InputError(
            f"{where}.weights", f"there are no ImageNet weights for the encoder {name}", _OFFLINE
        ) from error
    except Exception as error:  # hubs, proxies and timm each raise kinds of their own
        log.debug("fetching weights failed", exc_info=True)
        raise InputError(
            f"{where}.weights",
            f"the ImageNet weights of {name} cannot be fetched ({type(error).__name__})",
            _OFFLINE,
        ) from error
    encoder.load_state_dict(pretrained.state_dict())


def _first_convolution(encoder: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return the first convolution with its dotted name."""
    for path, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d):
            return path, module
    raise InputError(
        "model.encoder",
        "this encoder has no convolution to adapt to the bands",
        "Choose another encoder.",
    )
