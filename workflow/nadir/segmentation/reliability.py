"""Whether probabilities mean what they say: temperature, calibration error, Brier score.

A sample is (n, K) probabilities and (n,) true classes as positions 0..K-1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

LEAST = 2.0**-25
"""Least probability that is told apart from 0: half a step of the blended totals."""
HOTTEST = 20.0
"""Greatest temperature that is tried; its inverse is the least."""


def tempered(
    probabilities: NDArray[np.floating], temperature: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return probabilities at a temperature: above 1 less sure of themselves, below 1 more.

    Softmax of logits / T is the same as p^(1/T), made to add up to 1; so a blended map, a forest
    and an ensemble are calibrated alike, after they are averaged (Rahaman and Thiery 2021).

    Args:
        probabilities: (n, K) in 0..1.
        temperature: Greater than 0; one, or one a row, (n,).

    Returns:
        (n, K), rows add up to 1; the order of classes never changes.
    """
    heat = np.asarray(temperature, np.float64)
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), LEAST))
    logs /= heat[:, None] if heat.ndim else heat
    logs -= logs.max(axis=1, keepdims=True)
    powers = np.exp(logs)
    return powers / powers.sum(axis=1, keepdims=True)


def negative_log_likelihood(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer]
) -> float:
    """Return the mean of -log p of the true class, in nats."""
    found = np.asarray(probabilities, np.float64)[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(found, LEAST)).mean())


def brier_score(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Return the mean squared distance to the truth as one-hot vectors, 0..2 (Brier 1950)."""
    values = np.asarray(probabilities, np.float64)
    right = values[np.arange(len(truth)), truth]
    return float(((values**2).sum(axis=1) - 2 * right + 1).mean())


def fit_temperature(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Return the temperature of least negative log-likelihood (Guo et al. 2017).

    Args:
        probabilities: (n, K), n at least 1.
        truth: (n,) positions 0..K-1.

    Returns:
        Between 1 / `HOTTEST` and `HOTTEST`, exact to about 1e-4 of its logarithm.
    """

    def loss(logarithm: float) -> float:
        return negative_log_likelihood(tempered(probabilities, float(np.exp(logarithm))), truth)

    edge = float(np.log(HOTTEST))
    found = minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def reliability(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int
) -> list[dict[str, float | int]]:
    """Return bins of equal width of the confidence: `count`, mean `confidence`, `accuracy`.

    Args:
        confidence: (n,) probability of the class taken, 0..1.
        right: (n,) whether that is the true class.
        bins: Number of bins; empty ones are left out.
    """
    place = np.clip(np.ceil(np.asarray(confidence, np.float64) * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = np.bincount(place, np.asarray(confidence, np.float64), bins)
    hits = np.bincount(place, right, bins)
    return [
        {
            "low": number / bins,
            "high": (number + 1) / bins,
            "count": int(count[number]),
            "confidence": float(sums[number] / count[number]),
            "accuracy": float(hits[number] / count[number]),
        }
        for number in np.flatnonzero(count).tolist()
    ]


def calibration_error(rows: list[dict[str, float | int]]) -> float:
    """Return the expected calibration error of `reliability` bins: mean gap, weighted by count."""
    total = sum(row["count"] for row in rows)
    if not total:
        return float("nan")
    gaps = sum(row["count"] * abs(row["accuracy"] - row["confidence"]) for row in rows)
    return float(gaps / total)


def probability_scores(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], bins: int
) -> dict[str, Any]:
    """Return `pixels`, `accuracy`, `confidence`, `ece`, `brier`, `nll` and the `bins` themselves.

    Args:
        probabilities: (n, K).
        truth: (n,) positions 0..K-1.
        bins: Bins of confidence.
    """
    taken = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(taken)), taken]
    rows = reliability(confidence, taken == truth, bins)
    return {
        "pixels": len(truth),
        "accuracy": float((taken == truth).mean()),
        "confidence": float(confidence.mean()),
        "ece": calibration_error(rows),
        "brier": brier_score(probabilities, truth),
        "nll": negative_log_likelihood(probabilities, truth),
        "bins": rows,
    }
