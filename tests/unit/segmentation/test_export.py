"""Exported segmentation models give the probabilities that the predictor gives."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier

from nadir.config.classes import ClassTable
from nadir.config.experiments import RandomForest, UNet, UNetNoSkip, UNetScratch, UNetSmall
from nadir.errors import InputError
from nadir.learn.bundle import save_bundle
from nadir.learn.export import export_bundle
from nadir.learn.export_check import check_bundle
from nadir.learn.export_onnx import load_onnx, run_onnx
from nadir.learn.export_program import load_program, run_program
from nadir.raster.grid import Grid
from nadir.segmentation.describe import describe_model
from nadir.segmentation.export import made_up_sample, sample_side, segmentation_exportable
from nadir.segmentation.export_ground import real_sample, training_ground, training_tiles
from nadir.segmentation.models.registry import build_model
from nadir.segmentation.normalize import Statistics
from nadir.segmentation.predictor import load_predictor
from nadir.segmentation.trees import Trees

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from segmentation_fakes import BANDS, DATES, make_data, make_scene  # noqa: E402


@pytest.fixture(scope="module")
def data():
    return make_data()


def save_network(folder, data, cfg):
    """Write a bundle of a network with random weights and random normalization."""
    torch.manual_seed(3)
    network = build_model(cfg, data.statistics.channels, data.table.count, pretrained=False)
    state = network.state_dict()
    for name, value in state.items():
        if name.endswith("running_mean"):
            value.normal_(0, 0.2)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        elif "head" in name and name.endswith("weight"):
            value *= 10.0  # probabilities far apart
    weights = {name: value.numpy() for name, value in state.items()}
    save_bundle(folder, describe_model(data, cfg, {}), weights)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory, data):
    """An exported bundle; not to be changed."""
    folder = save_network(tmp_path_factory.mktemp("model"), data, UNetScratch(width=4, depth=2))
    export_bundle(segmentation_exportable(folder))
    return folder


def values_of(cube, raw, valid):
    """Return what the programs take: reflectance, NaN without data."""
    scale, offset = (np.array([part[d] for d in DATES]) for part in (cube.scale, cube.offset))
    shape = (1, -1, 1, 1, 1)
    values = scale.reshape(shape) * (raw.astype(np.float64) + offset.reshape(shape))
    values = np.where(valid[:, :, None], values, np.nan).astype(np.float32)
    return values.reshape(len(raw), -1, *raw.shape[-2:])


@pytest.mark.parametrize("size", [(64, 64), (32, 48)])
def test_programs_give_the_predictors_probabilities_of_the_same_raw_windows(exported, size):
    cube = make_scene(9).cube
    windows = [cube.read(y, x, *size) for y, x in ((0, 0), (30, 20), (-8, 70))]
    raw, valid = (np.stack(part) for part in zip(*windows, strict=True))
    assert not valid.all()
    scale, offset = ([part[d] for d in DATES] for part in (cube.scale, cube.offset))
    wanted = load_predictor(exported).predict(raw, valid, scale, offset)
    values = values_of(cube, raw, valid)
    program = run_program(load_program(exported / "exported.pt2"), values)
    np.testing.assert_allclose(program, wanted, rtol=0, atol=1e-5)
    found = run_onnx(load_onnx(exported / "model.onnx"), values)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
    assert np.ptp(wanted, axis=(0, 2, 3)).max() > 0.05, "nothing to tell apart"


def test_the_bundle_is_sound(exported):
    assert {one.state for one in check_bundle(exported, segmentation_exportable)} == {"ok"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "cfg",
    [
        UNet(encoder="resnet18", decoder_channels=(32, 16, 8, 8)),
        UNet(encoder="tu-convnext_atto", decoder_channels=(32, 16, 8, 8)),
        UNetNoSkip(encoder="resnet18"),
        UNetSmall(),
        UNetScratch(width=4, depth=2, reduce=2),
    ],
    ids=lambda cfg: f"{cfg.name}-{getattr(cfg, 'encoder', '')}",
)
def test_every_network_is_exported_for_any_size(tmp_path, data, cfg):
    if cfg.name == "unet_small":  # of two classes, it has one logit
        data = replace(data, table=ClassTable(classes=data.table.classes[:2]))
    folder = save_network(tmp_path, data, cfg)
    model = segmentation_exportable(folder)
    export_bundle(model)
    side = max(model.multiple, 16)
    wide = made_up_sample(data.statistics, 3 * side)
    values = np.concatenate([wide[:, :, : 2 * side], wide[:, :, side:, ::-1]])
    program = run_program(load_program(folder / "exported.pt2"), values)
    np.testing.assert_allclose(program, model.answer(values), rtol=0, atol=1e-5)
    found = run_onnx(load_onnx(folder / "model.onnx"), values)
    np.testing.assert_allclose(found, model.answer(values), rtol=0, atol=1e-4)


def test_facts_are_those_of_the_description(exported, data):
    facts = segmentation_exportable(exported).facts
    assert facts.name == "nadir-unet_scratch"
    assert [band["name"] for band in facts.bands] == [f"{d}:{b}" for d in DATES for b in BANDS]
    assert facts.bands[4]["statistics"]["mean"] == data.statistics.mean[1, 1]
    assert [name for name, _ in facts.classes] == list(data.table.names[1:])
    assert facts.hyperparameters["width"] == 4 and facts.hyperparameters["tile"] == 32


def test_a_forest_has_a_sample_and_no_programs(tmp_path, data):
    rng = np.random.default_rng(0)
    forest = RandomForestClassifier(5, max_depth=4, random_state=0)
    forest.fit(rng.normal(size=(200, 6)), rng.integers(0, 4, 200))
    weights = Trees.from_sklearn(forest, 4).tensors()
    save_bundle(tmp_path, describe_model(data, RandomForest(trees=5), {}), weights)
    assert export_bundle(segmentation_exportable(tmp_path)) == ["sample.npz", "item.json"]
    states = {one.file: one.state for one in check_bundle(tmp_path, segmentation_exportable)}
    assert states["exported.pt2"] == states["model.onnx"] == "none"
    assert set(states.values()) == {"ok", "none"}


def test_the_made_up_sample_is_about_as_bright_as_the_training_tiles():
    statistics = Statistics.of([[0.1, 0.3]], [[0.01, 0.05]])
    sample = made_up_sample(statistics, 64)
    assert sample.shape == (1, 2, 64, 64) and sample.dtype == np.float32
    assert np.isnan(sample[0, :, :8, :8]).all() and np.isfinite(sample[0, :, 8:]).all()
    inside = sample[0, :, 8:].reshape(2, -1)
    np.testing.assert_allclose(inside.mean(1), [0.1, 0.3], rtol=0.1)
    np.testing.assert_array_equal(sample, made_up_sample(statistics, 64))


@pytest.mark.parametrize(("multiple", "side"), [(None, 64), (4, 64), (32, 64), (64, 128)])
def test_samples_have_a_size_that_programs_take(multiple, side):
    assert sample_side(multiple) == side


class _Cube(SimpleNamespace):
    def read(self, y, x, height, width):
        raw = np.full((1, 2, height, width), 1000 + y, np.uint16)
        valid = np.ones((1, height, width), bool)
        valid[:, :, : self.gap] = False
        return raw, valid


def cubes():
    """Two scenes side by side, the first with gaps in every tile."""
    made = {}
    for number, name in enumerate("ab"):
        grid = Grid("EPSG:32631", (10.0, 0.0, 5e5 + 1e5 * number, 0.0, -10.0, 4e6), 500, 500)
        made[name] = _Cube(
            grid=grid,
            dates=("2021-06-0" + str(2 - number),),
            scale={"2021-06-02": 1e-4, "2021-06-01": 1e-4},
            offset={"2021-06-02": -1000.0, "2021-06-01": 0.0},
            gap=4 - 4 * number,
        )
    return made


TILES = pd.DataFrame(
    [("a", 100, 100, 100), ("a", 200, 300, 100), ("b", 0, 0, 100)],
    columns=["scene", "y", "x", "size"],
)


def test_a_real_sample_is_the_first_tile_without_gaps_as_reflectance():
    sample = real_sample(TILES, cubes(), 64)
    assert sample.shape == (1, 2, 64, 64)
    assert np.isnan(sample[0, :, :8, :8]).all() and not np.isnan(sample[0, :, 8:]).any()
    # The middle of b's tile: rows from 18 on; an offset of 0.
    np.testing.assert_allclose(sample[0, :, 8:], 1e-4 * (1000 + 18), rtol=1e-6)


def test_without_any_whole_tile_the_fullest_is_taken():
    sample = real_sample(TILES[:2], cubes(), 64)
    assert np.isnan(sample[0, :, :, :4]).all()
    np.testing.assert_allclose(sample[0, :, 8:, 4:], 1e-4 * 118, rtol=1e-6)


def test_the_ground_is_around_the_training_tiles():
    ground = training_ground(TILES, cubes())
    assert (ground.first, ground.last) == ("2021-06-01", "2021-06-02")
    assert ground.geometry["type"] == "MultiPolygon"
    west, south, east, north = ground.bounds
    # Scene a begins at 3 degrees east; its training tiles 100 pixels of 10 m further on.
    assert 3 + 0.009 < west < 3 + 0.013 and 4 < east < 4.2 and 36.1 < south < north < 36.2


def test_a_scene_without_a_cube_is_told(tmp_path):
    TILES.assign(id="t", split="train").to_parquet(tmp_path / "split.parquet")
    with pytest.raises(InputError, match="without a cube: a, b"):
        training_tiles(tmp_path / "split.parquet", {})
