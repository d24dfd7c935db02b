"""What is measured on photos, against blur, darkness, copies, and the almanac."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from photo_makers import scene
from PIL import Image

from nadir.groundview.duplicates import choose_best, duplicate_groups
from nadir.groundview.measures import (
    brightness,
    luminance,
    perceptual_hash,
    season,
    sharpness,
    sun_elevation,
)


def _light(pixels: np.ndarray) -> np.ndarray:
    return luminance(pixels.transpose(2, 0, 1))


def test_blur_takes_sharpness_whatever_the_contrast() -> None:
    for seed in range(4):
        sharp = scene(seed, (128, 128))
        found = [sharpness(_light(cv2.GaussianBlur(sharp, (0, 0), s))) for s in (0.4, 1, 2, 4)]
        assert found == sorted(found, reverse=True) and found[0] > 0.6 and found[-1] < 0.4
        assert sharpness(_light(sharp // 4)) == pytest.approx(sharpness(_light(sharp)), abs=0.03)


def test_a_plain_photo_is_not_sharp() -> None:
    assert sharpness(np.full((32, 32), 0.5, np.float32)) == 0.0


def test_brightness_is_that_of_the_sky() -> None:
    day = scene(1)
    assert brightness(_light(day)) > 0.4 and brightness(_light(day // 12)) < 0.12


def test_copies_have_nearly_equal_hashes_and_others_have_not() -> None:
    photos = [scene(seed, (128, 128)) for seed in range(12)]
    hashes = np.array([perceptual_hash(_light(photo)) for photo in photos], np.uint64)
    copies = []
    for photo in photos:
        data = io.BytesIO()
        Image.fromarray(photo[2:-2, 2:-2]).resize((100, 100)).save(data, "JPEG", quality=40)
        copies.append(perceptual_hash(_light(np.asarray(Image.open(data)))))
    apart = np.bitwise_count(hashes[:, None] ^ np.array(copies, np.uint64)[None])
    assert np.diag(apart).max() <= 8
    assert apart[~np.eye(12, dtype=bool)].min() > 8


def _groups_slowly(hashes: np.ndarray, bits: int, metres: np.ndarray, within: float) -> list[set]:
    groups = [{k} for k in range(len(hashes))]
    for i in range(len(hashes)):
        for j in range(i):
            near = not np.linalg.norm(metres[i] - metres[j]) > within
            if near and bin(int(hashes[i]) ^ int(hashes[j])).count("1") <= bits:
                one = next(g for g in groups if i in g)
                other = next(g for g in groups if j in g)
                if one is not other:
                    groups.remove(other)
                    one |= other
    return sorted(groups, key=min)


@pytest.mark.parametrize("unknown", [False, True])
def test_groups_of_duplicates(unknown: bool) -> None:
    rng = np.random.default_rng([5, 5])
    hashes = rng.integers(0, 2**63, 8, dtype=np.uint64)[rng.integers(0, 8, 40)]
    hashes ^= np.uint64(1) << rng.integers(0, 64, 40, dtype=np.uint64)
    metres = rng.uniform(0, 100, (40, 2))
    if unknown:
        metres[7] = np.nan
    found = duplicate_groups(hashes, 2, metres, 40.0)
    groups = [set(np.flatnonzero(found == k).tolist()) for k in np.unique(found)]
    assert sorted(groups, key=min) == _groups_slowly(hashes, 2, metres, 40.0)
    assert len(groups) < 40


def test_the_best_of_a_group_is_chosen() -> None:
    best = choose_best(np.array([0, 1, 0, 0]), [(1.0, 2.0), (0.0,), (2.0, 0.0), (2.0, 0.0)])
    assert best.tolist() == [2, 1, 2, 2]


def test_the_sun_over_greenwich() -> None:
    assert sun_elevation(0.0, 51.48, "2024-06-20T12:02:00Z") == pytest.approx(61.96, abs=0.05)
    assert sun_elevation(0.0, 51.48, "2024-12-21T00:00:00Z") < -60
    assert np.isnan(sun_elevation(0.0, 51.0, "")) and np.isnan(
        sun_elevation(np.nan, 1.0, "2024-01-01")
    )


@pytest.mark.parametrize(
    ("date", "north"),
    [
        ("2024-03-20T02:00:00Z", "winter"),  # the equinox was at 03:06
        ("2024-03-20T04:30:00Z", "spring"),
        ("2024-06-20T19:00:00Z", "spring"),  # the solstice was at 20:51
        ("2024-06-20T23:00:00Z", "summer"),
        ("2024-09-22T15:00:00Z", "autumn"),
        ("2024-12-21T12:00:00Z", "winter"),
    ],
)
def test_seasons_change_with_the_sun(date: str, north: str) -> None:
    names = ["spring", "summer", "autumn", "winter"]
    assert season(45.0, date) == north
    assert season(-45.0, date) == names[(names.index(north) + 2) % 4]
    assert season(45.0, "") is None
