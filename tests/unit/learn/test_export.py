"""Exporting bundles: every file gives what the network gives, at any size, in equal bytes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pystac
import pytest
import torch
from pystac.extensions.file import FileExtension
from pystac.extensions.mlm import MLMExtension
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from torch import nn

from nadir.errors import InputError, NadirError
from nadir.learn.export import check_item_path, export_bundle
from nadir.learn.export_onnx import load_onnx, run_onnx
from nadir.learn.export_program import load_program, run_program, trace
from nadir.learn.export_sample import Sample, read_sample, sample_bytes
from nadir.learn.exportable import Ground

FILES = ["exported.pt2", "item.json", "model.onnx", "sample.npz"]


@pytest.mark.parametrize("shape", [(1, 2, 40, 40), (3, 2, 32, 64), (2, 2, 66, 38)])
def test_programs_give_what_the_network_gives_at_any_size(exported, tiny, shape):
    values = np.random.default_rng(2).random(shape, np.float32)
    values[:, :, 3:9] = np.nan
    wanted = tiny[1](exported).answer(values)
    program = run_program(load_program(exported / "exported.pt2"), values)
    np.testing.assert_allclose(program, wanted, atol=1e-6)
    onnx_output = run_onnx(load_onnx(exported / "model.onnx"), values)
    np.testing.assert_allclose(onnx_output, wanted, atol=1e-5)


def test_torch_itself_loads_the_program(exported, tiny):
    program = torch.export.load(exported / "exported.pt2").module()
    sample = read_sample(exported / "sample.npz")
    with torch.no_grad():
        assert sample.deviation(program(torch.from_numpy(sample.inputs["input"])).numpy()) < 1e-6


def test_a_size_that_was_not_exported_is_refused(exported):
    program = load_program(exported / "exported.pt2")
    for shape in ((1, 2, 39, 40), (1, 3, 40, 40)):
        with pytest.raises(Exception, match=r"\d"):
            run_program(program, np.zeros(shape, np.float32))


def test_free_dimensions_have_names_in_onnx(exported):
    model = onnx.load(exported / "model.onnx")
    (source,), (result,) = model.graph.input, model.graph.output
    dims = [d.dim_param or d.dim_value for d in source.type.tensor_type.shape.dim]
    assert (source.name, dims) == ("values", ["batch", 2, "height", "width"])
    dims = [d.dim_param or d.dim_value for d in result.type.tensor_type.shape.dim]
    assert (result.name, dims[:2]) == ("share", ["batch", 2])


def test_the_sample_is_what_the_weights_give(exported, tiny):
    sample = read_sample(exported / "sample.npz")
    assert np.isnan(sample.inputs["input"]).any()
    assert sample.deviation(tiny[1](exported).answer(*sample.values)) == 0


def test_exporting_again_gives_the_same_bytes(exported, tiny, tmp_path):
    save, open_tiny = tiny
    save(tmp_path)
    assert sorted(export_bundle(open_tiny(tmp_path))) == FILES
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (exported / name).read_bytes(), name


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(exported, tmp_path):
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import conftest as c\n"
        "folder = pathlib.Path(sys.argv[2]); c.save_tiny(folder)\n"
        "from nadir.learn.export import export_bundle; export_bundle(c.open_tiny(folder))"
    )
    folder = __file__.rpartition("/")[0]
    subprocess.run([sys.executable, "-c", code, folder, str(tmp_path)], check=True)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (exported / name).read_bytes(), name


@pytest.mark.parametrize("name", ["exported.pt2", "model.onnx"])
def test_no_file_of_this_machine_is_named(exported, name):
    data = (exported / name).read_bytes()
    assert not re.search(rb"site-packages|\.py\b", data)


class _Flat(nn.Module):
    """Takes pictures of 8 x 8 pixels alone."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2 * 8 * 8, 3)

    def forward(self, values):
        return self.layer(values.flatten(1))


