"""What may befall a sample: haze, silent bands, missing dates, clouds; and parts of other samples.

Drawn here as numbers, a pure function of (seed, epoch, sample); applied where the pixels are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_COARSE = 5  # cells of a side of the coarsest noise that clouds are made of
_OCTAVES = 3


class Cloud(NamedTuple):
    """A cloud on one date.

    Attributes:
        date: Number of the date.
        noise: float32 (n, n) fields of doubling n, coarsest first; their sum, each smoothed and
            half as strong as the one before, is the cloud's thickness.
        cover: Share of the sample that it covers, 0..1.
        known: Whether the cloud mask has it: its pixels are invalid. Else they are bright.
        brightness: Reflectance of thick cloud, in all bands.
    """

    date: int
    noise: tuple[np.ndarray, ...]
    cover: float
    known: bool
    brightness: float


class Disturbance(NamedTuple):
    """What befalls one sample.

    Attributes:
        gain: float32 (dates,), factor on normalized values.
        shift: float32 (dates, bands), added to them, in standard deviations.
        silent: bool (dates, bands), bands that say nothing.
        missing: bool (dates,), dates that are not there.
        clouds: Clouds.
    """

    gain: np.ndarray
    shift: np.ndarray
    silent: np.ndarray
    missing: np.ndarray
    clouds: tuple[Cloud, ...]


class Mix(NamedTuple):
    """Which part of another sample is pasted on one.

    Attributes:
        box: Top, left, bottom, right of a rectangle as shares of the sides; None for classes.
        order: float (K,): half of the classes that the other sample has, those with the least
            numbers here, are pasted; None for a rectangle.
    """

    box: tuple[float, float, float, float] | None
    order: np.ndarray | None


def random_disturbance(
    rng: np.random.Generator,
    dates: int,
    bands: int,
    *,
    jitter: float = 0.0,
    drop_band: float = 0.0,
    drop_date: float = 0.0,
    clouds: float = 0.0,
) -> Disturbance:
    """Draw a disturbance.

    Args:
        rng: Where from.
        dates: Number of dates.
        bands: Number of bands.
        jitter: Standard deviation, by date, of the factor's logarithm, of a shift that all bands
            share, and of one for each band.
        drop_band: Chance of a band of a date to be silent.
        drop_date: Chance of a date to be missing; one always remains.
        clouds: Chance of a date to have a cloud.
    """
    gain = np.exp(rng.normal(0, 1, dates) * jitter)
    shift = (rng.normal(0, 1, (dates, 1)) + rng.normal(0, 1, (dates, bands))) * jitter
    silent = rng.random((dates, bands)) < drop_band
    missing = rng.random(dates) < drop_date
    missing[rng.integers(dates)] = False
    chances = rng.random(dates)
    found = tuple(
        _random_cloud(rng, date) for date in range(dates) if chances[date] < clouds and clouds
    )
    return Disturbance(gain.astype(np.float32), shift.astype(np.float32), silent, missing, found)


def _random_cloud(rng: np.random.Generator, date: int) -> Cloud:
    noise = tuple(
        rng.normal(size=(_COARSE * 2**octave,) * 2).astype(np.float32) for octave in range(_OCTAVES)
    )
    cover, brightness = rng.uniform(0.05, 0.6), rng.uniform(0.25, 0.9)
    return Cloud(date, noise, float(cover), bool(rng.random() < 0.5), float(brightness))


def random_mix(rng: np.random.Generator, kind: str, chance: float, classes: int) -> Mix | None:
    """Draw which part of another sample is pasted, or None for none.

    Args:
        rng: Where from.
        kind: `cutmix` (a rectangle of a uniformly drawn share of the ground, Yun et al. 2019) or
            `classmix` (half of the classes, Olsson et al. 2021).
        chance: How often.
        classes: Number of classes K.
    """
    if rng.random() >= chance:
        return None
    if kind == "classmix":
        return Mix(None, rng.random(classes))
    side = float(np.sqrt(rng.random()))
    top, left = rng.random(2) * (1 - side)
    return Mix((float(top), float(left), float(top) + side, float(left) + side), None)
