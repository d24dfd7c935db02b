"""Similarities between matched points: from two of them, and from all that agree.

Points are complex numbers inside: a similarity is one complex factor and one complex shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nadir.localization.pose import Pose

_ROUNDS = 12
_TUKEY = 4.685  # standard deviations beyond which Tukey's biweight is zero: 95 % efficiency
_NOISE_FLOOR = 0.05  # pixels; nothing agrees better than positions are stored
_CELL = 0.75  # of the tolerance: points closer than that are one location


@dataclass(frozen=True)
class Similarity:
    """Photo to reference: z -> factor * z + shift with z = x + iy, both counted from edges."""

    factor: complex
    shift: complex

    def distances(
        self, photo: NDArray[np.complex128], reference: NDArray[np.complex128]
    ) -> NDArray[np.float64]:
        """Return how far each photo point comes from its match, in reference pixels."""
        return np.abs(self.factor * photo + self.shift - reference)


@dataclass(frozen=True)
class Fit:
    """A similarity fitted to the matches that agree with it.

    Attributes:
        similarity: The similarity.
        inliers: (n,) bool: matches within the tolerance.
        weights: (n,) float64, 0 to 1: say of each match in the fit.
        residual: Root mean square distance of the inliers, in reference pixels.
        free_scale: Whether the scale was fitted too.
    """

    similarity: Similarity
    inliers: NDArray[np.bool_]
    weights: NDArray[np.float64]
    residual: float
    free_scale: bool
    variance: float

    def covariance(
        self, photo: NDArray[np.float64], center: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the (3, 3) covariance of x, y of the center (px) and the angle (degrees).

        Args:
            photo: (n, 2) points of the photo that were fitted.
            center: (2,) the photo's center.
        """
        arm = self.similarity.factor * (as_complex(photo) - complex(*center))
        weight = self.weights
        mass, first = weight.sum(), (weight * arm).sum()
        second = (weight * np.abs(arm) ** 2).sum()
        # Rows of the normal equations for (x, y, angle in radians, log scale): the derivative of a
        # point by the angle is i * arm, by the logarithm of the scale it is arm.
        normal = np.array(
            [
                [mass, 0.0, -first.imag, first.real],
                [0.0, mass, first.real, first.imag],
                [-first.imag, first.real, second, 0.0],
                [first.real, first.imag, 0.0, second],
            ]
        )
        size = 4 if self.free_scale else 3
        inverse = np.linalg.pinv(normal[:size, :size])[:3, :3]
        units = np.array([1.0, 1.0, np.rad2deg(1.0)])
        return self.variance * inverse * units[:, None] * units[None, :]


