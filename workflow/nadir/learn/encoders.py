"""Encoders of segmentation-models-pytorch and timm, their weights, and any number of channels."""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn

from nadir.config.encoders import TIMM, TORCHGEO, TORCHGEO_REMEDY
from nadir.errors import InputError
from nadir.learn.bundle import check_tensors, read_weights

log = logging.getLogger(__name__)

_CLASSIFIERS = ("fc.", "classifier.", "head.", "last_linear.")
_SHIFTED = ("swin_", "swinv2_")
_PARTITIONED = ("maxvit", "maxxvit", "coatnet")
_PARTITION = 128  # a multiple of which images are then: windows of 4 at the coarsest stride
_OFFLINE = (
    "Set weights: null to train from random weights, or weights: FILE.safetensors with a file that "
    "was fetched where there is a network."
)


def build_encoder(
    name: str,
    weights: str | None,
    in_channels: int,
    depth: int = 5,
    where: str = "model",
    bands: Sequence[str] = (),
) -> nn.Module:
    """Return an encoder for inputs of `in_channels` channels.

    Args:
        name: `resnet50`, `efficientnet-b0`, ...; `tu-NAME` for timm's.
        weights: `imagenet`, a `.safetensors` file of the 3-channel (or `in_channels`-channel)
            encoder, `torchgeo:NAME.MEMBER`, or None for random weights.
        in_channels: Channels of the input. The first convolution of pretrained weights is repeated
            over the channels and scaled by 3 / in_channels, which keeps the size of its response.
        depth: Number of halvings.
        where: Dotted name of the section that names the encoder, for messages.
        bands: Names of the channels, where they are known: weights of torchgeo's are for bands with
            names, of which the same ones are taken.

    Raises:
        InputError: When ImageNet weights cannot be fetched, or a file holds those of another model.
    """
    if weights is None:
        return _random_encoder(name, in_channels, depth)
    if weights.startswith(TORCHGEO):
        return _from_torchgeo(name, weights, in_channels, depth, where, bands)
    encoder = _random_encoder(name, 3, depth)
    if weights == "imagenet":
        _load_imagenet(encoder, name, depth, where)
    else:
        return _from_file(encoder, name, weights, in_channels, depth)
    return adapt_first_layer(encoder, in_channels)


def encoder_options(name: str) -> dict[str, Any]:
    """Return what timm needs to know of an encoder with windows, so that it takes other sizes."""
    plain = name.removeprefix(TIMM)
    if plain.startswith(_SHIFTED):
        return {"strict_img_size": False}
    return {"img_size": _PARTITION} if plain.startswith(_PARTITIONED) else {}


def encoder_stride(name: str, depth: int = 5) -> int:
    """Return what height and width must be multiples of for an encoder of so many halvings."""
    return _PARTITION if name.removeprefix(TIMM).startswith(_PARTITIONED) else 2**depth


def _random_encoder(name: str, in_channels: int, depth: int) -> nn.Module:
    return get_encoder(
        name, in_channels=in_channels, depth=depth, weights=None, **encoder_options(name)
    )


def adapt_first_layer(encoder: nn.Module, in_channels: int) -> nn.Module:
    """Let a 3-channel encoder take `in_channels`, keeping what its first convolution learnt."""
    _, first = _first_convolution(encoder)
    with torch.no_grad():
        learnt = first.weight
        repeats = math.ceil(in_channels / learnt.shape[1])
        weight = learnt.repeat(1, repeats, 1, 1)[:, :in_channels] * (learnt.shape[1] / in_channels)
    return _with_first(encoder, first, weight)


def _with_first(encoder: nn.Module, first: nn.Conv2d, weight: torch.Tensor) -> nn.Module:
    """Give an encoder other weights of its first convolution, for as many channels as they are."""
    in_channels = weight.shape[1]
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
        encoder = _random_encoder(name, in_channels, depth)
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
        pretrained = get_encoder(
            name, in_channels=3, depth=depth, weights="imagenet", **encoder_options(name)
        )
    except KeyError as error:
        raise InputError(
            f"{where}.weights", f"there are no ImageNet weights for the encoder {name}", _OFFLINE
        ) from error
    except Exception as error:  # hubs, proxies and timm each raise kinds of their own
        log.debug("fetching weights failed", exc_info=True)
        raise unreachable(f"the ImageNet weights of {name}", error, where) from error
    encoder.load_state_dict(pretrained.state_dict())


def unreachable(what: str, error: Exception, where: str) -> InputError:
    """Return the error for weights that cannot be fetched, with what can be done without."""
    return InputError(
        f"{where}.weights", f"{what} cannot be fetched ({type(error).__name__})", _OFFLINE
    )


def _from_torchgeo(
    name: str, weights: str, in_channels: int, depth: int, where: str, bands: Sequence[str]
) -> nn.Module:
    """Return an encoder with weights that torchgeo knows by name, fitted to the bands."""
    asked = weights.removeprefix(TORCHGEO)
    try:
        # By name, since it is an extra: whoever asks for its weights installs it.
        get_weight = importlib.import_module("torchgeo.models").get_weight
    except ImportError as error:
        raise InputError(
            f"{where}.weights",
            f"{weights} needs torchgeo, which is not installed",
            TORCHGEO_REMEDY,
        ) from error
    try:
        member: Any = get_weight(asked)
    except (ValueError, KeyError) as error:
        problem = f"torchgeo knows no weights {asked!r}"
        raise InputError(
            f"{where}.weights", problem, "See its list of pretrained weights."
        ) from error
    try:
        given = member.get_state_dict(progress=False)
    except Exception as error:  # as for ImageNet's
        log.debug("fetching weights failed", exc_info=True)
        raise unreachable(f"torchgeo's weights {asked}", error, where) from error
    state = {key: value for key, value in given.items() if not _plain(key).startswith(_CLASSIFIERS)}
    first = next((value for value in state.values() if value.ndim == 4), None)
    channels = in_channels if first is None else int(first.shape[1])
    encoder = _random_encoder(name, channels, depth)
    wanted = {key: tuple(value.shape) for key, value in encoder.state_dict().items()}
    check_tensors(asked, wanted, {_plain(key): tuple(value.shape) for key, value in state.items()})
    encoder.load_state_dict({_plain(key): value for key, value in state.items()})
    known = [str(band) for band in member.meta.get("bands", ())]
    if channels == in_channels and (not known or list(bands) == known):
        return encoder
    if len(known) == channels and set(bands) <= set(known):
        return _choose_bands(encoder, [known.index(band) for band in bands])
    return adapt_first_layer(encoder, in_channels)


def _choose_bands(encoder: nn.Module, chosen: Sequence[int]) -> nn.Module:
    """Let an encoder take some of its channels (some maybe twice), at the size of its response."""
    _, first = _first_convolution(encoder)
    before = first.in_channels
    with torch.no_grad():
        weight = first.weight[:, list(chosen)] * (before / len(chosen))
    return _with_first(encoder, first, weight)


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
