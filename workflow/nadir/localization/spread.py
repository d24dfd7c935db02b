"""How far right answers are off beyond what their own fit says.

The fit over patches knows how much patches scatter around one similarity. It cannot know what
displaces all of them alike: a reference that lies some pixels beside the photos' ground, or whose
own photos were placed on whole pixels. That is measured on photos with known position, a reference
at a time, and added to the covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nadir.localization.pose import Pose

LEAST = 5
"""Photos of a reference from which its own spread is measured; with fewer, that of all counts."""

_OUTLIER = 5.0  # usual errors beyond which an error is none of this kind
_SIGMA = 1.4826  # standard deviation of a normal distribution per median absolute deviation


@dataclass(frozen=True)
class Spread:
    """What is added to the covariance of answers on one reference.

    Attributes:
        pixels: Standard deviation along x and along y, in substrate pixels.
        degrees: Standard deviation of the angle.
    """

    pixels: float = 0.0
    degrees: float = 0.0

    def widen(self, covariance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a covariance (3, 3) of x, y (px) and angle (degrees) with the spread added."""
        return covariance + np.diag([self.pixels**2, self.pixels**2, self.degrees**2])


@dataclass(frozen=True)
class Deviation:
    """A right answer beside the truth.

    Attributes:
        reference: Name of the reference that it was found on.
        found: The answer.
        truth: The truth.
        covariance: (3, 3), the fit's own.
    """

    reference: str
    found: Pose
    truth: Pose
    covariance: NDArray[np.float64]


def measure_spreads(deviations: Sequence[Deviation]) -> dict[str, Spread]:
    """Return the spread of each reference, and under "" that of all.

    Errors far beyond the usual ones are left out. What the fits already account for is taken out.

    Args:
        deviations: Right answers with known truth.
    """
    spreads = {"": _spread(deviations)} if len(deviations) >= LEAST else {}
    for name in sorted({one.reference for one in deviations}):
        own = [one for one in deviations if one.reference == name]
        if len(own) >= LEAST:
            spreads[name] = _spread(own)
    return spreads


def spread_of(spreads: dict[str, Spread], reference: str) -> Spread:
    """Return the spread of a reference, or that of all, or none."""
    return spreads.get(reference) or spreads.get("") or Spread()


def _spread(deviations: Sequence[Deviation]) -> Spread:
    """Return the spread of some deviations."""
    pixels, degrees = [], []
    for one in deviations:
        pixels += [one.found.x - one.truth.x, one.found.y - one.truth.y]
        degrees.append((one.found.angle - one.truth.angle + 180.0) % 360.0 - 180.0)
    variances = np.array([np.diag(one.covariance) for one in deviations])
    return Spread(
        _beyond(np.array(pixels), variances[:, :2]), _beyond(np.array(degrees), variances[:, 2])
    )


def _beyond(errors: NDArray[np.float64], variances: NDArray[np.float64]) -> float:
    """Return the standard deviation of errors that known variances leave unexplained."""
    usual = _SIGMA * np.median(np.abs(errors))
    near = errors[np.abs(errors) <= _OUTLIER * max(float(usual), 1e-9)]
    whole = float(np.mean(near**2)) if len(near) else 0.0
    return float(np.sqrt(max(whole - float(np.median(variances)), 0.0)))
