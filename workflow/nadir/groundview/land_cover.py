"""Whether generated views show the land cover that lies there, as the judge sees it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nadir.groundview.pairs import CLASSES

Shares = NDArray[np.floating]
"""(n, 12) shares of the classes, each row of sum one."""


def without_sky(shares: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return shares (n, 13) of sky and classes as shares (n, 12) of what is no sky; NaN if none."""
    ground = np.asarray(shares[:, 1:], np.float64)
    total = ground.sum(axis=1, keepdims=True)
    return np.divide(ground, total, out=np.full_like(ground, np.nan), where=total > 0)


def agreement(one: Shares, other: Shares) -> NDArray[np.float64]:
    """Return which share of the ground two descriptions agree about, 0..1, (n,).

    The sum of the smaller of both shares of each class: one minus their total variation.
    """
    first, second = (_rows_of_one(shares) for shares in (one, other))
    return np.minimum(first, second).sum(axis=1)


def chance_agreement(one: Shares, other: Shares) -> NDArray[np.float64]:
    """Return the mean agreement of each description with those of all other places, (n,).

    This is what a view of anywhere else would reach.
    """
    first, second = (_rows_of_one(shares) for shares in (one, other))
    table = np.minimum(first[:, None], second[None]).sum(axis=2)
    np.fill_diagonal(table, np.nan)
    there = np.isfinite(table)
    total = np.where(there, table, 0).sum(axis=1)
    return np.divide(total, there.sum(1), out=np.full(len(table), np.nan), where=there.any(1))


def by_class(one: Shares, other: Shares) -> dict[str, dict[str, float]]:
    """Return for each class how well one description follows the other over places.

    Returns:
        Class -> `correlation` (Pearson's; NaN where either never changes), `error` (mean absolute
        difference of shares) and `share` (mean of the other).
    """
    first, second = (_rows_of_one(shares) for shares in (one, other))
    there = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    first, second = first[there], second[there]
    return {
        name: {
            "correlation": _correlation(first[:, number], second[:, number]),
            "error": float(np.abs(first[:, number] - second[:, number]).mean())
            if len(first)
            else np.nan,
            "share": float(second[:, number].mean()) if len(first) else np.nan,
        }
        for number, name in enumerate(CLASSES)
    }


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if len(one) < 2 or min(one.std(), other.std()) < 1e-12:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _rows_of_one(shares: Shares) -> NDArray[np.float64]:
    """Return shares whose rows have the sum one; rows that are not known, or empty, are NaN."""
    values = np.asarray(shares, np.float64)
    total = values.sum(axis=1, keepdims=True)
    return np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)
