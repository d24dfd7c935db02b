"""Smooth noise: unit variance, smooth, a function of its generator."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.raster.noise import smooth_noise


@pytest.mark.parametrize("shape", [(64, 64), (40, 90), (7, 5)])
def test_noise_has_unit_variance_and_the_shape_that_was_asked_for(shape: tuple[int, int]) -> None:
    found = smooth_noise(np.random.default_rng(1), shape, 3, 4)
    assert found.shape == shape and found.dtype == np.float32
    assert abs(found.mean()) < 1e-4 and abs(found.std() - 1) < 1e-3
    np.testing.assert_array_equal(found, smooth_noise(np.random.default_rng(1), shape, 3, 4))


def test_neighbors_are_alike() -> None:
    found = smooth_noise(np.random.default_rng(2), (128, 128), 2, 3)
    assert np.abs(np.diff(found, axis=0)).mean() < 0.15
    assert np.abs(found[:64] - found[64:]).mean() > 0.5


@pytest.mark.parametrize(("side", "coarsest", "octaves"), [(64, 3, 4), (100, 2, 3), (16, 4, 5)])
def test_noise_is_standardized_and_smooth(side, coarsest, octaves):
    noise = smooth_noise(np.random.default_rng(2), (side, side), coarsest, octaves)
    assert noise.shape == (side, side) and noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=1e-4) and noise.std() == pytest.approx(1, abs=1e-3)
    if side >= 64:
        assert np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1] > 0.8
