"""Trainings kept by key: delivered when known, resumed when unfinished, never half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from nadir.config.experiments import LossConfig, RandomForest, TrainConfig, UNet, UNetScratch
from nadir.errors import InputError
from nadir.learn.kept import TrainingRun
from nadir.provenance.atomic import write_json
from nadir.provenance.manifest import Manifest, store_path
from nadir.raster import cube as cube_module
from nadir.segmentation import outlines as outlines_module
from nadir.segmentation.dataset import assemble
from nadir.segmentation.fitting import fit_network
from nadir.segmentation.forest import fit_forest
from nadir.segmentation.predictor import load_predictor
from nadir.segmentation.train import TrainOutputs, train_model

sys.path.insert(0, str(Path(__file__).parent))
from segmentation_fakes import TABLE, make_data, write_scenes

NAMES = ("east", "west")


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Manifests, split and statistics on disk; the stores behind the manifests are in memory."""
    scenes, split, statistics = write_scenes(tmp_path, monkeypatch, NAMES)
    return {
        "fit": fit_network,
        "scenes": scenes,
        "split": split,
        "statistics": statistics,
        "model": UNetScratch(width=4, depth=2),
        "train": TrainConfig(epochs=2, batch_size=4),
        "table": TABLE,
        "outputs": TrainOutputs(
            tmp_path / "out/model", tmp_path / "out/history.parquet", tmp_path / "out/tensorboard"
        ),
        "run": TrainingRun(tmp_path / "cache", "abc", seed=1, device="cpu", threads=1),
    }


def _products(inputs):
    return {name: path.read_bytes() for name, path in inputs["outputs"].files().items()}


def test_a_training_is_kept_and_delivered_again(inputs, monkeypatch):
    key = train_model(**inputs)
    first = _products(inputs)
    logs = sorted(path.name for path in inputs["outputs"].logs.iterdir())
    assert logs
    for path in (*inputs["outputs"].files().values(), *inputs["outputs"].logs.iterdir()):
        path.unlink()
    monkeypatch.setattr(cube_module, "open_cube", None)  # nothing is opened again
    assert train_model(**inputs) == key
    assert _products(inputs) == first
    assert sorted(path.name for path in inputs["outputs"].logs.iterdir()) == logs
    card = json.loads(first["card.json"])
    assert card["configuration"]["model"]["name"] == "unet_scratch"
    assert card["inputs"]["scenes"]["east"] == [
        "digest of cube of east",
        "digest of labels of east",
    ]
    assert card["code"] == "abc" and card["seed"] == 1 and card["device"] == "cpu"
    assert card["result"]["epochs"] == 2 and card["versions"]["torch"]
    assert not (inputs["run"].cache_root / key / "work").exists()


