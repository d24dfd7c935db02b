"""Places share ground, splits do not: against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.groundview.places import find_places, split_distance, split_places, too_near


def _metres(count: int = 120, side: float = 3000.0, seed: int = 3) -> np.ndarray:
    return np.random.default_rng([seed, 9]).uniform(0, side, (count, 2))


def test_photos_that_share_ground_are_one_place() -> None:
    metres = _metres()
    places = find_places(metres, 100.0, 500.0, 1.0)
    near = np.abs(metres[:, None] - metres[None]).max(2) < 100
    reach = near.copy()
    for _ in range(7):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    assert (reach == (places[:, None] == places[None])).all()
    assert 1 < len(set(places)) < 120


def test_a_place_that_spreads_is_cut_into_blocks() -> None:
    line = np.column_stack([np.arange(0, 5000, 50.0), np.zeros(100)])
    assert len(set(find_places(line, 60.0, 500.0, 1.0))) == 1
    places = find_places(line, 60.0, 500.0, 0.2)
    assert len(set(places)) == 10
    splits = split_places(places.tolist(), 0.2, 0.2, 0)
    drop = too_near(line, splits, 120.0)
    kept = np.array(splits, object)[~drop]
    distance = split_distance(line[~drop], kept.tolist())
    assert distance is not None and distance >= 120.0
    assert set(kept) == {"train", "validation", "test"}
    assert not (drop & (np.array(splits) == "test")).any()


@pytest.mark.parametrize("seed", range(5))
def test_splits_keep_places_and_meet_their_shares(seed: int) -> None:
    places = find_places(_metres(), 100.0, 500.0, 1.0).tolist()
    splits = split_places(places, 0.25, 0.1, seed)
    for place in set(places):
        assert len({s for s, p in zip(splits, places, strict=True) if p == place}) == 1
    assert abs(splits.count("test") - 30) <= 6 and abs(splits.count("validation") - 12) <= 6
    assert splits == split_places(places, 0.25, 0.1, seed)
    assert splits != split_places(places, 0.25, 0.1, seed + 1)


def test_two_places_train_and_test() -> None:
    assert set(split_places(["a", "b", "b"], 0.25, 0.1, 0)) == {"train", "test"}
    assert set(split_places(["a", "a"], 0.25, 0.1, 0)) == {"train"}
    assert set(split_places(["a", "b", "c"], 0.25, 0.1, 0)) == {"train", "test", "validation"}


def test_distance_of_splits_is_the_smallest() -> None:
    metres, splits = _metres(60), (["train", "test", "validation"] * 20)
    names = np.array(splits)
    apart = np.linalg.norm(metres[:, None] - metres[None], axis=2)
    assert split_distance(metres, splits) == pytest.approx(apart[names[:, None] != names].min())
    assert split_distance(metres, ["train"] * 60) is None
