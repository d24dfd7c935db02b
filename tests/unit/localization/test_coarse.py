"""The coarse search: the right place and direction among all, at cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ground_fakes import Waves, away, indexed

from nadir.localization import coarse
from nadir.localization.coarse import (
    CoarseSearch,
    cell_size,
    description_of,
    gradient_description,
)
from nadir.localization.pose import Pose
from nadir.localization.references import Reference
from nadir.localization.turning import reduce

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIZE = (440, 330)
WAVES = Waves(3, shortest=14.0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return indexed(tmp_path_factory.mktemp("coarse"), "ground", WAVES.substrate(*SIZE))


def search_on(reference: Reference, side: int = 144, scale: float = 1.0, step: float = 10.0):
    return CoarseSearch(reference, gradient_description, side, scale, step, CPU)


def found_by(search: CoarseSearch, photo: np.ndarray, scales=(1.0,), count: int = 5):
    small = reduce(photo, search.level)
    return search.search(small, np.ones(small.shape[:2], np.float32), scales, count)


def test_cells_are_powers_of_two_and_grow_with_the_photo():
    sizes = [cell_size(side) for side in range(1, 5000, 7)]
    assert min(sizes) == 4 and sizes == sorted(sizes)
    assert {size & (size - 1) for size in sizes} == {0}
    assert (cell_size(256), cell_size(512), cell_size(1024)) == (4, 8, 16)


@pytest.mark.parametrize(
    "pose", [Pose(200.3, 151.7, 33.0), Pose(110.0, 220.4, 181.0), Pose(330.2, 120.0, 356.0)]
)
def test_the_right_place_comes_first(reference, pose):
    search = search_on(reference)
    guesses = found_by(search, WAVES.shoot(pose, 144, 144))
    first = guesses[0]
    off, turned = away(Pose(first.x, first.y, first.angle), pose)
    assert off < 1.5 * search.cell and turned <= 5.5
    assert first.score > guesses[1].score + 0.1
    assert all(-1 <= guess.score <= 1 and guess.scale == 1.0 for guess in guesses)


def test_guesses_are_sorted_few_and_apart(reference):
    guesses = found_by(search_on(reference), WAVES.shoot(Pose(200, 150, 0), 144, 144), count=7)
    scores = [guess.score for guess in guesses]
    assert len(guesses) == 7 and scores == sorted(scores, reverse=True)
    for k, one in enumerate(guesses):
        for other in guesses[:k]:
            assert np.hypot(one.x - other.x, one.y - other.y) > 8


def test_of_several_scales_the_right_one_wins(reference):
    pose = Pose(210.3, 160.7, 75.0, 1.12)
    guesses = found_by(search_on(reference), WAVES.shoot(pose, 144, 144), (0.89, 1.0, 1.12))
    assert guesses[0].scale == 1.12
    assert np.hypot(guesses[0].x - pose.x, guesses[0].y - pose.y) < 8


def test_larger_photos_are_searched_at_a_coarser_level(tmp_path):
    waves = Waves(3, shortest=24.0)
    search = search_on(indexed(tmp_path, "wide", waves.substrate(900, 760)), 512)
    assert (search.cell, search.level) == (8, 2)
    pose = Pose(470.5, 360.2, 130.0)
    first = found_by(search, waves.shoot(pose, 512, 512))[0]
    assert np.hypot(first.x - pose.x, first.y - pose.y) < 1.5 * search.cell


def test_photos_of_another_scale_by_far(tmp_path):
    """Photos with twice the resolution of the substrate."""
    waves = Waves(3, shortest=14.0)
    search = search_on(indexed(tmp_path, "fine", waves.substrate(*SIZE)), 288, scale=0.5)
    pose = Pose(230.5, 170.2, 40.0, 0.5)
    first = found_by(search, waves.shoot(pose, 288, 288), scales=(0.5,))[0]
    assert np.hypot(first.x - pose.x, first.y - pose.y) < 1.5 * search.cell


def test_no_guess_lies_where_there_is_nothing(tmp_path):
    shown = np.ones(SIZE[::-1], bool)
    shown[:, :230] = False
    reference = indexed(tmp_path, "half", WAVES.substrate(*SIZE), mask=shown)
    assert not reference.whole
    search = search_on(reference)
    pose = Pose(340.6, 170.2, 100.0)
    guesses = found_by(search, WAVES.shoot(pose, 144, 144), count=10)
    assert np.hypot(guesses[0].x - pose.x, guesses[0].y - pose.y) < 8
    assert min(guess.x for guess in guesses) > 180


def test_what_clouds_hide_does_not_count(reference):
    pose = Pose(210.2, 160.7, 30.0)
    photo = WAVES.shoot(pose, 144, 144)
    photo[:, :60] = Waves(8).shoot(pose, 144, 144)[:, :60]
    weight = np.ones((144, 144), np.float32)
    search = search_on(reference)
    fooled = search.search(photo, weight, (1.0,), 3)[0]
    weight[:, :60] = 0
    first = search.search(photo, weight, (1.0,), 3)[0]
    assert np.hypot(first.x - pose.x, first.y - pose.y) < 8 and first.score > fooled.score


def test_photos_as_large_as_the_reference_and_larger(tmp_path):
    reference = indexed(tmp_path, "small", WAVES.substrate(144, 152))
    photo = WAVES.shoot(Pose(72.0, 76.0, 90.0), 144, 144)
    first = found_by(search_on(reference), photo)[0]
    assert np.hypot(first.x - 72, first.y - 76) < 8
    assert away(Pose(0, 0, first.angle), Pose(0, 0, 90.0))[1] <= 5
    assert found_by(search_on(reference, 300), WAVES.shoot(Pose(72, 76, 0), 300, 300)) == []


def test_nothing_but_clouds_has_no_place_but_finite_ones(reference):
    search, photo = search_on(reference), WAVES.shoot(Pose(200, 150, 0), 144, 144)
    for value in (0.0, 1e-6):
        for guess in search.search(photo, np.full((144, 144), value, np.float32), (1.0,), 5):
            assert np.isfinite([guess.x, guess.y, guess.angle, guess.score]).all()


def test_blocks_of_the_description_do_not_show(reference, monkeypatch):
    usual = search_on(reference)
    monkeypatch.setattr(coarse, "_BLOCK", 34)
    blocks = search_on(reference)
    assert blocks.features.shape == usual.features.shape
    off = (blocks.features - usual.features).abs()
    assert float(off.max()) < 0.05 * float(usual.features.abs().max())
    assert torch.equal(blocks.valid, usual.valid) if usual.valid is not None else True


def test_no_network_means_gradients():
    assert description_of(None) is gradient_description
    pictures = torch.rand((2, 3, 64, 48))
    assert gradient_description(pictures).shape == (2, 7, 16, 12)
