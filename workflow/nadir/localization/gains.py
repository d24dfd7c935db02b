"""What overlapping photos tell about each other: gains that make them equally bright, and doubts.

A photo that stays brighter than all others over the same ground shows a cloud there, however thin;
one that stays darker, a shadow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nadir.localization.pose import Pose, index_matrix

_ROUNDS = 25
_TRUSTING = 5  # rounds before doubts count
_LIMIT = np.log(2.0)  # no photo is made more than twice as bright or half as bright
_PRIOR = 0.03  # share of a photo's cells that speak for leaving it as it is
_DARK = 8.0  # of 255: below, the ratio of two values says little
_SEEN = 0.05  # weight from which a photo says anything of a cell
_LEAST = 1e-3  # keeps what nothing is known of from dividing by zero
_DOUBTFUL = 0.3  # logarithm of the ratio to the others from which a cell is doubted


@dataclass(frozen=True)
class Thumbnail:
    """A photo much reduced, for the comparison of brightness.

    Attributes:
        rgb: uint8 (h, w, 3).
        clear: float32 (h, w), 0 to 1: how much each pixel counts.
        pose: Pose of the full photo.
        width: Columns of the full photo.
        height: Rows of the full photo.
    """

    rgb: NDArray[np.uint8]
    clear: NDArray[np.float32]
    pose: Pose
    width: int
    height: int


@dataclass(frozen=True)
class Comparison:
    """What the overlaps say of each photo.

    Attributes:
        gains: (n, 3) float32, 0.5 to 2: what to multiply the channels by.
        agreement: One float32 (h, w) a photo, on the pixels of its thumbnail, 0 to 1: how well it
            agrees with the others there; 1 where no other sees the ground.
    """

    gains: NDArray[np.float32]
    agreement: list[NDArray[np.float32]]


@dataclass(frozen=True)
class _Patch:
    """What a thumbnail shows of the cells under it.

    Attributes:
        rows: Rows of the cells.
        columns: Their columns.
        matrix: (2, 3) from the thumbnail's pixels to the patch's, for OpenCV.
        values: (h, w, 3) float32: logarithms of the brightness.
        weights: (h, w, 1) float32.
    """

    rows: slice
    columns: slice
    matrix: NDArray[np.float64]
    values: NDArray[np.float32]
    weights: NDArray[np.float32]


def compare_photos(photos: Sequence[Thumbnail], width: int, height: int, cell: int) -> Comparison:
    """Compare photos where they overlap.

    Photos are compared on cells of a coarse grid: in rounds, each moves towards the mean of all
    that see its ground, and what deviates from it loses its say. What no overlap decides stays as
    it is, and the photos as a whole become neither brighter nor darker.

    Args:
        photos: The photos.
        width: Columns of the substrate.
        height: Rows of the substrate.
        cell: Substrate pixels of a cell along each side; about a pixel of the thumbnails, or their
            texture would alias.
    """
    shape = (-(-height // cell), -(-width // cell))
    patches = [_patch(photo, cell, shape) for photo in photos]
    doubts = [np.ones_like(patch.weights) for patch in patches]
    gains = np.zeros((len(photos), 3), np.float32)
    one = np.float32(1)
    for turn in range(_ROUNDS):
        mean = _mean(patches, doubts, gains, shape)
        for index, patch in enumerate(patches):
            apart = patch.values - mean[patch.rows, patch.columns]
            if turn >= _TRUSTING:
                doubts[index] = np.where(
                    patch.weights > _SEEN, _agreement(apart + gains[index]), one
                )
            weights = patch.weights * doubts[index]
            mass = float(weights.sum())
            prior = _PRIOR * weights.size
            gains[index] = -(weights * apart).sum((0, 1)) / (mass + prior + _LEAST)
        gains = np.clip(gains - gains.mean(0), -_LIMIT, _LIMIT)
    agreement = [
        _back(patch, doubt, photo)
        for patch, doubt, photo in zip(patches, doubts, photos, strict=True)
    ]
    return Comparison(np.exp(gains), agreement)


def _agreement(apart: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (h, w, 1), 0 to 1, for logarithms (h, w, 3) of the ratio to the others' mean.

    The channel that deviates least decides: a cloud is brighter in all, a shadow darker. Both
    count alike, or of two photos that contradict each other the one in the shadow would win.
    """
    excess = np.maximum(apart.min(2, keepdims=True), -apart.max(2, keepdims=True)) / _DOUBTFUL
    excess = np.maximum(excess, 0)
    return np.exp(-(excess**2)).astype(np.float32)


def _mean(
    patches: Sequence[_Patch],
    doubts: Sequence[NDArray[np.float32]],
    gains: NDArray[np.float32],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Return the mean logarithm of each cell over the photos that see it."""
    total = np.zeros((*shape, 3), np.float32)
    mass = np.full((*shape, 1), 1e-12, np.float32)
    for patch, doubt, gain in zip(patches, doubts, gains, strict=True):
        weights = patch.weights * doubt
        total[patch.rows, patch.columns] += weights * (patch.values + gain)
        mass[patch.rows, patch.columns] += weights
    return total / mass


def _back(patch: _Patch, doubt: NDArray[np.float32], photo: Thumbnail) -> NDArray[np.float32]:
    """Return what is known of a patch's cells on the pixels of the thumbnail."""
    rows, columns = photo.rgb.shape[:2]
    if not doubt.size:
        return np.ones((rows, columns), np.float32)
    laid = cv2.warpAffine(
        doubt[:, :, 0],
        patch.matrix,
        (columns, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(laid, np.float32)


def _patch(photo: Thumbnail, cell: int, shape: tuple[int, int]) -> _Patch:
    """Return what a thumbnail shows of the cells under it."""
    corners = photo.pose.corners(photo.width, photo.height) / cell
    left, top = np.clip(np.floor(corners.min(0)).astype(int), 0, (shape[1], shape[0]))
    right, bottom = np.clip(np.ceil(corners.max(0)).astype(int), 0, (shape[1], shape[0]))
    rows, columns = slice(int(top), int(bottom)), slice(int(left), int(right))
    size = (int(right - left), int(bottom - top))
    if min(size) < 1:
        nothing = np.zeros((max(size[1], 0), max(size[0], 0), 1), np.float32)
        return _Patch(rows, columns, np.eye(2, 3), nothing.repeat(3, 2), nothing)
    matrix = photo.pose.matrix(photo.width, photo.height)
    matrix[:, 2] -= cell * np.array([left, top])
    matrix /= cell
    matrix[:, 0] *= photo.width / photo.rgb.shape[1]
    matrix[:, 1] *= photo.height / photo.rgb.shape[0]
    inner = index_matrix(matrix)
    logs = np.log(photo.rgb.astype(np.float32) + _DARK)
    values = cv2.warpAffine(
        logs, inner, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    # Black beyond the border: cells that are half outside count half.
    weights = cv2.warpAffine(photo.clear, inner, size, flags=cv2.INTER_LINEAR)
    return _Patch(
        rows,
        columns,
        inner,
        np.asarray(values, np.float32),
        np.asarray(weights, np.float32)[:, :, None],
    )
