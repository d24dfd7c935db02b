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
    medians: NDArray[np.float64],
    units: ArrayLike | None = None,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> NDArray[np.float64]:
    """Return percentile intervals of the means and medians of columns, from the same resamples.

    A resample is a weight a query, so means are a matrix product and medians a cumulative sum.

    Args:
        means: (queries, a) values of which means are taken; NaN is left out.
        medians: (queries, b) values of which medians are taken; NaN is left out.
        units: What is drawn with replacement, one label a query: the places, where many queries
            show the same place and fail together. By default each query for itself.
        seed: Seed of the resamples.
        resamples: How many; 0 gives no intervals.

    Returns:
        float64 (a + b, 2), low and high; NaN where no resample gives a value.
    """
    queries, columns = len(means), means.shape[1] + medians.shape[1]
    if not queries or not resamples:
        return np.full((columns, 2), np.nan)
    unit = np.arange(queries) if units is None else np.unique(units, return_inverse=True)[1]
    count = int(unit.max()) + 1
    step = max(1, _VALUES // queries)
    parts = []
    for start in range(0, resamples, step):
        drawn = np.stack(
            [
                np.bincount(
                    np.random.default_rng([seed, _TAG, index]).integers(0, count, count),
                    minlength=count,
                )
                for index in range(start, min(start + step, resamples))
            ]
        )
        weights = drawn[:, unit]
        parts.append(
            np.concatenate(
                [_weighted_means(weights, means), _weighted_medians(weights, medians)], 1
            )
        )
    return _percentiles(np.concatenate(parts))


def _weighted_means(weights: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    there = np.isfinite(values)
    factor = weights.astype(np.float64)
    total, count = factor @ np.where(there, values, 0.0), factor @ there.astype(np.float64)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _weighted_medians(
    weights: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return medians of values that occur as often as their whole-numbered weights say."""
    found = np.full((len(weights), values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        order = np.argsort(values[:, column], kind="stable")
        order = order[np.isfinite(values[order, column])]
        if not len(order):
            continue
        ordered = values[order, column]
        reached = np.cumsum(weights[:, order], axis=1)
        total = reached[:, -1]
        # The middle one, or the mean of the two in the middle, counted from 0.
        low, high = (
            ordered[np.argmax(reached > middle[:, None], axis=1)]
            for middle in ((total - 1) // 2, total // 2)
        )
        found[:, column] = np.where(total > 0, (low + high) / 2, np.nan)
    return found


def _percentiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.full((values.shape[1], 2), np.nan)
    for row, column in zip(found, values.T, strict=True):
        finite = column[np.isfinite(column)]
        if len(finite):
            row[:] = np.quantile(finite, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return found
