"""Patches, majority filter and minimum mapping unit against brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from nadir.config.quality import GeneralizeConfig
from nadir.raster.grid import Grid
from nadir.segmentation.generalize import generalize, merged, smoothed
from nadir.segmentation.mosaic import RawRaster
from nadir.segmentation.regions import borders, patches


def noisy(seed, shape=(37, 41), classes=4):
    rng = np.random.default_rng([seed, 1])
    field = ndimage.gaussian_filter(rng.normal(size=(classes, *shape)), (0, 1.5, 1.5))
    ids = (field.argmax(0) + 1).astype(np.uint8)
    ids[rng.random(shape) < 0.03] = 0
    return ids


def labels_of(ids):
    labels = np.empty(ids.shape, np.int32)
    return labels, patches(ids, labels)


@pytest.mark.parametrize("seed", range(6))
def test_patches_are_those_of_scipy(seed):
    ids = noisy(seed) if seed else np.random.default_rng(0).integers(0, 3, (50, 60), np.uint8)
    labels, count = labels_of(ids)
    want, number = np.zeros(ids.shape, int), 0
    for k in range(1, 5):
        part, found = ndimage.label(ids == k)
        want[part > 0] = part[part > 0] + number
        number += found
    assert count == number
    pairs = np.unique(np.stack([labels.ravel(), want.ravel()]), axis=1)
    assert pairs.shape[1] == number + (ids == 0).any()
    first = [int(np.flatnonzero(labels.ravel() == n)[0]) for n in range(1, count + 1)]
    assert first == sorted(first)


def test_borders_by_hand():
    labels, _ = labels_of(np.array([[1, 1, 2], [1, 3, 2], [0, 3, 3]], np.uint8))
    pairs, sides = borders(labels)
    assert pairs.tolist() == [[1, 2], [1, 3], [2, 3]]
    assert sides.tolist() == [1, 2, 2]


@pytest.mark.parametrize("radius", [1, 3, 30])
def test_majority_against_brute_force(radius):
    ids = noisy(3, (23, 19))
    found = smoothed(ids, radius)
    for (i, j), own in np.ndenumerate(ids):
        near = ids[max(0, i - radius) : i + radius + 1, max(0, j - radius) : j + radius + 1]
        count = np.bincount(near.ravel(), minlength=5)
        count[0] = 0
        best = own if own and count[own] == count.max() else count.argmax()
        assert found[i, j] == (best if own else 0)


@pytest.mark.parametrize("seed", range(5))
def test_no_patch_is_smaller_than_the_unit(seed):
    ids = noisy(seed)
    found = merged(ids, 12)
    labels, count = labels_of(found)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    around = ndimage.binary_dilation
    for number in np.flatnonzero(sizes < 12) + 1:
        ring = around(labels == number) & (labels != number)
        assert (found[ring] == 0).all()  # only an island in no data may stay
    assert ((found == 0) == (ids == 0)).all()
    large, n = labels_of(ids)
    keep = np.bincount(large.ravel(), minlength=n + 1) >= 12
    keep[0] = True
    assert (found[keep[large]] == ids[keep[large]]).all()


def test_small_patch_goes_where_its_border_is_longest():
    ids = np.full((9, 9), 1, np.uint8)
    ids[:, 5:] = 2
    ids[3:5, 4:6] = 3  # 2 + 2 + ... sides: more with 2 than with 1 after a pixel is moved
    ids[4, 4] = 2
    assert (merged(ids, 4)[3, 4:6] == np.array([1, 2])).sum() >= 1
    lone = np.full((5, 5), 1, np.uint8)
    lone[2, 2] = 2
    assert (merged(lone, 2) == 1).all()
    assert (merged(lone, 1) == lone).all()
    split = np.array([[1, 1, 2, 1, 1]], np.uint8)
    assert (merged(split, 2) == 1).all()


def test_layers_are_changed_together(tmp_path: Path):
    grid = Grid("EPSG:32631", (10.0, 0.0, 5e5, 0.0, -10.0, 4e6), 6, 6)
    ids, sure = (RawRaster(tmp_path / name, 6, 6) for name in ("ids", "sure"))
    values = np.full((6, 6), 1, np.uint8)
    values[2, 2] = 2
    ids.write(0, 0, values)
    sure.write(0, 0, np.full((6, 6), 70, np.uint8))
    generalize(ids, sure, grid, GeneralizeConfig(min_area=150))
    assert (ids.read(0, 0, 6, 6) == 1).all()
    percent = sure.read(0, 0, 6, 6)
    assert percent[2, 2] == 30 and (np.delete(percent.ravel(), 14) == 70).all()
