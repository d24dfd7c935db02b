"""Training of the descriptor: resumed to the bit, kept by key, and read back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ground_fakes import Waves, indexed, photo_table

from nadir.config.localization import DescriptorConfig
from nadir.errors import InputError
from nadir.learn import keeper
from nadir.learn.bundle import load_bundle
from nadir.learn.history import read_history
from nadir.learn.kept import TrainingRun
from nadir.localization import descriptor_data, descriptor_fit
from nadir.localization.descriptor_fit import load_descriptor
from nadir.localization.descriptor_train import train_descriptor
from nadir.localization.photos import write_photos
from nadir.localization.pose import Pose

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

CFG = DescriptorConfig(steps=4, batch_size=2, channels=4, width=8)


@pytest.fixture(autouse=True, scope="module")
def short():
    """Two steps an epoch, one batch of validation, small windows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descriptor_fit, "EPOCH", 2)
        patch.setattr(descriptor_fit, "_VALIDATION", 1)
        patch.setattr(descriptor_data, "SLACK", 32)
        yield


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    waves = Waves(0, count=60)
    indexed(folder, "substrate", waves.substrate(240, 200))
    shots = []
    for number, split in enumerate(["train"] * 3 + ["validation", "test"]):
        pose = Pose(100.0 + 9 * number, 90.0 + 5 * number, 70.0 * number)
        known = pose if split != "test" else None
        shots.append((f"p{number}", split, waves.shoot(pose, 64, 64), known))
    photo_table(folder, shots)
    return folder


def train(case: Path, folder: Path, cfg=CFG, photos: Path | None = None, **options) -> str:
    given = {"code": "c", "seed": 3, "device": "cpu", "threads": 1} | options
    return train_descriptor(
        [case / "substrate.manifest.json"],
        photos or case / "photos.parquet",
        cfg=cfg,
        model=folder / "model",
        history=folder / "history.parquet",
        run=TrainingRun(folder / "cache", **given),
    )


@pytest.fixture(scope="module")
def trained(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(case, folder)


def test_a_killed_training_ends_as_one_that_was_not(case, trained, tmp_path, monkeypatch):
    saves = []
    save = keeper.Keeper._save

    def dying(self, *args):
        save(self, *args)
        saves.append(self.progress.epochs)
        if len(saves) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(keeper.Keeper, "_save", dying)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(case, tmp_path)
    assert not (tmp_path / "model").exists()
    assert train(case, tmp_path) == trained[1]
    assert saves == [1, 2], "one epoch was left"
    for name in ("model.safetensors", "model.yaml"):
        one, other = trained[0] / "model" / name, tmp_path / "model" / name
        assert one.read_bytes() == other.read_bytes(), name
    straight, resumed = (
        read_history(f / "history.parquet").drop(columns=["seconds", "images_per_second"])
        for f in (trained[0], tmp_path)
    )
    assert straight.equals(resumed)
    assert np.isfinite(straight[["train_loss", "validation_loss"]].to_numpy()).all()


def test_an_equal_training_is_delivered(case, trained, tmp_path, monkeypatch):
    shutil.copytree(trained[0] / "cache", tmp_path / "cache")
    monkeypatch.setattr(descriptor_fit, "fit_descriptor", None)
    assert train(case, tmp_path) == trained[1]
    one, other = (f / "model" / "model.safetensors" for f in (trained[0], tmp_path))
    assert one.read_bytes() == other.read_bytes()


def key_of(case: Path, folder: Path, monkeypatch, **options) -> str:
    """Return the key of a training that is not run."""

    def fit(references, located, sides, cfg, session):
        for name in ("model.safetensors", "model.yaml", "history.parquet"):
            (session.folder / name).write_bytes(b"")
        return {"device": "cpu", "seconds": 0.0, "result": {}}

    monkeypatch.setattr(descriptor_fit, "fit_descriptor", fit)
    return train(case, folder, **options)


def test_the_key_depends_on_what_is_learned_from_and_on_nothing_else(
    case, trained, tmp_path, monkeypatch
):
    table = pd.read_parquet(case / "photos.parquet")
    table.loc[table["split"] == "validation", "x"] += 5.0
    table.loc[table["split"] == "test", "digest"] = "another"
    write_photos(tmp_path / "same.parquet", table)
    assert key_of(case, tmp_path, monkeypatch, photos=tmp_path / "same.parquet") == trained[1]
    assert key_of(case, tmp_path, monkeypatch, threads=2) == trained[1]
    table.loc[table["split"] == "train", "x"] += 5.0
    write_photos(tmp_path / "other.parquet", table)
    others = [
        {"photos": tmp_path / "other.parquet"},
        {"seed": 4},
        {"code": "d"},
        {"cfg": CFG.model_copy(update={"steps": 6})},
    ]
    keys = [key_of(case, tmp_path, monkeypatch, **other) for other in others]
    assert len({trained[1], *keys}) == 5


def test_the_bundle_reads_back(trained):
    network = load_descriptor(trained[0] / "model")
    bundle = load_bundle(trained[0] / "model")
    for name, value in network.state_dict().items():
        assert np.array_equal(value.numpy(), bundle.weights[name])
    assert bundle.description["keys"]["training"] == trained[1]
    assert bundle.description["cell_px"] == 4


def test_a_case_without_located_photos_learns_from_its_references(case, tmp_path):
    table = pd.read_parquet(case / "photos.parquet")
    write_photos(tmp_path / "p.parquet", table[table["split"] == "test"])
    train(case, tmp_path, CFG.model_copy(update={"steps": 2}), tmp_path / "p.parquet")
    history = read_history(tmp_path / "history.parquet")
    assert len(history) == 1 and np.isfinite(history["train_loss"]).all()


def test_unusable_inputs_are_told(case, tmp_path):
    with pytest.raises(InputError, match="0 steps"):
        train(case, tmp_path, CFG.model_copy(update={"steps": 0}))
    with pytest.raises(InputError, match=r"absent\.parquet"):
        train(case, tmp_path, photos=tmp_path / "absent.parquet")
    assert not (tmp_path / "model").exists()
