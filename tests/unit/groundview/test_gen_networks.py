"""Generators and discriminators: shapes, what they depend on, and the published layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nadir.config.groundview_experiments import (
    ConditionalGan,
    DcganEncoder,
    Flow,
    ProjectionConfig,
)
from nadir.groundview.augment import augmented
from nadir.groundview.building import build_discriminator, build_generator
from nadir.groundview.conditional_gan import deviation
from nadir.groundview.conditions import Frame, conditions
from nadir.groundview.flow import flow_losses, limited, without
from nadir.groundview.painting import Painter

FRAME = Frame(32, 24, 64.0)
SMALL = {"widths": (8, 8), "crop_px": 16, "embedding": 4}
MODELS = {
    "dcgan": DcganEncoder(width=4, crop_px=16),
    "gan": ConditionalGan(**SMALL, latent=6, discriminator_width=4),
    "flow": Flow(**SMALL, steps=3),
    "heun": Flow(**SMALL, steps=2, solver="heun", guidance=1.0),
    "plain": Flow(**SMALL, steps=2, projection=None, patch=4),
    "blind": ConditionalGan(**SMALL, heading=False),
}


def told(model, n=3):
    crops = np.random.default_rng(0).integers(0, 255, (n, 3, 24, 24), dtype=np.uint8)
    return conditions(crops, np.array([0.0, np.nan, 120.0][:n]), model, FRAME)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", MODELS)
def test_views_have_the_photos_size_and_depend_on_crop_and_latent(name):
    model = MODELS[name]
    network = build_generator(model, FRAME)
    with torch.no_grad():
        for value in network.parameters():  # blocks begin as if they were not there
            value.add_(0.1 * torch.randn_like(value))
        network.eval()
        condition = told(model)
        latents = torch.randn(3, network.latent_size)
        views = network.views(condition, latents)
        assert views.shape == (3, 3, 32, 32) and views.isfinite().all()
        other = conditions(np.zeros((3, 3, 24, 24), np.uint8), np.zeros(3), model, FRAME)
        assert (network.views(other, latents) - views).abs().max() > 1e-5
        assert (network.views(condition, -latents) - views).abs().max() > 1e-5
        alone = network.views(condition[:1], latents[:1])
    assert torch.allclose(alone, views[:1], atol=1e-4)


def test_unknown_headings_are_said_and_unused_headings_are_unknown():
    condition = told(MODELS["gan"])
    assert condition.known[:, 0].tolist() == [1.0, 0.0, 1.0]
    assert (condition.layers[1] == -1).all()
    assert told(MODELS["blind"]).known.sum() == 0
    assert told(MODELS["plain"]).layers.shape[1] == 0


def test_the_dcgan_is_the_published_one():
    network = build_generator(DcganEncoder(), Frame(128, 128, 128.0))
    grown = [m for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.kernel_size, m.stride) for m in grown] == [((4, 4), (2, 2))] * 5
    assert [m.in_channels for m in grown] == [1024, 512, 256, 128, 64]
    assert network.latent_size == 4
    judge = build_discriminator(DcganEncoder(), 128)
    shrunk = [m for m in judge.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in shrunk] == [m.in_channels for m in grown[::-1]]
    assert judge(torch.zeros(2, 3, 128, 128)).shape == (2,)


def test_the_conditional_discriminator_looks_at_the_crop():
    model = MODELS["gan"]
    judge = build_discriminator(model, 32)
    pictures, condition = torch.rand(3, 3, 32, 32), told(model)
    logits = judge(pictures, condition)
    assert logits.shape == (3,)
    swapped = conditions(np.zeros((3, 3, 24, 24), np.uint8), np.zeros(3), model, FRAME)
    assert (judge(pictures, swapped) - logits).abs().max() > 1e-5


def test_deviation_tells_equal_pictures_from_different_ones():
    maps = torch.rand(4, 6, 2, 2)
    assert deviation(maps).mean() > 100 * deviation(maps[:1].expand(4, -1, -1, -1)).mean()


def test_a_flow_whose_network_knows_the_photo_ends_there():
    """The last step ends in what the network takes for a photo, whatever came before."""
    network = build_generator(Flow(**SMALL, steps=4, guidance=1.0), FRAME)
    photo = torch.rand(3, 3, 32, 32)
    network.forward = lambda mixed, times, condition, expected: photo
    views = network.views(told(MODELS["flow"]), torch.randn(3, network.latent_size))
    assert torch.allclose(views, photo, atol=1e-5)


def test_guidance_that_is_too_strong_is_scaled_and_other_is_not():
    change = torch.stack([torch.full((3, 4, 4), 0.05), torch.full((3, 4, 4), -0.8)])
    change[1, :, 0] = 0.4
    kept = limited(change, 0.2)
    assert torch.equal(kept[0], change[0])
    assert kept[1].square().mean().sqrt() == pytest.approx(0.2, rel=1e-5)
    assert torch.allclose(kept[1] / change[1], (kept[1] / change[1])[0, 0, 0])
    assert torch.equal(limited(torch.zeros(1, 3, 4, 4), 0.2), torch.zeros(1, 3, 4, 4))


def test_guidance_goes_on_from_no_place_in_particular_through_the_place():
    views = []
    condition = told(MODELS["flow"])
    for strength in (1.0, 2.0):
        torch.manual_seed(1)
        network = build_generator(
            Flow(**SMALL, steps=1, guidance=strength, guidance_limit=1e9), FRAME
        )
        with torch.no_grad():
            for value in network.parameters():
                value.add_(0.05 * torch.randn_like(value))
            views.append(network.views(condition, torch.zeros(3, network.latent_size)))
            expected = network.expected(condition)
            direct = network(expected, torch.zeros(3), condition, expected)
            own = expected - network.expected(without(condition))
    plain, strong = views
    assert torch.allclose(plain, direct, atol=1e-4)
    assert own.abs().max() > 1e-3
    assert torch.allclose(strong, plain + own, atol=1e-4)


def test_the_expected_view_does_not_learn_from_the_flow():
    network = build_generator(MODELS["flow"], FRAME)
    terms = flow_losses(network, torch.rand(3, 3, 32, 32), told(MODELS["flow"]))
    terms["flow"].backward()
    assert all(value.grad is None for value in network.expect.parameters())
    assert any(value.grad is not None for value in network.refine.parameters())


@pytest.mark.parametrize("name", ["color", "translation", "cutout"])
def test_augmentation_changes_pictures_and_lets_gradients_through(name):
    pictures = torch.rand(8, 3, 16, 16, requires_grad=True)
    changed = augmented(pictures, (name,))
    assert changed.shape == pictures.shape
    assert (changed - pictures).abs().flatten(1).amax(1).gt(1e-3).sum() >= 6
    changed.square().sum().backward()
    assert pictures.grad is not None and pictures.grad.any()


def test_heights_below_the_eye_are_refused():
    with pytest.raises(ValueError, match="eye_height_m"):
        ProjectionConfig(heights_m=(1.0,))


def test_a_painter_copies_layers_where_they_are_and_paints_elsewhere():
    painter = Painter(layers=2, extra=0, patch=1, widths=(8, 8), style=4)
    shown = torch.full((1, 2, 4, 8, 8), -1.0)
    shown[:, 0, :3], shown[:, 0, 3, 4:] = 0.5, 1.0  # the first layer reaches the lower half
    maps = shown.flatten(1, 2)
    with torch.no_grad():
        last = painter.unet.leave[-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([-0.25, -0.25, -0.25, 6.0, 0.0, 0.0]))
        view = painter(maps, maps[:, :0], torch.zeros(1, 4))
    assert view[0, :, 4:] == pytest.approx(np.full((3, 4, 8), 0.5), abs=0.01)
    assert view[0, :, :4] == pytest.approx(np.full((3, 4, 8), -0.25), abs=0.01)
