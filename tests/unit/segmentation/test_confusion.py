"""Confusion matrices and scores, against scikit-learn and against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from nadir.segmentation import confusion

K = 12


@pytest.fixture(scope="module")
def maps():
    """Truth and prediction, mostly agreeing; class 5 is in neither, 0 is in both."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, K + 1, (301, 203)).astype(np.uint8)
    prediction = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, K + 1, truth.shape))
    prediction = prediction.astype(np.uint8)
    truth[truth == 5] = 4
    prediction[prediction == 5] = 6
    return truth, prediction


@pytest.fixture(scope="module")
def matrix(maps):
    result = confusion.empty_confusion(K)
    confusion.update_confusion(result, *maps)
    return result


def _counted(maps):
    truth, prediction = maps
    both = (truth > 0) & (prediction > 0)
    return truth[both], prediction[both]


def test_the_matrix_is_sklearns(maps, matrix):
    truth, prediction = _counted(maps)
    expected = metrics.confusion_matrix(truth, prediction, labels=range(1, K + 1))
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, expected)


def test_scores_are_sklearns(maps, matrix):
    truth, prediction = _counted(maps)
    there = [k for k in range(1, K + 1) if k != 5]
    at = np.array(there) - 1
    options = {"labels": there, "average": None, "zero_division": 0}
    np.testing.assert_allclose(
        confusion.iou(matrix)[at], metrics.jaccard_score(truth, prediction, **options)
    )
    np.testing.assert_allclose(
        confusion.dice(matrix)[at], metrics.f1_score(truth, prediction, **options)
    )
    np.testing.assert_allclose(
        confusion.precision(matrix)[at], metrics.precision_score(truth, prediction, **options)
    )
    np.testing.assert_allclose(
        confusion.recall(matrix)[at], metrics.recall_score(truth, prediction, **options)
    )
    assert confusion.accuracy(matrix) == pytest.approx(metrics.accuracy_score(truth, prediction))
    assert confusion.kappa(matrix) == pytest.approx(metrics.cohen_kappa_score(truth, prediction))
    weighted = metrics.jaccard_score(truth, prediction, labels=there, average="weighted")
    assert confusion.frequency_mean(confusion.iou(matrix), matrix) == pytest.approx(weighted)
    macro = metrics.jaccard_score(truth, prediction, labels=there, average="macro")
    assert confusion.macro_mean(confusion.iou(matrix)) == pytest.approx(macro)
    for k in (1, 7):
        binary = metrics.accuracy_score(truth == k, prediction == k)
        assert confusion.class_accuracy(matrix)[k - 1] == pytest.approx(binary)


def test_an_absent_class_has_no_score(matrix):
    for score in (
        confusion.iou,
        confusion.dice,
        confusion.precision,
        confusion.recall,
        confusion.class_accuracy,
    ):
        assert np.flatnonzero(np.isnan(score(matrix))).tolist() == [4]


def test_a_class_only_predicted_scores_zero_and_counts():
    matrix = np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]], np.int64)
    np.testing.assert_array_equal(confusion.iou(matrix), [0.75, 0.0, np.nan])
    assert confusion.macro_mean(confusion.iou(matrix)) == 0.375
    assert confusion.frequency_mean(confusion.iou(matrix), matrix) == 0.75
    assert np.isnan(confusion.recall(matrix)[1])


def test_blocks_add_up(maps, matrix):
    result = confusion.empty_confusion(K)
    truth, prediction = maps
    for y in range(0, 301, 37):
        confusion.update_confusion(result, truth[y : y + 37, ::1], prediction[y : y + 37])
    np.testing.assert_array_equal(result, matrix)


def test_only_kept_pixels_count(maps):
    truth, prediction = maps
    keep = np.zeros(truth.shape, bool)
    keep[:50] = True
    one, other = confusion.empty_confusion(K), confusion.empty_confusion(K)
    confusion.update_confusion(one, truth, prediction, keep)
    confusion.update_confusion(other, truth[:50], prediction[:50])
    np.testing.assert_array_equal(one, other)
    assert one.sum() > 0


def test_faults_of_the_caller_are_refused():
    matrix = confusion.empty_confusion(2)
    with pytest.raises(ValueError, match="larger than the number of classes"):
        confusion.update_confusion(matrix, np.array([3], np.uint8), np.array([1], np.uint8))
    with pytest.raises(ValueError, match="shapes differ"):
        confusion.update_confusion(matrix, np.ones(3, np.uint8), np.ones(4, np.uint8))
    assert matrix.sum() == 0


def test_nothing_scores_nan():
    scores = confusion.summary(confusion.empty_confusion(3))
    assert scores["pixels"] == 0
    for name in ("accuracy", "kappa", "miou", "fwiou"):
        assert np.isnan(scores[name])


def test_perfect_agreement_scores_one():
    scores = confusion.summary(np.diag([5, 7]).astype(np.int64))
    assert scores["miou"] == scores["kappa"] == scores["accuracy"] == scores["fwdice"] == 1.0
    assert scores["class"]["truth"] == [5, 7]
