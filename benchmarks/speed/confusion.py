"""Confusion matrix and scores by class of a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from speed.contest import Case, Claim, Contestant, Row, Task
from speed.inputs import CLASSES

_SIDE = 2048
_NADIR, _METRICS = "nadir, matrix and all scores", "torchmetrics, matrix"
_MATRIX, _SCORES = "scikit-learn, matrix", "scikit-learn, matrix and scores by class"
_LABELS = list(range(1, CLASSES + 1))


def row(device: str) -> Row:
    """Return the row."""
    return Row(
        "confusion",
        f"confusion: {CLASSES} classes, {_SIDE} x {_SIDE} pixels",
        [
            Contestant(_NADIR, _nadir, ours=True, times=5),
            Contestant(_MATRIX, _matrix, needs=("sklearn",), warm=False, times=1),
            Contestant(_SCORES, _scores, needs=("sklearn",), warm=False, times=1),
            Contestant(_METRICS, _torchmetrics, needs=("torchmetrics",), times=5),
        ],
        [Claim(_NADIR, _MATRIX, "faster", 5), Claim(_NADIR, _SCORES, "faster", 5)],
        None,
        compare,
    )


def compare(given: Mapping[str, Any]) -> dict[str, str]:
    """See that matrices are equal, and scores to rounding."""
    ours = given[_NADIR]
    for name, one in given.items():
        for figure, values in one.items():
            if figure == "matrix":
                assert (values == ours["matrix"]).all(), f"{name}: another matrix"
            else:
                assert np.allclose(values, ours[figure], rtol=1e-12), f"{name}: other {figure}"
    return dict.fromkeys(given, "equal")


def pixels(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and prediction, uint8 ids: patches, of which a fifth is said wrong by pixel."""
    side = case.side(_SIDE)
    random = np.random.default_rng(0)
    patches = random.integers(1, CLASSES + 1, (side // 16, side // 16), np.uint8)
    truth = patches.repeat(16, 0).repeat(16, 1)
    said = np.where(random.random(truth.shape) < 0.2, np.roll(truth, 16, 1), truth)
    return truth, said


def _nadir(case: Case) -> Task:
    from nadir.segmentation.confusion import empty_confusion, summary, update_confusion

    truth, said = pixels(case)

    def work() -> dict[str, np.ndarray]:
        matrix = empty_confusion(CLASSES)
        update_confusion(matrix, truth, said)
        scores = summary(matrix)["class"]
        kept = {name: np.array(scores[name]) for name in ("iou", "dice", "precision", "recall")}
        return {"matrix": matrix, **kept}

    return Task(work)


def _matrix(case: Case) -> Task:
    from sklearn.metrics import confusion_matrix

    truth, said = (one.ravel() for one in pixels(case))
    return Task(lambda: {"matrix": confusion_matrix(truth, said, labels=_LABELS)})


def _scores(case: Case) -> Task:
    from sklearn.metrics import (
        confusion_matrix,
        jaccard_score,
        precision_recall_fscore_support,
    )

    truth, said = (one.ravel() for one in pixels(case))

    def work() -> dict[str, np.ndarray]:
        scores = precision_recall_fscore_support(truth, said, labels=_LABELS, zero_division=np.nan)
        return {
            "matrix": confusion_matrix(truth, said, labels=_LABELS),
            **dict(zip(("precision", "recall", "dice"), scores[:3], strict=True)),
            "iou": jaccard_score(truth, said, labels=_LABELS, average=None),
        }

    return Task(work)


def _torchmetrics(case: Case) -> Task:
    import torch
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    torch.set_num_threads(case.threads)
    truth, said = (torch.from_numpy(one.ravel().astype(np.int64) - 1) for one in pixels(case))

    def work() -> dict[str, np.ndarray]:
        return {"matrix": multiclass_confusion_matrix(said, truth, CLASSES).numpy()}

    return Task(work, note="of int64 ids, as it wants them")
