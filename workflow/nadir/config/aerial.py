"""The configuration of simulated aerial tiles with footprints: cities of one world."""

from __future__ import annotations

import hashlib
import itertools
from typing import Literal

from pydantic import Field

from nadir.config.base import ConfigModel

_SYLLABLES = (
    ("ar", "bel", "cor", "dal", "fer", "gar", "lun", "mon", "pra", "sal", "tor", "vel"),
    ("a", "e", "i", "o"),
    ("b", "d", "l", "n", "r", "s", "t", "v"),
    ("ara", "ena", "ia", "ona"),
)


def _names() -> tuple[str, ...]:
    """Return invented names of towns in an order that mixes them."""
    words = ("".join(parts) for parts in itertools.product(*_SYLLABLES))
    return tuple(sorted(words, key=lambda word: hashlib.sha256(word.encode()).digest()))


CITY_NAMES = _names()
"""Names of cities in the order in which they are given away: small letters only."""


class AerialConfig(ConfigModel):
    """Aerial tiles of towns of a world, with footprints and with labels that are a little off."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of which towns and windows are taken, of the light over each city and of the errors of
    the labels.
    """

    resolution: float = Field(default=0.3, gt=0, le=2)
    """Size of a pixel in metres."""

    size_px: int = Field(default=512, ge=64, le=8192)
    """Side of a tile in pixels."""

    cities: int = Field(default=6, ge=1, le=len(CITY_NAMES))
    """Towns that tiles are taken from; a tile is named after its city, so that splits by city are
    possible.
    """

    tiles_per_city: int = Field(default=4, ge=1, le=10000)
    """Tiles of each city, no two over the same ground."""

    built_share: float = Field(default=0.08, ge=0, le=0.9)
    """Least share of a tile that buildings cover."""

    buildings: int = Field(default=5, ge=0)
    """Least number of buildings that touch a tile."""

    season: Literal["april", "august"] = "april"
    """Season of the flights."""

    light: float = Field(default=1.0, ge=0, le=1)
    """Strength of what differs from city to city: hour of the flight, color, contrast, haze; 0: all
    flown alike.
    """

    overhang: float = Field(default=0.5, ge=0, le=1)
    """Share of the three places beside each low house from which a tree spreads over the roof;
    footprints stay whole under it.
    """

    misregistration_m: float = Field(default=1.0, ge=0, le=10)
    """Root mean square of the smooth displacement of the labels, in metres."""

    misregistration_wave_m: float = Field(default=180.0, ge=10, le=5000)
    """Wavelength of that displacement, in metres."""

    offset_m: float = Field(default=0.4, ge=0, le=5)
    """Root mean square of the displacement of each label for itself, in metres."""

    omission: float = Field(default=0.03, ge=0, le=1)
    """Share of the buildings that the labels leave out."""

    merge: float = Field(default=0.05, ge=0, le=1)
    """Probability that two neighbors less than a metre apart, each the other's partner, are drawn
    as one.
    """

    demolished: float = Field(default=0.5, ge=0, le=1)
    """Share of the buildings lost in the decade before the flight that the labels still show."""

    @property
    def city_names(self) -> tuple[str, ...]:
        """Names of the cities."""
        return CITY_NAMES[: self.cities]

    @property
    def tile_names(self) -> tuple[str, ...]:
        """Names of the tiles, city by city: the city's and a number from 1."""
        numbers = range(1, self.tiles_per_city + 1)
        return tuple(f"{city}{number}" for city in self.city_names for number in numbers)
