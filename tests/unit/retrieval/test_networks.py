"""Networks, pooling and losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from nadir.config.retrieval_experiments import LossesConfig, SharedEncoder, TwoView
from nadir.errors import InputError
from nadir.retrieval.losses import RetrievalLoss, contrast
from nadir.retrieval.networks import build_network, normalized
from nadir.retrieval.pooling import ColorDeciles, GeneralizedMean, Pool, ring_weights

TINY = {"encoder": "resnet18", "dimensions": 16, "size": 32}


def pictures(views: int = 2, count: int = 3, side: int = 32) -> torch.Tensor:
    return torch.randn(views, count, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pool", ["avg", "max", "avg+max"])
@pytest.mark.parametrize("share", [True, False])
def test_two_views_share_a_bottleneck(pool: str, share: bool) -> None:
    network = build_network(TwoView(share_weight=share, pool=pool, **TINY)).eval()
    assert len(network.encoders()) == (1 if share else 2)
    with torch.inference_mode():
        features = network.views(pictures())
        same = network(pictures()[0], view=1)
    assert features.shape == (2, 3, 16)
    assert torch.equal(features[0], same) == share


def test_a_stride_of_one_keeps_the_last_maps_fine() -> None:
    maps = []
    for stride in (1, 2):
        torch.manual_seed(0)
        network = build_network(TwoView(stride=stride, **TINY)).eval()
        maps.append(network.encoders()[0](pictures()[0])[-1].shape[-1])
    assert maps == [2, 1]
    with pytest.raises(InputError, match="mobilenet_v2 is none"):
        build_network(TwoView(encoder="mobilenet_v2", stride=1))


def test_vgg_pools_down_once_less_with_a_stride_of_one() -> None:
    network = build_network(TwoView(**{**TINY, "encoder": "vgg11"}, stride=1)).eval()
    encoder = network.encoders()[0]
    with torch.inference_mode():
        fine = encoder(pictures()[0])[-1]
        assert network(pictures()[0]).shape == (3, 16)
        encoder.features[-1] = torch.nn.MaxPool2d(2)
        coarse = encoder(pictures()[0])[-1]
    assert (fine.shape[1:], coarse.shape[1:]) == ((512, 2, 2), (512, 1, 1))
    torch.testing.assert_close(fine.amax((2, 3), keepdim=True), coarse)


def test_a_vision_transformer_gives_its_tokens_in_their_places() -> None:
    torch.manual_seed(0)
    cfg = SharedEncoder(encoder="tu-vit_tiny_patch16_224", pool="avg", dimensions=8, size=64)
    network = build_network(cfg).eval()
    encoder = network.encoders()[0]
    shown = pictures(side=64)[0]
    with torch.inference_mode():
        (found,) = encoder(shown)
        tokens = encoder.model.forward_features(shown)
    assert found.shape == (3, encoder.out_channels[-1], 4, 4)
    # Row by row, after the token of the class.
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), tokens[:, 1:])
    network.train()
    features = network.views(pictures(side=64))
    assert features.shape == (2, 3, 8)
    features.square().sum().backward()
    assert encoder.model.patch_embed.proj.weight.grad.abs().max() > 0


def test_a_file_of_a_transformer_fits_another_size(tmp_path: Path) -> None:
    source = build_network(SharedEncoder(encoder="tu-vit_tiny_patch16_224", size=32)).encoders()[0]
    save_file(source.model.state_dict(), tmp_path / "vit.safetensors")
    cfg = {"weights": str(tmp_path / "vit.safetensors"), "size": 64}
    loaded = build_network(SharedEncoder(encoder="tu-vit_tiny_patch16_224", **cfg)).encoders()[0]
    assert loaded.model.pos_embed.shape == (1, 1 + 16, 192)
    given, taken = source.model.blocks[3].mlp.fc1.weight, loaded.model.blocks[3].mlp.fc1.weight
    assert torch.equal(given, taken)
    with pytest.raises(InputError, match="not the weights of vit_small_patch16_224"):
        build_network(SharedEncoder(encoder="tu-vit_small_patch16_224", **cfg))


@pytest.mark.parametrize("pool", ["gem", "avg", "parts"])
@pytest.mark.parametrize("statistics", [True, False])
def test_one_encoder_serves_all_views(pool: str, statistics: bool) -> None:
    cfg = SharedEncoder(width=4, pool=pool, statistics=statistics, dimensions=8, size=32)
    network = build_network(cfg)
    features = network.views(pictures())
    assert features.shape == (2, 3, 8)
    features.square().sum().backward()
    network.eval()
    with torch.inference_mode():
        apart = torch.stack([network(batch, view) for view, batch in enumerate(pictures())])
        torch.testing.assert_close(network.views(pictures()), apart)


def test_the_generalized_mean_lies_between_mean_and_maximum() -> None:
    maps = torch.rand(2, 5, 6, 6, generator=torch.Generator().manual_seed(1))
    pool = GeneralizedMean()
    found = [maps.mean((2, 3))]
    for exponent in (1.0, 3.0, 60.0):
        torch.nn.init.constant_(pool.exponent, exponent)
        found.append(pool(maps).detach())
    torch.testing.assert_close(found[0], found[1])
    assert (found[2] > found[1]).all() and (found[3] > found[2]).all()
    torch.testing.assert_close(found[3], maps.amax((2, 3)), rtol=0.1, atol=0)
    assert torch.equal(Pool("avg+max")(maps), torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))


def test_rings_are_squares_around_the_middle() -> None:
    weights = ring_weights(6, 6, 3)
    counts = (weights > 0).sum((1, 2))
    assert counts.tolist() == [4, 12, 20]
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(3))
    assert torch.equal(weights, torch.rot90(weights, 1, (1, 2)))
    assert (ring_weights(1, 1, 4) == 1).all(), "a ring without cells is the whole map"
    maps = torch.rand(1, 2, 6, 6, generator=torch.Generator().manual_seed(2)) + 0.1
    pool = GeneralizedMean(3)
    torch.nn.init.constant_(pool.exponent, 1.0)
    middle = maps[0, :, 2:4, 2:4].mean((1, 2))
    torch.testing.assert_close(pool(maps)[0].view(2, 3)[:, 0].detach(), middle)


def test_deciles_are_those_of_the_values() -> None:
    values = torch.arange(100.0).view(1, 1, 10, 10).repeat_interleave(3, 2).repeat_interleave(3, 3)
    assert ColorDeciles()(values.expand(1, 3, 30, 30))[0, :9].tolist() == [
        10.0 * k for k in range(1, 10)
    ]


def test_contrast_is_the_mean_of_two_cross_entropies() -> None:
    one, other = functional.normalize(torch.randn(2, 6, 4), dim=-1)
    scores = (one @ other.T * 5).numpy()
    rows = -np.log(np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).diagonal().mean()
    columns = -np.log(np.exp(scores) / np.exp(scores).sum(0)).diagonal().mean()
    assert contrast(one, other, 5.0).item() == pytest.approx((rows + columns) / 2, rel=1e-5)


def test_all_terms_pull_views_of_a_place_together() -> None:
    places = torch.arange(5).repeat(2, 1)
    base = torch.eye(5, 8)
    for name in ("infonce", "triplet", "circle"):
        loss = RetrievalLoss(LossesConfig(terms={name: 2.0}, margin=0.1), 8, 5)
        right, wrong = torch.stack([base, base]), torch.stack([base, base.roll(1, 0)])
        good, bad = (loss.total(loss(features, places)) for features in (right, wrong))
        assert good < bad, name
        torch.testing.assert_close(bad, 2 * loss(wrong, places)[name])


def test_the_instance_loss_starts_at_chance_for_each_view() -> None:
    loss = RetrievalLoss(LossesConfig(terms={"instance": 1.0}), 8, 50)
    value = loss(torch.randn(2, 5, 8), torch.arange(5).repeat(2, 1))["instance"]
    assert value.item() == pytest.approx(2 * np.log(50), rel=0.01)


def test_pictures_are_normalized_by_channel() -> None:
    grey = np.full((2, 4, 4, 3), 124, np.uint8)
    shown = normalized(grey)
    assert shown.shape == (2, 3, 4, 4)
    expected = (124 / 255 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    assert shown[0, :, 0, 0].tolist() == pytest.approx(expected.tolist(), abs=1e-5)
