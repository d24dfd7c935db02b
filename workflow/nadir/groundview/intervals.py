"""How far figures would move with other places: resampled means, and sets with parts left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
"""Confidence of the intervals."""

_TAG = 0x6756
_NORMAL = 1.959963984540054  # quantile of the normal distribution for LEVEL
_VALUES = 8_000_000  # numbers held at once

Figure = dict[str, float]
"""`value`, `low` and `high`."""


def mean_interval(
    values: NDArray[np.float64], places: ArrayLike, *, seed: int, resamples: int
) -> Figure:
    """Return a mean with the percentile interval over resampled places (Efron 1979).

    A place is drawn with all its photos, since they succeed and fail together.

    Args:
        values: (n,) values of photos; NaN is left out.
        places: (n,) labels of their places.
        seed: Seed of the resamples.
        resamples: How many; 0 gives no interval.

    Returns:
        `value`, `low`, `high`; NaN where there is none.
    """
    there = np.isfinite(values)
    if not there.any():
        return {"value": np.nan, "low": np.nan, "high": np.nan}
    units = np.unique(np.asarray(places)[there], return_inverse=True)[1]
    sums = np.bincount(units, values[there])
    counts = np.bincount(units).astype(np.float64)
    means = []
    step = max(1, _VALUES // len(sums))
    for start in range(0, resamples, step):
        part = range(start, min(start + step, resamples))
        weights = np.stack([_drawn(seed, index, len(sums)) for index in part]).astype(np.float64)
        means.append((weights @ sums) / (weights @ counts))
    low, high = np.nan, np.nan
    if means:
        low, high = np.quantile(np.concatenate(means), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return {"value": float(values[there].mean()), "low": float(low), "high": float(high)}


def _drawn(seed: int, index: int, count: int) -> NDArray[np.int64]:
    """Return how often each of some places is drawn in one resample."""
    random = np.random.default_rng([seed, _TAG, index])
    return np.bincount(random.integers(0, count, count), minlength=count)


def jackknife_interval(
    figure: Callable[[NDArray[np.intp]], float],
    places: ArrayLike,
    *,
    seed: int,
    groups: int,
) -> Figure:
    """Return a figure of a whole set with an interval from leaving parts out (Tukey 1958).

    Resampling with replacement would bias distances between sets upwards, for it repeats pictures.
    Here whole places leave in `groups` parts, one part at a time; the standard error is
    sqrt((g - 1) / g * sum of squares about their mean).

    Args:
        figure: The figure of some photos, given by their numbers.
        places: (n,) labels of the places of all photos.
        seed: Seed of the parts.
        groups: Parts; fewer where there are fewer places.

    Returns:
        `value`, `low`, `high`; the interval is NaN where there are fewer than three places.
    """
    units = np.unique(np.asarray(places), return_inverse=True)[1]
    value = figure(np.arange(len(units)))
    count = int(units.max()) + 1
    parts = min(groups, count)
    if count < 3:
        return {"value": value, "low": np.nan, "high": np.nan}
    part = np.random.default_rng([seed, _TAG, 1 << 40]).permutation(count)[units] % parts
    left = np.array([figure(np.flatnonzero(part != out)) for out in range(parts)])
    error = _NORMAL * np.sqrt((parts - 1) / parts * ((left - left.mean()) ** 2).sum())
    return {"value": value, "low": float(value - error), "high": float(value + error)}
