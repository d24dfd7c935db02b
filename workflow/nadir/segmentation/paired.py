"""Is one experiment better than another? Differences over the same blocks, drawn many times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nadir.segmentation.confusion import accuracy, iou, macro_mean

_TAG = 7413


@dataclass(frozen=True)
class Difference:
    """How much better the first experiment is than the second.

    Attributes:
        value: Difference on all blocks.
        low: 2.5 % of resamples lie below.
        high: 2.5 % lie above.
        p: Two-sided bootstrap p-value of no difference, at least 2 / (resamples + 1), and at least
            what as many tosses of a coin as there are blocks can show: 2 / 2 ** blocks.
        blocks: Blocks that were drawn from.
    """

    value: float
    low: float
    high: float
    p: float
    blocks: int


def paired_differences(
    one: NDArray[np.integer], other: NDArray[np.integer], resamples: int, seed: int = 0
) -> dict[str, Difference]:
    """Compare two experiments by a paired bootstrap over blocks.

    Whole blocks are drawn with replacement, the same for both, so that what makes a block hard
    cancels out and neighbors stay together (Efron and Tibshirani 1993; Field and Welsh 2007).

    Args:
        one: int (B, K, K), confusion matrix of each block.
        other: The same blocks, scored for the other experiment.
        resamples: How often blocks are drawn.
        seed: Of the draws.

    Returns:
        `miou` and `accuracy` -> difference.

    Raises:
        ValueError: When there is no block, or shapes differ.
    """
    if one.shape != other.shape or not len(one):
        raise ValueError(f"cannot pair blocks of shapes {one.shape} and {other.shape}")
    blocks = len(one)
    rng = np.random.default_rng([seed, _TAG])
    times = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
    flat = [matrix.reshape(blocks, -1).astype(np.float64) for matrix in (one, other)]
    drawn = [(times @ values).reshape(resamples, *one.shape[1:]) for values in flat]
    found = {}
    for name, score in (("miou", _miou), ("accuracy", accuracy)):
        value = score(one.sum(axis=0)) - score(other.sum(axis=0))
        spread = np.array([score(a) - score(b) for a, b in zip(*drawn, strict=True)])
        spread = spread[np.isfinite(spread)]
        low, high = np.percentile(spread, [2.5, 97.5]) if len(spread) else (np.nan, np.nan)
        below, above = (spread <= 0).sum(), (spread >= 0).sum()
        # Draws of few blocks repeat themselves, and would show what so few blocks cannot.
        p = max(2 * (min(below, above) + 1) / (len(spread) + 1), 2.0 ** (1 - blocks))
        found[name] = Difference(float(value), float(low), float(high), float(min(p, 1.0)), blocks)
    return found


def _miou(matrix: NDArray) -> float:
    return macro_mean(iou(matrix))
