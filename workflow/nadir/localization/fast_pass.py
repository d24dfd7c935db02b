"""The fast pass: local features of a photo vote for its pose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nadir.localization.features import extract
from nadir.localization.matching import FeatureIndex
from nadir.localization.pose import Pose
from nadir.localization.references import Reference
from nadir.localization.voting import vote

INLIERS = 12
"""Distinct agreeing features from which the fast pass is sure."""

LEAD = 2.0
"""Times as many as the runner-up has."""

_QUERIES = 3000


class FastPass:
    """Local features of a reference, ready to be matched.

    Args:
        reference: The reference.
        scale_range: Largest relative deviation of the photos' scale; 0 takes it as known.
        scale: Substrate pixels per photo pixel, about.
    """

    def __init__(self, reference: Reference, scale_range: float, scale: float) -> None:
        self._index = FeatureIndex(reference.features())
        self._scale_range, self._scale = scale_range, scale

    def locate(self, gray: NDArray[np.uint8]) -> tuple[Pose, bool] | None:
        """Return the pose that most features vote for and whether that is sure, or None."""
        features = extract(gray, 2, True, _QUERIES)
        if len(features) < INLIERS:
            return None
        matches = self._index.match(features)
        height, width = gray.shape
        found = vote(matches, (width, height), scale=self._scale, scale_range=self._scale_range)
        if found is None:
            return None
        sure = found.inliers >= INLIERS and found.inliers >= LEAD * found.runner_up_inliers
        return found.pose, sure
