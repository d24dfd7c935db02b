"""Votes for a photo's direction and center: a pose out of matches of which most are wrong.

A match of two local features says where the photo lies: the difference of their directions turns
it, and at known scale that puts its center. Wrong matches scatter over the whole substrate while
right ones pile up, so a few right ones among thousands suffice where a ratio test and RANSAC find
nothing (generalized Hough transform; Lowe, IJCV 60(2), 2004, section 7.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nadir.localization.pose import Pose, angle_difference
from nadir.localization.similarity import (
    Fit,
    best_pair,
    distinct_count,
    fit_consensus,
    pose_of,
)

_ANGLE_BIN = 12.0  # degrees; directions of SIFT are good to a few
_CENTER_BIN = 1.0 / 15.0  # of the photo's diagonal: what the direction's error moves the center by
_SIZE_SLACK = 1.6  # factor by which sizes of two right features may differ beyond the scale
_PEAKS = 12
_MEMBERS = 48  # matches of a peak whose pairs are tried
_LEAST_WEIGHT = 0.02


@dataclass(frozen=True)
class Correspondences:
    """Matched features of a photo and of a reference.

    Attributes:
        photo: (n, 2) float64: points of the photo, counted from edges.
        reference: (n, 2) float64: points of the reference.
        turn: (n,) float64: direction on the reference minus direction in the photo, in degrees.
        growth: (n,) float64: size on the reference relative to that in the photo.
        ratio: (n,) float64: see `Matches.ratio`.
    """

    photo: NDArray[np.float64]
    reference: NDArray[np.float64]
    turn: NDArray[np.float64]
    growth: NDArray[np.float64]
    ratio: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.photo)

    def take(self, index: NDArray[np.bool_]) -> Correspondences:
        """Return those that a mask (n,) selects."""
        return Correspondences(
            self.photo[index],
            self.reference[index],
            self.turn[index],
            self.growth[index],
            self.ratio[index],
        )


@dataclass(frozen=True)
class Vote:
    """A pose, and what speaks for it.

    Attributes:
        pose: The pose.
        inliers: Matches that agree with it, those at one location counted once.
        runner_up_inliers: The same for the best pose elsewhere.
        residual_px: Root mean square distance of the agreeing matches, in reference pixels.
        covariance: (3, 3) of x, y (px) and angle (degrees), as the scatter of the agreeing matches
            has it: what misplaces all of them alike (age of the reference, relief) is not in it.
    """

    pose: Pose
    inliers: int
    runner_up_inliers: int
    residual_px: float
    covariance: NDArray[np.float64]


def vote(
    matches: Correspondences,
    width: int,
    height: int,
    scale: float = 1.0,
    scale_range: float = 0.0,
    tolerance: float = 8.0,
) -> Vote | None:
    """Return the pose that most matches agree on, or None when no three do.

    Args:
        matches: Matches, most of which may be wrong.
        width: Columns of the photo.
        height: Rows of the photo.
        scale: Reference pixels per photo pixel.
        scale_range: Largest relative deviation from that scale; 0 takes it as known.
        tolerance: Distance in reference pixels within which a match agrees.
    """
    scales = scale * (1.0 - scale_range), scale * (1.0 + scale_range)
    plausible = (matches.growth > scales[0] / _SIZE_SLACK) & (
        matches.growth < scales[1] * _SIZE_SLACK
    )
    matches = matches.take(plausible)
    if len(matches) < 3:
        return None
    weight = np.clip(1.0 + _LEAST_WEIGHT - matches.ratio, _LEAST_WEIGHT, 1.0)
    center = np.array([0.5 * width, 0.5 * height])
    diagonal = float(np.hypot(width, height))
    side = max(_CENTER_BIN * diagonal * scale, 2.0 * tolerance)
    cells = _cells(matches, center, np.clip(matches.growth, *scales), side)
    found: list[tuple[Pose, int, Fit]] = []
    for members in _peaks(cells, weight):
        pair = best_pair(
            matches.photo[members], matches.reference[members], weight[members], scales, tolerance
        )
        fit = (
            None
            if pair is None
            else fit_consensus(matches.photo, matches.reference, pair, scales, tolerance)
        )
        if fit is not None:
            distinct = distinct_count(matches.photo, matches.reference, fit.inliers, tolerance)
            if distinct >= 3:
                found.append((pose_of(fit.similarity, center), distinct, fit))
    if not found:
        return None
    found.sort(key=lambda item: (-item[1], item[2].residual))
    pose, inliers, fit = found[0]
    others = [count for other, count, _ in found[1:] if _elsewhere(pose, other, 0.5 * side)]
    return Vote(
        pose, inliers, max(others, default=0), fit.residual, fit.covariance(matches.photo, center)
    )


def _cells(
    matches: Correspondences,
    center: NDArray[np.float64],
    scales: NDArray[np.float64],
    side: float,
) -> NDArray[np.int64]:
    """Return the (n, 8) numbers of the cells that each match votes for.

    Cells overlap by half in each of direction, x and y, so that no pile is cut at a border.
    """
    turn = np.deg2rad(matches.turn)
    arm = (center - matches.photo) @ np.array([1.0, 1.0j])  # complex numbers turn and grow
    at = matches.reference @ np.array([1.0, 1.0j]) + arm * scales * np.exp(1j * turn)
    column = np.floor(at.real / side).astype(np.int64)
    row = np.floor(at.imag / side).astype(np.int64)
    # Centers may lie a little outside the reference; counting starts below the least.
    column, row = column - column.min(), row - row.min()
    bins = round(360.0 / _ANGLE_BIN)
    sector = np.floor(matches.turn % 360.0 / _ANGLE_BIN).astype(np.int64)
    wide, high = column.max() + 2, row.max() + 2
    steps = np.arange(8)
    sectors = (sector[:, None] + (steps & 1)) % bins
    rows = row[:, None] + (steps >> 1 & 1)
    columns = column[:, None] + (steps >> 2)
    return (sectors * high + rows) * wide + columns


def _peaks(cells: NDArray[np.int64], weight: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Return the matches in each of the fullest cells, those that stand out most first."""
    names, place = np.unique(cells, return_inverse=True)
    place = place.reshape(cells.shape)
    mass = np.bincount(place.ravel(), np.repeat(weight, cells.shape[1]), len(names))
    # A stable order makes ties fall alike everywhere. Neighboring cells share most of their votes,
    # so more are taken than there are poses to tell apart.
    fullest = np.argsort(-mass, kind="stable")[: 4 * _PEAKS]
    peaks: list[NDArray[np.int64]] = []
    seen = np.zeros(len(weight), bool)
    for cell in fullest:
        members = np.flatnonzero((place == cell).any(1))
        if len(members) < 3 or seen[members].mean() > 0.8:
            continue
        seen[members] = True
        order = np.argsort(-weight[members], kind="stable")[:_MEMBERS]
        peaks.append(members[order])
        if len(peaks) == _PEAKS:
            break
    return peaks


def _elsewhere(pose: Pose, other: Pose, reach: float) -> bool:
    """Whether two poses are not the same answer found twice."""
    apart = np.hypot(pose.x - other.x, pose.y - other.y)
    turned = angle_difference(np.array(pose.angle), np.array(other.angle))
    return bool(apart > reach or turned > _ANGLE_BIN)
