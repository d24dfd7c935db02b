"""The mask: boundaries wander by a bounded distance, slivers are not mapped."""

from __future__ import annotations

import numpy as np

from nadir.simulate.mask import REACH, draw_mask
from nadir.simulate.noise import seed_hash

SEED = seed_hash(1)


def _halves(size: int = 300) -> np.ndarray:
    cover = np.full((size + 2 * REACH, size + 2 * REACH), 3, np.uint8)
    cover[:, REACH + size // 2 :] = 4
    return cover


def test_without_noise_the_mask_is_the_ground() -> None:
    cover = np.random.default_rng(0).integers(1, 13, (200, 180)).astype(np.uint8)
    mask = draw_mask(cover, 0, 0, REACH, 0.0, SEED)
    assert np.array_equal(mask, cover[REACH:-REACH, REACH:-REACH])


def test_boundaries_wander_by_about_the_amplitude() -> None:
    mask = draw_mask(_halves(), 0, 0, REACH, 4.0, SEED)
    shift = (mask == 3).sum(1) - 150
    assert 1.0 < np.sqrt((shift.astype(float) ** 2).mean()) < 8.0
    assert np.abs(np.diff(shift)).max() <= 3  # smooth
    assert set(np.unique(mask)) == {3, 4}


def test_the_largest_noise_stays_within_reach() -> None:
    mask = draw_mask(_halves(), 0, 0, REACH, 12.0, SEED)
    assert np.abs((mask == 3).sum(1) - 150).max() <= REACH


def test_slivers_are_not_mapped_but_roads_are() -> None:
    cover = np.full((400, 400), 1, np.uint8)
    cover[198:202] = 2  # 4 m
    cover[300:316] = 11  # 16 m
    mask = draw_mask(cover, 0, 0, REACH, 0.5, SEED)
    assert (mask == 2).sum() == 0
    assert (mask == 11).mean(1).max() == 1
