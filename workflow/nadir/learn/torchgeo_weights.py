"""Weights that torchgeo knows by name, and which of their bands are which of ours."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from nadir.config.encoders import TORCHGEO, TORCHGEO_REMEDY
from nadir.errors import InputError
from nadir.learn.first_layer import Sources, band_key

log = logging.getLogger(__name__)

_OTHER_NUMBERS = "LANDSAT"  # whose B4 is not Sentinel-2's


def find_weights(weights: str, where: str) -> Any:
    """Return the member of torchgeo's weights that `torchgeo:NAME.MEMBER` names.

    Raises:
        InputError: When torchgeo is not installed, or knows none of this name.
    """
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
        return get_weight(asked)
    except (ValueError, KeyError) as error:
        problem = f"torchgeo knows no weights {asked!r}"
        raise InputError(
            f"{where}.weights", problem, "See its list of pretrained weights."
        ) from error


def band_sources(
    asked: str, known: Sequence[str], channels: int, in_channels: int, bands: Sequence[str]
) -> Sources:
    """Return whose filters each band takes: those of the same band of the weights.

    torchgeo spells Sentinel-2's bands B1, B8a; ours are B01, B8A: names are compared for what they
    mean. Those of Landsat, whose numbers mean other wavelengths, must be the very same. A band that
    the weights have not seen takes the mean of their filters.

    Args:
        asked: NAME.MEMBER of the weights.
        known: Names of their bands; none where torchgeo does not tell.
        channels: Channels of the weights.
        in_channels: Channels of the input.
        bands: Names of these; all empty where they are not known.

    Raises:
        InputError: When none of the bands is among those of the weights, or not all of Landsat's.
    """
    if len(known) != channels or len(bands) != in_channels or not any(bands):
        log.warning("%s: which band is which is not known; their filters are taken in turn", asked)
        return [channel % channels for channel in range(in_channels)]
    landsat = _OTHER_NUMBERS in asked.upper()
    key: Callable[[str], str] = str.strip if landsat else band_key
    place = {key(name): index for index, name in enumerate(known)}
    sources = [place.get(key(name)) for name in bands]
    strange = [name for name, source in zip(bands, sources, strict=True) if source is None]
    strange = list(dict.fromkeys(strange))
    if strange and (landsat or not any(source is not None for source in sources)):
        raise InputError(
            "model.weights",
            f"{asked} are for the bands {', '.join(known)}, and these are other ones: "
            f"{', '.join(strange)}",
            "Choose weights of this sensor, name the bands as it does, or set weights: null.",
        )
    if strange:
        log.warning(
            "%s have not seen %s, which take the mean of their filters", asked, ", ".join(strange)
        )
    elif landsat:
        log.warning("%s: the bands are taken to be Landsat's, by their names", asked)
    return sources
