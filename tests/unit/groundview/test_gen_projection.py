"""Crops projected into the view: against points projected one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nadir.config.groundview_experiments import ProjectionConfig
from nadir.groundview.projection import CHANNELS, ground_points, project

CFG = ProjectionConfig(heights_m=(6.0,), eye_height_m=1.5, view_deg=90.0)
SIDE = 32


def layers(crop, heading, crop_m=64.0):
    found = project(crop[None], np.array([heading]), crop_m, CFG, SIDE)
    return found[0].reshape(CFG.layers, CHANNELS, SIDE, SIDE)


def spot(east, north, size=128, crop_m=64.0, radius=1.5):
    """A dark crop (3, size, size) with a red disk at metres east and north of its middle."""
    at = (np.arange(size) - (size - 1) / 2) * crop_m / size
    near = np.hypot(at[None] - east, -at[:, None] - north) < radius
    crop = np.zeros((3, size, size), np.uint8)
    crop[0, near] = 255
    return crop


def centroid(layer):
    weights = layer[0].astype(float)
    at = np.arange(SIDE) + 0.5
    return (weights.sum(1) @ at / weights.sum(), weights.sum(0) @ at / weights.sum())


@pytest.mark.parametrize("heading", [0.0, 70.0, 180.0, -45.0])
@pytest.mark.parametrize("right", [-2.0, 0.0, 3.0])
def test_a_spot_on_the_ground_is_seen_where_a_pinhole_camera_sees_it(heading, right):
    ahead = 5.0
    angle = math.radians(heading)
    east = ahead * math.sin(angle) + right * math.cos(angle)
    north = ahead * math.cos(angle) - right * math.sin(angle)
    ground = layers(spot(east, north, size=512, radius=0.7), heading)[0]
    focal = SIDE / 2  # of 90 degrees
    row, column = centroid(ground)
    assert column == pytest.approx(SIDE / 2 + focal * right / ahead, abs=1.2)
    assert row == pytest.approx(SIDE / 2 + focal * 1.5 / ahead, abs=1.0)


def test_what_rises_is_seen_above_the_horizon():
    """Twelve metres ahead, six metres high: 4.5 over the eye, 0.375 of the focal length up."""
    rising = layers(spot(0.0, 12.0, radius=2.5), 0.0)[1]
    row, column = centroid(rising)
    assert column == pytest.approx(SIDE / 2, abs=1.0)
    assert row == pytest.approx(SIDE / 2 - SIDE / 2 * 4.5 / 12, abs=1.0)


def test_the_ground_ends_at_the_horizon_and_nothing_comes_from_beyond_the_crop():
    full = layers(np.full((3, 64, 64), 200, np.uint8), 30.0)
    ground, rising, polar = full[:, CHANNELS - 1]
    assert not ground[: SIDE // 2 - 1].any()
    assert not rising[SIDE // 2 + 1 :].any()
    assert ground[-1, SIDE // 2] == 255 and polar[-1, SIDE // 2] == 255
    # half of the first row under the horizon looks 96 m far, half of it 32; the crop ends at 32
    assert ground[SIDE // 2, SIDE // 2] < 255
    inside = full[:, CHANNELS - 1] == 255
    assert (full[:, 0][inside] == 200).all()


def test_polar_rows_are_distances_in_logarithms():
    points = ground_points(CFG, SIDE, 32.0)[-1, :, SIDE // 2, 1]
    ratios = points[:-1] / points[1:]
    assert ratios == pytest.approx(np.full(SIDE - 1, ratios[0]), rel=1e-4)
    assert points[0] < 32.0 and points[-1] > CFG.nearest_m


def test_unknown_headings_show_nothing_and_leave_others_alone():
    crops = np.full((2, 3, 32, 32), 90, np.uint8)
    found = project(crops, np.array([np.nan, 10.0]), 64.0, CFG, SIDE)
    assert not found[0].any() and found[1].any()


def test_mirrored_crop_and_heading_give_the_mirrored_view():
    crop = np.random.default_rng(0).integers(0, 255, (3, 64, 64), dtype=np.uint8)
    plain = layers(crop, 25.0)
    mirrored = layers(crop[..., ::-1], -25.0)[..., ::-1]
    assert np.abs(plain.astype(int) - mirrored).max() <= 2
