"""Gradient-orientation channels: which direction goes where, and what they do not see."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nadir.localization.channels import CHANNELS, ORIENTATIONS, gradient_channels


def rough(height: int, width: int, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.uniform(0.2, 0.8, (1, 1, height, width)).astype(np.float32))


@pytest.mark.parametrize("pool", [1, 4])
@pytest.mark.parametrize("size", [(64, 96), (32, 20), (8, 12), (4, 4)])
def test_shape_and_length(size, pool):
    found = gradient_channels(rough(*size), pool=pool)
    assert found.shape == (1, CHANNELS, size[0] // pool, size[1] // pool)
    length = found.square().sum(1).sqrt()
    assert torch.isfinite(found).all() and length.max() < 1 and length.min() > 0


def test_the_sign_of_contrast_is_dropped():
    gray = rough(48, 48)
    assert torch.allclose(gradient_channels(gray), gradient_channels(1 - gray), atol=2e-5)
    assert torch.allclose(gradient_channels(gray), gradient_channels(gray + 0.1), atol=2e-5)


@pytest.mark.parametrize("k", range(ORIENTATIONS))
def test_an_edge_speaks_in_the_channel_of_its_gradient(k):
    toward = math.pi * k / ORIENTATIONS  # of the gradient: 0 is to the right, growing downwards
    y, x = np.mgrid[0:64, 0:64] - 31.5
    edge = 0.5 + 0.3 * np.tanh((math.cos(toward) * x + math.sin(toward) * y) / 2)
    found = gradient_channels(torch.from_numpy(edge[None, None].astype(np.float32)))
    assert int(found[0, :ORIENTATIONS, 31, 31].argmax()) == k


@pytest.mark.parametrize("pool", [1, 4])
def test_a_quarter_turn_of_the_picture_turns_the_channels(pool):
    gray = rough(64, 64)
    turned = gradient_channels(torch.rot90(gray, 1, (2, 3)), pool=pool)
    found = torch.rot90(gradient_channels(gray, pool=pool), 1, (2, 3))
    # A quarter turn leads from one direction to the third from it, and the sign is dropped.
    expected = torch.cat([found[:, :ORIENTATIONS].roll(ORIENTATIONS // 2, 1), found[:, -1:]], 1)
    assert torch.allclose(turned, expected, atol=1e-4)


@pytest.mark.parametrize("pool", [1, 4])
def test_a_mirrored_picture_has_mirrored_channels(pool):
    gray = rough(64, 96, 1)
    found = gradient_channels(gray, pool=pool).flip(3)
    mirrored = gradient_channels(gray.flip(3), pool=pool)
    order = [0, *range(ORIENTATIONS - 1, 0, -1), ORIENTATIONS]
    assert torch.allclose(mirrored, found[:, order], atol=1e-4)


@pytest.mark.parametrize("pool", [1, 4])
def test_what_moves_by_cells_is_described_alike(pool):
    wide = rough(160, 168, 2)
    one = gradient_channels(wide[..., :160], pool=pool, support=8.0)
    other = gradient_channels(wide[..., 8:], pool=pool, support=8.0)
    inner = slice(48 // pool, -48 // pool)
    moved = one.roll(-8 // pool, 3)
    assert torch.allclose(moved[..., inner, inner], other[..., inner, inner], atol=1e-5)


def test_noise_on_flat_ground_stays_short_and_contrast_hardly_counts():
    flat = 0.5 + 0.0005 * (rough(64, 64) - 0.5)
    assert gradient_channels(flat).square().sum(1).sqrt().mean() < 0.1
    gray = rough(64, 64, 3)
    one, half = gradient_channels(gray), gradient_channels(0.5 * gray)
    assert float((one * half).sum() / (one.norm() * half.norm())) > 0.99


def test_pictures_of_a_batch_are_strangers():
    both = torch.cat([rough(40, 40), rough(40, 40, 5)])
    assert torch.equal(gradient_channels(both)[:1], gradient_channels(both[:1]))
