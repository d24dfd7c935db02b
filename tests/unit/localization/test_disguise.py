"""Disguises: another season's look of the same place, a pure function of the generator."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from ground_fakes import Waves

from nadir.localization.disguise import building, clouds, season, sensor


def ground(seed: int = 0, side: int = 96) -> np.ndarray:
    return Waves(seed, count=60).substrate(side, side).astype(np.float32) / 255


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 1])


DISGUISES = {
    "season": season,
    "sensor": sensor,
    "clouds": clouds,
    "building": lambda picture, random: building(picture, ground(9), random),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_each_is_a_function_of_its_generator_and_leaves_its_picture(name):
    disguise, picture = DISGUISES[name], ground()
    before = picture.copy()
    for seed in range(8):
        shown = disguise(picture, generator(seed))
        assert shown.dtype == np.float32 and shown.shape == picture.shape
        assert np.isfinite(shown).all() and shown.min() > -1 and shown.max() < 3
        assert np.array_equal(shown, disguise(picture, generator(seed)))
        assert np.array_equal(picture, before)
    assert not np.array_equal(shown, disguise(picture, generator(77)))


def edges(picture: np.ndarray) -> np.ndarray:
    gray = cv2.GaussianBlur(picture.mean(2), (0, 0), 1.0)
    return np.hypot(cv2.Sobel(gray, -1, 1, 0), cv2.Sobel(gray, -1, 0, 1))[4:-4, 4:-4]


@pytest.mark.parametrize("name", ["season", "sensor"])
def test_what_keeps_the_ground_keeps_its_edges_in_place(name):
    """Colors may go; where edges are stays, and nowhere else do they agree better."""
    own = []
    for seed in range(20):
        picture = ground(seed)
        shown = edges(DISGUISES[name](picture, generator(seed)))
        moved = {
            (dy, dx): np.corrcoef(np.roll(shown, (dy, dx), (0, 1)).ravel(), edges(picture).ravel())
            for dy in (-4, 0, 4)
            for dx in (-4, 0, 4)
        }
        scores = {key: value[0, 1] for key, value in moved.items()}
        own.append(max(scores, key=scores.__getitem__) == (0, 0))
    assert np.mean(own) > 0.85


def test_clouds_cover_a_part():
    covered = []
    for seed in range(20):
        picture = 0.4 * ground(seed)
        shown = clouds(picture, generator(seed))
        covered.append((shown.min(2) > 0.6).mean())
    assert max(covered) < 0.9 and 0.05 < np.mean(covered) < 0.7


def test_buildings_are_other_ground_and_the_rest_is_untouched():
    picture, other = ground(), ground(9)
    changed = []
    for seed in range(10):
        shown = building(picture, other, generator(seed))
        same, new = (shown == picture).all(2), (shown == other).all(2)
        assert (same | new).all()
        changed.append((~same).mean())
    assert 0.01 < np.mean(changed) < 0.5
