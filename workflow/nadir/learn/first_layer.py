"""The first layer of a pretrained encoder, fitted to the bands: which band takes which filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nadir.errors import InputError
from nadir.raster.sentinel2 import BANDS, canonical_band

Sources = Sequence[int | None]
"""For each channel of an input, the channel of the pretrained weights whose filters it takes; None
for the mean of all of them."""

_RGB = ("B04", "B03", "B02")  # the channels of ImageNet's weights
_LETTERS = {"r": "B04", "g": "B03", "b": "B02", "n": "B08"}


def band_key(name: str) -> str:
    """Return what two names of one band have in common.

    >>> [band_key(name) for name in ("B4", "red", "R", "B8a", "Elevation")]
    ['B04', 'B04', 'B04', 'B8A', 'elevation']
    """
    plain = name.strip().lower()
    return canonical_band(plain) or _LETTERS.get(plain) or plain


def color_sources(bands: Sequence[str]) -> list[int | None] | None:
    """Return which filters of red, green and blue the bands take; None where no name is known.

    Red, green and blue, of whatever date, take their own. Other bands take the mean of the three,
    which answers to form and texture whatever the color.

    >>> color_sources(["B02", "B03", "B04", "B08"])
    [2, 1, 0, None]
    """
    keys = [band_key(name) for name in bands]
    if not any(key in BANDS for key in keys):
        return None
    return [_RGB.index(key) if key in _RGB else None for key in keys]


def take_filters(weight: torch.Tensor, sources: Sources) -> torch.Tensor:
    """Return the weights of a convolution for other channels, scaled to the size of its response.

    Args:
        weight: (out, channels, height, width).
        sources: Which of the channels each channel of the input takes.

    Returns:
        (out, len(sources), height, width), times channels / len(sources).
    """
    mean = weight.mean(dim=1)
    taken = [mean if source is None else weight[:, source] for source in sources]
    return torch.stack(taken, dim=1) * (weight.shape[1] / len(sources))


def adapt_first_layer(
    encoder: nn.Module, in_channels: int, bands: Sequence[str] = (), channels: int = 3
) -> nn.Module:
    """Let an encoder of red, green and blue take `in_channels`, keeping what its filters learnt.

    Args:
        encoder: It is changed.
        in_channels: Channels of the input.
        bands: Their names (`color_sources`); where none is known, filters are repeated in turn.
        channels: Channels that the encoder takes.

    Raises:
        InputError: As `fit_first_layer`.
    """
    named = color_sources(bands) if channels == len(_RGB) else None
    return fit_first_layer(encoder, named or [j % channels for j in range(in_channels)], channels)


def fit_first_layer(encoder: nn.Module, sources: Sources, channels: int = 3) -> nn.Module:
    """Let an encoder take the channels that `sources` stands for, instead of `channels`.

    All convolutions that see the input are fitted: blocks that are folded for inference (MobileOne,
    RepVGG) have several side by side.

    Raises:
        InputError: When the encoder has no convolution over the channels of the input.
    """
    if list(sources) == list(range(channels)):
        return encoder
    for convolution in _branches(encoder, channels):
        with torch.no_grad():
            weight = take_filters(convolution.weight, sources).contiguous()
        convolution.weight = nn.Parameter(weight)
        convolution.in_channels = len(sources)
    owner: Any = encoder
    widths = getattr(owner, "_out_channels", None)
    if isinstance(widths, list) and widths:  # the input itself is the finest "feature"
        owner._out_channels = [len(sources), *widths[1:]]
    owner._in_channels = len(sources)
    return encoder


def first_convolution(encoder: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return the first convolution with its dotted name.

    Raises:
        InputError: When there is none.
    """
    for path, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d):
            return path, module
    raise _unfit("this encoder has no convolution to adapt to the bands")


def _branches(encoder: nn.Module, channels: int) -> list[nn.Conv2d]:
    """Return the convolutions that see the input: the first, and those of its form beside it."""
    path, first = first_convolution(encoder)
    if first.in_channels != channels or first.groups != 1:
        raise _unfit(
            f"the first layer of this encoder ({path}) sees {first.in_channels} channels, not the "
            f"{channels} of its weights' images, and cannot be adapted to the bands"
        )
    form = (channels, first.out_channels, first.stride, 1)
    return [
        module
        for module in encoder.modules()
        if isinstance(module, nn.Conv2d)
        and (module.in_channels, module.out_channels, module.stride, module.groups) == form
    ]


def _unfit(problem: str) -> InputError:
    return InputError("model.encoder", problem, "Choose another encoder, or weights: null.")
