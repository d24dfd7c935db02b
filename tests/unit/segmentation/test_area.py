"""Areas with intervals: the worked example of the source, and known truths."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.segmentation.area import (
    accuracies,
    allocation,
    block_areas,
    robust_areas,
    stratified_areas,
)

# Olofsson et al. 2014, Table 8: deforestation, forest gain, stable forest, stable non-forest.
COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
HECTARES = 0.09 * np.array([200_000, 150_000, 3_200_000, 6_450_000])


def test_areas_of_the_worked_example():
    found = stratified_areas(COUNTS, HECTARES)
    assert found.area == pytest.approx([21_158, 11_686, 285_770, 581_386], abs=0.5)
    reach = (found.high - found.low) / 2
    assert reach == pytest.approx([6_158, 3_756, 15_510, 16_282], abs=20)  # 1.96, not 1.95996
    assert found.unseen == ()


def test_accuracies_of_the_worked_example():
    found = accuracies(COUNTS, HECTARES)
    assert found["overall"] == pytest.approx(0.947, abs=0.0005)
    assert 1.96 * found["overall_error"] == pytest.approx(0.018, abs=0.001)
    assert found["users"] == pytest.approx([0.88, 0.73, 0.93, 0.96], abs=0.005)
    assert 1.96 * np.array(found["users_error"]) == pytest.approx(
        [0.07, 0.10, 0.04, 0.02], abs=0.005
    )
    assert found["producers"] == pytest.approx([0.75, 0.85, 0.93, 0.96], abs=0.005)


def test_errors_of_accuracies_are_those_of_samples_drawn_anew():
    rng = np.random.default_rng(2)
    found = accuracies(COUNTS, HECTARES)
    drawn = [
        accuracies(
            np.stack([rng.multinomial(row.sum(), row / row.sum()) for row in COUNTS]), HECTARES
        )
        for _ in range(1500)
    ]
    for name in ("overall", "users", "producers"):
        spread = np.std([one[name] for one in drawn], axis=0)
        assert found[f"{name}_error"] == pytest.approx(spread, rel=0.12)


def test_robust_intervals_are_never_narrower_and_know_that_nothing_met_is_not_nothing():
    plain, robust = stratified_areas(COUNTS, HECTARES), robust_areas(COUNTS, HECTARES)
    assert (robust.error >= plain.error).all() and (robust.area == plain.area).all()
    sure = np.array([[20, 0], [0, 20]])
    assert stratified_areas(sure, np.array([1.0, 1.0])).error.tolist() == [0, 0]
    assert (robust_areas(sure, np.array([1.0, 1.0])).error > 0.03).all()


def test_blocks_of_one_pixel_are_a_random_sample():
    rng = np.random.default_rng(3)
    strata = np.array([30.0, 50.0, 20.0])
    stratum = rng.integers(0, 3, 900)
    truth = np.where(rng.random(900) < 0.8, stratum, rng.integers(0, 3, 900))
    blocks = np.zeros((900, 3, 3), int)
    blocks[np.arange(900), stratum, truth] = 1
    one, other = block_areas(blocks, strata), stratified_areas(blocks.sum(0), strata)
    assert one.area == pytest.approx(other.area)
    assert one.error == pytest.approx(other.error, rel=0.02)


def test_intervals_of_blocks_hold_the_truth_where_those_of_pixels_do_not():
    """Blocks are right or wrong as a whole."""
    rng = np.random.default_rng(11)
    held = {"blocks": 0, "pixels": 0}
    for _ in range(200):
        share = rng.beta(2, 6, 24)[:, None]  # of class 2 within stratum 1, by block
        blocks = np.zeros((24, 2, 2), int)
        blocks[:, 0, 1] = rng.binomial(100, share[:, 0])
        blocks[:, 0, 0] = 100 - blocks[:, 0, 1]
        blocks[:, 1, 1] = 20
        want = 0.25 * 1000 + 200
        strata = np.array([1000.0, 200.0])
        for name, found in (
            ("blocks", block_areas(blocks, strata)),
            ("pixels", stratified_areas(blocks.sum(0), strata)),
        ):
            held[name] += found.low[1] <= want <= found.high[1]
    assert held["blocks"] >= 0.9 * 200 > 0.75 * 200 > held["pixels"]


def test_too_few_blocks_claim_nothing():
    found = block_areas(np.array([[[5, 1], [0, 4]]]), np.array([10.0, 10.0]))
    assert found.low.tolist() == [0, 0] and found.high.tolist() == [20, 20]


def test_unseen_strata_are_named_and_taken_from_the_map():
    found = stratified_areas(np.array([[10, 0], [0, 0]]), np.array([6.0, 4.0]))
    assert found.unseen == (1,) and found.area.tolist() == [6, 4]
    assert found.error[1] > 1


def test_allocation():
    assert allocation(np.array([9000, 900, 100, 10]), 1000, 50).tolist() == [899, 90, 50, 10]