def test_a_network_of_one_size_is_exported_with_that_size(exported, tiny):
    ports = tiny[1](exported).inputs
    sample = np.ones((1, 2, 8, 8), np.float32)
    network = _Flat().eval()
    program, shapes = trace(network, ports, 2, [sample])
    assert shapes == [(-1, 2, 8, 8)]
    two = np.random.default_rng(0).random((2, 2, 8, 8), np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(run_program(program, two), network(torch.from_numpy(two)))


def test_a_program_that_deviates_is_not_kept(tiny, tmp_path):
    save, open_tiny = tiny
    save(tmp_path)
    model = open_tiny(tmp_path)
    wrong = replace(model, answer=lambda values: model.answer(values) + np.float32(5e-4))
    with pytest.raises(NadirError, match=r"exported\.pt2: .* deviates by 0.0005"):
        export_bundle(wrong)
    assert not (tmp_path / "exported.pt2").exists() and not (tmp_path / "item.json").exists()


def test_what_is_no_network_has_no_programs(bundle, tiny):
    model = tiny[1](bundle, network=False)
    assert export_bundle(model) == ["sample.npz", "item.json"]
    assert not (bundle / "exported.pt2").exists() and not (bundle / "model.onnx").exists()
    item = json.loads((bundle / "item.json").read_text())
    assert item["assets"]["weights"]["roles"][0] == "mlm:model"
    assert item["properties"]["mlm:accelerator"] == "amd64"


def test_the_item_is_a_valid_one_of_the_model(exported):
    content = json.loads((exported / "item.json").read_text())
    JsonSchemaSTACValidator().validate_core(content, pystac.STACObjectType.ITEM, "1.1.0")
    item = pystac.Item.from_dict(content)
    model = MLMExtension.ext(item)
    assert (model.mlm_name, model.architecture, model.framework) == (
        "tiny",
        "two convolutions",
        "PyTorch",
    )
    assert [str(task) for task in model.tasks] == ["semantic-segmentation"]
    assert model.total_parameters == 2 * 4 * 9 + 4 + 8 + 8 + 2
    assert (model.pretrained, model.pretrained_source, model.accelerator) == (False, None, None)
    (source,), (result,) = model.input, model.output
    assert (source.name, source.bands) == ("values", ["red", "nir"])
    assert source.input.shape == [-1, 2, -1, -1] and source.input.data_type == "float32"
    # Scaling happens inside the programs: whoever follows the item must not do it again.
    assert source.properties["value_scaling"] is None
    assert result.properties["classification:classes"] == [
        {"value": 1, "name": "bare-soil", "title": "bare soil", "color_hint": "AABBCC"},
        {"value": 2, "name": "forest", "title": "forest", "color_hint": "00FF00"},
    ]
    assert content["properties"]["bands"][1]["statistics"] == {"mean": 0.3, "stddev": 0.1}
    assert content["geometry"] is None and "bbox" not in content
    assert content["properties"]["datetime"] is None


def test_the_item_lists_every_file_with_its_checksum(exported):
    import hashlib

    item = pystac.Item.from_dict(json.loads((exported / "item.json").read_text()))
    names = {asset.href.removeprefix("./") for asset in item.assets.values()}
    assert names == {path.name for path in exported.iterdir()} - {"item.json"}
    for asset in item.assets.values():
        data = (exported / asset.href).read_bytes()
        assert FileExtension.ext(asset).checksum == "1220" + hashlib.sha256(data).hexdigest()
        assert FileExtension.ext(asset).size == len(data)
    assert {name for name, asset in item.assets.items() if "mlm:model" in (asset.roles or [])} == {
        "exported",
        "onnx",
    }


def test_the_ground_of_the_training_is_told(bundle, tiny):
    square = {"type": "Polygon", "coordinates": [[[1, 2], [3, 2], [3, 4], [1, 4], [1, 2]]]}
    ground = Ground(square, (1.0, 2.0, 3.0, 4.0), "2021-05-06", "2022-07-08")
    export_bundle(tiny[1](bundle, network=False, ground=ground))
    content = json.loads((bundle / "item.json").read_text())
    JsonSchemaSTACValidator().validate_core(content, pystac.STACObjectType.ITEM, "1.1.0")
    assert content["geometry"] == square and content["bbox"] == [1, 2, 3, 4]
    assert content["properties"]["start_datetime"] == "2021-05-06T00:00:00Z"
    assert content["properties"]["end_datetime"] == "2022-07-08T23:59:59Z"


def test_the_item_lies_beside_the_weights(tmp_path):
    assert check_item_path(tmp_path / "item.json", tmp_path / "model.safetensors") == tmp_path
    for out in (tmp_path / "other.json", tmp_path.parent / "item.json"):
        with pytest.raises(InputError, match="beside its weights"):
            check_item_path(out, tmp_path / "model.safetensors")


def test_deviation_of_other_shapes_and_of_nan_is_never_small():
    sample = Sample({"input": np.zeros(1, np.float32)}, np.array([1, np.nan], np.float32), 1e-4)
    assert sample.deviation(np.ones(3, np.float32)) == np.inf
    assert not sample.deviation(np.array([1, 2], np.float32)) <= 1e-4


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x05\x06" + bytes(18), b"\x93NUMPY", None],
    ids=["none", "zip", "npy", "pickle"],
)
def test_what_is_no_sample_is_refused(tmp_path, content):
    path = tmp_path / "sample.npz"
    if content is None:
        np.savez(path, input=np.array([print], object), output=np.zeros(1), tolerance=1.0)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="no readable sample"):
        read_sample(path)


def test_samples_are_read_as_written(tmp_path):
    values = np.array([[0.5, np.nan]], np.float32)
    (tmp_path / "s.npz").write_bytes(sample_bytes(Sample({"input": values}, values * 2, 1e-3)))
    read = read_sample(tmp_path / "s.npz")
    np.testing.assert_array_equal(read.inputs["input"], values)
    np.testing.assert_array_equal(read.output, values * 2)
    assert read.tolerance == 1e-3
