"""Patches and batches: equal from memory and stores, a function of (seed, epoch, index)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nadir.segmentation import data as data_module
from nadir.segmentation.data import (
    TileBatches,
    choose_source,
    free_memory,
    group_by_size,
    resident_bytes,
)
from nadir.segmentation.normalize import gain_and_bias, normalize
from nadir.segmentation.outlines import LabelOutlines
from nadir.segmentation.patches import Shot, Window
from nadir.segmentation.sources import ResidentSource, StoredSource, bounding_boxes
from nadir.segmentation.turning import turn
from nadir.tiles.augment import COUNT, Look, random_look, transform
from nadir.tiles.crops import Ground, crop_plan
from nadir.tiles.sampling import look_rng, sample_plan

sys.path.insert(0, str(Path(__file__).parent))
from segmentation_fakes import MemoryLabels, make_data

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module")
def windows(data):
    """Tiles of two sizes, two of them reaching over the border."""
    return [
        *data.train,
        Window(0, 70, 80, 32),
        Window(1, -8, 5, 32),
        *(Window(1, y, 0, 48) for y in (0, 24, 48)),
    ]


def _batches(source, windows, seed=3, size=4):
    rich = np.arange(len(windows)) % 3 == 0
    return TileBatches(
        source, windows, lambda epoch: sample_plan(len(windows), seed, epoch, "random", rich), size
    )


def _epoch(batches, epoch):
    batches.set_epoch(epoch)
    return list(batches)


def _same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b)
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def test_samples_are_equal_from_memory_and_from_stores(data, windows):
    resident = ResidentSource(data.scenes, windows, data.statistics, CPU, CPU, threads=2)
    stored = StoredSource(data.scenes, windows, data.statistics, CPU, threads=3)
    for epoch in (0, 5):
        one, other = (
            _epoch(_batches(resident, windows), epoch),
            _epoch(_batches(stored, windows), epoch),
        )
        assert len(one) > 3
        assert _same(one, other)
    stored.close()


def test_an_epoch_is_a_function_of_its_number_and_the_seed(data, windows):
    source = ResidentSource(data.scenes, windows, data.statistics, CPU, CPU)
    straight = _batches(source, windows)
    zero, one = _epoch(straight, 0), _epoch(straight, 1)
    assert _same(_epoch(_batches(source, windows), 1), one)
    assert not _same(zero, one)
    assert not _same(_epoch(_batches(source, windows, seed=4), 1), one)


def test_values_are_normalized_reflectance_and_zero_where_invalid(data):
    window = data.train[0]
    scene = data.scenes[window.scene]
    source = ResidentSource(data.scenes, data.train, data.statistics, CPU, CPU)
    inputs, target = source.prepare(list(source.raw([window])), [Shot(window)])
    raw, valid = scene.cube.read(window.y, window.x, 32, 32)
    for date, name in enumerate(scene.cube.dates):
        reflectance = scene.cube.scale[name] * (raw[date].astype(float) + scene.cube.offset[name])
        mean, std = data.statistics.mean[date], data.statistics.std[date]
        expected = (reflectance - mean[:, None, None]) / std[:, None, None] * valid[date]
        np.testing.assert_allclose(inputs[0, 3 * date : 3 * date + 3], expected, atol=1e-4)
    labels = scene.labels.hard(window.y, window.x, 32, 32).astype(int)
    np.testing.assert_array_equal(target[0], np.where(valid.any(axis=0), labels, 0) - 1)


def test_inference_and_training_normalize_alike(data):
    window = data.train[0]
    cube = data.scenes[window.scene].cube
    source = ResidentSource(data.scenes, data.train, data.statistics, CPU, CPU)
    inputs, _ = source.prepare(list(source.raw([window])), [Shot(window)])
    raw, valid = cube.read(window.y, window.x, 32, 32)
    gain, bias = gain_and_bias(data.statistics, [*cube.scale.values()], [*cube.offset.values()])
    np.testing.assert_array_equal(inputs.numpy(), normalize(raw[None], valid[None], gain, bias))


def test_a_constant_band_says_nothing():
    statistics = type(make_data().statistics).of([[0.1, 0.2]], [[0.0, 0.1]])
    gain, bias = gain_and_bias(statistics, [1e-4], [0.0])
    assert gain[0, 0] == bias[0, 0] == 0
    assert np.isfinite(gain).all() and gain[0, 1] == pytest.approx(1e-3)


@pytest.mark.parametrize("symmetry", range(COUNT))
def test_turning_is_that_of_the_tiles(symmetry):
    array = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    np.testing.assert_array_equal(
        turn(torch.from_numpy(array), symmetry), transform(array, symmetry)
    )


def test_image_and_target_turn_together(data):
    window = data.train[1]
    source = ResidentSource(data.scenes, data.train, data.statistics, CPU, CPU)
    plain = source.prepare(list(source.raw([window])), [Shot(window)])
    turned = source.prepare(list(source.raw([window])), [Shot(window, 5)])
    for one, other in zip(plain, turned, strict=True):
        assert torch.equal(turn(one, 5), other)
        assert not torch.equal(one, other)


def test_batches_hold_one_size_and_every_sample_once():
    sizes = np.array([64, 64, 128, 64, 64, 128, 64])
    groups = group_by_size(sizes, 2)
    assert sorted(position for group in groups for position in group) == list(range(7))
    assert all(len(set(sizes[group].tolist())) == 1 for group in groups)
    assert groups == [[0, 1], [3, 4, 6], [2, 5]]


def test_a_lone_coarse_tile_is_shown_twice():
    assert group_by_size(np.array([32]), 4) == [[0, 0]]
    assert group_by_size(np.array([64]), 4) == [[0]]
    assert group_by_size(np.array([32, 32]), 1) == [[0, 0], [1, 1]]


def test_the_source_is_chosen_by_size(data, monkeypatch):
    needed = resident_bytes(data.train, 2, 3)
    boxes = bounding_boxes(data.train)
    assert needed == sum(h * w for _, _, h, w in boxes.values()) * (2 * 3 * 2 + 2 + 1)
    for memory, kind in ((needed, ResidentSource), (needed - 1, StoredSource)):
        source = choose_source(data.scenes, data.train, data.statistics, CPU, memory=memory)
        assert type(source) is kind
        source.close()
    monkeypatch.setattr(data_module, "free_memory", lambda: 0)
    source = choose_source(data.scenes, data.train, data.statistics, CPU)
    assert type(source) is StoredSource
    source.close()
    assert free_memory() > 0


def test_a_reading_error_reaches_the_training(data):
    class Broken:
        scale, offset, dates = data.scenes[0].cube.scale, data.scenes[0].cube.offset, data.dates

        def read(self, *box):
            raise OSError("the store is damaged")

    scenes = [type(data.scenes[0])(Broken(), data.scenes[0].labels)] * 2
    source = StoredSource(scenes, data.train, data.statistics, CPU)
    with pytest.raises(OSError, match="damaged"):
        list(_batches(source, data.train))
    source.close()


def _crops(source, windows, seed=3):
    ground = Ground(np.array([(w.scene, w.y, w.x, w.size) for w in windows]))
    return TileBatches(
        source,
        windows,
        lambda epoch: crop_plan(ground, seed, epoch, count=11, side=24, scale=1.5, turned=True),
        4,
        24,
        lambda epoch, at: random_look(look_rng(seed, epoch, at), 6, 0.2),
    )


def test_crops_and_outlines_are_equal_from_memory_and_from_stores(data):
    resident = ResidentSource(data.scenes, data.train, data.statistics, CPU, CPU, 2, outlines=4)
    stored = StoredSource(data.scenes, data.train, data.statistics, CPU, 3, outlines=4)
    one, other = (_epoch(_crops(source, data.train), 2) for source in (resident, stored))
    assert [len(batch[0]) for batch in one] == [4, 4, 3] and len(one[0]) == 3
    assert all(part.shape[-2:] == (24, 24) for batch in one for part in batch)
    assert _same(one, other)
    assert not _same(one, _epoch(_crops(resident, data.train), 3))
    stored.close()


@pytest.mark.parametrize("angle", [0.0, 20.0])
@pytest.mark.parametrize("side", [20, 45])
def test_clouds_take_nothing_from_resampled_pixels_beside_them(data, side, angle):
    """What a crop shows of a valid pixel is a mean of valid ones: never nearer to 0 than all."""
    scene = data.scenes[1]
    raw, valid = scene.cube.read(0, 0, 96, 96)
    flat = type(scene.cube)(np.full_like(raw, 9000) * valid[:, None], valid)
    source = ResidentSource([type(scene)(flat, scene.labels)], [Window(0, 0, 0, 96)],
                            data.statistics, CPU, CPU)  # fmt: skip
    window = Window(0, 0, 0, 60)
    shot = Shot(window, 3, side, angle=angle)
    image, target = source.prepare(list(source.raw([window])), [shot])
    plain, _ = source.prepare(list(source.raw([window])), [Shot(window)])
    for channel, one in zip(image[0], plain[0], strict=True):
        seen = channel != 0
        assert 0.5 < seen.float().mean() < 1
        level = one[one != 0].mean()
        torch.testing.assert_close(channel[seen], torch.full_like(channel[seen], level))
    seen = (image[0].unflatten(0, (2, 3)) != 0).all(dim=1)
    assert seen.any(dim=0)[target[0] >= 0].all(), "labels are only where the ground is seen"


def test_image_target_and_distance_of_a_crop_belong_together(data):
    source = ResidentSource(data.scenes, data.train, data.statistics, CPU, CPU, outlines=2)
    window = data.train[0]
    plain = source.prepare(list(source.raw([window])), [Shot(window)])
    turned = source.prepare(list(source.raw([window])), [Shot(window, 5, 64)])
    for one, other in zip(plain[1:], turned[1:], strict=True):
        doubled = one.repeat_interleave(2, -1).repeat_interleave(2, -2)
        assert torch.equal(turn(doubled, 5), other)
    inside, target = plain[2] > 0, plain[1]
    labels = data.scenes[window.scene].labels.hard(window.y, window.x, 32, 32)
    assert np.array_equal(inside[0].numpy(), labels == 2)
    assert (plain[2][0].numpy()[labels == 0] == 0).all()
    assert set(target[inside].unique().tolist()) <= {1, -1}


def test_jitter_leaves_invalid_pixels_at_zero(data):
    source = ResidentSource(data.scenes, data.train, data.statistics, CPU, CPU)
    window = next(w for w in data.train if w.y == 0)
    look = Look(1.5, np.arange(6, dtype=np.float32))
    plain, jittered = (
        source.prepare(list(source.raw([window])), [Shot(window, look=given)])[0]
        for given in (None, look)
    )
    _, valid = data.scenes[window.scene].cube.read(window.y, window.x, 32, 32)
    known = torch.from_numpy(np.repeat(valid, 3, axis=0))[None]
    expected = torch.where(known, plain * 1.5 + torch.arange(6.0).reshape(1, 6, 1, 1), 0)
    torch.testing.assert_close(jittered, expected)
    assert (~known).any()


def test_outlines_of_labels_do_not_depend_on_the_window():
    rng = np.random.default_rng(0)
    ids = (rng.random((300, 260)) < 0.002).astype(np.uint8) + 1
    ids[:40, :40] = 0
    outlines = LabelOutlines(MemoryLabels(ids), 2)
    whole = outlines.distance(0, 0, 300, 260)
    assert whole.dtype == np.int8 and whole.min() >= -127
    np.testing.assert_array_equal(outlines.distance(50, 31, 70, 90), whole[50:120, 31:121])
    y, x = np.argwhere(ids == 2)[0]
    assert whole[y, x] == 1 and (whole[ids == 0] == 0).all()
    far = np.hypot(*(np.argwhere(ids == 2) - (150, 130)).T).min()
    assert whole[150, 130] == -min(127, round(far))
