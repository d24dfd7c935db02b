"""Sets of classes that hold the true one with a promised probability: split conformal prediction.

A score says how strange a class would be at a pixel; a set is all classes whose score is at most
a threshold: a quantile of the scores of the true classes on ground that was held out of the
training (see `nadir.segmentation.thresholds`).
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


def true_scores(
    probabilities: NDArray[np.floating],
    truth: NDArray[np.integer],
    method: str,
    draws: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the score of each pixel's true class, in 0..1.

    Args:
        probabilities: (n, K), rows add up to 1.
        truth: (n,) positions 0..K-1.
        method: `lac`: 1 - p of the class; `aps`: what more probable classes add up to, and a
            random part of its own, so that coverage is exact in spite of steps.
        draws: (n,) in [0, 1), that part; see `pixel_draws`.
    """
    values = np.ascontiguousarray(probabilities, np.float64)
    found = np.empty(len(values))
    _true_scores(values, np.ascontiguousarray(truth, np.int64), method == "aps", draws, found)
    return found


def members(
    probabilities: NDArray[np.floating],
    threshold: float,
    method: str,
    draws: NDArray[np.float64],
    at_least_one: bool,
) -> NDArray[np.bool_]:
    """Return which classes each pixel's set holds, (n, K) bool.

    Args:
        probabilities: (n, K), rows add up to 1.
        threshold: Greatest score of a member.
        method: As for `true_scores`.
        draws: (n,), as for `true_scores`.
        at_least_one: Whether the most probable class is always one.
    """
    values = np.ascontiguousarray(probabilities, np.float64)
    inside = np.empty(values.shape, np.bool_)
    for k in range(values.shape[1]):
        truth = np.full(len(values), k, np.int64)
        inside[:, k] = true_scores(values, truth, method, draws) <= threshold
    if at_least_one and len(values):
        inside[np.arange(len(values)), values.argmax(axis=1)] = True
    return inside


@numba.njit(cache=True, nogil=True)
def pixel_draw(y: int, x: int) -> float:
    """Return a number in [0, 1) that depends on a pixel's place alone (SplitMix64)."""
    z = np.uint64(y) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(x) * np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)) * 2.0**-53


@numba.njit(cache=True, nogil=True)
def pixel_draws(y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return `pixel_draw` of each of some pixels, (n,) float64."""
    found = np.empty(len(y))
    for i in range(len(y)):
        found[i] = pixel_draw(y[i], x[i])
    return found


@numba.njit(cache=True, nogil=True)
def score_of(p: NDArray[np.float64], k: int, aps: bool, draw: float) -> float:
    """Return the score of class `k` of one pixel's probabilities (K,)."""
    if not aps:
        return 1.0 - p[k]
    above = 0.0
    for j in range(p.shape[0]):
        if p[j] > p[k] or (p[j] == p[k] and j < k):
            above += p[j]
    return above + draw * p[k]


@numba.njit(cache=True, nogil=True)
def _true_scores(
    values: NDArray[np.float64],
    truth: NDArray[np.int64],
    aps: bool,
    draws: NDArray[np.float64],
    found: NDArray[np.float64],
) -> None:
    for i in range(len(values)):
        found[i] = score_of(values[i], truth[i], aps, draws[i])
