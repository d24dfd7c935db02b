"""How far a figure would move with other photos: percentiles over resamples."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

RESAMPLES = 1000
"""Resamples by default."""

LEVEL = 0.95
"""Confidence of the intervals."""

_TAG = 0xB007
_VALUES = 4_000_000  # values held at once
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""A function from (..., photos) to (...)."""


def intervals(
    columns: Mapping[str, tuple[NDArray[np.float64], Statistic]],
    seed: int,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float]]:
    """Return percentile intervals of statistics (Efron 1979), all from the same resamples.

    Args:
        columns: Name -> values of the photos (n,), and the statistic of them.
        seed: Seed of the resamples.
        resamples: How many.

    Returns:
        Name -> (low, high); NaN where no resample gives a value.
    """
    count = len(next(iter(columns.values()))[0])
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in columns}
    step = max(1, _VALUES // max(count, 1))
    rows = [
        np.random.default_rng([seed, _TAG, index]).integers(0, count, count)
        for index in range(resamples if count else 0)
    ]
    for start in range(0, len(rows), step):
        picks = np.stack(rows[start : start + step])
        for name, (values, statistic) in columns.items():
            found[name].append(statistic(values[picks]))
    return {name: _percentiles(parts) for name, parts in found.items()}


def _percentiles(parts: list[NDArray[np.float64]]) -> tuple[float, float]:
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return float(low), float(high)


def wilson(successes: int, count: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share (1927), which is honest where all or none succeed.

    Args:
        successes: How many succeeded.
        count: Of how many; 0 gives NaN.
    """
    if not count:
        return float("nan"), float("nan")
    z = float(norm.ppf(0.5 + LEVEL / 2))
    share = successes / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the values that are there; NaN where there is none."""
    there = np.isfinite(values)
    total = np.where(there, values, 0.0).sum(axis=-1)
    count = there.sum(axis=-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def quantile(share: float) -> Statistic:
    """Return the statistic that gives a quantile; NaN where any value is."""

    def statistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.quantile(values, share, axis=-1)

    return statistic
