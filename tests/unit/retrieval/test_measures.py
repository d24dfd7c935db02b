"""Figures of ranks: by hand, and the public ones beside the standard ones."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.retrieval.measures import (
    MEAN_AP,
    MEAN_RECIPROCAL,
    MEDIAN_RANK,
    PUBLIC,
    PUBLIC_AP,
    STANDARD,
    TOP_PERCENT,
    average_precision,
    by_query,
    cumulative_match_curve,
    top_percent,
    trapezoidal_precision,
)
from nadir.retrieval.ranks import Ranks


def ranks_at(*hits: list[int], gallery: int = 100) -> Ranks:
    starts = np.concatenate([[0], np.cumsum([len(row) for row in hits])]).astype(np.int64)
    return Ranks(starts, np.array([hit for row in hits for hit in row], np.int64), gallery, gallery)


@pytest.mark.parametrize(
    ("hits", "public", "standard"),
    [
        ([0, 2, 5], 0.67778, 0.72222),
        ([0], 1.0, 1.0),
        ([1], 1 / 4, 1 / 2),
        ([4], 1 / 10, 1 / 5),
        ([0, 1, 2], 1.0, 1.0),
        ([1, 3], (0.25 + (1 / 3 + 2 / 4) / 2) / 2, 0.5),
        ([], 0.0, 0.0),
    ],
)
def test_average_precisions_by_hand(hits: list[int], public: float, standard: float) -> None:
    ranks = ranks_at(hits, [7])
    assert trapezoidal_precision(ranks)[0] == pytest.approx(public, abs=1e-5)
    assert average_precision(ranks)[0] == pytest.approx(standard, abs=1e-5)


@pytest.mark.parametrize(
    ("gallery", "index"), [(951, 10), (51_355, 514), (793, 8), (50, 0), (150, 2), (250, 2)]
)
def test_one_percent_is_an_index_from_zero(gallery: int, index: int) -> None:
    assert top_percent(gallery) == index
    table = by_query(ranks_at([index], [index + 1], gallery=gallery))
    assert table[TOP_PERCENT].tolist() == [1, 0]


def test_curve_and_columns() -> None:
    ranks = ranks_at([0], [4, 9], [], [30], gallery=40)
    curve = cumulative_match_curve(ranks)
    assert curve.shape == (40,)
    np.testing.assert_allclose(curve[[0, 3, 4, 29, 30, 39]], [0.25, 0.25, 0.5, 0.5, 0.75, 0.75])
    table = by_query(ranks)
    assert list(table) == [*PUBLIC, *STANDARD]
    assert table["Recall@5"].tolist() == [1, 1, 0, 0]
    np.testing.assert_array_equal(table["recall at 5"], [1, 1, np.nan, 0])
    np.testing.assert_array_equal(table[MEDIAN_RANK], [1, 5, np.nan, 31])
    np.testing.assert_allclose(table[MEAN_RECIPROCAL], [1, 0.2, np.nan, 1 / 31])
    np.testing.assert_allclose(table[MEAN_AP], [1, 0.2, np.nan, 1 / 31])
    np.testing.assert_allclose(table[PUBLIC_AP], [1, (0.1 + (1 / 9 + 2 / 10) / 2) / 2, 0, 1 / 62])
