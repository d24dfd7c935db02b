"""Ensembles, held-out samples and calibrated maps, through the same windows as a plain map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from segmentation_fakes import MemoryLabels
from test_predict import BANDS, CLASSES, FakeCube, Threshold

from nadir.config.experiments import PredictConfig
from nadir.config.quality import GeneralizeConfig
from nadir.errors import InputError
from nadir.learn.bundle import load_bundle, save_bundle
from nadir.segmentation.calibration import Calibration
from nadir.segmentation.ensemble import Ensemble, describe_ensemble
from nadir.segmentation.held_out import HeldOutScene, sample_of
from nadir.segmentation.predict import predict_map

CFG = PredictConfig(window=32, overlap=0.5, batch_size=3)


class Soft(Threshold):
    """Brightness as a probability."""

    gain = 0.3

    def _probabilities(self, raw, valid, gain, bias):
        value = (raw * gain[..., None, None] + bias[..., None, None]).mean((1, 2))
        share = 1 / (1 + np.exp(-self.gain * value))
        return np.stack([1 - share, share], 1).astype(np.float32)


def member(folder: Path, kind=Soft, gain=0.3, **changes):
    description = {
        "classes": CLASSES.model_dump(mode="json"),
        "bands": list(BANDS),
        "dates": 1,
        "tile": 32,
        "statistics": {"mean": [[0.2, 0.2]], "std": [[0.1, 0.1]]},
        **changes,
    }
    save_bundle(folder, description, {"weight": np.zeros(1, np.float32)})
    found = kind(load_bundle(folder))
    found.gain = gain
    return found


def noisy_cube():
    cube = FakeCube()
    rng = np.random.default_rng(2)
    cube.raw = (cube.raw + rng.normal(0, 600, cube.raw.shape)).clip(1, 9000).astype(np.uint16)
    return cube


def test_an_ensemble_is_the_mean_of_its_members(tmp_path):
    one, other = member(tmp_path / "a"), member(tmp_path / "b", gain=2.0)
    both = Ensemble([one, other])
    cube = noisy_cube()
    raw, valid = (part[None] for part in cube.read(30, 50, 32, 32))
    want = (one.predict(raw, valid, [1e-4], [0.0]) + other.predict(raw, valid, [1e-4], [0.0])) / 2
    assert both.predict(raw, valid, [1e-4], [0.0]) == pytest.approx(want)
    assert both.folders == (tmp_path / "a", tmp_path / "b")
    assert not both.by_pixel and both.tile == 32


def test_map_of_an_ensemble(tmp_path):
    cube = noisy_cube()
    members = [member(tmp_path / "a", gain=5.0), member(tmp_path / "b", gain=-1.0)]
    predict_map(cube, Ensemble(members), CFG, tmp_path / "both.tif")
    predict_map(cube, members[0], CFG, tmp_path / "one.tif", confidence_path=tmp_path / "c.tif")
    with rasterio.open(tmp_path / "both.tif") as one, rasterio.open(tmp_path / "one.tif") as other:
        assert (one.read(1) == other.read(1)).mean() > 0.99  # the surer member decides


def test_members_of_other_bands_are_refused(tmp_path):
    one, other = member(tmp_path / "a"), member(tmp_path / "b", bands=["B03", "B02"])
    with pytest.raises(InputError, match="bands"):
        Ensemble([one, other])


def test_card_of_an_ensemble():
    card = describe_ensemble(
        {"a": {"result": {"parameters": 3}}, "b": {"result": {"parameters": 4}}}
    )
    assert card["result"]["parameters"] == 7
    assert card["configuration"]["model"]["name"] == "ensemble of a, b"
    assert describe_ensemble({"a": {}})["result"]["parameters"] is None


def held(cube, ids, tiles):
    labels = MemoryLabels(ids)
    return HeldOutScene("home", cube, labels, tiles)


def test_a_sample_is_what_the_map_says(tmp_path):
    """Only windows that touch held-out tiles are predicted, and pixels come out as on the map."""
    model, cube = member(tmp_path / "m"), noisy_cube()
    predict_map(cube, model, CFG, tmp_path / "map.tif", probability_path=tmp_path / "p.tif")
    ids = np.random.default_rng(1).integers(0, 3, (90, 140)).astype(np.uint8)
    tiles = pd.DataFrame({"y": [0, 50], "x": [8, 90], "size": [30, 30]})
    cube.reads = 0
    found = sample_of(
        [held(cube, ids, tiles)], model, CFG, pixels=10**6, side=16, what="test", progress=False
    )
    few = cube.reads
    with rasterio.open(tmp_path / "p.tif") as dataset:
        levels = dataset.read(1)
    asked = np.zeros(ids.shape, bool)
    asked[:30, 8:38] = asked[50:80, 90:120] = True
    asked &= (ids > 0) & (levels != 255)
    assert len(found.truth) == asked.sum()
    assert np.abs(np.sort(found.probabilities[:, 1] * 250) - np.sort(levels[asked])).max() <= 0.51
    assert np.sort(found.truth).tolist() == np.sort(ids[asked] - 1).tolist()
    assert set(found.dates) == {1}
    everything = pd.DataFrame({"y": [0], "x": [0], "size": [140]})
    cube.reads = 0
    sample_of(
        [held(cube, ids, everything)], model, CFG, pixels=10**6, side=16, what="a", progress=False
    )
    assert few < cube.reads
    part = sample_of(
        [held(cube, ids, everything)], model, CFG, pixels=2000, side=16, what="a", progress=False
    )
    assert 1700 < len(part.truth) < 2300 and 0.45 < part.draws.mean() < 0.55
    assert part.blocks == 6 * 9 - 1  # one square lies in the corner without data
    assert part.drawn is not None and len(set(part.drawn)) == part.blocks


def test_sample_knows_the_blocks_of_the_split(tmp_path):
    ids = np.ones((90, 140), np.uint8)
    tiles = pd.DataFrame({"y": [16, 48], "x": [16, 80], "size": [48, 32], "block": ["a", "b"]})
    scenes = [held(noisy_cube(), ids, tiles) for _ in range(2)]
    found = sample_of(
        [scenes[0], replace(scenes[1], tiles=tiles.assign(block=["c", ""]))],
        member(tmp_path / "m"),
        CFG,
        pixels=10**6,
        side=16,
        what="test",
        progress=False,
    )
    assert found.blocks == 2 * (9 + 4) and len(found.drawn) == found.blocks
    # a, b and c are one draw each, the four squares without a block are four.
    assert sorted(np.bincount(found.drawn)) == [1, 1, 1, 1, 4, 9, 9]


def test_no_ground_at_all(tmp_path):
    tiles = pd.DataFrame({"y": [0], "x": [0], "size": [30]})
    scene = held(noisy_cube(), np.zeros((90, 140), np.uint8), tiles)
    with pytest.raises(InputError, match="labelled and mapped"):
        sample_of([scene], member(tmp_path / "m"), CFG, pixels=9, side=16, what="test")


def test_calibrated_map_has_layers_and_keeps_its_classes(tmp_path):
    model, cube = member(tmp_path / "m", gain=1.0), noisy_cube()
    predict_map(cube, model, CFG, tmp_path / "plain" / "map.tif")
    own = Calibration((2.0,), 0.7, "lac", 0.9, True)
    predict_map(cube, model, CFG, tmp_path / "calibrated" / "map.tif", calibration=own)

    def layer(kind, name):
        with rasterio.open(tmp_path / kind / f"{name}.tif") as dataset:
            return dataset.read(1)

    ids = layer("plain", "map")
    assert (layer("calibrated", "map") == ids).all()
    before, after = layer("plain", "confidence"), layer("calibrated", "confidence")
    mapped = ids > 0
    assert (after[mapped] <= before[mapped]).all() and (after < before).any()
    sets, size = layer("calibrated", "sets"), layer("calibrated", "set_size")
    assert (sets[mapped] >> (ids[mapped] - 1) & 1).all()  # the class itself is in every set
    assert set(np.unique(size[mapped])) == {1, 2} and (size[~mapped] == 255).all()
    assert (layer("calibrated", "entropy")[mapped] <= 250).all()
    with rasterio.open(tmp_path / "calibrated" / "sets.tif") as dataset:
        assert dataset.tags()["BIT_0"] == "dark" and dataset.dtypes == ("uint16",)


def test_generalized_map(tmp_path):
    cfg = CFG.model_copy(update={"generalize": GeneralizeConfig(min_area=2000.0)})
    model, cube = member(tmp_path / "m"), noisy_cube()
    cube.raw[..., 40:43, 30:33] = 9000  # nine bright pixels on dark ground: 900 square metres
    predict_map(cube, model, CFG, tmp_path / "map.tif")
    predict_map(cube, model, cfg, tmp_path / "tidy.tif", confidence_path=tmp_path / "c.tif")
    with rasterio.open(tmp_path / "map.tif") as one, rasterio.open(tmp_path / "tidy.tif") as other:
        assert (one.read(1)[40:43, 30:33] == 2).all()
        assert (other.read(1)[40:43, 30:33] == 1).all()
        assert ((one.read(1) == 0) == (other.read(1) == 0)).all()
    with rasterio.open(tmp_path / "c.tif") as dataset:
        assert (dataset.read(1)[40:43, 30:33] <= 50).all()
