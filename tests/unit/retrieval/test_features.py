"""Features: sums over mirror image and scales, before they are normalized."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from nadir.retrieval.features import embed

WEIGHT = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))


def network(pictures: torch.Tensor) -> torch.Tensor:
    return functional.conv2d(pictures, WEIGHT, stride=2).relu().mean((2, 3)) * pictures.shape[-1]


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_mirror_images_are_summed_before_normalizing(pictures: torch.Tensor) -> None:
    total = network(pictures) + network(pictures.flip(3))
    torch.testing.assert_close(embed(network, pictures), total / total.norm(dim=1, keepdim=True))
    torch.testing.assert_close(embed(network, pictures), embed(network, pictures.flip(3)))


def test_scales_are_areas_of_the_original(pictures: torch.Tensor) -> None:
    larger = functional.interpolate(pictures, scale_factor=1.5, mode="bicubic")
    total = network(pictures) + network(larger)
    found = embed(network, pictures, flip=False, scales=(1.0, 2.25))
    torch.testing.assert_close(found, functional.normalize(total, dim=1))


def test_at_least_one_scale(pictures: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="no scale"):
        embed(network, pictures, scales=())
