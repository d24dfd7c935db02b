"""Confusion matrices and what follows from them.

A confusion matrix is int64 (K, K), rows truth, columns prediction. Every score here is a function
of it. A class that occurs neither in truth nor in prediction scores NaN and is left out of means.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


def empty_confusion(count: int) -> np.ndarray:
    """Return the confusion matrix of nothing: int64 zeros (K, K)."""
    return np.zeros((count, count), np.int64)


def update_confusion(
    matrix: np.ndarray, truth: np.ndarray, prediction: np.ndarray, keep: np.ndarray | None = None
) -> None:
    """Add pixels to a confusion matrix, in place.

    Args:
        matrix: int64 (K, K).
        truth: uint8 ids 1..K, 0 where there is no label; any shape.
        prediction: uint8 ids 1..K, 0 where nothing was predicted; same shape.
        keep: bool, same shape: only these pixels count.

    A pixel counts when neither id is 0. Ids above K are a fault of the caller.

    Raises:
        ValueError: When shapes differ or an id exceeds K.
    """
    if truth.shape != prediction.shape or (keep is not None and keep.shape != truth.shape):
        raise ValueError(f"shapes differ: truth {truth.shape}, prediction {prediction.shape}")
    t = np.ascontiguousarray(truth, np.uint8).reshape(-1)
    p = np.ascontiguousarray(prediction, np.uint8).reshape(-1)
    if keep is not None:
        t = np.where(keep.reshape(-1), t, np.uint8(0))
    table = np.zeros((256, 256), np.int64)
    _count_pairs(t, p, table)
    count = len(matrix)
    if table[count + 1 :].any() or table[:, count + 1 :].any():
        raise ValueError(f"an id is larger than the number of classes, {count}")
    matrix += table[1 : count + 1, 1 : count + 1]


@numba.njit(nogil=True, cache=True)
def _count_pairs(truth: np.ndarray, prediction: np.ndarray, table: np.ndarray) -> None:
    """Count pairs of bytes into `table` (256, 256).

    Neighbours mostly carry the same pair, and adding to the same counter again and again waits for
    memory each time: four tables in turn, added at the end, avoid it.
    """
    parts = np.zeros((4, 65_536), np.int64)
    n = truth.size
    whole = n - n % 4
    for i in range(0, whole, 4):
        parts[0, (np.int64(truth[i]) << 8) | prediction[i]] += 1
        parts[1, (np.int64(truth[i + 1]) << 8) | prediction[i + 1]] += 1
        parts[2, (np.int64(truth[i + 2]) << 8) | prediction[i + 2]] += 1
        parts[3, (np.int64(truth[i + 3]) << 8) | prediction[i + 3]] += 1
    for i in range(whole, n):
        parts[0, (np.int64(truth[i]) << 8) | prediction[i]] += 1
    for t in range(256):
        for p in range(256):
            at = (t << 8) | p
            table[t, p] += parts[0, at] + parts[1, at] + parts[2, at] + parts[3, at]


def iou(matrix: np.ndarray) -> np.ndarray:
    """Return the intersection over union (Jaccard index) of each class, float64 (K,) in 0..1."""
    hit, truth, predicted = _margins(matrix)
    return _ratio(hit, truth + predicted - hit)


def dice(matrix: np.ndarray) -> np.ndarray:
    """Return the Dice coefficient (F1 score) of each class, float64 (K,) in 0..1."""
    hit, truth, predicted = _margins(matrix)
    return _ratio(2 * hit, truth + predicted)


def precision(matrix: np.ndarray) -> np.ndarray:
    """Return the precision (user's accuracy) of each class; NaN where it was never predicted."""
    hit, _, predicted = _margins(matrix)
    return _ratio(hit, predicted)


def recall(matrix: np.ndarray) -> np.ndarray:
    """Return the recall (producer's accuracy) of each class; NaN where it never occurs."""
    hit, truth, _ = _margins(matrix)
    return _ratio(hit, truth)


def class_accuracy(matrix: np.ndarray) -> np.ndarray:
    """Return the share of pixels rightly said to be, or not to be, of each class; NaN if absent."""
    hit, truth, predicted = _margins(matrix)
    total = matrix.sum()
    right = total - truth - predicted + 2 * hit
    absent = (truth == 0) & (predicted == 0)
    return np.where(absent, np.nan, _ratio(right, np.full_like(right, total)))


def accuracy(matrix: np.ndarray) -> float:
    """Return the overall accuracy, NaN for an empty matrix."""
    return float(_ratio(np.trace(matrix)[None], matrix.sum()[None])[0])


def kappa(matrix: np.ndarray) -> float:
    """Return Cohen's kappa (Cohen 1960); NaN where agreement by chance is already total."""
    total = float(matrix.sum())
    if total == 0:
        return float("nan")
    _, truth, predicted = _margins(matrix)
    expected = float((truth / total) @ (predicted / total))
    if expected >= 1.0:
        return float("nan")
    return (accuracy(matrix) - expected) / (1.0 - expected)


def macro_mean(scores: np.ndarray) -> float:
    """Return the mean over the classes that have a score, NaN when none has."""
    there = scores[~np.isnan(scores)]
    return float(there.mean()) if there.size else float("nan")


def frequency_mean(scores: np.ndarray, matrix: np.ndarray) -> float:
    """Return the mean weighted by the classes' pixels in the truth, over classes with a score."""
    weights = matrix.sum(axis=1).astype(np.float64)
    there = ~np.isnan(scores) & (weights > 0)
    if not there.any():
        return float("nan")
    return float((scores[there] * weights[there]).sum() / weights[there].sum())


def summary(matrix: np.ndarray) -> dict[str, Any]:
    """Return every score by name: overall ones as floats, per-class ones as lists by id.

    Keys: pixels, accuracy, kappa; miou, mdice, mprecision, mrecall, macro_accuracy (means over
    classes); fwiou, fwdice (weighted by frequency); class.{iou, dice, precision, recall, accuracy,
    truth, predicted}.
    """
    per_class = {
        "iou": iou(matrix),
        "dice": dice(matrix),
        "precision": precision(matrix),
        "recall": recall(matrix),
        "accuracy": class_accuracy(matrix),
    }
    return {
        "pixels": int(matrix.sum()),
        "accuracy": accuracy(matrix),
        "kappa": kappa(matrix),
        "miou": macro_mean(per_class["iou"]),
        "mdice": macro_mean(per_class["dice"]),
        "mprecision": macro_mean(per_class["precision"]),
        "mrecall": macro_mean(per_class["recall"]),
        "macro_accuracy": macro_mean(per_class["accuracy"]),
        "fwiou": frequency_mean(per_class["iou"], matrix),
        "fwdice": frequency_mean(per_class["dice"], matrix),
        "class": {
            **{name: scores.tolist() for name, scores in per_class.items()},
            "truth": matrix.sum(axis=1).tolist(),
            "predicted": matrix.sum(axis=0).tolist(),
        },
    }


def _margins(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, NaN where below is 0."""
    result = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=result, where=np.asarray(below) != 0)
    return result
