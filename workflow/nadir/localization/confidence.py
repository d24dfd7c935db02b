"""From evidence to the probability that an answer is right."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FEATURES = ("intercept", "margin", "agreement", "score", "patches")
"""What the probability depends on."""

PRIOR = np.array([-5.0, 25.0, 9.0, 3.0, 1.0])
"""Weights of `FEATURES` before any photo of the case at hand was located with known truth."""

PRIOR_SD = np.array([1.5, 8.0, 3.0, 2.0, 1.0])
"""How far a case may move them: with few photos they stay close, with many the case decides."""

_ITERATIONS = 50


@dataclass(frozen=True)
class Evidence:
    """What speaks for an answer.

    Attributes:
        score: Correlation at the place, -1 to 1.
        margin: Lead over the best other place; NaN where no other was looked at.
        agreement: Share of the photo's patches that agree with one similarity, 0 to 1.
        patches: How many patches show ground.
        clear: Share of the photo that is not under clouds.
    """

    score: float
    margin: float
    agreement: float
    patches: int
    clear: float

    def vector(self) -> NDArray[np.float64]:
        """Return the numbers in the order of `FEATURES`."""
        # Without a rival the margin is unknown, not nothing: what is typical of right answers.
        margin = 0.15 if np.isnan(self.margin) else min(self.margin, 0.4)
        enough = np.log2(max(self.patches, 1) / 16.0) / 2.0
        return np.array([1.0, margin, self.agreement, self.score, min(enough, 1.0)])


@dataclass(frozen=True)
class Confidence:
    """Logistic regression with a prior (MAP estimate; MacKay, "The evidence framework", 1992).

    Attributes:
        weights: (5,) weights of `FEATURES`.
    """

    weights: NDArray[np.float64] = field(default_factory=PRIOR.copy)

    def probability(self, evidence: Evidence) -> float:
        """Return the probability that an answer is right, 0 to 1."""
        return float(1.0 / (1.0 + np.exp(-float(evidence.vector() @ self.weights))))

    @classmethod
    def fitted(cls, evidence: list[Evidence], right: NDArray[np.bool_]) -> Confidence:
        """Return weights fitted to answers of which it is known whether they are right.

        Args:
            evidence: One an answer.
            right: (n,) bool.
        """
        if not evidence:
            return cls()
        design = np.stack([one.vector() for one in evidence])
        weights, precision = PRIOR.copy(), np.diag(PRIOR_SD**-2.0)
        for _ in range(_ITERATIONS):
            odds = 1.0 / (1.0 + np.exp(-design @ weights))
            gradient = design.T @ (right - odds) - precision @ (weights - PRIOR)
            curvature = design.T @ (design * (odds * (1 - odds))[:, None]) + precision
            step = np.linalg.solve(curvature, gradient)
            weights = weights + step * min(1.0, 5.0 / (np.abs(step).max() + 1e-9))
            if np.abs(step).max() < 1e-8:
                break
        # More lead, agreement or correlation never speaks against an answer.
        weights[1:] = np.maximum(weights[1:], 0.0)
        return cls(weights)
