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
from nadir.segmentation.patches import Shot, Window
from nadir.segmentation.sources import ResidentSource, StoredSource, bounding_boxes
from nadir.segmentation.turning import turn
from nadir.tiles.augment import COUNT, transform
from nadir.tiles.sampling import sample_plan

sys.path.insert(0, str(Path(__file__).parent))
from segmentation_fakes import make_data

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
