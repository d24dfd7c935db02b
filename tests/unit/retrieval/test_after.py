"""What may follow a search: whitening, re-ranking, many views of a place as one query."""

from __future__ import annotations

import numpy as np
import pytest
from public_form import exact_features, rerank_densely

from nadir.errors import InputError
from nadir.retrieval.evaluate import Images, Intervals, evaluate
from nadir.retrieval.multiquery import mean_by_place
from nadir.retrieval.rerank import Reciprocal, reranked_blocks
from nadir.retrieval.search import normalized
from nadir.retrieval.whitening import fit_whitening


def test_whitened_features_vary_alike_in_all_directions() -> None:
    random = np.random.default_rng(0)
    mixing = random.standard_normal((6, 6)) * [8, 4, 2, 1, 0.5, 0.2]
    features = random.standard_normal((4000, 6)) @ mixing.T + 3
    found = fit_whitening(features, shrinkage=0.0)
    white = (features - found.mean) @ found.matrix
    np.testing.assert_allclose(np.cov(white.T), np.eye(6), atol=1e-3)
    assert found.explained == pytest.approx(1)
    np.testing.assert_allclose(np.linalg.norm(found.apply(features), axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("images", "asked", "kept"), [(50, None, 8), (5, None, 4), (50, 3, 3)])
def test_whitening_keeps_what_the_images_can_tell(images: int, asked, kept: int) -> None:
    features = exact_features(1, images, 8)
    found = fit_whitening(features, asked)
    assert found.apply(features).shape == (images, kept)
    assert (found.explained < 1 - 1e-6) == (asked is not None)


def test_whitening_helps_where_one_direction_drowns_the_rest() -> None:
    """What all images share tells nothing about places."""
    random = np.random.default_rng(3)
    places = exact_features(4, 60, 24)
    shared = random.standard_normal(24) * 0.8

    def seen() -> np.ndarray:
        strength = random.standard_normal((60, 1))
        return normalized(places + strength * shared + 0.06 * random.standard_normal((60, 24)))

    drone, satellite, label = seen(), seen(), np.arange(60)

    def recall(one: np.ndarray, other: np.ndarray) -> float:
        told = evaluate(Images(one, label), Images(other, label), intervals=Intervals(resamples=0))
        return told.figures["standard"]["recall at 1"]["value"]

    whitening = fit_whitening(satellite)
    assert recall(whitening.apply(drone), whitening.apply(satellite)) > recall(drone, satellite)


@pytest.mark.parametrize("features", [np.ones((5, 3)), np.ones((1, 3))])
def test_whitening_refuses_what_does_not_vary(features: np.ndarray) -> None:
    with pytest.raises(InputError, match="do not vary"):
        fit_whitening(features)


def test_whitening_refuses_other_dimensions() -> None:
    with pytest.raises(InputError, match="4 dimensions, the whitening 8"):
        fit_whitening(exact_features(1, 20, 8)).apply(exact_features(1, 20, 4))


def crowd(seed: int, places: int, views: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centers = exact_features(99, places, 24)
    label = np.repeat(np.arange(places), views)
    drawn = centers[label] + spread * random.standard_normal((len(label), 24))
    return normalized(drawn), label


@pytest.mark.parametrize(
    ("k1", "k2", "weight"), [(7, 3, 0.3), (20, 6, 0.0), (9, 1, 0.5), (80, 6, 0.3)]
)
def test_reranked_scores_are_those_of_dense_matrices(k1: int, k2: int, weight: float) -> None:
    queries, gallery = crowd(1, 9, 2, 0.15)[0], crowd(2, 9, 5, 0.15)[0]
    wanted = rerank_densely(queries, gallery, k1, k2, weight)
    found = np.empty_like(wanted)
    for rows, scores in reranked_blocks(
        queries, gallery, Reciprocal(k1, k2, weight), memory=4 * len(gallery) * 5
    ):
        found[rows] = scores
    np.testing.assert_allclose(-found, wanted, atol=2e-6)


def test_reranking_helps_among_crowds_of_views() -> None:
    queries, own = crowd(1, 12, 8, 0.2)
    gallery, theirs = crowd(2, 12, 10, 0.2)
    told = [
        evaluate(
            Images(queries, own),
            Images(gallery, theirs),
            blocks=blocks,
            intervals=Intervals(resamples=0),
        ).figures["public"]["AP"]["value"]
        for blocks in (None, reranked_blocks(queries, gallery))
    ]
    assert told[1] > told[0] + 0.02


def test_views_of_a_place_ask_together() -> None:
    features = normalized(np.array([[1, 0], [0, 1], [1, 1], [1, 0]], np.float32))
    found = mean_by_place(Images(features, np.array(["b", "a", "b", "b"])))
    assert found.places.tolist() == found.names.tolist() == ["b", "a"]
    np.testing.assert_allclose(
        found.features[0], normalized(features[[0, 2, 3]].mean(0)), rtol=1e-5
    )
    assert found.groups is None


def test_views_in_other_weathers_ask_apart() -> None:
    places, weather = np.array([1, 1, 2, 1]), np.array(["fog", "rain", "fog", "fog"])
    found = mean_by_place(Images(exact_features(1, 4), places, groups=weather))
    assert list(zip(found.groups, found.places, strict=True)) == [
        ("fog", 1),
        ("rain", 1),
        ("fog", 2),
    ]


def test_multi_query_refuses_places_of_another_number() -> None:
    with pytest.raises(InputError, match="3 features, and 2 places"):
        mean_by_place(Images(np.eye(3), np.array([1, 2])))
