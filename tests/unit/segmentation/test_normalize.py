"""From raw integers to what a model sees."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.segmentation.normalize import Statistics, gain_and_bias, normalize


@pytest.mark.parametrize("dtype", [np.uint16, np.uint8, np.int32])
def test_values_are_those_of_the_formula_to_the_last_bit(dtype):
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 250, (3, 2, 4, 9, 7)).astype(dtype)
    valid = rng.random((3, 2, 9, 7)) > 0.2
    gain = rng.normal(size=(2, 4)).astype(np.float32)
    bias = rng.normal(size=(2, 4)).astype(np.float32)
    expected = raw.astype(np.float32) * gain[:, :, None, None] + bias[:, :, None, None]
    expected *= valid[:, :, None]
    found = normalize(raw, valid, gain, bias)
    assert found.shape == (3, 8, 9, 7) and found.dtype == np.float32
    assert (found.view(np.uint32) == expected.reshape(found.shape).view(np.uint32)).all()
    turned = np.rot90(raw, axes=(-2, -1)), np.rot90(valid, axes=(-2, -1))  # in no order of memory
    again = normalize(*turned, gain, bias)
    np.testing.assert_array_equal(np.rot90(again, -1, axes=(-2, -1)), found)


def test_reflectance_minus_mean_in_deviations_and_0_where_not_valid():
    statistics = Statistics.of([[0.2, 0.1]], [[0.05, 0.0]])
    gain, bias = gain_and_bias(statistics, [1e-4], [-1000])
    raw = np.array([3500, 4000], np.uint16).reshape(1, 1, 2, 1, 1).repeat(2, axis=-1)
    valid = np.array([[[[True, False]]]])
    found = normalize(raw, valid, gain, bias)
    np.testing.assert_allclose(found[0, 0, 0], [(0.25 - 0.2) / 0.05, 0], atol=1e-5)
    assert (found[0, 1] == 0).all(), "a band that was constant in training says nothing"
