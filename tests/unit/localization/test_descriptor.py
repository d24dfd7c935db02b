"""The network that describes ground: shape and length of what it gives, and where it looks."""

from __future__ import annotations

import pytest
import torch

from nadir.localization.descriptor import STRIDE, Descriptor


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Descriptor(channels=8, width=8).eval()


def pictures(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, 3, height, width), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (40, 136)])
def test_a_cell_is_four_pixels_and_its_vector_shorter_than_one(network, size):
    with torch.inference_mode():
        found = network(pictures(2, *size))
    assert found.shape == (2, 8, size[0] // STRIDE, size[1] // STRIDE)
    length = found.square().sum(1).sqrt()
    assert torch.isfinite(found).all() and 0 < length.max() < 1


def test_pictures_of_a_batch_are_strangers_and_answers_repeat(network):
    both = pictures(2, 64, 64)
    with torch.inference_mode():
        found = network(both)
        assert torch.allclose(found[1:], network(both[1:]), atol=1e-6)
        assert torch.equal(found, network(both))


def test_flat_and_black_pictures_stay_finite(network):
    with torch.inference_mode():
        for value in (0.0, 0.5, 1.0):
            assert torch.isfinite(network(torch.full((1, 3, 64, 64), value))).all()


def test_a_cell_depends_most_on_the_pixels_under_it(network):
    picture = pictures(1, 128, 128).requires_grad_()
    network(picture)[0, :, 16, 8].square().sum().backward()
    weight = picture.grad.abs().sum((0, 1))
    y, x = (weight.sum(axis) for axis in (1, 0))
    at = torch.arange(128) + 0.5
    center = float((y * at).sum() / y.sum()), float((x * at).sum() / x.sum())
    # Where others look is the same for photo and ground, so a few pixels off cost nothing.
    assert center == pytest.approx((16.5 * STRIDE, 8.5 * STRIDE), abs=6)


def test_all_of_it_learns(network):
    learning = Descriptor(channels=8, width=8)
    (learning(pictures(2, 64, 64)).sum() * learning.sharpness).backward()
    for name, parameter in learning.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
