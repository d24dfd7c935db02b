"""Locating photos by local features: the classical baselines, and the localiser's fast pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nadir.localization.features import Features, extract
from nadir.localization.matching import FeatureIndex, Matches
from nadir.localization.ransac import ransac
from nadir.localization.voting import Correspondences, Vote, vote

SURE = 12
"""Distinct inliers from which a pose is believed (prototypes: no wrong answer had as many)."""

LEAD = 2.0
"""How many times as many as the runner-up's they must be."""

_ERROR_PX, _ERROR_DEG = 10.0, 1.0  # within which a pose counts as right
_DEVIATIONS = 3.0

VOTES = 2
"""Nearest features that each feature of a photo votes for: where the ground has changed, the right
one is often the second.
"""

PHOTO_FEATURES = 4000
"""Most features of a photo."""


class HasFeatures(Protocol):
    """What a reference offers to a search by local features."""

    @property
    def name(self) -> str:
        """Its name."""

    def features(self) -> Features:
        """Return the features of all of it."""


class SparseReference:
    """A reference whose features are indexed at first use.

    Args:
        name: Its name.
        features: Its features.
    """

    def __init__(self, name: str, features: Features) -> None:
        self.name = name
        self.features = features

    @classmethod
    def of(cls, reference: HasFeatures) -> SparseReference:
        """Return the searchable side of a stored reference."""
        return cls(reference.name, reference.features())

    @cached_property
    def index(self) -> FeatureIndex | None:
        """The index, or None where there is nothing to search."""
        return FeatureIndex(self.features) if len(self.features) > 1 else None


@dataclass(frozen=True)
class SparseAnswer:
    """What local features say about one photo.

    Attributes:
        reference: Name of the reference with the best answer; "" when there is no answer.
        vote: The pose with its inliers, or None.
        sure: Whether the pose can be believed: enough distinct inliers, and a clear lead over the
            runner-up and over what contradicts it on other references.
    """

    reference: str
    vote: Vote | None
    sure: bool


@dataclass(frozen=True)
class Estimator:
    """A way from matches to a pose; made by `voting_estimator` and `ransac_estimator`.

    Attributes:
        estimate: (matches, width, height) of a photo -> what they say.
        neighbors: Neighbors of each feature that it is given: the last serves as the yardstick of
            the others' distances.
    """

    estimate: Callable[[Correspondences, int, int], Vote | None]
    neighbors: int = 2


def voting_estimator(scale_range: float = 0.0, neighbors: int = VOTES + 1) -> Estimator:
    """Return the estimator by votes, at scale 1 or in a range around it; see `vote`."""

    def estimate(matches: Correspondences, width: int, height: int) -> Vote | None:
        return vote(matches, width, height, scale_range=scale_range)

    return Estimator(estimate, neighbors)


def ransac_estimator(ratio: float = 0.8) -> Estimator:
    """Return the estimator by ratio test and RANSAC; see `ransac`."""

    def estimate(matches: Correspondences, width: int, height: int) -> Vote | None:
        return ransac(matches, width, height, ratio)

    return Estimator(estimate)


def locate_photo(
    photo: NDArray[np.uint8],
    references: Sequence[SparseReference],
    estimator: Estimator,
    clahe: bool = True,
    factor: int = 2,
) -> SparseAnswer:
    """Locate a photo on the reference where most features agree.

    Args:
        photo: (height, width, 3) uint8 RGB.
        references: Where to look; their features were extracted with the same `clahe`.
        estimator: `voting_estimator(...)` or `ransac_estimator(...)`.
        clahe: Whether contrast is equalized locally first.
        factor: Photo pixels per working pixel.
    """
    height, width = photo.shape[:2]
    return locate_features(
        extract(photo, factor, clahe, PHOTO_FEATURES), width, height, references, estimator
    )


def locate_features(
    features: Features,
    width: int,
    height: int,
    references: Sequence[SparseReference],
    estimator: Estimator,
) -> SparseAnswer:
    """Locate a photo by its features; see `locate_photo`.

    Args:
        features: Features of the photo.
        width: Its columns.
        height: Its rows.
        references: Where to look.
        estimator: How.
    """
    answers: list[tuple[str, Vote]] = []
    for reference in references:
        if reference.index is None:
            continue
        matches = reference.index.match(features, estimator.neighbors)
        matched = correspond(features, reference.features, matches)
        found = estimator.estimate(matched, width, height)
        if found is not None:
            answers.append((reference.name, found))
    if not answers:
        return SparseAnswer("", None, False)
    # Of equals the first reference wins.
    name, best = max(answers, key=lambda answer: answer[1].inliers)
    against = max(
        (
            other.inliers if _contradicts(best, other) else other.runner_up_inliers
            for _, other in answers
            if other is not best
        ),
        default=0,
    )
    return SparseAnswer(name, best, is_sure(best, against))


def is_sure(found: Vote, against: int = 0) -> bool:
    """Whether a pose can be believed.

    It has enough inliers, leads clearly, and is determined well: inliers crowded into a corner of
    the photo, where two fields may look alike, do not fix its angle.

    Args:
        found: The pose.
        against: Inliers of the best contradicting pose on other references.
    """
    lead = max(found.runner_up_inliers, against)
    x, y, angle = _DEVIATIONS * np.sqrt(np.diag(found.covariance))
    determined = np.hypot(x, y) < _ERROR_PX and angle < _ERROR_DEG
    return bool(determined and found.inliers >= SURE and found.inliers >= LEAD * lead)


def correspond(photo: Features, reference: Features, matches: Matches) -> Correspondences:
    """Return matched features side by side.

    Args:
        photo: Features that were asked for.
        reference: Features of the index.
        matches: Their matches.
    """
    query, train = matches.query, matches.train
    turn = reference.angles[train].astype(np.float64) - photo.angles[query]
    growth = reference.sizes[train].astype(np.float64) / np.maximum(photo.sizes[query], 1e-6)
    return Correspondences(
        photo.points[query].astype(np.float64),
        reference.points[train].astype(np.float64),
        turn % 360.0,
        growth,
        matches.ratio.astype(np.float64),
    )


def _contradicts(one: Vote, other: Vote) -> bool:
    """Whether two references put a photo at different places."""
    reach = 10.0 + 3.0 * (one.residual_px + other.residual_px)
    return bool(np.hypot(one.pose.x - other.pose.x, one.pose.y - other.pose.y) > reach)
