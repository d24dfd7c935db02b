"""Sliced Wasserstein distance between patches of Laplacian pyramids (Karras et al. 2018).

It needs no weights: at each scale it asks whether patches of generated and of real pictures have
the same distribution, by their projections onto random directions.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from nadir.config.groundview_evaluate import SlicedConfig

SIDE = 7
"""Side of a patch in pixels."""
COARSEST = 16
"""Side in pixels of the coarsest level."""
SCALE = 1e3
"""Distances are multiplied by it, as in the paper."""

_PATCHES, _DIRECTIONS = 0x5A7C, 0x5D17

Descriptors = dict[int, NDArray[np.float32]]
"""Side of a level in pixels -> patches, float32 (pictures, patches, 3 * SIDE * SIDE)."""


def laplacian_pyramid(picture: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Return the levels of a picture, the finest first; the last is what is left, smoothed.

    Args:
        picture: uint8 (3, height, width).

    Returns:
        float32 (height, width, 3) each, halved from one to the next, until halves would be smaller
        than `COARSEST`.
    """
    fine = np.ascontiguousarray(picture.transpose(1, 2, 0), np.float32)
    levels = []
    while min(fine.shape[:2]) // 2 >= COARSEST:
        small = cv2.pyrDown(fine)
        levels.append(fine - cv2.pyrUp(small, dstsize=(fine.shape[1], fine.shape[0])))
        fine = np.asarray(small, np.float32)
    return [*levels, fine]


def describe_patches(pictures: NDArray[np.uint8], cfg: SlicedConfig, seed: int) -> Descriptors:
    """Return random patches of every level of pictures.

    The places of patches are a function of seed, level and number of the picture, so that the
    i-th pictures of two sets are looked at in equal places.

    Args:
        pictures: uint8 (n, 3, height, width), each side at least `SIDE`.
        cfg: Number of patches.
        seed: Seed of their places.
    """
    found: dict[int, list[NDArray[np.float32]]] = {}
    for number, picture in enumerate(pictures):
        for level in laplacian_pyramid(picture):
            side = level.shape[0]
            random = np.random.default_rng([seed, _PATCHES, side, number])
            tops = random.integers(0, side - SIDE + 1, cfg.patches)
            lefts = random.integers(0, level.shape[1] - SIDE + 1, cfg.patches)
            windows = np.lib.stride_tricks.sliding_window_view(level, (SIDE, SIDE), (0, 1))
            found.setdefault(side, []).append(windows[tops, lefts].reshape(cfg.patches, -1))
    return {side: np.stack(patches) for side, patches in found.items()}


def sliced_distance(
    one: Descriptors, other: Descriptors, cfg: SlicedConfig, seed: int
) -> dict[int, float]:
    """Return the distance of each level, times `SCALE`; see `Descriptors`.

    Patches of each set are first brought to mean 0 and deviation 1 in each channel, as in the
    paper, so that it is not moved by mean colors.

    Args:
        one: Patches of as many pictures as the other has.
        other: Those of the other set.
        cfg: Number of directions.
        seed: Seed of the directions.
    """
    found = {}
    for side, patches in one.items():
        first, second = _standardized(patches), _standardized(other[side])
        random = np.random.default_rng([seed, _DIRECTIONS, side])
        directions = random.standard_normal((first.shape[1], cfg.directions)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        sorted_one, sorted_other = (
            np.sort(values @ directions, axis=0) for values in (first, second)
        )
        found[side] = SCALE * float(np.abs(sorted_one - sorted_other).mean(dtype=np.float64))
    return found


def _standardized(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return patches (m, 3 * SIDE * SIDE) of mean 0 and deviation 1 in each channel."""
    # The three channels of a patch lie one after the other.
    flat = patches.reshape(-1, 3, SIDE * SIDE).astype(np.float64)
    flat -= flat.mean(axis=(0, 2), keepdims=True)
    flat /= np.maximum(flat.std(axis=(0, 2), keepdims=True), 1e-8)
    return flat.reshape(len(flat), -1).astype(np.float32)
