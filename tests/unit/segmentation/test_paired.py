"""Paired bootstrap over blocks."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.segmentation.paired import paired_differences


def blocks(accuracy, seed, n=40):
    rng = np.random.default_rng([seed])
    found = np.zeros((n, 2, 2), int)
    hard = rng.normal(0, 0.1, n)  # the same for every experiment of a seed
    for b in range(n):
        right = rng.binomial(200, np.clip(accuracy + hard[b], 0, 1), 2)
        found[b] = [[right[0], 200 - right[0]], [200 - right[1], right[1]]]
    return found


def test_a_clear_winner_and_a_tie():
    good, bad = blocks(0.85, 1), blocks(0.75, 1)
    found = paired_differences(good, bad, 500)
    for one in found.values():
        assert one.low < one.value < one.high and one.low > 0 and one.p < 0.02
    assert found["accuracy"].value == pytest.approx(
        (np.trace(good.sum(0)) - np.trace(bad.sum(0))) / good.sum()
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
    assert [
        paired_differences(good[:n], bad[:n], 1000)["accuracy"].p for n in range(1, 6)
    ] == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16])


def test_other_blocks_cannot_be_paired():
    with pytest.raises(ValueError, match="pair"):
        paired_differences(np.zeros((3, 2, 2), int), np.zeros((4, 2, 2), int), 10)
