"""Turned photos: every pixel where its pose puts it, at any level."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from ground_fakes import Waves

from nadir.localization.pose import Pose
from nadir.localization.turning import disk, reduce, turn, turned_weight


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_reduced_pixels_are_means_of_squares(factor):
    picture = np.random.default_rng(0).integers(0, 256, (25, 38, 3), np.uint8)
    small = reduce(picture, factor)
    rows, columns = 25 // factor, 38 // factor
    cut = picture[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, 3)
    assert small.dtype == np.uint8 and small.shape == (rows, columns, 3)
    assert np.abs(small - cut.mean((1, 3))).max() <= 0.5 + 1e-6


def slope(width: int, height: int, scale: float = 1.0) -> np.ndarray:
    """Return what grows by 2 with each pixel to the right and by 3 downwards, from the edges."""
    v, u = np.mgrid[0:height, 0:width] + 0.5
    return (scale * (2.0 * u + 3.0 * v)).astype(np.float32)


@pytest.mark.parametrize("angle", [0.0, 90.0, 33.3, 181.25, 270.0])
@pytest.mark.parametrize("scale", [1.0, 1.1, 0.8])
def test_pixels_come_from_where_the_pose_says(angle, scale):
    size = (30, 24)
    turned = turn(slope(61, 50), angle, scale, size)
    y, x = np.mgrid[0 : size[1], 0 : size[0]] + 0.5
    radians = np.deg2rad(angle)
    right, down = x - 15.0, y - 12.0
    u = 30.5 + (np.cos(radians) * right + np.sin(radians) * down) / scale
    v = 25.0 + (-np.sin(radians) * right + np.cos(radians) * down) / scale
    # OpenCV interpolates at 32 places a pixel.
    assert np.abs(turned - (2.0 * u + 3.0 * v)).max() < 5 / 32 + 0.01


def test_center_and_offset_are_measured_from_edges():
    picture = slope(40, 40)
    moved = turn(picture, 0.0, 1.0, (10, 10), center=(12.0, 20.0), offset=(1.5, -2.0))
    # Edge-based point (12, 20) comes to (5 + 1.5, 5 - 2) of the result.
    y, x = np.mgrid[0:10, 0:10] + 0.5
    assert moved == pytest.approx(2.0 * (12 + x - 6.5) + 3.0 * (20 + y - 3.0), abs=0.2)


@pytest.mark.parametrize("level", [1, 2, 4])
def test_a_turned_photo_is_the_substrate(level):
    """At every level the same formula brings photo and ground together."""
    waves, pose = Waves(1, shortest=16.0), Pose(160.0, 144.0, 127.3)
    photo = reduce(waves.shoot(pose, 160, 160), level)
    ground = reduce(waves.substrate(320, 288), level).astype(float)
    side, left, top = 96 // level, 112 // level, 96 // level
    found = turn(photo, pose.angle, 1.0, (side, side))
    truth = ground[top : top + side, left : left + side]
    next_to_it = ground[top : top + side, left + 1 : left + 1 + side]
    lost = np.abs(found - truth).mean()
    assert lost < 2
    assert np.abs(found - 0.5 * (truth + next_to_it)).mean() > 1.5 * lost, "half a pixel shows"


def test_weights_vanish_at_the_photos_border_and_beyond():
    weight = np.ones((40, 60), np.float32)
    shown = turned_weight(weight, 0.0, 1.0, (80, 80), margin=3)
    assert shown.shape == (80, 80)
    expected = np.zeros((80, 80), bool)
    expected[23:57, 13:67] = True
    assert np.array_equal(shown > 0.5, expected)
    assert weight.min() == 1, "what was given is left as it was"
    slanted = turned_weight(weight, 30.0, 1.0, (80, 80), margin=3)
    assert slanted.sum() == pytest.approx(34 * 54, rel=0.01)
    assert turn(weight, 0.0, 1.0, (80, 80), border=cv2.BORDER_CONSTANT).sum() == 2400


@pytest.mark.parametrize("side", [8, 9, 32, 65])
def test_a_disk_is_the_same_in_every_direction(side):
    inside = disk(side)
    assert inside.shape == (side, side) and inside.dtype == np.float32
    for other in (np.rot90(inside), inside.T, inside[::-1]):
        assert np.array_equal(inside, other)
    at = np.arange(side) + 0.5 - 0.5 * side
    beyond = np.hypot(at[:, None], at[None, :]) > 0.5 * side
    assert not inside[beyond].any()
    assert inside.sum() > 0.5 * (~beyond).sum()