def test_delivery_imports_no_torch(inputs):
    train_model(**inputs)
    (inputs["outputs"].model / "model.yaml").unlink()
    given = {
        name: value
        for name, value in inputs.items()
        if name not in ("fit", "model", "train", "table", "outputs", "run")
    }
    given = {
        name: str(value) if isinstance(value, Path) else value for name, value in given.items()
    }
    given["scenes"] = {
        name: [str(path) for path in pair] for name, pair in inputs["scenes"].items()
    }
    code = f"""
import sys
from pathlib import Path
from nadir.config.classes import ClassTable
from nadir.config.experiments import TrainConfig, UNetScratch
from nadir.learn.kept import TrainingRun
from nadir.segmentation.train import TrainOutputs, train_model
out = Path({str(inputs["outputs"].model.parent)!r})
train_model(None, **{given!r},
    run=TrainingRun(Path({str(inputs["run"].cache_root)!r}), "abc", 1, "cpu", 1),
    model=UNetScratch(width=4, depth=2), train=TrainConfig(epochs=2, batch_size=4),
    table=ClassTable.model_validate({TABLE.model_dump(mode="json")!r}),
    outputs=TrainOutputs(out / "model", out / "history.parquet", out / "tensorboard"))
assert (out / "model/model.yaml").is_file()
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_matters_changes_the_key_and_what_does_not_keeps_it(inputs, tmp_path):
    forest = {**inputs, "fit": fit_forest, "model": RandomForest(trees=2, pixels=500)}
    key = train_model(**forest)

    def changed(**parts):
        return {**forest, "run": replace(forest["run"], **parts)}

    assert train_model(**changed(threads=2, device="auto")) == key
    assert train_model(**{**forest, "scenes": dict(reversed(inputs["scenes"].items()))}) == key
    others = {
        train_model(**changed(seed=2)),
        train_model(**changed(code="abd")),
        train_model(**{**forest, "model": RandomForest(trees=3, pixels=500)}),
    }
    assert len(others) == 3 and key not in others
    assert load_predictor(inputs["outputs"].model).trees.roots.size == 3
    assert not any(path.name == "tensorboard" for path in inputs["outputs"].model.parent.iterdir())


def test_a_training_that_fails_leaves_nothing_declared(inputs):
    facts = json.loads(inputs["statistics"].read_text())
    inputs["statistics"].write_text(json.dumps({**facts, "classes": {"field": 1}}))
    with pytest.raises(InputError, match="of other classes"):
        train_model(**inputs)
    assert not inputs["outputs"].model.exists() and not inputs["outputs"].history.exists()


def test_faults_are_found_before_data_are_opened(inputs, monkeypatch):
    monkeypatch.setattr(cube_module, "open_cube", None)
    with pytest.raises(InputError, match="did you mean 'resnet18'"):
        train_model(**{**inputs, "model": UNet(encoder="resnet81")})
    monkeypatch.setattr("nadir.learn.devices.count_gpus", lambda: 0)
    with pytest.raises(InputError, match="a GPU is asked for"):
        train_model(**{**inputs, "run": replace(inputs["run"], device="cuda")})
    inputs["split"].unlink()
    with pytest.raises(InputError, match="there is no such file"):
        train_model(**inputs)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_empty_split_is_refused(inputs, split):
    import pandas as pd

    table = pd.read_parquet(inputs["split"])
    table.loc[table["split"] == split, "split"] = "test"
    table.to_parquet(inputs["split"])
    with pytest.raises(InputError, match=f"no tile is in the split '{split}'"):
        train_model(**inputs)


def test_scenes_that_are_not_given_are_refused(inputs):
    scenes = {"east": make_data().scenes[0]}
    with pytest.raises(InputError, match="scenes that are not given: west"):
        assemble(scenes, inputs["split"], inputs["statistics"], TABLE)


def _traced(tmp_path, digest):
    """Manifests of outlines whose stores hold nothing but a constant."""
    traced = {}
    for name in NAMES:
        path = tmp_path / f"scenes/{name}/outline.manifest.json"
        store_path(path).mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(Manifest("outline", f"{digest} of {name}")))
        traced[name] = path
    return traced


def test_outlines_count_only_where_the_loss_looks_at_them(inputs, tmp_path, monkeypatch):
    asked = []

    class Flat:
        def __init__(self, path):
            self.number = len(asked)

        def distance(self, y, x, h, w):
            asked.append((y, x))
            return np.full((h, w), 3, np.int8)

    monkeypatch.setattr(outlines_module, "OutlineStore", Flat)
    plain = train_model(**inputs)
    assert train_model(**inputs, outlines=_traced(tmp_path, "one")) == plain and not asked
    bordered = inputs["train"].model_copy(update={"loss": LossConfig(border_weight=2.0)})
    inputs["train"] = bordered
    one = train_model(**inputs, outlines=_traced(tmp_path, "one"))
    assert asked
    assert one != plain and one != train_model(**inputs, outlines=_traced(tmp_path, "other"))
    from_labels = train_model(**inputs)
    assert from_labels != one, "without a store, the outlines are those of the labels"


@pytest.mark.parametrize(
    ("train", "match"),
    [
        (TrainConfig(monitor_class="twon"), "no class 'twon'; did you mean 'town'"),
        (TrainConfig(loss=LossConfig(terms={"boundary": 1.0})), "there are 4"),
    ],
)
def test_a_training_that_does_not_suit_the_classes_is_refused(inputs, train, match):
    with pytest.raises(InputError, match=match):
        train_model(**{**inputs, "train": train})
    assert not inputs["run"].cache_root.exists()
