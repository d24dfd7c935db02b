"""How far figures would move with other queries: percentiles over resamples (Efron 1979)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 1000
"""Resamples by default."""

LEVEL = 0.95
"""Confidence of the intervals."""

_TAG = 0x4E74
_VALUES = 8_000_000  # numbers held at once


def resample_intervals(
    means: NDArray[np.float64],
    median: NDArray[np.float64],
    units: ArrayLike | None = None,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> NDArray[np.float64]:
    """Return percentile intervals of the means of columns and of a median, from the same resamples.

    A resample is a weight a query, so means are a matrix product and medians a cumulative sum.

    Args:
        means: (queries, columns) values of which means are taken; NaN is left out.
        median: (queries,) values of which the median is taken; NaN is left out.
        units: What is drawn with replacement, one label a query: the places, where many queries
            show the same place and fail together. By default each query for itself.
        seed: Seed of the resamples.
        resamples: How many; 0 gives no intervals.

    Returns:
        float64 (columns + 1, 2), low and high, the median's last; NaN where no resample gives a
        value.
    """
    queries, columns = means.shape
    if not queries or not resamples:
        return np.full((columns + 1, 2), np.nan)
    unit = np.arange(queries) if units is None else np.unique(units, return_inverse=True)[1]
    count = int(unit.max()) + 1
    order = np.argsort(median, kind="stable")  # NaN last
    rising = median[order[: int(np.isfinite(median).sum())]]
    unit, there = unit[order], np.isfinite(means[order])
    summands = np.concatenate([np.where(there, means[order], 0.0), there], 1)
    found = np.full((resamples, columns + 1), np.nan)
    step = max(1, _VALUES // queries)
    for start in range(0, resamples, step):
        part = range(start, min(start + step, resamples))
        drawn = np.stack([_draw(seed, index, count) for index in part]).astype(np.float64)
        weights = drawn[:, unit]
        total, number = np.split(weights @ summands, 2, axis=1)
        rows = slice(part.start, part.stop)
        np.divide(total, number, out=found[rows, :columns], where=number > 0)
        if len(rising):
            found[rows, columns] = _weighted_medians(weights[:, : len(rising)], rising)
    return _percentiles(found)


def _draw(seed: int, index: int, count: int) -> NDArray[np.int64]:
    """Return how often each of some units is drawn in one resample."""
    random = np.random.default_rng([seed, _TAG, index])
    return np.bincount(random.integers(0, count, count), minlength=count)


def _weighted_medians(
    weights: NDArray[np.float64], rising: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return medians of rising values that occur as often as their whole-numbered weights say."""
    found = np.full(len(weights), np.nan)
    for row, reached in enumerate(np.cumsum(weights, axis=1)):
        total = int(reached[-1])
        if total:
            # The middle one, or the mean of the two in the middle, counted from 0.
            middle = [(total - 1) // 2, total // 2]
            found[row] = rising[np.searchsorted(reached, middle, side="right")].mean()
    return found


def _percentiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.full((values.shape[1], 2), np.nan)
    for row, column in zip(found, values.T, strict=True):
        finite = column[np.isfinite(column)]
        if len(finite):
            row[:] = np.quantile(finite, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return found
