"""Exported networks give what the networks give, for each of the views that they tell apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from nadir.cli.bundles import open_model
from nadir.config.retrieval_experiments import SharedEncoder, TwoView
from nadir.learn.bundle import save_bundle
from nadir.learn.export_program import run_program, trace
from nadir.retrieval.extraction import load_embedder
from nadir.retrieval.fitting import describe
from nadir.retrieval.networks import build_network
from nadir.retrieval.training import RetrievalData

VIEWS = ("drone", "satellite")


def bundle(folder, cfg):
    """Write the bundle of a network with random weights."""
    torch.manual_seed(3)
    network = build_network(cfg)
    nothing = pd.DataFrame()
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    save_bundle(folder, describe(RetrievalData(nothing, nothing, VIEWS), cfg, {}), weights)
    return folder


@pytest.mark.parametrize(
    ("cfg", "views"),
    [
        (SharedEncoder(width=4, dimensions=8, size=32), 1),
        (SharedEncoder(encoder="tu-vit_tiny_patch16_224", dimensions=8, size=32), 1),
        (TwoView(encoder="resnet18", share_weight=False, dimensions=8, size=32), 2),
    ],
)
def test_the_program_gives_the_features_of_a_search(tmp_path, cfg, views):
    model = open_model(bundle(tmp_path, cfg))
    pictures = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    given = np.moveaxis(pictures, -1, 1).astype(np.float32) / np.float32(255)
    embedder = load_embedder(tmp_path, torch.device("cpu"))
    expected = [embedder.features(list(pictures), view) for view in VIEWS]
    assert model.answer(given).shape == (2, views, 8)
    program, shapes = trace(model.network, model.inputs, model.multiple, model.sample)
    assert shapes[0][1:] == (3, 32, 32)
    found = run_program(program, given)
    for number in range(views):
        assert np.abs(found[:, number] - expected[number]).max() < model.tolerance
    apart = np.abs(expected[0] - expected[1]).max()
    assert apart < 1e-6 if views == 1 else apart > 0.01
    assert np.linalg.norm(found, axis=2) == pytest.approx(1, abs=1e-5)
