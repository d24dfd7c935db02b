"""Exported localization networks: the same features, the same guesses; localizers checked."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from localization_cases import write_ground
from textures import ground as made_ground

from nadir.config.localization import Regression, SearchConfig
from nadir.errors import InputError
from nadir.learn.bundle import save_bundle
from nadir.learn.export import export_bundle
from nadir.learn.export_check import check_bundle
from nadir.learn.export_onnx import load_onnx, run_onnx
from nadir.learn.export_program import load_program, run_program
from nadir.localization.calibration import Calibration
from nadir.localization.confidence import Confidence
from nadir.localization.conventions import Conventions
from nadir.localization.deployment import write_deployment
from nadir.localization.descriptor import Descriptor
from nadir.localization.descriptor_fit import load_descriptor
from nadir.localization.export import descriptor_exportable, regression_exportable
from nadir.localization.export_deployment import check_deployment, descriptor_folder
from nadir.localization.export_ground import case_ground
from nadir.localization.regression import OUTPUTS, build_regression, decode_poses
from nadir.localization.regression_data import resize_photo
from nadir.localization.regression_fit import member_tensor
from nadir.localization.regression_predict import load_regressor
from nadir.localization.standalone import kept_reference

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SUBSTRATE = {"width": 900, "height": 700, "digest": "d"}
METHOD = Regression(encoder="resnet18", size=32, members=2, test_time_augmentation=False)


def states(folder, opener):
    return {one.file: one.state for one in check_bundle(folder, opener)}


@pytest.fixture(scope="module")
def descriptor(tmp_path_factory):
    """An exported descriptor; not to be changed."""
    folder = tmp_path_factory.mktemp("descriptor")
    torch.manual_seed(1)
    weights = {name: value.numpy() for name, value in Descriptor(4, 8).state_dict().items()}
    said = {
        "task": "localization descriptor",
        "network": {"channels": 4, "width": 8},
        "cell_px": 16,
    }
    save_bundle(folder, said, weights)
    export_bundle(descriptor_exportable(folder))
    return folder


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (2, 3, 32, 100)])
def test_an_exported_descriptor_gives_the_same_features(descriptor, shape):
    pictures = np.random.default_rng(0).random(shape, np.float32)
    with torch.inference_mode():
        wanted = load_descriptor(descriptor)(torch.from_numpy(pictures)).numpy()
    found = run_program(load_program(descriptor / "exported.pt2"), pictures)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    found = run_onnx(load_onnx(descriptor / "model.onnx"), pictures)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_descriptors_bundle_is_sound(descriptor):
    assert set(states(descriptor, descriptor_exportable).values()) == {"ok"}


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """An exported regression of two members; not to be changed."""
    folder = tmp_path_factory.mktemp("regression")
    torch.manual_seed(2)
    weights = {}
    for number in range(METHOD.members):
        state = build_regression(METHOD, pretrained=False).state_dict()
        weights |= {member_tensor(number, name): value.numpy() for name, value in state.items()}
    method = METHOD.model_dump(mode="json")
    method.pop("weights")
    said = {
        "task": "photo localization by regression",
        "method": method,
        "pretrained": None,
        "substrate": SUBSTRATE,
        "scale": 1.0,
    }
    save_bundle(folder, said, weights)
    export_bundle(regression_exportable(folder))
    return folder


def test_an_exported_regression_gives_the_same_answers(regression):
    photos = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), np.uint8)
    regressor = load_regressor(regression, {"substrate": SUBSTRATE}, torch.device("cpu"))
    wanted, _ = regressor.answer(photos)
    small = np.stack([resize_photo(photo, METHOD.size) for photo in photos])
    values = np.moveaxis(small, -1, 1).astype(np.float32) / 255
    program = load_program(regression / "exported.pt2")
    model = load_onnx(regression / "model.onnx")
    for shares in (run_program(program, values), run_onnx(model, values)):
        assert shares.shape == (3, METHOD.members, len(OUTPUTS))
        found = decode_poses(shares, (900, 700))
        np.testing.assert_allclose(found.mean(1)[:, :2], wanted[:, :2], atol=0.05)
        turns = np.exp(1j * np.deg2rad(found[..., 2])).mean(1)
        np.testing.assert_allclose(np.rad2deg(np.angle(turns)) % 360, wanted[:, 2], atol=0.05)


def test_the_regressions_bundle_is_sound_and_of_one_size(regression):
    assert set(states(regression, regression_exportable).values()) == {"ok"}
    item = json.loads((regression / "item.json").read_text())
    (source,) = item["properties"]["mlm:input"]
    assert source["input"]["shape"] == [-1, 3, 32, 32]
    assert source["resize_type"] == "interpolation-area"


def test_the_ground_is_the_substrates(tmp_path):
    facts = {
        "substrate": {
            "path": "ground.tif",
            "width": 1000,
            "height": 500,
            "grid": {
                "crs": "EPSG:32631",
                "transform": [1.0, 0.0, 5e5, 0.0, -1.0, 4e6],
                "height": 500,
                "width": 1000,
            },
        },
        "conventions": Conventions().to_dict(),
        "photos": {"dates": {"2024-08-10": 3, "2023-01-02": 1, "unknown": 4}},
    }
    (tmp_path / "case.json").write_text(json.dumps(facts))
    ground = case_ground(tmp_path / "case.json")
    assert (ground.first, ground.last) == ("2023-01-02", "2024-08-10")
    west, south, east, north = ground.bounds
    assert west == pytest.approx(3.0, abs=1e-4) and east - west == pytest.approx(0.0111, abs=2e-4)
    assert north - south == pytest.approx(0.0045, abs=1e-4)
    facts["substrate"]["grid"] = None
    (tmp_path / "case.json").write_text(json.dumps(facts))
    assert case_ground(tmp_path / "case.json").geometry is None


@pytest.fixture
def localizer(tmp_path, descriptor):
    """A localiser with one reference and a descriptor."""
    write_ground(tmp_path / "ground.tif", made_ground(128, 1))
    kept_reference(tmp_path / "ground.tif", tmp_path / "index")
    write_deployment(
        tmp_path / "localizer.json",
        [tmp_path / "index" / "substrate.manifest.json"],
        descriptor,
        SearchConfig(),
        Calibration(Confidence(np.zeros(5))),
        64,
        1.0,
    )
    return tmp_path


def test_a_sound_localizer_passes_and_names_its_descriptor(localizer, descriptor):
    findings = check_deployment(localizer)
    assert [(one.file, one.state) for one in findings] == [
        ("localizer.json", "ok"),
        ("index/substrate.manifest.json", "ok"),
    ]
    assert descriptor_folder(localizer).resolve() == descriptor.resolve()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("localizer.json", "localizer.json"),
        ("index/substrate.manifest.json", "index/substrate.manifest.json"),
    ],
)
def test_a_torn_part_of_a_localizer_is_one_fault(localizer, name, file):
    (localizer / name).write_text("{")
    (finding,) = check_deployment(localizer)
    assert (finding.file, finding.state) == (file, "fault")


def test_bundles_of_others_are_refused(descriptor, regression):
    with pytest.raises(InputError):
        descriptor_exportable(regression)
    with pytest.raises(InputError):
        regression_exportable(descriptor)
