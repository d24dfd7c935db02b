"""Trainings with all that is new in them: resumed to the bit, and with the effect that is meant."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from nadir.config.experiments import (
    AugmentConfig,
    LossConfig,
    OptimizerConfig,
    SchedulerConfig,
    TrainConfig,
    UNet,
    UNetScratch,
)
from nadir.learn.keeper import Keeper
from nadir.segmentation.fitting import fit_network
from nadir.segmentation.patches import Scene
from nadir.segmentation.predictor import load_predictor
from nadir.segmentation.train import MapSession

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from segmentation_fakes import MemoryLabels, make_data  # noqa: E402


class HalfLabels(MemoryLabels):
    """Labels of which each pixel is only half of its class, and half of the first one."""

    fraction_scale = 100

    def fraction(self, y, x, h, w):
        ids = self.hard(y, x, h, w)
        own = (np.arange(5, dtype=np.uint8)[:, None, None] == ids) * np.uint8(50)
        own[1] += np.where(ids > 0, 50, 0).astype(np.uint8)
        own[0] = np.where(ids > 0, 0, 100)
        return own


@pytest.fixture(scope="module")
def data():
    found = make_data()
    scenes = [Scene(scene.cube, HalfLabels(scene.labels._ids)) for scene in found.scenes]
    return type(found)(**{**found.__dict__, "scenes": scenes})


SMALL = UNetScratch(width=4, depth=2)
CFG = TrainConfig(
    epochs=4,
    batch_size=3,
    scheduler=SchedulerConfig(name="cosine", warmup=0.5),
    augment=AugmentConfig(
        dihedral="random", crops=14, scale=1.3, rotate=20, clouds=0.5, drop_date=0.2, mix="classmix"
    ),
    loss=LossConfig(
        terms={"cross_entropy": 1.0, "dice": 0.5, "lovasz": 0.5},
        labels="fraction",
        smoothing=0.05,
        cloud_weight=0.5,
        edge_weight=0.5,
    ),
    swa=0.4,
    clip=0.5,
    accumulate=2,
)


def _fit(folder, data, cfg=CFG, model=SMALL):
    for path in (folder / "work", folder / "made"):
        path.mkdir(parents=True, exist_ok=True)
    session = MapSession(folder / "work", folder / "made", 5, "cpu", 1, {})
    fit_network(data, model, cfg, session)
    return load_file(folder / "made" / "model.safetensors")


def test_a_resumed_training_ends_with_the_same_weights(tmp_path, data, monkeypatch):
    straight = _fit(tmp_path / "straight", data)
    begin = Keeper.on_train_epoch_start

    def killed(self, trainer, module):
        if trainer.current_epoch == 3:
            raise RuntimeError("killed")
        begin(self, trainer, module)

    monkeypatch.setattr(Keeper, "on_train_epoch_start", killed)
    with pytest.raises(RuntimeError, match="killed"):
        _fit(tmp_path / "resumed", data)
    monkeypatch.setattr(Keeper, "on_train_epoch_start", begin)
    resumed = _fit(tmp_path / "resumed", data)
    assert straight.keys() == resumed.keys()
    for name, tensor in straight.items():
        np.testing.assert_array_equal(tensor, resumed[name], err_msg=name)


def test_batches_whose_gradients_are_gathered_take_one_step(tmp_path, data):
    """Two halves of a batch gathered move weights without batch norm as the whole one does."""
    plain = TrainConfig(
        epochs=1,
        batch_size=6,
        optimizer=OptimizerConfig(name="sgd", learning_rate=0.1),
        scheduler=SchedulerConfig(name="constant"),
        augment=AugmentConfig(dihedral="none"),
        loss=LossConfig(class_weights="none"),
        ema=0.5,
    )
    whole = _fit(tmp_path / "whole", data, plain)
    half = plain.model_copy(update={"batch_size": 3, "accumulate": 2})
    halves = _fit(tmp_path / "halves", data, half)
    each = _fit(tmp_path / "each", data, half.model_copy(update={"accumulate": 1}))

    def apart(one, other):
        return float(np.abs(one["network.head.weight"] - other["network.head.weight"]).max())

    assert apart(whole, halves) < 0.5 * apart(whole, each)


def test_shares_are_what_is_learned(tmp_path, data):
    """Where pixels are half of the first class, its probability rises by about as much."""
    first = {}
    for labels in ("hard", "fraction"):
        cfg = TrainConfig(
            epochs=25,
            batch_size=6,
            optimizer=OptimizerConfig(learning_rate=0.02),
            scheduler=SchedulerConfig(name="cosine"),
            augment=AugmentConfig(dihedral="none"),
            loss=LossConfig(labels=labels, class_weights="none"),
        )
        _fit(tmp_path / labels, data, cfg)
        predictor = load_predictor(tmp_path / labels / "made")
        found = [_probability_of_first(predictor, data, window) for window in data.train]
        first[labels] = float(np.concatenate(found).mean())
    assert first["fraction"] - first["hard"] > 0.12


def _probability_of_first(predictor, data, window):
    """Probability of the first class where the hard label is another."""
    scene = data.scenes[window.scene]
    box = (window.y, window.x, window.size, window.size)
    raw, valid = scene.cube.read(*box)
    scale, offset = (list(part.values()) for part in (scene.cube.scale, scene.cube.offset))
    found = predictor.predict(raw[None], valid[None], scale, offset)[0]
    return found[0][(scene.labels.hard(*box) > 1) & valid.any(0)]


def test_attention_over_dates_trains_and_predicts_with_a_date_missing(tmp_path, data):
    model = UNet(encoder="resnet18", decoder_channels=(16, 8, 8), dates="attention")
    cfg = CFG.model_copy(update={"epochs": 1})
    _fit(tmp_path, data, cfg, model)
    predictor = load_predictor(tmp_path / "made")
    raw, valid = data.scenes[0].cube.read(0, 0, 40, 56)
    valid = valid.copy()
    valid[1] = False
    found = predictor.predict(raw[None], valid[None], [1e-4, 1e-4], [-1000.0, 0.0])
    raw = raw.copy()
    raw[1] = 0
    torch.testing.assert_close(
        found, predictor.predict(raw[None], valid[None], [1e-4, 1e-4], [-1000.0, 0.0])
    )
    assert found.shape == (1, 4, 40, 56)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
