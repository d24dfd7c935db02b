"""The classical baseline: ratio test, then RANSAC over similarities."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nadir.localization.similarity import Similarity, distinct_count, fit_consensus, pose_of
from nadir.localization.voting import Correspondences, Vote

_ITERATIONS = 20000
_CONFIDENCE = 0.999


def ransac(
    matches: Correspondences,
    width: int,
    height: int,
    ratio: float = 0.8,
    scales: tuple[float, float] = (0.5, 2.0),
    tolerance: float = 8.0,
) -> Vote | None:
    """Return the pose that RANSAC finds, or None when it finds none.

    The similarity is OpenCV's (`estimateAffinePartial2D`; it draws from a generator of fixed seed).
    What is left without its inliers gives the runner-up.

    Args:
        matches: Matches, right and wrong.
        width: Columns of the photo.
        height: Rows of the photo.
        ratio: Largest ratio of the distances to the nearest and the second nearest feature.
        scales: Least and largest scale; a similarity beyond is no answer.
        tolerance: Distance in reference pixels within which a match agrees.
    """
    kept = matches.take(matches.ratio < ratio)
    found = _estimate(kept, scales, tolerance)
    if found is None:
        return None
    similarity, inliers = found
    # The same least squares as for votes give the residual and the covariance.
    fit = fit_consensus(kept.photo, kept.reference, similarity, scales, tolerance)
    if fit is None:
        return None
    rest = kept.take(~inliers)
    second = _estimate(rest, scales, tolerance)
    center = np.array([0.5 * width, 0.5 * height])
    return Vote(
        pose_of(fit.similarity, center),
        distinct_count(kept.photo, kept.reference, fit.inliers, tolerance),
        0 if second is None else distinct_count(rest.photo, rest.reference, second[1], tolerance),
        fit.residual,
        fit.covariance(kept.photo, center),
    )


def _estimate(
    matches: Correspondences, scales: tuple[float, float], tolerance: float
) -> tuple[Similarity, NDArray[np.bool_]] | None:
    """Return RANSAC's similarity and its inliers (n,)."""
    if len(matches) < 3:
        return None
    found: tuple[Any, Any] = cv2.estimateAffinePartial2D(
        matches.photo,
        matches.reference,
        method=cv2.RANSAC,
        ransacReprojThreshold=tolerance,
        maxIters=_ITERATIONS,
        confidence=_CONFIDENCE,
    )
    matrix, mask = found
    if matrix is None:
        return None
    factor = complex(matrix[0, 0], matrix[1, 0])
    if not scales[0] <= abs(factor) <= scales[1]:
        return None
    shift = complex(matrix[0, 2], matrix[1, 2])
    return Similarity(factor, shift), np.asarray(mask).reshape(-1) > 0
