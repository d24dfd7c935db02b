"""Figures with weights of others: files are read, pooling is that of FID, wrong files refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional
from torchvision.models import alexnet, inception_v3

from nadir.errors import InputError
from nadir.groundview import perceptual

pytestmark = pytest.mark.slow


def pictures(seed, count=2, side=64):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def test_inception_pools_without_padding_and_ends_in_a_maximum(tmp_path):
    torch.manual_seed(0)
    plain = inception_v3(weights=None, aux_logits=False, init_weights=False).eval()
    file = tmp_path / "inception.safetensors"
    save_file({k: v for k, v in plain.state_dict().items() if "tracked" not in k}, file)
    found = perceptual.inception_features(pictures(1), file)
    assert found.shape == (2, 2048) and np.isfinite(found).all() and found.std() > 0
    network = perceptual._inception(file)
    maps = torch.rand(1, 192, 5, 5)
    shares = functional.avg_pool2d(torch.ones(1, 1, 5, 5), 3, 1, 1)
    averages = functional.avg_pool2d(maps, 3, 1, 1) / shares
    with torch.inference_mode():
        wanted = plain.Mixed_5b.branch_pool(averages)
        assert torch.allclose(network.Mixed_5b(maps)[:, -32:], wanted, atol=1e-6)
        assert torch.equal(network.Mixed_5b(maps)[:, :-32], plain.Mixed_5b(maps)[:, :-32])
        maps = torch.rand(1, 2048, 4, 4)
        highest = plain.Mixed_7c.branch_pool(functional.max_pool2d(maps, 3, 1, 1))
        assert torch.allclose(network.Mixed_7c(maps)[:, -192:], highest, atol=1e-6)


def test_lpips_takes_torchvisions_alexnet(tmp_path):
    torch.manual_seed(0)
    plain = alexnet(weights=None).features
    file = tmp_path / "alexnet.safetensors"
    save_file({f"features.{k}": v for k, v in plain.state_dict().items()}, file)
    one, other = pictures(1), pictures(2)
    found = perceptual.perceptual_distance(one, other, file)
    assert found.shape == (2,) and (found > 0).all()
    assert perceptual.perceptual_distance(one, one, file) == pytest.approx([0, 0])
    inner = perceptual._lpips(file).net
    assert torch.equal(inner.slice5[0].weight, plain[10].weight)
    with pytest.raises(InputError):
        perceptual.inception_features(one, file)
    with pytest.raises(InputError):
        perceptual.perceptual_distance(one, other, tmp_path / "absent.safetensors")