def as_complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return points (n, 2) as complex numbers x + iy (n,)."""
    return np.asarray(points, np.float64) @ np.array([1.0, 1.0j])


def pose_of(similarity: Similarity, center: NDArray[np.float64]) -> Pose:
    """Return the pose of a photo with this center."""
    at = similarity.factor * complex(*center) + similarity.shift
    angle = float(np.rad2deg(np.angle(similarity.factor))) % 360.0
    return Pose(at.real, at.imag, angle, abs(similarity.factor))


def best_pair(
    photo: NDArray[np.float64],
    reference: NDArray[np.float64],
    weight: NDArray[np.float64],
    scales: tuple[float, float],
    tolerance: float,
) -> Similarity | None:
    """Return the similarity through two of the matches that most of the others agree with.

    All pairs are tried, so nothing is left to chance; meant for some dozens of matches.

    Args:
        photo: (n, 2) points of the photo.
        reference: (n, 2) points of the reference.
        weight: (n,) say of each match.
        scales: Least and largest scale.
        tolerance: Distance in reference pixels within which a match agrees.

    Returns:
        The similarity, or None when no pair keeps the scale.
    """
    p, r = as_complex(photo), as_complex(reference)
    one, other = np.triu_indices(len(p), 1)
    before, after = p[other] - p[one], r[other] - r[one]
    long = np.abs(before) > 4.0 * tolerance / max(scales[0], 1e-6)
    slack = 2.0 * tolerance
    long &= np.abs(after) > scales[0] * np.abs(before) - slack
    long &= np.abs(after) < scales[1] * np.abs(before) + slack
    one, other, before, after = one[long], other[long], before[long], after[long]
    if not len(one):
        return None
    factor = _gated(after / before, scales)
    shift = 0.5 * (r[one] + r[other] - factor * (p[one] + p[other]))
    apart = np.abs(factor[:, None] * p + shift[:, None] - r)
    agreement = np.where(apart < tolerance, weight * (1.0 - (apart / tolerance) ** 2), 0.0).sum(1)
    best = int(np.argmax(agreement))
    return Similarity(complex(factor[best]), complex(shift[best]))


def fit_consensus(
    photo: NDArray[np.float64],
    reference: NDArray[np.float64],
    start: Similarity,
    scales: tuple[float, float],
    tolerance: float,
) -> Fit | None:
    """Fit a similarity to all matches that agree with it, starting from a rough one.

    Weighted least squares, repeated: first those within twice the tolerance, then Tukey's biweight
    with the scatter measured from the matches themselves (Maronna et al., "Robust Statistics",
    2019, section 4.4), so that strays near the tolerance do not pull.

    Args:
        photo: (n, 2) points of the photo.
        reference: (n, 2) points of the reference.
        start: A similarity that is right to some tolerances.
        scales: Least and largest scale; equal ones are kept exactly.
        tolerance: Distance in reference pixels within which a match agrees.

    Returns:
        The fit, or None when fewer than two locations agree.
    """
    p, r = as_complex(photo), as_complex(reference)
    found, weights = start, np.zeros(len(p))
    for turn in range(_ROUNDS):
        apart = found.distances(p, r)
        reach = tolerance * max(1.0, 2.0 - 0.5 * turn)
        near = apart < reach
        if near.sum() < 2:
            return None
        # The median of a Rayleigh distribution is 1.1774 standard deviations of one coordinate.
        noise = max(float(np.median(apart[near])) / 1.1774, _NOISE_FLOOR)
        bound = min(_TUKEY * noise, reach) if turn > 2 else reach
        weights = np.where(near, np.clip(1.0 - (apart / bound) ** 2, 0.0, None) ** 2, 0.0)
        fitted = _weighted_fit(p, r, weights, scales)
        if fitted is None:
            return None
        found = fitted
    apart = found.distances(p, r)
    inliers = apart < tolerance
    if inliers.sum() < 2:
        return None
    free = scales[0] < scales[1]
    freedom = max(2.0 * weights.sum() - (4 if free else 3), 1.0)
    variance = max(float((weights * apart**2).sum() / freedom), _NOISE_FLOOR**2)
    residual = float(np.sqrt(np.mean(apart[inliers] ** 2)))
    return Fit(found, inliers, weights, residual, free, variance)


def _weighted_fit(
    p: NDArray[np.complex128],
    r: NDArray[np.complex128],
    weights: NDArray[np.float64],
    scales: tuple[float, float],
) -> Similarity | None:
    """Return the least-squares similarity (Umeyama, IEEE TPAMI 13(4), 1991), its scale gated."""
    mass = weights.sum()
    if mass <= 0:
        return None
    middle, at = (weights * p).sum() / mass, (weights * r).sum() / mass
    spread = (weights * np.abs(p - middle) ** 2).sum()
    if spread <= 0:
        return None
    raw = (weights * (r - at) * (p - middle).conj()).sum() / spread
    if raw == 0:
        return None
    factor = complex(_gated(np.array([raw]), scales)[0])
    return Similarity(factor, complex(at - factor * middle))


def _gated(factor: NDArray[np.complex128], scales: tuple[float, float]) -> NDArray[np.complex128]:
    """Return similarity factors with their scale brought into its range."""
    length = np.maximum(np.abs(factor), 1e-12)
    return factor / length * np.clip(length, *scales)


def distinct_count(
    photo: NDArray[np.float64],
    reference: NDArray[np.float64],
    inliers: NDArray[np.bool_],
    tolerance: float,
) -> int:
    """Return at how many locations matches agree: many features at one place are one witness.

    Args:
        photo: (n, 2) points of the photo.
        reference: (n, 2) points of the reference.
        inliers: (n,) bool: matches that agree.
        tolerance: Distance in pixels within which matches agree; locations are cells of three
            quarters of it, in the photo or on the reference, whichever has fewer.
    """
    if not inliers.any():
        return 0
    return min(
        len(np.unique(np.floor(points[inliers] / (_CELL * tolerance)), axis=0))
        for points in (photo, reference)
    )
