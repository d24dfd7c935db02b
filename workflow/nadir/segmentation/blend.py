"""Compiled kernels of blending: adding windows to a running total, and reading the result off it.

Totals are integers (fixed point), so their sum does not depend on the order in which windows are
added: the map is the same to the bit whatever the size of the blocks that a scene is worked in.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

ONE = 1 << 24
"""What a probability of 1 with weight 1 counts; float32 holds no finer steps below 1."""
NO_CONFIDENCE = 255
"""Value of the confidence and probability layers where there is no data."""
LEVELS = 250
"""What the probability layer holds for a probability of 1."""


@numba.njit(cache=True, nogil=True)
def add_window(
    total: Any, probabilities: Any, valid: Any, rows: Any, columns: Any, y: int, x: int
) -> bool:
    """Add one window's weighted probabilities to a total, in place.

    Args:
        total: (K + 1, height, width) int32: fixed-point probabilities (`ONE` = 1) by class, and
            last on how many dates the pixel holds valid data (0 = none).
        probabilities: (K, h, w) float32 in [0, 1].
        valid: (h, w) integers: on how many dates the image is valid; or bool, whether on any.
        rows: (n,) float64: the window's weights along rows; n <= h are inside the scene.
        columns: (m,) float64: the same along columns; m <= w.
        y: Row of the window's first pixel in `total`.
        x: Column of the window's first pixel in `total`.

    Returns:
        False when a probability is no finite number; the total is then of no use.
    """
    classes = probabilities.shape[0]
    strange = 0
    for k in range(classes):
        for i in range(rows.shape[0]):
            answers, weight = probabilities[k, i], rows[i]
            sums = total[k, y + i, x : x + columns.shape[0]]
            for j in range(columns.shape[0]):  # without a branch, so that it is vectorized
                value = answers[j] * weight * columns[j]
                finite = abs(value) < np.inf
                strange += not finite
                sums[j] += np.int32((value if finite else 0.0) * ONE + 0.5)
    for i in range(rows.shape[0]):
        for j in range(columns.shape[0]):
            total[classes, y + i, x + j] = max(total[classes, y + i, x + j], np.int32(valid[i, j]))
    return strange == 0


@numba.njit(cache=True, nogil=True)
def decide(total: Any, ids: Any, confidence: Any) -> None:
    """Read class ids and confidence off a finished total.

    Args:
        total: (K + 1, height, width) int32 as for `add_window`.
        ids: (height, width) uint8, written: 1 to K, the lowest id on ties; 0 without valid data.
        confidence: (height, width) uint8, written: probability of the class in percent, 0 to 100;
            `NO_CONFIDENCE` without valid data.
    """
    classes = total.shape[0] - 1
    for i in range(total.shape[1]):
        for j in range(total.shape[2]):
            if total[classes, i, j] == 0:
                ids[i, j] = 0
                confidence[i, j] = NO_CONFIDENCE
                continue
            best = 0
            for k in range(1, classes):
                if total[k, i, j] > total[best, i, j]:
                    best = k
            ids[i, j] = best + 1
            percent = (np.int64(total[best, i, j]) * 100 + ONE // 2) // ONE
            confidence[i, j] = min(max(percent, 0), 100)


@numba.njit(cache=True, nogil=True)
def last_probability(total: Any, levels: Any) -> None:
    """Read the probability of the last class off a finished total.

    Args:
        total: (K + 1, height, width) int32 as for `add_window`.
        levels: (height, width) uint8, written: probability in steps of 1 / `LEVELS`, rounded;
            `NO_CONFIDENCE` without valid data.
    """
    classes = total.shape[0] - 1
    for i in range(total.shape[1]):
        for j in range(total.shape[2]):
            if total[classes, i, j] == 0:
                levels[i, j] = NO_CONFIDENCE
                continue
            level = (np.int64(total[classes - 1, i, j]) * LEVELS + ONE // 2) // ONE
            levels[i, j] = min(max(level, 0), LEVELS)
