"""Ways to locate a photo, side by side on one reference."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nadir.config.localization import SearchConfig
from nadir.localization.features import array_reader, extract_tiled
from nadir.localization.localizer import Localizer
from nadir.localization.pose import Pose
from nadir.localization.references import FEATURES_PER_TILE, Reference
from nadir.localization.sparse import (
    Estimator,
    SparseReference,
    locate_photo,
    ransac_estimator,
    voting_estimator,
)


@dataclass(frozen=True)
class Located:
    """What a method says about a photo.

    Attributes:
        pose: Its answer; the middle of the reference where it has none.
        resolved: Whether it is sure.
        probability: How probable it holds the answer to be right; NaN where it does not say.
        seconds: CPU seconds, without preparation.
    """

    pose: Pose
    resolved: bool
    probability: float
    seconds: float


Method = Callable[[NDArray[np.uint8]], Located]
"""Locates a photo (height, width, 3) uint8."""


def localiser(reference: Reference, photo_side: int, search: SearchConfig | None = None) -> Method:
    """Return the localiser without any training: gradient channels, prior confidence.

    Args:
        reference: What to search.
        photo_side: Longer side of the photos in pixels.
        search: How to search.
    """
    engine = Localizer([reference], search or SearchConfig(), photo_side)

    def locate(photo: NDArray[np.uint8]) -> Located:
        begin = time.process_time()
        answer = engine.locate(photo)
        spent = time.process_time() - begin
        return Located(answer.pose, answer.resolved, answer.probability, spent)

    return locate


def sift_ransac(reference: Reference, clahe: bool) -> Method:
    """Return SIFT, ratio test and RANSAC.

    Args:
        reference: What to search.
        clahe: Whether contrast is equalized locally first, in the photo and in the reference.
    """
    searched = SparseReference.of(reference) if clahe else _plain(reference)
    return _sparse(reference, searched, ransac_estimator(), clahe)


def sift_voting(reference: Reference) -> Method:
    """Return SIFT with local contrast equalization, and votes at known scale."""
    return _sparse(reference, SparseReference.of(reference), voting_estimator(), True)


def _plain(reference: Reference) -> SparseReference:
    """Return a reference whose features come from its pixels as they are."""
    factor = reference.feature_factor
    picture = reference.picture(1, 0, 0, reference.width, reference.height)
    shape = (reference.height // factor, reference.width // factor)
    reader = array_reader(picture, factor)
    features = extract_tiled(reader, shape, factor, False, FEATURES_PER_TILE)
    return SparseReference(reference.name, features)


def _sparse(
    reference: Reference, searched: SparseReference, estimator: Estimator, clahe: bool
) -> Method:
    _ = searched.index  # preparation: not to be charged to the first photo
    middle = Pose(0.5 * reference.width, 0.5 * reference.height, 0.0)

    def locate(photo: NDArray[np.uint8]) -> Located:
        begin = time.process_time()
        found = locate_photo(photo, [searched], estimator, clahe, reference.feature_factor)
        spent = time.process_time() - begin
        pose = middle if found.vote is None else found.vote.pose
        return Located(pose, found.sure, float("nan"), spent)

    return locate
