"""Experiments compared on the same blocks: intervals, swaps, seeds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nadir.segmentation.confusion import iou, macro_mean
from nadir.segmentation.paired import paired_differences


def blocks(accuracy, seed, n=40):
    rng = np.random.default_rng([seed])
    found = np.zeros((n, 2, 2), int)
    hard = rng.normal(0, 0.1, n)  # the same for every experiment of a seed
    for b in range(n):
        right = rng.binomial(200, np.clip(accuracy + hard[b], 0, 1), 2)
        found[b] = [[right[0], 200 - right[0]], [200 - right[1], right[1]]]
    return found[None]


def test_a_clear_winner_and_a_tie():
    good, bad = blocks(0.85, 1), blocks(0.75, 1)
    found = paired_differences(good, bad, 500)
    for one in found.values():
        assert one.low < one.value < one.high and one.low > 0 and one.p < 0.02
    assert found["accuracy"].value == pytest.approx(
        (np.trace(good[0].sum(0)) - np.trace(bad[0].sum(0))) / good.sum()
    )
    back = paired_differences(bad, good, 500)["miou"]
    assert (back.value, back.low) == pytest.approx((-found["miou"].value, -found["miou"].high))
    same = paired_differences(good, good, 200)["miou"]
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_intervals_hold_no_difference_about_as_often_as_they_say():
    inside = 0
    for seed in range(60):
        found = paired_differences(blocks(0.8, seed), blocks(0.8, seed + 1000), 200)["accuracy"]
        inside += found.low <= 0 <= found.high
    assert inside >= 50


def test_few_blocks_show_little():
    good, bad = np.array([[[90, 10], [10, 90]]] * 5), np.array([[[60, 40], [40, 60]]] * 5)
    for n in range(1, 6):
        found = paired_differences(good[None, :n], bad[None, :n], 1000)["accuracy"]
        assert found.p == found.least == pytest.approx(2.0 ** (1 - n))


def test_all_swaps_of_few_blocks_are_gone_through():
    good, bad = blocks(0.82, 3, 7)[0], blocks(0.8, 5, 7)[0]

    def gap(first, second):
        return macro_mean(iou(first.sum(0))) - macro_mean(iou(second.sum(0)))

    reached = 0
    for swapped in itertools.product((False, True), repeat=7):
        turn = np.array(swapped)[:, None, None]
        first, second = np.where(turn, bad, good), np.where(turn, good, bad)
        reached += abs(gap(first, second)) >= abs(gap(good, bad)) - 1e-12
    found = paired_differences(good[None], bad[None], 200)["miou"]
    assert found.p == pytest.approx(reached / 2**7) and found.value == pytest.approx(gap(good, bad))
    drawn = paired_differences(good[None], bad[None], 200, 60)[
        "miou"
    ]  # fewer than the 64 there are
    assert drawn.least == pytest.approx(1 / 61) and abs(drawn.p - found.p) < 0.2


def test_equals_are_seldom_told_apart_also_far_out():
    """Of small p-values there are no more than they say, with few blocks and with drawn swaps."""
    for swaps in (2000, 150):  # all 128 swaps of eight blocks; of nine, 150 of the 256
        n = 8 if swaps == 2000 else 9
        found = np.array(
            [
                paired_differences(
                    blocks(0.8, seed, n), blocks(0.8, seed + 5000, n), 10, swaps, seed
                )["accuracy"].p
                for seed in range(120)
            ]
        )
        for level in (0.02, 0.05, 0.2):
            assert (found <= level).sum() <= 120 * level + 3 * np.sqrt(120 * level)


def test_absent_classes_and_empty_blocks_are_left_out():
    good, bad = np.zeros((2, 1, 8, 3, 3), int)
    good[..., 0, 0], bad[..., 0, 0], bad[..., 0, 1] = 10, 5, 5
    good[0, 3], bad[0, 3] = 0, 0
    found = paired_differences(good, bad, 100)["miou"]
    assert found.value == pytest.approx(1 - 0.5 / 2)
    nothing = np.zeros((1, 4, 3, 3), int)
    nowhere = paired_differences(nothing, nothing, 100)["accuracy"]
    assert np.isnan(nowhere.value) and np.isnan(nowhere.low) and nowhere.p == 1


def seeds(accuracies, seed, n=40):
    return np.concatenate([blocks(accuracy, seed, n) for accuracy in accuracies])


def test_seeds_count_as_blocks_do():
    steady = paired_differences(seeds([0.85, 0.851, 0.849], 1), seeds([0.80, 0.801, 0.799], 1), 400)
    wild = paired_differences(seeds([0.95, 0.75, 0.85], 1), seeds([0.9, 0.7, 0.8], 1), 400)
    for name in ("miou", "accuracy"):
        assert steady[name].seeds == (3, 3) and steady[name].p < 0.01 < wild[name].p
        assert wild[name].block_p < 0.01 and wild[name].low < 0 < wild[name].high
        assert steady[name].low > 0
    single = paired_differences(seeds([0.85], 1), seeds([0.9, 0.7, 0.8], 1), 400)["accuracy"]
    assert single.block_p < 0.05 < single.p  # it is taken to vary as the other one does


def test_equal_recipes_are_seldom_told_apart_by_their_seeds():
    rng = np.random.default_rng(0)
    told = 0
    for seed in range(60):
        one, other = (seeds(0.8 + rng.normal(0, 0.03, 3), seed, 12) for _ in range(2))
        told += paired_differences(one, other, 100, 500)["accuracy"].p < 0.05
    assert told <= 7


def test_other_blocks_cannot_be_paired():
    for one, other in (((1, 3, 2, 2), (1, 4, 2, 2)), ((0, 3, 2, 2), (1, 3, 2, 2))):
        with pytest.raises(ValueError, match="pair"):
            paired_differences(np.zeros(one, int), np.zeros(other, int), 10)
