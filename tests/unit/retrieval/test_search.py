"""Search: against a full sort, whatever the size of the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from public_form import exact_features, rank_by_sorting

from nadir.errors import InputError
from nadir.retrieval.indexed import GalleryIndex
from nadir.retrieval.search import (
    best_of,
    check_features,
    nearest,
    normalized,
    score_blocks,
)

QUERIES, GALLERY = exact_features(1, 37), exact_features(2, 90)


@pytest.mark.parametrize("rows", [1, 5, 36, 37, 1000])
def test_blocks_cover_all_queries_once(rows: int) -> None:
    memory = 4 * len(GALLERY) * rows
    found = np.full((len(QUERIES), len(GALLERY)), np.nan, np.float32)
    for part, scores in score_blocks(QUERIES, GALLERY, memory=memory):
        assert scores.shape[0] <= rows and np.isnan(found[part]).all()
        found[part] = scores
    np.testing.assert_array_equal(found, QUERIES @ GALLERY.T)


def test_less_memory_than_a_row_takes_one_query_at_a_time() -> None:
    assert [part.stop - part.start for part, _ in score_blocks(QUERIES, GALLERY, memory=1)] == (
        [1] * len(QUERIES)
    )


def test_a_device_of_torch_gives_the_same_scores() -> None:
    for (_, one), (_, other) in zip(
        score_blocks(QUERIES, GALLERY, memory=4 * 90 * 10),
        score_blocks(QUERIES, GALLERY, memory=4 * 90 * 10, device="cpu:0"),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("count", [1, 3, 90, 200])
@pytest.mark.parametrize("levels", [0, 3])
def test_nearest_is_the_head_of_a_stable_sort(count: int, levels: int) -> None:
    scores = QUERIES @ GALLERY.T
    if levels:  # few levels: most scores are tied
        scores = np.round(scores * levels) / levels
    found = best_of([(slice(0, 20), scores[:20]), (slice(20, 37), scores[20:])], 37, count)
    kept = min(count, len(GALLERY))
    assert found.index.shape == found.score.shape == (37, kept)
    for row, line in enumerate(scores):
        np.testing.assert_array_equal(found.index[row], rank_by_sorting(line)[:kept])
        np.testing.assert_array_equal(found.score[row], line[found.index[row]])


def test_nearest_multiplies_and_picks() -> None:
    np.testing.assert_array_equal(nearest(GALLERY, GALLERY, 1).index[:, 0], np.arange(90))


BAD = GALLERY.copy()
BAD[4, 2] = np.nan


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        (np.empty((0, 4)), "empty"),
        (np.zeros(4), "shape"),
        (np.empty((3, 0)), "shape"),
        (BAD, "not finite numbers, the first in row 4"),
    ],
)
def test_features_that_cannot_be_ranked(features: np.ndarray, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        check_features(features, "gallery")


def test_dimensions_must_agree() -> None:
    with pytest.raises(InputError, match="20 dimensions, those of queries 32"):
        next(score_blocks(QUERIES, GALLERY[:, :20]))
    with pytest.raises(InputError, match="dimensions"):
        GalleryIndex(GALLERY).nearest(QUERIES[:, :20], 3)


def test_normalized_leaves_zeros() -> None:
    found = normalized(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_a_flat_index_is_exact() -> None:
    found, wanted = GalleryIndex(GALLERY).nearest(QUERIES, 7), nearest(QUERIES, GALLERY, 7)
    np.testing.assert_array_equal(found.index, wanted.index)
    np.testing.assert_allclose(found.score, wanted.score, rtol=1e-6)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_approximate_indices_find_most_and_more_with_effort(kind: str) -> None:
    centers = exact_features(3, 40)
    random = np.random.default_rng(4)
    gallery = normalized(np.repeat(centers, 50, 0) + 0.05 * random.standard_normal((2000, 32)))
    queries = normalized(centers + 0.05 * random.standard_normal((40, 32)))
    wanted = nearest(queries, gallery, 10).index

    def recall(effort: float) -> float:
        found = GalleryIndex(gallery, kind, effort).nearest(queries, 10).index
        return np.mean([len(set(a) & set(b)) for a, b in zip(found, wanted, strict=True)]) / 10

    assert recall(0.5) > 0.95
    assert recall(0.5) >= recall(0.02)


def test_an_index_returns_a_small_gallery_whole() -> None:
    found = GalleryIndex(GALLERY[:5], "ivf", 1.0).nearest(QUERIES, 9)
    assert sorted(found.index[0]) == [0, 1, 2, 3, 4]
