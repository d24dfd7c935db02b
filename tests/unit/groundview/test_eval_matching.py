"""Pairing among drawn photos, against loops and the hypergeometric form; intervals."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from nadir.groundview.intervals import jackknife_interval, mean_interval
from nadir.groundview.matching import by_pair, choose_pairs, draw_pairs, matched, matches


def test_accuracy_tends_to_its_closed_form():
    random = np.random.default_rng(0)
    distances = random.random((40, 40))
    distances[np.diag_indices(40)] *= 0.35
    draws = draw_pairs(np.arange(40), 16, 4000, 1)
    found = by_pair(matches(distances, draws), draws, 40)
    nearer = (distances < np.diag(distances)[:, None]).sum(1)
    wanted = [comb(39 - k, 15) / comb(39, 15) for k in nearer]
    assert np.abs(found - wanted).max() < 0.05
    assert found.mean() == pytest.approx(np.mean(wanted), abs=0.006)
    assert 0.1 < found.mean() < 0.9


def test_chance_level_is_one_of_all():
    distances = np.random.default_rng(2).random((60, 60))
    draws = draw_pairs(np.arange(60), 16, 3000, 3)
    # Of one table the luck is fixed: over many tables the mean is 1 / 16.
    tables = [np.random.default_rng(k).random((60, 60)) for k in range(20)]
    found = np.mean([matches(table, draws).mean() for table in (distances, *tables)])
    assert found == pytest.approx(1 / 16, abs=0.015)


def test_ties_share_and_nothing_finite_is_no_match():
    draws = draw_pairs(np.arange(4), 4, 5, 0)
    assert np.allclose(matches(np.zeros((4, 4)), draws), 0.25)
    assert not matches(np.full((4, 4), np.nan), draws).any()
    assert matches(1 - np.eye(4), draws).all()
    found = by_pair(matches(1 - np.eye(4), draws), draws, 6)
    assert found[:4].tolist() == [1, 1, 1, 1] and np.isnan(found[4:]).all()


def test_draws_show_different_places_where_there_are_enough():
    places = np.repeat([f"p{k}" for k in range(10)], 3)
    draws = draw_pairs(places, 8, 50, 4)
    assert draws.distinct and draws.among == 8
    assert all(len(set(places[row])) == 8 for row in draws.pairs)
    assert len({tuple(row) for row in draws.pairs}) == 50
    assert set(draws.pairs.ravel()) == set(range(30))
    few = draw_pairs(places, 16, 20, 4)
    assert not few.distinct and all(len(set(row)) == 16 for row in few.pairs)
    assert draw_pairs(places[:5], 16, 2, 4).among == 5
    assert np.array_equal(draw_pairs(places, 8, 20, 4).pairs, draws.pairs[:20])


def test_matched_names_the_nearest_photo_of_each_view():
    assert matched([[9, 1, 5], [None, 3, 2], [0, 9, 9]]).tolist() == [1, 2, 0]


def test_chosen_pairs_are_all_or_a_seeded_part():
    assert choose_pairs(5, 9, 0).tolist() == [0, 1, 2, 3, 4]
    some = choose_pairs(50, 9, 0)
    assert len(set(some)) == 9 and (np.diff(some) > 0).all()
    assert not np.array_equal(some, choose_pairs(50, 9, 1))


def test_interval_draws_whole_places():
    random = np.random.default_rng(5)
    of_place = random.normal(size=40)
    values, places = np.repeat(of_place, 10), np.repeat(np.arange(40), 10)
    found = mean_interval(values, places, seed=1, resamples=2000)
    assert found["value"] == pytest.approx(of_place.mean())
    wanted = 2 * 1.96 * of_place.std() / np.sqrt(40)
    assert found["high"] - found["low"] == pytest.approx(wanted, rel=0.1)
    single = mean_interval(values, np.arange(400), seed=1, resamples=2000)
    assert single["high"] - single["low"] < 0.5 * wanted


def test_interval_leaves_out_what_is_not_known():
    found = mean_interval(np.array([1.0, np.nan, 3.0]), ["a", "b", "c"], seed=0, resamples=200)
    assert (found["value"], found["low"], found["high"]) == (2, 1, 3)
    nothing = mean_interval(np.array([np.nan]), ["a"], seed=0, resamples=9)
    assert np.isnan(list(nothing.values())).all()
    assert np.isnan(mean_interval(np.ones(3), list("abc"), seed=0, resamples=0)["low"])


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(6).normal(size=500)
    found = jackknife_interval(
        lambda some: float(values[some].mean()), np.arange(500), seed=0, groups=500
    )
    wanted = 1.959964 * values.std(ddof=1) / np.sqrt(500)
    assert found["value"] == pytest.approx(values.mean())
    assert found["high"] - found["value"] == pytest.approx(wanted, rel=1e-6)
    coarse = jackknife_interval(
        lambda some: float(values[some].mean()), np.arange(500), seed=0, groups=20
    )
    assert coarse["high"] - coarse["value"] == pytest.approx(wanted, rel=0.5)
    assert np.isnan(jackknife_interval(len, ["a", "a", "b"], seed=0, groups=9)["low"])
