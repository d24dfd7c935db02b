"""What photos with known position teach about the answers for the others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from nadir.localization.confidence import FEATURES, Confidence
from nadir.localization.localizer import Answer
from nadir.localization.photos import poses_of
from nadir.localization.pose import DEGREES, PIXELS, Pose, angle_difference
from nadir.localization.spread import Deviation, Spread, measure_spreads, spread_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """How sure answers are, and how far right ones are off.

    Attributes:
        confidence: What evidence is worth.
        spreads: Reference -> spread of right answers on it; under "" that of all.
    """

    confidence: Confidence = field(default_factory=Confidence)
    spreads: dict[str, Spread] = field(default_factory=dict)

    def apply(self, answer: Answer, precision: float) -> Answer:
        """Return an answer with its probability, and a covariance that owns up to what it is off.

        Args:
            answer: An answer as the localizer gives it.
            precision: Least probability of a resolved answer.
        """
        if answer.stage == "none":
            return answer
        probability = self.confidence.probability(answer.evidence)
        covariance = answer.covariance
        if covariance is not None:
            covariance = spread_of(self.spreads, answer.reference).widen(covariance)
        return replace(
            answer,
            probability=probability,
            resolved=probability >= precision,
            covariance=covariance,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "confidence": dict(zip(FEATURES, self.confidence.weights.tolist(), strict=True)),
            "spreads": {
                name: {"pixels": one.pixels, "degrees": one.degrees}
                for name, one in self.spreads.items()
            },
        }

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> Calibration:
        """Return what `to_dict` wrote; KeyError, TypeError or ValueError for anything else."""
        weights = np.array([float(said["confidence"][name]) for name in FEATURES])
        spreads = {
            str(name): Spread(float(one["pixels"]), float(one["degrees"]))
            for name, one in said["spreads"].items()
        }
        return cls(Confidence(weights), spreads)


def calibrate(answers: Sequence[Answer], photos: pd.DataFrame) -> Calibration:
    """Return what the photos of the split `validation` teach.

    Args:
        answers: One a row.
        photos: Rows of the photo table.
    """
    known = (photos["split"] == "validation").to_numpy() & photos["x"].notna().to_numpy()
    answered = np.array([answer.stage != "none" for answer in answers], np.bool_)
    chosen = known & answered
    given = [answer for answer, one in zip(answers, chosen, strict=True) if one]
    truth = poses_of(photos[chosen])
    right = np.array(
        [is_right(answer.pose, pose) for answer, pose in zip(given, truth, strict=True)], np.bool_
    )
    confidence = Confidence.fitted([answer.evidence for answer in given], right)
    spreads = measure_spreads(
        [
            Deviation(answer.reference, answer.pose, pose, answer.covariance)
            for answer, pose, one in zip(given, truth, right, strict=True)
            if one and answer.covariance is not None
        ]
    )
    log.info("calibrated on %d photos with known position, %d right", len(given), right.sum())
    for name, spread in spreads.items():
        log.info(
            "right answers on %s: %.2f px and %.3f degrees beyond their fits",
            name or "all references", spread.pixels, spread.degrees,
        )  # fmt: skip
    return Calibration(confidence, spreads)


def is_right(pose: Pose, truth: Pose) -> bool:
    """Whether a pose is right within `PIXELS` and `DEGREES`."""
    away = np.hypot(pose.x - truth.x, pose.y - truth.y)
    return bool(away <= PIXELS and angle_difference(pose.angle, truth.angle) <= DEGREES)
