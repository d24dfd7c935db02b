"""Networks of the libraries by name, several dates by attention, weights by name."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from nadir.config.encoders import model_faults, weights_files
from nadir.config.experiments import LibraryNetwork, UNet, UNetScratch, UNetTwoEncoders
from nadir.errors import InputError
from nadir.learn.encoders import build_encoder
from nadir.learn.kept import pretrained_parts
from nadir.raster.sentinel2 import BANDS
from nadir.segmentation.models.dates import HEADS, DatesEncoder
from nadir.segmentation.models.names import check_model
from nadir.segmentation.models.registry import NETWORKS, build_model

ZOO = {
    "unetplusplus": LibraryNetwork(name="unetplusplus", encoder="resnet18", width=16),
    "deeplabv3plus": LibraryNetwork(name="deeplabv3plus", encoder="resnet18", width=16),
    "fpn": LibraryNetwork(name="fpn", encoder="resnet18", width=16),
    "upernet": LibraryNetwork(name="upernet", encoder="resnet18", width=16),
    "segformer": LibraryNetwork(name="segformer", encoder="mit_b0", width=16),
    "deeplabv3": LibraryNetwork(name="deeplabv3", encoder="resnet18", width=16),
    "manet": LibraryNetwork(name="manet", encoder="resnet18", width=64),
    "linknet": LibraryNetwork(name="linknet", encoder="resnet18"),
    "pspnet": LibraryNetwork(name="pspnet", encoder="resnet18", width=16),
    "pan": LibraryNetwork(name="pan", encoder="resnet18", width=16),
    "dpt": LibraryNetwork(name="dpt", encoder="tu-vit_tiny_patch16_224", width=16),
    "unet_two_encoders": UNetTwoEncoders(encoders=("mit_b0", "resnet18")),
    "windows": UNet(encoder="tu-swin_tiny_patch4_window7_224", decoder_channels=(16,) * 5),
}


@pytest.mark.parametrize("name", ZOO)
def test_any_bands_dates_and_size(name):
    model = build_model(ZOO[name], 10, 5, dates=2).eval()
    with torch.inference_mode():
        assert model(torch.randn(1, 10, 40, 70)).shape == (1, 5, 40, 70)


@pytest.mark.parametrize("name", ["deeplabv3", "pspnet", "pan", "linknet"])
def test_dates_by_attention_whatever_the_depth_of_the_encoder(name):
    cfg = ZOO[name].model_copy(update={"dates": "attention"})
    model = build_model(cfg, 6, 3, dates=2).eval()
    values = torch.randn(1, 6, 64, 64)
    with torch.inference_mode():
        whole = model(values)
        values[:, 3:] = 0  # the second date is missing
        lacking = model(values)
    assert whole.shape == (1, 3, 64, 64) and lacking.isfinite().all()
    assert not torch.equal(whole, lacking)


def test_weights_of_a_whole_encoder_start_one_that_lacks_the_coarsest_stages(tmp_path):
    whole = build_encoder("tu-convnext_atto", None, 3)
    path = tmp_path / "encoder.safetensors"
    save_file({key: value.numpy() for key, value in whole.state_dict().items()}, path)
    cfg = LibraryNetwork(name="pspnet", encoder="tu-convnext_atto", weights=str(path), width=16)
    own = build_model(cfg, 3, 2).network.encoder.state_dict()
    assert 0 < len(own) < len(whole.state_dict())
    assert all(torch.equal(value, whole.state_dict()[key]) for key, value in own.items())


def test_two_encoders_start_from_a_file_each(tmp_path):
    files = []
    for name, encoder in (("mit", "mit_b0"), ("resnet", "resnet18")):
        files.append(tmp_path / f"{name}.safetensors")
        state = build_encoder(encoder, None, 3).state_dict()
        save_file({key: value.contiguous().numpy() for key, value in state.items()}, files[-1])
    paths = [str(path) for path in files]
    cfg = UNetTwoEncoders(encoders=("mit_b0", "resnet18"), weights=tuple(paths))
    assert weights_files(cfg) == paths
    joint = build_model(cfg, 3, 2).network.encoder.encoders
    for encoder, path in zip(joint, paths, strict=True):
        given, own = load_file(path), encoder.state_dict()
        assert all((own[key].numpy() == value).all() for key, value in given.items())
    one = pretrained_parts(cfg.weights)["weights"]
    files[1].write_bytes(files[0].read_bytes())
    other = pretrained_parts(cfg.weights)["weights"]
    assert one[0] == other[0] == other[1] != one[1]
    alone = cfg.model_copy(update={"weights": (paths[0], None)})
    assert weights_files(alone) == paths[:1]
    with pytest.raises(InputError, match=r"absent\.safetensors"):
        check_model(cfg.model_copy(update={"weights": (paths[0], "absent.safetensors")}))


def test_what_a_library_refuses_is_told_as_a_fault_of_the_section():
    cfg = LibraryNetwork(name="deeplabv3", encoder="tu-davit_tiny")
    with pytest.raises(InputError, match="deeplabv3 cannot be built on tu-davit_tiny"):
        build_model(cfg, 3, 2)


def test_every_name_of_the_configuration_is_a_network():
    names = LibraryNetwork.model_fields["name"].annotation.__args__
    assert set(names) <= set(NETWORKS) and set(names) <= set(ZOO)


def test_what_has_no_pyramid_is_refused_before_anything_is_built():
    plain = "tu-vit_small_patch14_dinov2"
    for cfg in (
        UNet(encoder=plain),
        LibraryNetwork(name="fpn", encoder=plain),
        UNetTwoEncoders(encoders=("resnet18", plain)),
    ):
        with pytest.raises(InputError, match="its maps have one scale"):
            check_model(cfg)
    check_model(LibraryNetwork(name="dpt", encoder="tu-vit_small_patch16_224"))


@pytest.mark.parametrize("encoder", ["tu-vit_small_patch14_dinov2", "tu-vit_huge_patch14_224"])
def test_patches_that_dpt_cannot_bring_back_are_refused(encoder):
    with pytest.raises(InputError, match=r"patches of 14 pixels.*8, 16, 32.*patch16"):
        check_model(LibraryNetwork(name="dpt", encoder=encoder))


@pytest.mark.parametrize("encoder", ["tu-vit_tiny_patch16_224", "tu-vit_small_patch32_224"])
@pytest.mark.slow
def test_patches_that_are_not_refused_work(encoder):
    model = build_model(LibraryNetwork(name="dpt", encoder=encoder, width=16), 3, 2).eval()
    with torch.inference_mode():
        assert model(torch.randn(1, 3, 40, 70)).shape == (1, 2, 40, 70)


@pytest.mark.slow
def test_a_network_of_partitions_takes_any_size():
    model = build_model(UNet(encoder="tu-maxvit_tiny_tf_224", decoder_channels=(16,) * 5), 6, 4)
    assert model.multiple == 128
    with torch.inference_mode():
        assert model.eval()(torch.randn(1, 6, 64, 150)).shape == (1, 4, 64, 150)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(64, 150), (128, 128)])
def test_a_network_of_partitions_takes_dates_by_attention(shape):
    cfg = UNet(encoder="tu-maxvit_rmlp_pico_rw_256", decoder_channels=(16,) * 5, dates="attention")
    model = build_model(cfg, 6, 4, dates=2).eval()
    assert model.network.encoder.strides == [2, 4, 8, 16, 32]
    values = torch.randn(1, 6, *shape)
    values[:, :3] = 0
    with torch.inference_mode():
        answer = model(values)
    assert answer.shape == (1, 4, *shape) and answer.isfinite().all()


def test_attention_over_dates_asks_an_encoder_for_no_size_that_it_refuses():
    class Choosy(torch.nn.Module):
        out_channels, output_stride = [3, 8, 8], 4

        def forward(self, values):
            assert values.shape[-1] % 96 == 0
            return [values, *(torch.nn.functional.avg_pool2d(values, n) for n in (2, 4))]

    assert DatesEncoder(Choosy(), 2, 3, 96).strides == [2, 4]


def test_an_encoder_for_images_of_one_size_is_refused_before_anything_is_built():
    for cfg in (
        UNet(encoder="tu-coatnet_pico_rw_224"),
        UNetTwoEncoders(encoders=("resnet18", "tu-coatnext_nano_rw_224")),
    ):
        with pytest.raises(InputError, match=r"images of one size alone.*tu-maxvit"):
            check_model(cfg)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["segformer", "dpt", "attention"])
def test_what_is_exported_answers_alike_at_any_size(name):
    from nadir.learn.export_onnx import onnx_bytes, run_onnx
    from nadir.learn.export_program import run_program, trace
    from nadir.learn.exportable import Port

    attending = UNet(encoder="resnet18", decoder_channels=(16, 8, 8), dates="attention")
    model = build_model(ZOO.get(name, attending), 6, 4, dates=2).eval()
    dims = ("batch", "bands", "height", "width")
    given = Port("values", dims, (-1, 6, -1, -1), "values")
    result = Port("logits", dims, (-1, 4, -1, -1), "logits")
    side = 2 * model.multiple
    sample = np.zeros((1, 6, side, side), np.float32)
    program, (shape,) = trace(model, [given], model.multiple, [sample])
    assert shape == (-1, 6, -1, -1)
    values = np.random.default_rng(0).normal(size=(3, 6, 3 * side, 2 * side)).astype(np.float32)
    values[:, 3:, :20] = 0  # a cloud on the second date
    with torch.inference_mode():
        expected = model(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(run_program(program, values), expected, atol=1e-4)
    answer = run_onnx(onnx_bytes(program, [given], result), values)
    np.testing.assert_allclose(answer, expected, atol=1e-3)


ATTENDING = {
    "unet": UNet(encoder="resnet18", decoder_channels=(16, 8, 8), dates="attention"),
    "unet_scratch": UNetScratch(width=8, depth=3, dates="attention"),
}


def _attending(name="unet", seed=0):
    torch.manual_seed(seed)
    return build_model(ATTENDING[name], 9, 4, dates=3, bands=("a", "b", "c")).eval()


def _dates_encoder(model):
    return next(part for part in model.modules() if isinstance(part, DatesEncoder))


@pytest.mark.parametrize("name", ATTENDING)
def test_what_a_missing_date_would_show_changes_nothing(name):
    model = _attending(name)
    values = torch.randn(1, 9, 32, 32)
    values[:, 3:6] = 0
    with torch.inference_mode():
        answer = model(values)
        encoder = _dates_encoder(model)
        single = encoder.encoder(values.reshape(3, 3, 32, 32))
        features = encoder(values)
    # Only dates 0 and 2 are in the mean: it lies between their features.
    for own, mean in zip(single[1:], features[1:], strict=True):
        low = torch.minimum(own[0], own[2]) - 1e-4
        high = torch.maximum(own[0], own[2]) + 1e-4
        assert ((mean[0] >= low) & (mean[0] <= high)).all()
    assert answer.isfinite().all()


@pytest.mark.parametrize("name", ATTENDING)
def test_one_date_left_gives_its_own_features_and_none_gives_numbers(name):
    model = _attending(name)
    values = torch.zeros(1, 9, 32, 32)
    with torch.inference_mode():
        assert model(values).isfinite().all()
        values[:, 6:] = torch.randn(1, 3, 32, 32)
        encoder = _dates_encoder(model)
        own = encoder.encoder(values[:, 6:])
        for alone, mean in zip(own[1:], encoder(values)[1:], strict=True):
            torch.testing.assert_close(mean, alone, atol=1e-3, rtol=1e-3)


def test_a_local_cloud_leaves_other_places_to_all_dates():
    model = _attending()
    encoder = model.network.encoder
    votes = torch.zeros(3, HEADS, 4, 4)
    valid = torch.ones(3, 1, 32, 32)
    valid[1, :, :16] = 0
    feature = torch.tensor([1.0, 2.0, 6.0]).reshape(3, 1, 1, 1).expand(3, 8, 16, 16)
    with torch.inference_mode():
        mean = encoder._mean(feature, votes, valid, 2)
    torch.testing.assert_close(mean[0, :, :8], torch.full((8, 8, 16), 3.5), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(mean[0, :, 8:], torch.full((8, 8, 16), 3.0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ATTENDING)
def test_attention_is_learnt(name):
    model = _attending(name).train()
    model(torch.randn(2, 9, 32, 32)).square().mean().backward()
    encoder = _dates_encoder(model)
    for parameter in (encoder.place, encoder.query, encoder.keys.weight):
        assert parameter.grad.abs().sum() > 0


def test_the_classic_u_net_attends_to_dates_at_any_size_and_stays_as_it_was_otherwise():
    attending = _attending("unet_scratch")
    assert attending.network.down.strides == [1, 2, 4, 8]
    with torch.inference_mode():
        assert attending(torch.randn(2, 9, 40, 21)).shape == (2, 4, 40, 21)
    stacked = build_model(UNetScratch(width=8, depth=3), 9, 4, dates=3)
    alone = build_model(ATTENDING["unet_scratch"], 3, 4, dates=1)  # nothing to attend to
    for model, channels in ((stacked, 9), (alone, 3)):
        state = model.state_dict()
        assert state["network.down.0.0.weight"].shape == (8, channels, 3, 3)
        assert {key.split(".")[1] for key in state} == {"down", "rise", "up", "head"}
        assert not any("encoder" in key for key in state)


@pytest.mark.parametrize(
    ("cfg", "key"),
    [
        (LibraryNetwork(name="dpt", encoder="resnet18"), "encoder"),
        (LibraryNetwork(name="unetplusplus", encoder="mit_b0"), "encoder"),
        (LibraryNetwork(name="deeplabv3plus", encoder="mit_b0"), "encoder"),
        (LibraryNetwork(name="pan", encoder="densenet121"), "encoder"),
        (LibraryNetwork(name="linknet", encoder="mit_b0"), "encoder"),
        (LibraryNetwork(name="linknet", encoder="resnet18", width=16), "width"),
        (LibraryNetwork(name="fpn", encoder="resnet81"), "encoder"),
        (LibraryNetwork(name="dpt", encoder="tu-vit_tiny_patch16_224", dates="attention"), "dates"),
        (UNetTwoEncoders(encoders=("mit_b0", "resnet81")), "encoders"),
        (UNet(weights="torchgeos:x"), "weights"),
    ],
)
def test_what_does_not_go_together_is_told(cfg, key):
    assert [fault.key for fault in model_faults(cfg)] == [key]


def _fake_torchgeo(monkeypatch, bands, fails=False, member="ResNet18_Weights.SENTINEL2"):
    """A torchgeo that knows one set of weights, of an encoder for `bands`."""
    encoder = build_encoder("resnet18", None, len(bands))

    def state(progress):
        if fails:
            raise OSError("no network")
        return {**encoder.state_dict(), "fc.weight": torch.zeros(3, 512)}

    def get_weight(name):
        if name != member:
            raise ValueError(name)
        return SimpleNamespace(get_state_dict=state, meta={"bands": bands})

    package, models = ModuleType("torchgeo"), ModuleType("torchgeo.models")
    models.get_weight = get_weight
    monkeypatch.setitem(sys.modules, "torchgeo", package)
    monkeypatch.setitem(sys.modules, "torchgeo.models", models)
    return encoder


GEO = "torchgeo:ResNet18_Weights.SENTINEL2"


SENTINEL2 = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8a", "B9", "B10", "B11", "B12"]
"""As torchgeo spells them."""


def test_weights_of_torchgeo_are_taken_band_by_band(monkeypatch, caplog):
    given = _fake_torchgeo(monkeypatch, SENTINEL2)
    bands = ("B8A", "B02", "B12", "red") * 2
    found = build_encoder("resnet18", GEO, 8, bands=bands)
    expected = given.conv1.weight[:, [8, 1, 12, 3] * 2] * 13 / 8
    torch.testing.assert_close(found.conv1.weight, expected)
    assert torch.equal(found.layer1[0].conv1.weight, given.layer1[0].conv1.weight)
    whole = build_encoder("resnet18", GEO, 13, bands=tuple(BANDS))
    assert torch.equal(whole.conv1.weight, given.conv1.weight)
    assert not caplog.messages


def test_a_band_that_weights_of_torchgeo_lack_takes_the_mean_and_is_told(monkeypatch, caplog):
    given = _fake_torchgeo(monkeypatch, ["B4", "B3", "B2"])
    found = build_encoder("resnet18", GEO, 4, bands=("B08", "B02") * 2)
    blue, mean = given.conv1.weight[:, 2], given.conv1.weight.mean(dim=1)
    expected = torch.stack([mean, blue] * 2, dim=1) * 3 / 4
    torch.testing.assert_close(found.conv1.weight, expected)
    assert caplog.messages == [
        "ResNet18_Weights.SENTINEL2 have not seen B08, which take the mean of their filters"
    ]
    with pytest.raises(InputError, match=r"for the bands B4, B3, B2, and .* other ones: x, y"):
        build_encoder("resnet18", GEO, 2, bands=("x", "y"))


def test_weights_of_torchgeo_for_bands_without_names_are_repeated_and_told(monkeypatch, caplog):
    given = _fake_torchgeo(monkeypatch, ["B4", "B3", "B2"])
    found = build_encoder("resnet18", GEO, 2, bands=("", ""))
    torch.testing.assert_close(found.conv1.weight, given.conv1.weight[:, :2] * 3 / 2)
    assert "which band is which is not known" in caplog.text


def test_numbers_of_landsat_are_not_taken_for_those_of_sentinel_2(monkeypatch, caplog):
    name = "ResNet18_Weights.LANDSAT_OLI_TIRS_TOA_MOCO"
    landsat = [f"B{number}" for number in range(1, 12)]
    given = _fake_torchgeo(monkeypatch, landsat, member=name)
    with pytest.raises(InputError, match="other ones: B04, B08"):
        build_encoder("resnet18", f"torchgeo:{name}", 3, bands=("B04", "B08", "B11"))
    found = build_encoder("resnet18", f"torchgeo:{name}", 2, bands=("B5", "B4"))
    torch.testing.assert_close(found.conv1.weight, given.conv1.weight[:, [4, 3]] * 11 / 2)
    assert "Landsat's" in caplog.text


@pytest.mark.parametrize(
    ("weights", "fails", "match"),
    [(GEO, True, "cannot be fetched"), ("torchgeo:Else.X", False, "knows no weights")],
)
def test_faults_of_torchgeo_have_remedies(monkeypatch, weights, fails, match):
    _fake_torchgeo(monkeypatch, ["B02"], fails)
    with pytest.raises(InputError, match=match):
        build_encoder("resnet18", weights, 2)


def test_without_torchgeo_its_weights_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchgeo", None)
    monkeypatch.setitem(sys.modules, "torchgeo.models", None)
    with pytest.raises(InputError, match="not installed"):
        build_encoder("resnet18", GEO, 2)
    with pytest.raises(InputError, match=r"not installed.*\.\[torchgeo\]"):  # before any data
        check_model(UNet(encoder="resnet18", weights=GEO))
    _fake_torchgeo(monkeypatch, ["B02"])
    check_model(UNet(encoder="resnet18", weights=GEO))


def test_dpt_without_a_network_has_one_clear_remedy(monkeypatch):
    import segmentation_models_pytorch as smp

    def offline(encoder_weights, **options):
        raise OSError("no network")

    monkeypatch.setattr(smp, "DPT", offline)
    with pytest.raises(InputError, match="cannot be fetched"):
        build_model(ZOO["dpt"].model_copy(update={"weights": "imagenet"}), 3, 2)


def test_dpt_with_imagenet_knows_which_band_is_which(monkeypatch):
    import segmentation_models_pytorch as smp

    plain, fetched = smp.DPT, []

    def fetch(encoder_weights, **options):
        network = plain(encoder_weights=None, **options)
        fetched.extend([network.encoder.model] if encoder_weights else [])
        return network

    monkeypatch.setattr(smp, "DPT", fetch)
    cfg = ZOO["dpt"].model_copy(update={"weights": "imagenet"})
    model = build_model(cfg, 4, 2, bands=("B02", "B03", "B04", "B08"))
    found = model.network.encoder.model.state_dict()
    given = fetched[0].state_dict()
    learnt = given["patch_embed.proj.weight"]
    expected = torch.cat([learnt.flip(1), learnt.mean(dim=1, keepdim=True)], dim=1) * 3 / 4
    torch.testing.assert_close(found["patch_embed.proj.weight"], expected)
    assert torch.equal(found["blocks.3.mlp.fc1.weight"], given["blocks.3.mlp.fc1.weight"])


@pytest.mark.parametrize("channels", [3, 5])
def test_dpt_starts_from_a_file_of_its_transformer(channels, tmp_path):
    torch.manual_seed(1)
    given = build_model(ZOO["dpt"], 3, 2).network.encoder.model.state_dict()
    kept = {key: value.contiguous().numpy() for key, value in given.items()}
    del kept["head.weight"], kept["head.bias"]
    save_file(kept, tmp_path / "vit.safetensors")
    cfg = ZOO["dpt"].model_copy(update={"weights": str(tmp_path / "vit.safetensors")})
    found = build_model(cfg, channels, 2).network.encoder.model.state_dict()
    assert torch.equal(found["blocks.3.mlp.fc1.weight"], given["blocks.3.mlp.fc1.weight"])
    assert torch.equal(found["pos_embed"], given["pos_embed"])
    first, learnt = (state["patch_embed.proj.weight"] for state in (found, given))
    assert first.shape[1] == channels
    torch.testing.assert_close(first[:, 0], learnt[:, 0] * (3 / channels))
    del kept["norm.weight"]
    save_file(kept, tmp_path / "vit.safetensors")
    with pytest.raises(InputError, match=r"another model: norm.weight is lacking"):
        build_model(cfg, channels, 2)
