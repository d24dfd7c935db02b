"""Sample plans: pure functions of seed and epoch, with the extra copies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nadir.tiles.augment import COPIES
from nadir.tiles.sampling import rare_share, sample_plan, sample_rng


def test_rare_share_is_of_labelled_pixels():
    tiles = pd.DataFrame(
        {"class_0": [50, 100], "class_1": [30, 0], "class_2": [15, 0], "class_3": [5, 0]}
    )
    assert rare_share(tiles, [2, 3], 3).tolist() == [0.4, 0.0]


def test_copies_of_rich_tiles_only():
    rich = np.array([False, True, False, True])
    plan = sample_plan(4, seed=1, epoch=0, dihedral="copies", rich=rich)
    shown = {t: sorted(plan.symmetry[plan.tile == t].tolist()) for t in range(4)}
    assert shown == {0: [0], 2: [0], 1: [0, *COPIES], 3: [0, *COPIES]}
    assert len(sample_plan(4, 1, 0, "none", rich)) == 4
    assert len(sample_plan(4, 1, 0, "random", rich)) == 14


def test_pure_function_of_seed_and_epoch():
    one, same = (sample_plan(50, 7, 3, "random") for _ in range(2))
    assert (one.tile == same.tile).all() and (one.symmetry == same.symmetry).all()
    for other in (sample_plan(50, 7, 4, "random"), sample_plan(50, 8, 3, "random")):
        assert (one.tile != other.tile).any()
        assert sorted(other.tile) == list(range(50))
    assert set(sample_plan(800, 7, 3, "random").symmetry) == set(range(8))
    assert sample_plan(5, 0, 0, shuffle=False).tile.tolist() == [0, 1, 2, 3, 4]


def test_random_numbers_of_a_sample_stand_alone():
    first = sample_rng(1, 2, 3).random()
    assert first == sample_rng(1, 2, 3).random()
    assert len({first, sample_rng(1, 2, 4).random(), sample_rng(1, 3, 3).random()}) == 3
