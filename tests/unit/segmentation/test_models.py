"""Networks by name: sizes, weights, and what is refused before any data are touched."""

from __future__ import annotations

import subprocess
import sys

import pytest
import timm
import torch
from safetensors.torch import save_file
from segmentation_models_pytorch.encoders import encoders as library_encoders
from torch import nn

from nadir.config.encoders import COMMON_ENCODERS, ENCODERS, timm_encoders
from nadir.config.experiments import RandomForest, UNet, UNetNoSkip, UNetScratch, UNetSmall
from nadir.errors import InputError
from nadir.learn import encoders
from nadir.learn.encoders import build_encoder
from nadir.learn.first_layer import adapt_first_layer
from nadir.segmentation.models.names import check_model
from nadir.segmentation.models.registry import build_model

SLIM = UNet(encoder="resnet18", decoder_channels=(16, 8, 8, 8, 4))
NETWORKS = {
    "unet": SLIM,
    "unet of three stages": UNet(encoder="resnet18", decoder_channels=(16, 8, 4)),
    "noskip": UNetNoSkip(encoder="resnet18"),
    "noskip on another encoder": UNetNoSkip(encoder="mobilenet_v2"),
    "scratch": UNetScratch(width=4, depth=3),
    "small": UNetSmall(),
    "unet of a coarser image": SLIM.model_copy(update={"reduce": 2}),
    "scratch of a coarser image": UNetScratch(width=4, depth=2, reduce=4),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(32, 32), (50, 70)])
def test_logits_have_the_size_of_the_tile(name, shape):
    torch.manual_seed(0)
    model = build_model(NETWORKS[name], 6, 5).eval()
    with torch.inference_mode():
        assert model(torch.randn(2, 6, *shape)).shape == (2, 5, *shape)


def test_padding_repeats_the_border_and_is_cropped():
    torch.manual_seed(0)
    model = build_model(NETWORKS["scratch"], 3, 2).eval()
    tile = torch.randn(1, 3, 13, 10)
    padded = torch.nn.functional.pad(tile, (0, 6, 0, 3), mode="replicate")
    with torch.inference_mode():
        torch.testing.assert_close(model(tile), model(padded)[..., :13, :10])


def test_the_seeds_form_has_its_channels_and_no_skips():
    model = build_model(UNetNoSkip(encoder="resnet50"), 20, 12)
    shapes = [tuple(w.shape) for n, w in model.named_parameters() if "stages" in n and w.ndim == 4]
    assert shapes == [
        (2048, 512, 2, 2),
        (512, 256, 2, 2),
        (256, 128, 2, 2),
        (128, 64, 2, 2),
        (64, 32, 2, 2),
    ]
    with torch.inference_mode():
        assert model.eval()(torch.randn(1, 20, 75, 75)).shape == (1, 12, 75, 75)


def test_the_skip_net_sees_detail_that_the_other_cannot():
    """Without skips all detail passes the coarsest features, so the finest stage has no input."""
    with_skips = build_model(SLIM, 3, 2)
    without = build_model(NETWORKS["noskip"], 3, 2)
    assert any("decoder.blocks.3.conv1" in name for name, _ in with_skips.named_parameters())
    widths = [w.shape[0] for n, w in without.named_parameters() if "stages" in n and w.ndim == 4]
    assert widths == [512, 512, 256, 128, 64]


@pytest.mark.parametrize(
    ("cfg", "match"),
    [
        (UNet(encoder="resnet5O"), r"no encoder 'resnet5O'; did you mean 'resnet50'"),
        (UNetNoSkip(encoder="tu-convnext_tny"), r"did you mean 'tu-convnext_tiny'"),
        (UNet(encoder="resnet18", decoder_channels=(8, 4)), "2 stages"),
        (UNet(encoder="mit_b0", decoder_channels=(8, 4, 2)), "3 stages"),
        (UNet(weights="image-net"), "neither 'imagenet' nor a .safetensors file"),
        (UNet(weights="absent.safetensors"), "cannot be read"),
    ],
)
def test_what_cannot_be_built_is_refused_early(cfg, match):
    with pytest.raises(InputError, match=match):
        check_model(cfg, "landcover.experiments.x.model")


