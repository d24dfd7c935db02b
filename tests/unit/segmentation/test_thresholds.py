"""Thresholds of class sets: what they promise, and on which ground."""

from __future__ import annotations

import numpy as np
import pytest
from test_calibration import honest

from nadir.config.quality import ConformalConfig
from nadir.segmentation.conformal import members, true_scores
from nadir.segmentation.thresholds import ALL, cross_validated_level, quantile, threshold

WAYS = {
    "pixels": {"exchangeable": "pixels"},
    "guaranteed": {"level": "guaranteed"},
    "cross_validated": {"level": "cross_validated"},
}


def threshold_of(way, scores, blocks, coverage, drawn=None):
    cfg = ConformalConfig(coverage=coverage, **WAYS[way])
    return threshold(scores, blocks, blocks if drawn is None else drawn, cfg)


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("way", list(WAYS))
def test_sets_keep_their_promise_on_new_ground(method, way):
    _, given, truth, draws = honest(40_000, 5, 3, 1.4)
    block = np.arange(len(truth)) // 200
    half = len(truth) // 2
    scores = true_scores(given[:half], truth[:half], method, draws[:half])
    level = threshold_of(way, scores, block[:half], 0.85)
    inside = members(given[half:], level, method, draws[half:], at_least_one=False)
    held = inside[np.arange(half), truth[half:]].mean()
    assert 0.84 < held < 0.875
    more = members(given[half:], level, method, draws[half:], at_least_one=True)
    assert (more >= inside).all() and more.any(1).all()


def kept(rng, way, count, spread, times):
    """Return how often new blocks are covered at 0.9, on average.

    Args:
        rng: Where chance comes from.
        way: How the threshold is found.
        count: Blocks that it is fitted to.
        spread: How much of a score is the block's, in 0..1; the rest is each pixel's own.
        times: How often all is drawn anew.
    """
    found = []
    for _ in range(times):
        own = rng.random((count + 1, 200))
        scores = spread * rng.random((count + 1, 1)) + (1 - spread) * own
        blocks = np.repeat(np.arange(count), 200)
        level = threshold_of(way, scores[:-1].ravel(), blocks, 0.9)
        found.append((scores[-1] <= level).mean())
    return np.mean(found)


def test_blocks_that_are_easy_or_hard_as_wholes_are_promised_for_by_blocks():
    """Who counts pixels promises too much."""
    found = {way: kept(np.random.default_rng(5), way, 12, 0.99, 400) for way in WAYS}
    assert found["guaranteed"] > 0.88
    assert found["cross_validated"] > 0.88
    assert found["pixels"] < min(found["guaranteed"], found["cross_validated"]) - 0.02


def test_a_guarantee_costs_what_blocks_that_are_alike_do_not_need():
    found = {way: kept(np.random.default_rng(6), way, 20, 0.0, 60) for way in WAYS}
    assert found["cross_validated"] == pytest.approx(0.9, abs=0.01)
    assert found["guaranteed"] == pytest.approx(0.9 * 21 / 20, abs=0.01)


@pytest.mark.parametrize("count", [20, 40])
@pytest.mark.parametrize("spread", [0.3, 0.7])
def test_cross_validated_sets_are_within_two_points_of_the_promise(count, spread):
    assert kept(np.random.default_rng(7), "cross_validated", count, spread, 400) == pytest.approx(
        0.9, abs=0.02
    )


def test_squares_of_one_block_of_the_split_are_no_witnesses_for_each_other():
    rng = np.random.default_rng(8)
    drawn = np.repeat(np.arange(6), 4 * 50)
    squares = np.arange(6 * 4 * 50) // 50
    hard = rng.random(6)[drawn] + rng.normal(0, 0.01, len(drawn))
    weights = np.full(len(hard), 1 / len(hard))
    assert cross_validated_level(hard, weights, drawn, 0.7) > cross_validated_level(
        hard, weights, squares, 0.7
    )
    by_block = threshold_of("cross_validated", hard, squares, 0.7, drawn)
    assert by_block >= threshold_of("cross_validated", hard, squares, 0.7)


def test_a_single_block_of_the_split_is_judged_by_its_squares():
    scores = np.tile(np.linspace(0, 1, 100), 20)
    squares, drawn = np.arange(2000) // 100, np.zeros(2000, int)
    assert threshold_of("cross_validated", scores, squares, 0.9, drawn) == pytest.approx(0.9, 0.02)
    assert threshold_of("cross_validated", scores, drawn, 0.9, drawn) == ALL


def test_threshold_of_guaranteed_blocks_by_hand():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.9])
    block = np.array([0, 0, 0, 0, 1])  # with a third block to come: 1/12 each, 1/3 for the last
    assert threshold_of("guaranteed", scores, block, 0.3) == 0.4
    assert threshold_of("guaranteed", scores, block, 0.34) == 0.9
    assert threshold_of("guaranteed", scores, block, 0.7) == ALL  # two blocks promise 2/3
    assert threshold_of("pixels", scores, block, 0.5) == 0.3
    assert threshold_of("pixels", scores, block, 0.9) == ALL


def test_cross_validated_level_by_hand():
    """Of four scores in groups of their own the others' greatest covers three, whoever is left."""
    scores, weights = np.array([0.4, 0.1, 0.3, 0.2]), np.full(4, 0.25)
    level = cross_validated_level(scores, weights, np.arange(4), 0.75)
    assert level == 1.0
    assert quantile(scores, weights, level) == 0.4  # the rank of split conformal: ceil(5 * 0.75)
    level = cross_validated_level(scores, weights, np.arange(4), 0.5)
    assert quantile(scores, weights, level) == 0.3  # ceil(5 * 0.5)
    assert cross_validated_level(scores, weights, np.arange(4), 0.8) > 1
    assert threshold_of("cross_validated", scores, np.arange(4), 0.8) == ALL
