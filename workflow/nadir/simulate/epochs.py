"""When the world is photographed from the air: season, sun, and what has changed by then.

A change is a hash of the thing and of the year, so that any piece of any epoch can be rendered
alone. The world as `World` describes it is that of `PRESENT`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit

from nadir.simulate.materials import DATES
from nadir.simulate.noise import draw, mix, seed_hash
from nadir.simulate.sites import (
    COS,
    SIN,
    X,
    Y,
)

PAST, PRESENT = 2014, 2024
"""The decade over which rates of change are stated."""

YEAR, CHANGE, SHARED, OWN, SEASON = range(5)
"""Entries of `Epoch.table`: year, strength of change, weights of the texture that all years share
and of the year's own (their squares add up to 1), index of the season."""

_OWN_TEXTURE = 0.45
"""Share of the variance of fine texture that belongs to the year alone, at a change of 1."""


@dataclass(frozen=True)
class Epoch:
    """A flight over the world.

    Attributes:
        season: Season, which decides the spectra.
        year: Calendar year; things differ between years.
        change: Strength of that difference; at 0 every year has the same things.
        azimuth: Direction of the sun in degrees from north, clockwise.
        elevation: Height of the sun above the horizon in degrees.
    """

    season: Literal["april", "august"] = "april"
    year: int = PRESENT
    change: float = 1.0
    azimuth: float = 147.5
    elevation: float = 57.0

    @property
    def table(self) -> np.ndarray:
        """(5,) float64 for compiled functions, see `YEAR` and the following."""
        own = min(_OWN_TEXTURE * self.change, 0.95)
        return np.array(
            [self.year, self.change, (1 - own) ** 0.5, own**0.5, DATES.index(self.season)],
            np.float64,
        )

    @property
    def salt(self) -> np.uint64:
        """What the hashes of this year's accidents are mixed with."""
        return seed_hash(self.year)

    @property
    def sun(self) -> np.ndarray:
        """(3,) float64: unit vector to the sun, east, south and up."""
        azimuth, elevation = np.radians(self.azimuth), np.radians(self.elevation)
        flat = np.cos(elevation)
        return np.array([np.sin(azimuth) * flat, -np.cos(azimuth) * flat, np.sin(elevation)])


@njit(cache=True, nogil=True)
def exists(h, index, fresh, lost, epoch):
    """Whether a thing stands in the epoch's year.

    Args:
        h: Hash of the thing.
        index: Which of its draws decide (this and the next).
        fresh: Share of things that came within the decade before `PRESENT`.
        lost: Share of things that go within the decade after `PAST`.
        epoch: From `Epoch.table`.
    """
    before, since = 0.1 * (PRESENT - epoch[YEAR]), 0.1 * (epoch[YEAR] - PAST)
    if draw(h, index) < fresh * epoch[CHANGE] * before:
        return False
    return draw(h, index + 1) >= lost * epoch[CHANGE] * since


@njit(cache=True, nogil=True)
def of_year(h, salt):
    """Return the hash of a thing in one year."""
    return mix(h ^ salt)


@njit(cache=True, nogil=True)
def local(site, x, y):
    """Return a position in the frame of a site, in metres along its two axes."""
    dx, dy = x - site[X], y - site[Y]
    return dx * site[COS] + dy * site[SIN], dy * site[COS] - dx * site[SIN]