def test_truncated_weights_are_refused_early(tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_file({"conv1.weight": torch.zeros(4, 3, 7, 7)}, path)
    check_model(UNet(weights=str(path)))
    data = path.read_bytes()
    for keep, match in (
        (4, "no safetensors"),
        (20, "no safetensors"),
        (len(data) - 1, "truncated"),
    ):
        path.write_bytes(data[:keep])
        with pytest.raises(InputError, match=match):
            check_model(UNet(weights=str(path)))


def test_names_are_those_of_the_libraries():
    plain = {name for name in library_encoders if not name.startswith("timm-")}
    assert set(ENCODERS) == plain and len(ENCODERS) == len(plain)
    assert set(COMMON_ENCODERS) <= plain
    assert timm_encoders() == {f"tu-{name}" for name in timm.list_models()}


@pytest.mark.parametrize("name", ["resnet18", "tu-convnext_tiny.fb_in22k"])
def test_checking_a_name_imports_no_torch(name):
    code = (
        "import sys\n"
        "from nadir.config.experiments import UNet\n"
        "from nadir.segmentation.models.names import check_model\n"
        f"check_model(UNet(encoder={name!r}))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_forest_is_no_network():
    with pytest.raises(InputError, match="no neural network"):
        build_model(RandomForest(), 3, 2)


def test_imagenet_without_a_network_has_one_clear_remedy(monkeypatch):
    plain = encoders.get_encoder

    def offline(name, weights=None, **options):
        if weights is not None:
            raise ConnectionError("no route")
        return plain(name, weights=None, **options)

    monkeypatch.setattr(encoders, "get_encoder", offline)
    with pytest.raises(InputError, match="cannot be fetched") as caught:
        build_model(UNet(encoder="resnet18", weights="imagenet"), 20, 12)
    assert "weights: null" in caught.value.remedy and ".safetensors" in caught.value.remedy
    build_model(UNet(encoder="resnet18", weights="imagenet"), 20, 12, pretrained=False)


def test_encoder_weights_from_a_file_are_taken_and_adapted(tmp_path):
    torch.manual_seed(1)
    source = build_encoder("resnet18", None, 3)
    path = tmp_path / "encoder.safetensors"
    save_file({**source.state_dict(), "fc.weight": torch.zeros(2, 512)}, path)
    model = build_model(SLIM.model_copy(update={"weights": str(path)}), 8, 4)
    encoder = model.network.encoder
    torch.testing.assert_close(encoder.layer3[0].conv1.weight, source.layer3[0].conv1.weight)
    expected = source.conv1.weight.repeat(1, 3, 1, 1)[:, :8] * 3 / 8
    torch.testing.assert_close(encoder.conv1.weight, expected)
    with torch.inference_mode():
        assert model.eval()(torch.randn(1, 8, 64, 64)).shape == (1, 4, 64, 64)


def test_encoder_weights_for_these_very_bands_are_taken_as_they_are(tmp_path):
    torch.manual_seed(1)
    source = build_encoder("resnet18", None, 20)
    path = tmp_path / "encoder.safetensors"
    save_file({f"encoder.{name}": tensor for name, tensor in source.state_dict().items()}, path)
    encoder = build_encoder("resnet18", str(path), 20)
    assert torch.equal(encoder.conv1.weight, source.conv1.weight)


def test_encoder_weights_of_another_model_are_refused(tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_file(build_encoder("resnet34", None, 3).state_dict(), path)
    with pytest.raises(
        InputError, match=r"weights of another model: .*layer\d\.\d.* is unknown; and 92 more"
    ):
        build_model(SLIM.model_copy(update={"weights": str(path)}), 20, 4)


def test_the_adapted_first_layer_answers_repeated_bands_alike():
    torch.manual_seed(0)
    encoder = build_encoder("resnet18", None, 3)
    first = encoder.conv1.weight.clone()
    rgb = torch.randn(1, 3, 32, 32)
    before = torch.nn.functional.conv2d(rgb, first, stride=2, padding=3)
    adapt_first_layer(encoder, 9)
    torch.testing.assert_close(encoder.conv1(rgb.repeat(1, 3, 1, 1)), before, atol=1e-5, rtol=1e-4)


def test_unet_small_has_the_numbers_of_its_project():
    network = build_model(UNetSmall(), 3, 2)
    kinds = [type(module) for module in network.modules()]
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_842_241
    assert sum(kind in (nn.Conv2d, nn.ConvTranspose2d) for kind in kinds) == 22
    assert kinds.count(nn.BatchNorm2d) == 18
    tile = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        logits = network.eval()(tile)
        one = network.network.network(tile)
    assert one.shape == (1, 1, 32, 32), "one logit"
    torch.testing.assert_close(logits.softmax(1)[:, 1:], one.sigmoid())


def test_unet_small_with_more_classes_has_a_logit_for_each():
    assert build_model(UNetSmall(), 20, 12).network.head.out_channels == 12


def test_a_reduced_network_sees_averages():
    torch.manual_seed(0)
    network = build_model(UNetScratch(width=4, depth=2, reduce=2), 3, 2).eval()
    tile = torch.randn(1, 3, 32, 32)
    # Moving values within a square changes nothing.
    swapped = tile.clone()
    swapped[..., 0::2, :], swapped[..., 1::2, :] = tile[..., 1::2, :], tile[..., 0::2, :]
    with torch.inference_mode():
        torch.testing.assert_close(network(tile), network(swapped))
        inner = network.network.network(torch.nn.functional.avg_pool2d(tile, 2))
        assert inner.shape == (1, 2, 16, 16)
        # A constant answer comes back as it is.
        network.network.network = nn.AvgPool2d(1)
        torch.testing.assert_close(
            network(torch.full((1, 3, 8, 8), 2.0)), torch.full((1, 3, 8, 8), 2.0)
        )


def test_a_reduced_network_sees_averages_of_what_is_known():
    network = build_model(UNetScratch(width=4, depth=2, reduce=2), 4, 2).eval()
    shown = []
    network.network.network.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    tile = torch.randn(1, 4, 32, 32)
    known = torch.rand(1, 1, 32, 32) > 0.4
    known[..., :4, :] = False
    with torch.inference_mode():
        network(tile)
        network(tile * known)
    plain, clouded = shown
    assert torch.equal(plain, nn.functional.avg_pool2d(tile, 2)), "bit by bit"
    count = nn.functional.avg_pool2d(known.float(), 2, divisor_override=1)
    total = nn.functional.avg_pool2d(tile * known, 2, divisor_override=1)
    torch.testing.assert_close(clouded, torch.where(count > 0, total / count.clamp_min(1), 0))
    assert (clouded[..., :2, :] == 0).all() and (count == 1).any()
