"""Distances between pictures: known values, and that each tells pictures apart."""

from __future__ import annotations

import pytest
import torch

from nadir.groundview.image_losses import LOSSES


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(4, 3, 24, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", LOSSES)
def test_equal_pictures_have_no_distance_and_others_have_one(name, pictures):
    loss = LOSSES[name]
    assert loss(pictures, pictures) == pytest.approx(torch.zeros(4), abs=1e-6)
    other = loss(pictures, pictures.roll(1, 0))
    assert other.shape == (4,)
    assert (other > 1e-3).all()


@pytest.mark.parametrize("name", LOSSES)
def test_distances_grow_with_the_change_and_look_at_one_picture_each(name, pictures):
    loss = LOSSES[name]
    other = pictures.flip(2)
    near, far = (loss(pictures, pictures.lerp(other, share)) for share in (0.1, 0.6))
    assert (far > near).all()
    changed = pictures.clone()
    changed[2] = 0
    assert (loss(pictures, changed) > 1e-6).tolist() == [False, False, True, False]


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_even_for_plain_pictures(name):
    plain = torch.full((2, 3, 16, 16), 0.5, requires_grad=True)
    LOSSES[name](plain, torch.rand(2, 3, 16, 16)).sum().backward()
    assert plain.grad is not None and plain.grad.isfinite().all() and plain.grad.any()


@pytest.mark.parametrize("name", LOSSES)
def test_tiny_pictures_are_compared_too(name):
    assert LOSSES[name](torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)).item() > 0


def test_known_values():
    dark, light = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.5)
    assert LOSSES["mse"](dark, light).item() == pytest.approx(0.25)
    assert LOSSES["coarse"](dark, light).item() == pytest.approx(0.25)
    # of plain pictures SSIM compares light alone: (2ab + c) / (a^2 + b^2 + c)
    c = 0.01**2
    assert LOSSES["ssim"](dark, light).item() == pytest.approx(1 - c / (0.25 + c), abs=1e-5)


def test_moments_tell_blur_from_detail():
    """A grey picture and fine stripes have equal means everywhere; `coarse` sees no difference."""
    stripes = torch.zeros(1, 3, 32, 32)
    stripes[..., ::2] = 1
    grey = torch.full_like(stripes, 0.5)
    assert LOSSES["coarse"](grey, stripes).item() == pytest.approx(0, abs=1e-6)
    assert LOSSES["custom"](grey, stripes).item() > 0.5
