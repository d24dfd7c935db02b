"""Balanced crops: on data whose classes are as uneven as they are in the field."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.tiles import balance as balance_module
from nadir.tiles.balance import ClassPlaces
from nadir.tiles.crops import Ground, crop_plan

SIDE = 64
TILES = np.array([(0, y, x, SIDE) for y in range(0, 256, SIDE) for x in range(0, 256, SIDE)])


def uneven_labels() -> np.ndarray:
    """One class nearly everywhere, squares of another, one square of a third, some no label."""
    ids = np.ones((256, 256), np.uint8)
    for y, x in ((10, 20), (80, 150), (200, 40)):
        ids[y : y + 24, x : x + 24] = 2
    ids[150:174, 200:224] = 3  # 1 % of the ground
    ids[:4] = 0
    return ids


def places_of(ids: np.ndarray, balance: float, seed: int = 0, weights=None) -> ClassPlaces:
    labels = (ids[y : y + side, x : x + side] for _, y, x, side in TILES)
    return ClassPlaces(TILES, labels, balance, seed, weights)


def shares_of(ids: np.ndarray, crops: np.ndarray) -> np.ndarray:
    """Return the share of each class among the labelled pixels that crops show."""
    shown = sum(
        np.bincount(ids[y : y + side, x : x + side].ravel(), minlength=4)[1:]
        for y, x, side in crops
    )
    return shown / shown.sum()


@pytest.mark.parametrize(("scale", "rotate"), [(1.0, 0.0), (1.3, 20.0)])
def test_what_balanced_crops_show_is_even(scale, rotate):
    ids = uneven_labels()
    ground = Ground(TILES)
    options = {"count": 900, "side": 10, "scale": scale, "rotate": rotate, "turned": True}
    even = crop_plan(ground, 1, 0, places=places_of(ids, 1.0), **options)
    plain = crop_plan(ground, 1, 0, **options)
    assert shares_of(ids, plain.crop)[2] < 0.02
    found = shares_of(ids, even.crop)
    assert found.min() > 0.22 and found.max() < 0.5, found
    half = shares_of(ids, crop_plan(ground, 1, 0, places=places_of(ids, 0.5), **options).crop)
    assert 0.02 < half[2] < 0.15 < half[0]
    for tile, (y, x, side) in zip(even.tile, even.crop, strict=True):
        assert ground.holds(0, y, x, side)
        _, top, left, length = TILES[tile]
        assert top - side < y < top + length and left - side < x < left + length


def test_the_middle_is_the_pixel_that_was_drawn_or_it_is_in_the_crop():
    ids = uneven_labels()
    places = places_of(ids, 1.0)
    plan = crop_plan(Ground(TILES), 5, 1, count=600, side=15, places=places)
    middles = ids[plan.crop[:, 0] + 7, plan.crop[:, 1] + 7]
    centered = np.bincount(middles, minlength=4)[1:] / len(plan)
    np.testing.assert_allclose(centered, 1 / 3, atol=0.06)
    large = crop_plan(Ground(TILES[-1:]), 5, 1, count=5, side=100,
                      places=ClassPlaces(TILES[-1:], [ids[192:, 192:]], 1.0, 0))  # fmt: skip
    assert (large.crop == [192, 192, 64]).all()


def test_a_sample_is_a_function_of_seed_epoch_and_number():
    ids = uneven_labels()
    ground = Ground(TILES)
    options = {"side": 20, "scale": 1.5, "rotate": 30}
    one, same, other = (
        crop_plan(ground, 3, epoch, count=40, places=places_of(ids, 0.7), **options)
        for epoch in (0, 0, 1)
    )
    longer = crop_plan(ground, 3, 0, count=60, places=places_of(ids, 0.7), **options)
    assert np.array_equal(one.crop, same.crop) and np.array_equal(one.angle, same.angle)
    assert np.array_equal(longer.crop[:40], one.crop)
    assert not np.array_equal(one.crop, other.crop)


def test_of_large_tiles_some_pixels_of_each_class_are_remembered(monkeypatch):
    monkeypatch.setattr(balance_module, "_REMEMBERED", 64)
    ids = uneven_labels()
    places = places_of(ids, 1.0)
    rng = np.random.default_rng(0)
    drawn = {places.draw(rng) for _ in range(3000)}
    by_tile = np.bincount([tile for tile, _, _ in drawn], minlength=len(TILES))
    assert by_tile.max() <= 3 * 16 and by_tile.min() > 0
    assert {ids[y, x] for _, y, x in drawn} == {1, 2, 3}
    again = places_of(ids, 1.0)
    rng = np.random.default_rng(0)
    assert {again.draw(rng) for _ in range(3000)} == drawn


def test_rich_tiles_are_drawn_more_often_for_the_classes_that_they_have():
    ids = np.ones((256, 256), np.uint8)
    ids[:, 128:] = 2
    weights = np.where(TILES[:, 1] == 0, 6.0, 1.0)
    rng = np.random.default_rng(1)
    places = places_of(ids, 1.0, weights=weights)
    found = np.array([places.draw(rng) for _ in range(1500)])
    assert abs((ids[found[:, 1], found[:, 2]] == 1).mean() - 0.5) < 0.04
    assert abs((found[:, 1] < 64).mean() - 6 / 9) < 0.04


def test_without_any_label_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="label"):
        places_of(np.zeros((256, 256), np.uint8), 1.0)
