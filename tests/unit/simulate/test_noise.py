"""Hashes and noise: uniform, repeatable, different by seed and use."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.simulate.noise import (
    fractal_noise,
    gradient_noise,
    hash_cell,
    seed_hash,
    smoothstep,
    unit,
)


def _uniforms(tag: int, seed: int) -> np.ndarray:
    salt = seed_hash(seed)
    return np.array(
        [
            unit(np.uint64(hash_cell(i, j, tag, salt)))
            for i in range(-40, 40)
            for j in range(-40, 40)
        ]
    )


def test_hashes_are_uniform_and_uncorrelated() -> None:
    values = _uniforms(1, 5)
    assert 0 <= values.min() < 0.002 and 0.998 < values.max() < 1
    assert abs(values.mean() - 0.5) < 0.01
    grid = values.reshape(80, 80)
    assert abs(np.corrcoef(grid[:, 1:].ravel(), grid[:, :-1].ravel())[0, 1]) < 0.04


def test_tags_and_seeds_give_other_values() -> None:
    assert abs(np.corrcoef(_uniforms(1, 5), _uniforms(2, 5))[0, 1]) < 0.04
    assert abs(np.corrcoef(_uniforms(1, 5), _uniforms(1, 6))[0, 1]) < 0.04
    assert np.array_equal(_uniforms(1, 5), _uniforms(1, 5))


@pytest.mark.parametrize("noise", [gradient_noise, lambda x, y, t, s: fractal_noise(x, y, 4, t, s)])
def test_noise_is_continuous_and_centered(noise) -> None:
    salt = seed_hash(1)
    line = np.array([noise(x, 0.37, 7, salt) for x in np.arange(-60, 60, 0.01)])
    assert np.abs(np.diff(line)).max() < 0.2  # also across cell borders and the origin
    assert abs(line.mean()) < 0.1 and 0.2 < line.std() < 0.8


def test_smoothstep_is_flat_outside() -> None:
    assert [smoothstep(1.0, 3.0, v) for v in (0.0, 1.0, 2.0, 3.0, 9.0)] == [0, 0, 0.5, 1, 1]
