"""Which places share a batch."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.retrieval.sampling import chosen_picture, epoch_plan, nearest_places


@pytest.mark.parametrize("hard", [0.0, 0.5, 1.0])
def test_a_place_is_shown_at_most_once_an_epoch(hard: float) -> None:
    near = np.random.default_rng(0).permuted(np.tile(np.arange(23), (23, 1)), axis=1)[:, :6]
    plan = epoch_plan(23, 5, 1, 4, near=near, hard=min(hard, 0.8))
    assert [batch.shape for batch in plan.batches] == [(2, 5)] * 4
    for batch in plan.batches:
        assert (batch[0] == batch[1]).all()
    shown = np.concatenate([batch[0] for batch in plan.batches])
    assert len(set(shown.tolist())) == 20


def test_a_plan_is_a_function_of_seed_and_epoch() -> None:
    plans = [epoch_plan(20, 4, seed, epoch) for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))]
    first, same, later, other = (np.concatenate(plan.batches, axis=1) for plan in plans)
    assert (first == same).all()
    assert (first != later).any() and (first != other).any()


def test_views_without_pairs_show_places_of_their_own() -> None:
    (batch,) = epoch_plan(30, 30, 0, 0, paired=False).batches
    assert (batch[0] != batch[1]).any()
    assert sorted(batch[0].tolist()) == sorted(batch[1].tolist()) == list(range(30))


def test_few_places_make_one_batch() -> None:
    assert [batch.shape for batch in epoch_plan(3, 64, 0, 0).batches] == [(2, 3)]


def test_batches_end_with_neighbors_of_their_first_places() -> None:
    near = np.array([[k ^ 1] for k in range(40)])  # neighbors are 0-1, 2-3, ...
    first, *_, last = (b[0].tolist() for b in epoch_plan(40, 8, 0, 7, near=near, hard=0.5).batches)
    assert {k ^ 1 for k in first[:4]} <= set(first)
    assert len(set(last)) == 8, "neighbors that earlier batches have shown are replaced by chance"


def test_the_nearest_are_found_from_either_view() -> None:
    unit = np.eye(4, dtype=np.float32)
    # Place 0 seen from above is like place 2 from the side, and nothing else is like anything.
    features = np.stack([unit, np.roll(unit, 1, axis=0) * 0])
    features[1, 2] = unit[0]
    near = nearest_places(features, 3)
    assert near.shape == (4, 3) and near[0, 0] == 2 and near[2, 0] == 0
    assert all(k not in row for k, row in enumerate(near.tolist()))


def test_each_epoch_chooses_a_picture() -> None:
    chosen = [chosen_picture([5, 6, 7], 0, epoch, 0, 3) for epoch in range(30)]
    assert set(chosen) == {5, 6, 7}
    assert chosen == [chosen_picture([5, 6, 7], 0, epoch, 0, 3) for epoch in range(30)]
