"""Thresholds of conformal sets, for ground on which neighbors err together.

A threshold keeps its promise as far as new ground is exchangeable with the ground that it was
fitted on. Single pixels are not: what is exchangeable is a block. Two ways lead from blocks to a
threshold that promises for a random pixel of a block to come:

- `guaranteed`: the quantile of all scores, each block weighing alike, with a block's worth of
  weight above every score for the block to come (Dunn, Wasserman and Ramdas 2023). With K blocks
  that is the quantile at (K + 1) / K of the promise. It holds whatever the blocks are, and where
  they are much alike it holds 1 / K more than was asked.
- `cross_validated`: the quantile at the level that would have kept the promise on each block of the
  split, had the threshold come from the others (the leave-one-out estimate, as in the jackknife+
  of Barber et al. 2021, of what a level is worth). It asks for no more than the blocks differ, and
  holds on average, without a guarantee for few of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nadir.config.quality import ConformalConfig

ALL = 2.0
"""Threshold above every score: each set holds all classes."""
LEVELS = 4000
"""Levels that are tried: a step is a fortieth of a point of coverage."""
SHARES = (0.8, 0.9, 0.95)
"""Promises whose thresholds are told beside that of the promise itself."""
TINY = 1e-12


def thresholds(
    scores: NDArray[np.float64],
    blocks: NDArray[np.integer],
    drawn: NDArray[np.integer],
    cfg: ConformalConfig,
) -> dict[str, float]:
    """Return coverage (as text) -> threshold for `SHARES` and the promise itself.

    Args:
        scores: (n,) of true classes.
        blocks: (n,) number of each pixel's square.
        drawn: (n,) number of the block of the split that the square lies in.
        cfg: What is promised, and how.
    """
    return {
        f"{share:g}": threshold(scores, blocks, drawn, cfg.model_copy(update={"coverage": share}))
        for share in sorted({*SHARES, cfg.coverage})
    }


def threshold(
    scores: NDArray[np.float64],
    blocks: NDArray[np.integer],
    drawn: NDArray[np.integer],
    cfg: ConformalConfig,
) -> float:
    """Return the threshold that keeps a promise of coverage.

    Args:
        scores: As for `thresholds`.
        blocks: As for `thresholds`.
        drawn: As for `thresholds`.
        cfg: As for `thresholds`.

    Returns:
        A score; `ALL` where there are too few blocks to promise anything less than every class.
    """
    count = len(scores)
    if cfg.exchangeable == "pixels":
        return quantile(scores, np.full(count, 1.0 / count), cfg.coverage * (count + 1) / count)
    _, square, sizes = np.unique(blocks, return_inverse=True, return_counts=True)
    weights = 1.0 / (len(sizes) * sizes[square.reshape(-1)])
    if cfg.level == "guaranteed":
        return quantile(scores, weights, cfg.coverage * (len(sizes) + 1) / len(sizes))
    # Squares of one block of the split err together; with a single block nothing else is left.
    apart = drawn if len(np.unique(drawn)) > 1 else blocks
    return quantile(scores, weights, cross_validated_level(scores, weights, apart, cfg.coverage))


def quantile(scores: NDArray[np.float64], weights: NDArray[np.float64], level: float) -> float:
    """Return the least score up to which scores weigh at least `level`; `ALL` where none is.

    Args:
        scores: (n,).
        weights: (n,), which add up to 1.
        level: Share of the weight.
    """
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order]) >= level - TINY
    return float(scores[order[np.argmax(reached)]]) if reached.any() else ALL


def cross_validated_level(
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    apart: NDArray[np.integer],
    coverage: float,
) -> float:
    """Return the level whose quantile of all other groups covers each group, on average.

    Args:
        scores: (n,).
        weights: (n,), which add up to 1.
        apart: (n,) number of each score's group.
        coverage: Weight of the scores that have to be covered, in (0, 1).

    Returns:
        A level in (0, 1]; above 1 where no level is enough.
    """
    groups, group = np.unique(apart, return_inverse=True)
    steps = quantiles(scores, weights)
    below = np.searchsorted(steps, scores)
    shape = len(groups), len(steps)
    place = group.reshape(-1) * len(steps) + below
    mine = np.bincount(place, weights, shape[0] * shape[1]).reshape(shape).cumsum(axis=1)
    pooled = mine.sum(axis=0)
    levels = np.arange(1, LEVELS + 1) / LEVELS
    covered = np.zeros(LEVELS)
    for own in mine:
        others = pooled - own
        if others[-1] <= TINY:
            return 1.0 + 1.0 / LEVELS  # a group alone says nothing of another
        reached = np.searchsorted(others / others[-1], levels - TINY)
        covered += own[np.minimum(reached, len(steps) - 1)]
    enough = covered >= coverage - TINY
    if not enough.any():
        return 1.0 + 1.0 / LEVELS
    # All groups have one member more than the others had: the last level of a step is the honest
    # one, as the rank k of n is for the rank k of n + 1.
    return float(levels[covered <= covered[enough][0] + TINY][-1])


def quantiles(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores between which all scores weigh little and alike; the last is the greatest."""
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = np.arange(1, LEVELS + 1) / LEVELS
    found = np.minimum(np.searchsorted(reached, wanted - TINY), len(scores) - 1)
    return np.unique(np.append(scores[order[found]], scores.max()))
