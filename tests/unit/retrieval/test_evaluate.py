"""The evaluation: against the public evaluator's loop, its edge cases, intervals and groups."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from public_form import exact_features, published
from sklearn.metrics import average_precision_score

from nadir.errors import InputError
from nadir.retrieval.evaluate import Images, Intervals, evaluate
from nadir.retrieval.measures import PUBLIC, PUBLIC_AP, STANDARD

NONE = Intervals(resamples=0)


def case(seed: int, queries: int = 80, gallery: int = 230, places: int = 40):
    random = np.random.default_rng(seed)
    return (
        Images(exact_features(seed, queries), random.integers(0, places + 5, queries)),
        Images(exact_features(seed + 1, gallery), random.integers(-1, places, gallery)),
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("memory", [1, 1 << 20])
def test_public_figures_are_the_public_evaluators(seed: int, memory: int) -> None:
    """Junk in the gallery, many matches, and places that the gallery lacks."""
    queries, gallery = case(seed)
    found = evaluate(queries, gallery, intervals=NONE, memory=memory).figures
    wanted = published(queries.features, queries.places, gallery.features, gallery.places)
    for name in PUBLIC:
        assert found["public"][name]["value"] == pytest.approx(wanted[name], abs=1e-12), name
    assert found["absent"] == sum(place not in gallery.places for place in queries.places) > 0


def test_one_match_a_query_in_both_directions() -> None:
    places = np.arange(60)
    one, other = exact_features(7, 60), exact_features(8, 60)
    for first, second in ((one, other), (other, one)):
        found = evaluate(Images(first, places), Images(second, places), intervals=NONE)
        wanted = published(first, places, second, places)
        values = {name: found.figures["public"][name]["value"] for name in PUBLIC}
        assert values == pytest.approx(wanted, abs=1e-12)
        rank = found.ranks.first + 1.0
        assert found.queries[PUBLIC_AP].tolist() == np.where(rank == 1, 1, 0.5 / rank).tolist()


def test_standard_figures_are_a_librarys() -> None:
    queries, gallery = case(3)
    found = evaluate(queries, gallery, intervals=NONE)
    kept = gallery.places != -1
    scores = queries.features @ gallery.features[kept].T
    match = queries.places[:, None] == gallery.places[kept][None]
    answerable = match.any(axis=1)
    wanted = [
        average_precision_score(right, line)
        for line, right in zip(scores[answerable], match[answerable], strict=True)
    ]
    standard = found.figures["standard"]
    assert standard["mean average precision"]["value"] == pytest.approx(np.mean(wanted), abs=1e-6)
    first = found.ranks.first[answerable]
    assert standard["recall at 5"]["value"] == np.mean(first < 5)
    assert standard["median rank"]["value"] == np.median(first + 1)
    assert standard["mean reciprocal rank"]["value"] == pytest.approx(np.mean(1 / (first + 1)))


def test_absent_places_are_misses_in_one_family_only(caplog: pytest.LogCaptureFixture) -> None:
    features = np.eye(4, dtype=np.float32)
    with caplog.at_level(logging.WARNING):
        found = evaluate(
            Images(features, ["a", "b", "c", "d"]), Images(features[:3], ["a", "b", "c"])
        )
    assert "1 of 4 queries show a place that is not in the gallery" in caplog.text
    assert found.figures["absent"] == 1
    assert found.figures["public"]["Recall@1"]["value"] == 0.75
    assert found.figures["public"]["AP"]["value"] == 0.75
    assert found.figures["standard"]["recall at 1"]["value"] == 1.0
    assert found.figures["standard"]["median rank"]["value"] == 1.0


def test_queries_that_nothing_answers_have_no_standard_figures() -> None:
    found = evaluate(Images(np.eye(2), ["x", "y"]), Images(np.eye(2), ["a", "b"])).figures
    assert found["public"]["AP"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert all(np.isnan(found["standard"][name]["value"]) for name in STANDARD)


def test_groups_have_their_own_figures_and_a_plain_mean() -> None:
    queries, gallery = case(5)
    weather = np.where(np.arange(80) < 20, "fog", "normal")
    told = evaluate(
        Images(queries.features, queries.places, groups=weather), gallery, intervals=NONE
    )
    parts = told.figures["groups"]
    assert list(parts) == ["fog", "normal"]
    for name, rows in (("fog", slice(0, 20)), ("normal", slice(20, 80))):
        alone = evaluate(
            Images(queries.features[rows], queries.places[rows]), gallery, intervals=NONE
        ).figures
        np.testing.assert_equal(parts[name], alone)
    mean = told.figures["mean of groups"]["public"]["AP"]
    assert mean == np.mean([part["public"]["AP"]["value"] for part in parts.values()])


def test_names_and_figures_of_each_query() -> None:
    queries, gallery = case(6, queries=3)
    table = evaluate(
        Images(queries.features, queries.places, names=["x", "y", "z"]), gallery, intervals=NONE
    ).queries
    assert table["query"].tolist() == ["x", "y", "z"]
    assert {"place", "group", "matches", *PUBLIC, *STANDARD} <= set(table)


def test_intervals_hold_the_value_and_are_wider_by_place() -> None:
    random = np.random.default_rng(0)
    centers = exact_features(1, 30)
    places = np.repeat(np.arange(30), 20)
    noise = np.repeat(random.standard_normal((30, 32)), 20, 0) * 0.25  # a place fails as a whole
    queries = Images((centers[places] + noise).astype(np.float32), places)
    gallery = Images(centers, np.arange(30))
    one = evaluate(queries, gallery, intervals=Intervals(seed=1)).figures["public"]["Recall@1"]
    other = evaluate(queries, gallery, intervals=Intervals(seed=1, by_place=True))
    wide = other.figures["public"]["Recall@1"]
    for told in (one, wide):
        assert told["low"] <= told["value"] <= told["high"]
    assert wide["high"] - wide["low"] > 2 * (one["high"] - one["low"]) > 0


JUNK = Images(np.eye(3), [-1, -1, -1])


@pytest.mark.parametrize(
    ("queries", "gallery", "problem"),
    [
        (Images(np.eye(3), [1, 2, 3]), Images(np.empty((0, 3)), []), "gallery: it is empty"),
        (Images(np.empty((0, 3)), []), JUNK, "queries: it is empty"),
        (Images(np.eye(3), [1, 2, 3]), JUNK, "junk"),
        (Images(np.eye(3), [1, 2]), Images(np.eye(3), [1, 2, 3]), "3 features, and places"),
    ],
)
def test_refuses(queries: Images, gallery: Images, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        evaluate(queries, gallery)
