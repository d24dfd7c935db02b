"""Training pairs: functions of (seed, epoch, index), with the photo where they say it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from ground_fakes import Waves, indexed

from nadir.localization import descriptor_data
from nadir.localization.descriptor import STRIDE
from nadir.localization.descriptor_data import SLACK, LocatedPhoto, PairBatches
from nadir.localization.pose import Pose
from nadir.localization.turning import reduce

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIDE = 64
SIZE = (420, 380)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two references of one ground (the second somewhat darker), and located photos of it."""
    folder = tmp_path_factory.mktemp("pairs")
    waves = Waves(4, shortest=12.0)
    ground = waves.substrate(*SIZE)
    references = [indexed(folder, "a", ground), indexed(folder, "b", ground // 2 + 20)]
    poses = [Pose(150.3, 120.8, 75.0), Pose(250.0, 210.6, 200.4), Pose(301.7, 99.5, 333.0)]
    return references, [(waves.shoot(pose, 140, 140), pose) for pose in poses]


def batches(world, level=1, photos=True, seed=3, **options) -> PairBatches:
    references, shot = world
    located = [LocatedPhoto(reduce(picture, level), pose) for picture, pose in shot]
    given = {"level": level, "side": SIDE, "batch": 2, "count": 3, "seed": seed} | options
    return PairBatches(references, located if photos else [], **given)


@pytest.fixture
def undisguised(monkeypatch):
    for name in ("season", "sensor", "clouds"):
        monkeypatch.setattr(descriptor_data, name, lambda picture, random: picture)
    monkeypatch.setattr(descriptor_data, "building", lambda picture, other, random: picture)


def in_window(x: float, y: float) -> bool:
    """Whether a place is among those that are searched, but for half a pixel."""
    slack = 0.5 / STRIDE
    return all(-slack <= at <= SLACK / STRIDE + slack for at in (x, y))


def equal(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_pair_is_a_function_of_seed_epoch_and_index(world):
    source, again = batches(world), batches(world)
    for one in (source, again):
        one.set_epoch(2)
    later = [again.pair(k) for k in (4, 0, 1)]
    assert equal(source.pair(0), later[1]) and equal(source.pair(4), later[0])
    assert not equal(source.pair(0), source.pair(1))
    assert not equal(source.pair(0), batches(world, seed=4).pair(0))
    source.set_epoch(3)
    assert not equal(source.pair(0), later[1])


def test_validation_shows_the_same_in_every_epoch_and_nothing_of_the_training(world):
    held = batches(world, fixed=True)
    first = [held.pair(k) for k in range(4)]
    held.set_epoch(7)
    assert all(equal(one, held.pair(k)) for k, one in enumerate(first))
    train = batches(world)
    shown = [train.pair(k) for k in range(4)]
    assert not any(equal(one, other) for one in first for other in shown)


def test_batches_are_their_pairs(world):
    source = batches(world)
    source.set_epoch(1)
    found = list(source)
    assert len(found) == len(source) == 3 and source.samples == 6
    for step, (photos, grounds, places) in enumerate(found):
        assert photos.shape == (2, 3, SIDE, SIDE) and photos.dtype == torch.float32
        assert grounds.shape == (2, 3, SIDE + SLACK, SIDE + SLACK)
        for k in range(2):
            photo, ground, x, y = source.pair(2 * step + k)
            assert np.array_equal(photos[k].permute(1, 2, 0).numpy(), photo)
            assert np.array_equal(grounds[k].permute(1, 2, 0).numpy(), ground)
            assert places[k].tolist() == pytest.approx([x, y])


@pytest.mark.parametrize("photos", [True, False])
@pytest.mark.parametrize("level", [1, 2])
def test_values_and_places_are_in_range(world, photos, level):
    source = batches(world, level, photos)
    for index in range(25):
        photo, ground, x, y = source.pair(index)
        for picture in (photo, ground):
            assert picture.dtype == np.float32 and picture.min() >= 0 and picture.max() <= 1
        assert in_window(x, y)


@pytest.mark.parametrize("photos", [True, False])
@pytest.mark.parametrize("level", [1, 2])
def test_the_photo_is_where_its_place_says(world, undisguised, photos, level, monkeypatch):
    """Turned by nothing, it matches the ground there best, to a part of a pixel."""
    monkeypatch.setattr(descriptor_data, "_TURN", 0.0)
    source = batches(world, level, photos)
    if photos:
        monkeypatch.setattr(descriptor_data, "_LOCATED", 1.1)
    for index in range(12):
        photo, ground, x, y = source.pair(index)
        gray, under = (one.mean(2).astype(np.float32) for one in (photo, ground))
        scores = cv2.matchTemplate(under, gray[8:-8, 8:-8], cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(scores.argmax(), scores.shape)
        assert scores.max() > 0.9
        # The stretch of made pairs leaves the middle in place.
        assert (column - 8, row - 8) == pytest.approx((STRIDE * x, STRIDE * y), abs=1.0)


@pytest.mark.parametrize("photos", [True, False])
def test_directions_are_off_by_a_few_degrees_either_way(world, undisguised, photos, monkeypatch):
    """The place stays right, since photos are turned around their middle."""
    source = batches(world, photos=photos)
    monkeypatch.setattr(descriptor_data, "_LOCATED", 1.1 if photos else 0)
    off = []
    for index in range(12):
        photo, ground, x, y = source.pair(index)
        left, top = round(STRIDE * x), round(STRIDE * y)
        middle = ground[top + 16 : top + 48, left + 16 : left + 48].mean(2)
        scores = cv2.matchTemplate(
            photo.mean(2)[8:-8, 8:-8], middle[8:-8, 8:-8], cv2.TM_CCOEFF_NORMED
        )
        row, column = np.unravel_index(scores.argmax(), scores.shape)
        off.append((column - 16, row - 16))
    assert np.abs(np.median(off, 0)).max() <= 1


def test_located_photos_and_made_ones_are_mixed(world, monkeypatch):
    source = batches(world)
    taken = []
    for name in ("_taken", "_made"):
        real = getattr(source, name)

        def noted(*args, name=name, real=real):
            taken.append(name)
            return real(*args)

        monkeypatch.setattr(source, name, noted)
    for index in range(30):
        source.pair(index)
    assert set(taken) == {"_taken", "_made"} and len(taken) == 30


def test_a_reference_smaller_than_a_window_is_filled_with_zeros(tmp_path):
    small = indexed(tmp_path, "small", Waves(1, count=40).substrate(90, 70))
    source = PairBatches([small], [], 1, SIDE, 2, 1, 0)
    for index in range(6):
        photo, ground, x, y = source.pair(index)
        assert photo.shape == (SIDE, SIDE, 3) and ground.shape == (128, 128, 3)
        shown = ground.any(2)
        rows, columns = int(shown.any(1).sum()), int(shown.any(0).sum())
        assert shown.sum() == rows * columns
        assert SIDE <= rows <= 70 and SIDE <= columns <= 90
        assert in_window(x, y)


def test_photos_over_the_border_have_a_place_in_their_window(tmp_path):
    waves = Waves(4)
    reference = indexed(tmp_path, "a", waves.substrate(*SIZE))
    # Wide photos: the template is as wide as they are, and reaches beyond their upper border.
    pose = Pose(200.0, 12.0, 0.0)
    located = [LocatedPhoto(waves.shoot(pose, 96, 24), pose)]
    source = PairBatches([reference], located, 1, 96, 2, 1, 0)
    for index in range(8):
        _, _, x, y = source.pair(index)
        assert in_window(x, y)


def test_pairs_show_ground(tmp_path):
    """Of a reference that is a mosaic, with holes, only what shows ground teaches anything."""
    shown = np.zeros(SIZE[::-1], bool)
    shown[:250, :200] = True
    waves = Waves(4)
    mosaic = indexed(tmp_path, "mosaic", waves.substrate(*SIZE), mask=shown)
    source = PairBatches([mosaic], [], 1, SIDE, 2, 1, 0)
    for index in range(20):
        _, ground, x, y = source.pair(index)
        left, top = round(STRIDE * x), round(STRIDE * y)
        assert ground[top : top + SIDE, left : left + SIDE].any(2).mean() > 0.25
