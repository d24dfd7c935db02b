"""Encoders of segmentation-models-pytorch and timm, their weights, and any number of channels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn

from nadir.config.encoders import TIMM, TORCHGEO
from nadir.errors import InputError
from nadir.learn.bundle import check_tensors, read_weights
from nadir.learn.first_layer import adapt_first_layer, first_convolution, fit_first_layer
from nadir.learn.torchgeo_weights import band_sources, find_weights

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
        weights: `imagenet`, a `.safetensors` file of the encoder for red, green and blue (or for
            these `in_channels`, which are then taken as they are), `torchgeo:NAME.MEMBER`, or None
            for random weights.
        in_channels: Channels of the input. The first convolution of pretrained weights is fitted to
            them, and scaled by 3 / in_channels, which keeps the size of its response.
        depth: Number of halvings.
        where: Dotted name of the section that names the encoder, for messages.
        bands: Names of the channels, where they are known: each band takes the filters of the same
            band of the weights, and the mean of all filters where there is none. Where no name is
            known, the filters are repeated in turn.

    Raises:
        InputError: When weights cannot be fetched, are those of another model or of other bands, or
            the encoder's first layer cannot be fitted.
    """
    if weights is None:
        return _random_encoder(name, in_channels, depth)
    if weights.startswith(TORCHGEO):
        return _from_torchgeo(name, weights, in_channels, depth, where, bands)
    encoder = _random_encoder(name, 3, depth)
    if weights != "imagenet":
        return _from_file(encoder, name, weights, in_channels, depth, bands)
    _load_imagenet(encoder, name, depth, where)
    return adapt_first_layer(encoder, in_channels, bands)


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


def _from_file(
    encoder: nn.Module,
    name: str,
    file: str,
    in_channels: int,
    depth: int,
    bands: Sequence[str],
) -> nn.Module:
    weights = {
        _plain(key): torch.from_numpy(array)
        for key, array in read_weights(file).items()
        if not _plain(key).startswith(_CLASSIFIERS)
    }
    path, first = first_convolution(encoder)
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
    return encoder if adapted else adapt_first_layer(encoder, in_channels, bands)


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
    member = find_weights(weights, where)
    try:
        given = member.get_state_dict(progress=False)
    except Exception as error:  # as for ImageNet's
        log.debug("fetching weights failed", exc_info=True)
        raise unreachable(f"torchgeo's weights {asked}", error, where) from error
    state = {key: value for key, value in given.items() if not _plain(key).startswith(_CLASSIFIERS)}
    first = next((value for value in state.values() if value.ndim == 4), None)
    channels = in_channels if first is None else int(first.shape[1])
    known = [str(band) for band in member.meta.get("bands", ())]
    sources = band_sources(asked, known, channels, in_channels, bands)
    encoder = _random_encoder(name, channels, depth)
    wanted = {key: tuple(value.shape) for key, value in encoder.state_dict().items()}
    check_tensors(asked, wanted, {_plain(key): tuple(value.shape) for key, value in state.items()})
    encoder.load_state_dict({_plain(key): value for key, value in state.items()})
    return fit_first_layer(encoder, sources, channels)
