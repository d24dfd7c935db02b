"""Refinement: parts of a pixel, whatever the direction, the level, the scale and the weather."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ground_fakes import Waves, away, indexed, to_bytes

from nadir.localization.coarse import Guess
from nadir.localization.pose import Pose
from nadir.localization.refine import Refiner, View, gray_of, view_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

WAVES = Waves(0)
SIZE = (460, 430)
SIDE = 256
POSES = [
    Pose(213.37, 201.81, 33.3),
    Pose(230.5, 215.5, 0.0),
    Pose(250.02, 197.45, 359.93),
    Pose(205.71, 230.19, 121.7),
    Pose(222.9, 190.05, 270.0),
]


@pytest.fixture(scope="module")
def refiner(tmp_path_factory):
    reference = indexed(tmp_path_factory.mktemp("refine"), "ground", WAVES.substrate(*SIZE))
    return Refiner(reference, torch.device("cpu"))


def seen(pixels: np.ndarray, level: int = 1, weight: np.ndarray | None = None) -> View:
    shown = np.ones(pixels.shape[:2], np.float32) if weight is None else weight
    return view_of(gray_of(pixels), shown, level)


def shot(pose: Pose, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    return WAVES.shoot(pose, width, height)


@pytest.mark.parametrize("pose", POSES)
def test_a_photo_is_fitted_to_parts_of_a_pixel(refiner, pose):
    start = Pose(pose.x + 1.4, pose.y - 1.1, (pose.angle + 0.6) % 360)
    fit = refiner.fit(seen(shot(pose)), start, 4)
    off, turned = away(fit.pose, pose)
    assert off < 0.05 and turned < 0.02 and fit.pose.scale == 1.0
    assert 0 <= fit.pose.angle < 360
    assert fit.agreement > 0.95 and fit.patches > 30 and fit.residual < 0.3


def test_the_fit_does_not_depend_on_where_it_starts(refiner):
    """Whole pixels, halves, and windows that round either way."""
    pose, view = POSES[0], seen(shot(POSES[0]))
    for dx, dy, da in [(0, 0, 0), (2, 2, 0), (-2.5, 1.5, 0.3), (0.49, -0.51, -0.5), (0.13, 0, 0)]:
        fit = refiner.fit(view, Pose(pose.x + dx, pose.y + dy, pose.angle + da), 4)
        assert away(fit.pose, pose)[0] < 0.05 and away(fit.pose, pose)[1] < 0.02


@pytest.mark.parametrize("scale", [1.1, 0.93])
def test_the_scale_is_fitted_where_it_is_free(refiner, scale):
    pose = Pose(225.3, 214.6, 77.7, scale)
    view = seen(shot(pose))
    fit = refiner.fit(view, Pose(226.0, 214.0, 77.4, 1.008 * scale), 4, free_scale=True)
    assert away(fit.pose, pose)[0] < 0.1 and away(fit.pose, pose)[1] < 0.02
    assert fit.pose.scale == pytest.approx(scale, abs=5e-4)
    kept = refiner.fit(view, Pose(226.0, 214.0, 77.4, scale), 4)
    assert kept.pose.scale == scale and away(kept.pose, pose)[0] < 0.1


@pytest.mark.parametrize("level", [2, 4])
def test_levels_share_their_coordinates(tmp_path, level):
    waves = Waves(2, shortest=14.0)
    refiner = Refiner(indexed(tmp_path, "ground", waves.substrate(800, 760)), torch.device("cpu"))
    pose = Pose(391.3, 377.7, 200.2)
    view = seen(waves.shoot(pose, 512, 512), level)
    fit = refiner.fit(view, Pose(pose.x + 3, pose.y - 2, pose.angle + 0.3), 4)
    assert away(fit.pose, pose)[0] < 0.1 and away(fit.pose, pose)[1] < 0.02


def test_photos_of_no_multiple_of_the_level(tmp_path):
    waves = Waves(2, shortest=14.0)
    refiner = Refiner(indexed(tmp_path, "ground", waves.substrate(800, 760)), torch.device("cpu"))
    pose = Pose(391.3, 377.7, 30.0)
    view = seen(waves.shoot(pose, 515, 515), 4)
    fit = refiner.fit(view, pose, 4)
    assert away(fit.pose, pose)[0] < 0.2


def test_photos_that_are_not_square(refiner):
    pose = Pose(230.3, 210.6, 51.0)
    fit = refiner.fit(seen(shot(pose, 300, 200)), Pose(231, 210, 51.4), 4)
    assert away(fit.pose, pose)[0] < 0.1 and away(fit.pose, pose)[1] < 0.03


def test_what_changed_neither_pulls_nor_agrees(refiner):
    """Other ground on 40 % of the photo."""
    pose = POSES[3]
    pixels = shot(pose)
    pixels[:, :102] = Waves(9).shoot(pose, SIDE, SIDE)[:, :102]
    whole = refiner.fit(seen(shot(pose)), pose, 4)
    fit = refiner.fit(seen(pixels), Pose(pose.x + 1, pose.y, pose.angle), 4)
    assert away(fit.pose, pose)[0] < 0.1 and away(fit.pose, pose)[1] < 0.05
    assert 0.4 < fit.agreement < whole.agreement


def test_what_weights_hide_has_no_say(refiner):
    pose = POSES[0]
    pixels, weight = shot(pose), np.ones((SIDE, SIDE), np.float32)
    pixels[: SIDE // 2], weight[: SIDE // 2] = 255, 0
    fit = refiner.fit(seen(pixels, weight=weight), Pose(pose.x + 1, pose.y, pose.angle), 4)
    assert away(fit.pose, pose)[0] < 0.1 and away(fit.pose, pose)[1] < 0.03
    assert fit.patches < 45 and fit.agreement > 0.9
    assert refiner.fit(seen(pixels, weight=0 * weight), pose, 4) is None


def test_noise_widens_the_stated_error_and_wrong_ground_does_not_agree(refiner):
    pose = POSES[1]
    clean = refiner.fit(seen(shot(pose)), pose, 4)
    random = np.random.default_rng(0)
    rough = to_bytes(shot(pose) + random.normal(0, 45, (SIDE, SIDE, 3)))
    noisy = refiner.fit(seen(rough), pose, 4)
    wrong = refiner.fit(seen(Waves(9).shoot(pose, SIDE, SIDE)), pose, 4)
    for fit in (clean, noisy, wrong):
        assert np.allclose(fit.covariance, fit.covariance.T)
        assert (np.linalg.eigvalsh(fit.covariance) > 0).all()
    sure, unsure = (np.sqrt(np.diag(fit.covariance)) for fit in (clean, noisy))
    assert (unsure > sure).all() and away(noisy.pose, pose)[0] < 6 * np.hypot(*unsure[:2])
    assert wrong.agreement < 0.6 < clean.agreement


@pytest.mark.parametrize("turn", [0.0, 90.0])
def test_over_the_border_of_the_reference(refiner, turn):
    pose = Pose(96.4, 330.7, turn + 12.0)
    fit = refiner.fit(seen(shot(pose)), Pose(pose.x + 1, pose.y - 1, pose.angle + 0.3), 4)
    assert away(fit.pose, pose)[0] < 0.1 and away(fit.pose, pose)[1] < 0.05
    far = refiner.fit(seen(shot(pose)), Pose(-900.0, 4000.0, 5.0), 4)
    assert far is None


def test_around_holes(tmp_path):
    shown = np.ones(SIZE[::-1], bool)
    shown[150:240, 190:260] = False
    reference = indexed(tmp_path, "holed", WAVES.substrate(*SIZE), mask=shown)
    refiner, pose = Refiner(reference, torch.device("cpu")), POSES[3]
    fit = refiner.fit(seen(shot(pose)), Pose(pose.x + 1, pose.y - 1, pose.angle), 4)
    assert away(fit.pose, pose)[0] < 0.1 and away(fit.pose, pose)[1] < 0.03
    assert fit.agreement > 0.7


@pytest.mark.parametrize("pose", POSES[:3])
def test_closer_finds_the_place_and_the_direction(refiner, pose):
    view = seen(shot(pose))
    guess = Guess(pose.x + 5, pose.y - 6, (pose.angle + 1.3) % 360, 1.0, 0.0)
    found = refiner.closer(view, guess, 8, np.array([-3.0, -1.5, 0.0, 1.5, 3.0]))
    assert np.hypot(found.x - pose.x, found.y - pose.y) < 1.0
    assert away(Pose(found.x, found.y, found.angle), pose)[1] < 0.6
    elsewhere = Guess(pose.x + 40, pose.y + 30, pose.angle, 1.0, 0.0)
    other = refiner.closer(view, elsewhere, 8, np.array([-1.5, 0.0, 1.5]))
    assert other.score < 0.6 * found.score <= 0.6
    again = refiner.closer(view, found, 3, np.array([-0.4, 0.0, 0.4]))
    assert again.score >= found.score - 0.02
    assert np.hypot(again.x - pose.x, again.y - pose.y) < 0.3


def test_closer_tries_stretches(refiner):
    pose = Pose(225.3, 214.6, 77.7, 1.06)
    guess = Guess(226.0, 214.0, 77.7, 1.0, 0.0)
    turns = np.array([-0.5, 0.0, 0.5])
    stretches = (0.97, 1.0, 1.03, 1.06)
    found = refiner.closer(seen(shot(pose)), guess, 6, turns, stretches)
    assert found.scale == pytest.approx(1.06)
    assert found.score > refiner.closer(seen(shot(pose)), guess, 6, turns).score


def test_a_view_has_the_mean_weight_of_its_pixels():
    weight = np.random.default_rng(0).random((50, 63)).astype(np.float32)
    view = view_of(np.zeros((50, 63), np.uint8), weight, 4)
    assert view.gray.shape == view.weight.shape == (12, 15)
    assert view.weight[3, 2] == pytest.approx(weight[12:16, 8:12].mean(), abs=1e-6)
    assert view_of(np.zeros((50, 63), np.uint8), weight, 1).weight is weight
