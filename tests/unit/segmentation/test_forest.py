"""The forest: scikit-learn's probabilities, from flat arrays, without pickles."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from nadir.config.experiments import RandomForest, TrainConfig
from nadir.errors import InputError
from nadir.learn.bundle import load_bundle, save_bundle
from nadir.segmentation.forest import fit_forest, sample_pixels
from nadir.segmentation.predictor import load_predictor, needs_device
from nadir.segmentation.train import MapSession
from nadir.segmentation.trees import Trees

sys.path.insert(0, str(Path(__file__).parent))
from segmentation_fakes import make_data


@pytest.fixture(scope="module")
def fitted():
    """A forest on noisy data whose classes 0, 2 and 4 of 6 occur, and values to try it on."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2000, 5)).astype(np.float32)
    labels = np.where(values[:, 0] + rng.normal(size=2000) > 0, 2, np.where(values[:, 1] > 0, 4, 0))
    forest = RandomForestClassifier(20, min_samples_leaf=2, random_state=0).fit(values, labels)
    # Values that lie exactly on thresholds are where rounding shows.
    edges = np.tile(
        np.array([t.tree_.threshold[0] for t in forest.estimators_], np.float32)[:, None], 5
    )
    return forest, np.concatenate([rng.normal(size=(3001, 5)).astype(np.float32), edges])


@pytest.mark.parametrize("threads", [1, 2])
def test_probabilities_are_sklearns(fitted, threads):
    forest, values = fitted
    found = Trees.from_sklearn(forest, 6).predict(values, threads)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, [0, 2, 4]], forest.predict_proba(values), atol=1e-7)
    assert (found[:, [1, 3, 5]] == 0).all()


def test_damaged_forests_are_refused(fitted):
    tensors = Trees.from_sklearn(fitted[0], 6).tensors()
    for name, change in (
        ("right", lambda a: np.where(a == a.max(), 10**6, a)),
        ("leaf_start", lambda a: a[::-1].copy()),
        ("leaf_class", lambda a: a + 6),
        ("roots", lambda a: a - 1),
        ("feature", lambda a: np.abs(a)),
    ):
        with pytest.raises(InputError, match="damaged"):
            Trees.of(
                "model.safetensors",
                {**tensors, name: change(tensors[name]).astype(tensors[name].dtype)},
            )
    with pytest.raises(InputError, match="another model"):
        Trees.of("model.safetensors", {"conv.weight": np.zeros(3)})


def test_pixels_are_drawn_by_tile_seeded_and_labelled():
    data = make_data()
    rng = np.random.default_rng
    values, labels = sample_pixels(data, data.train, 500, rng(1))
    again = sample_pixels(data, data.train, 500, rng(1))
    assert values.shape == (500, 6) and values.dtype == np.float32
    assert labels.min() >= 1
    np.testing.assert_array_equal(values, again[0])
    assert not np.array_equal(values, sample_pixels(data, data.train, 500, rng(2))[0])
    everything, _ = sample_pixels(data, data.train, 10**9, rng(1))
    assert 4000 < len(everything) < 6 * 32 * 32


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folders = [tmp_path_factory.mktemp("forest") for _ in range(2)]
    for folder, threads in zip(folders, (1, 2), strict=True):
        cfg = RandomForest(trees=8, pixels=2000)
        session = MapSession(
            work=folder, folder=folder, logs=None, seed=4, device="cpu", threads=threads, keys={}
        )
        facts = fit_forest(make_data(), cfg, TrainConfig(), session)
    return folders, facts


def test_two_trainings_give_equal_bytes(trained):
    (one, other), _ = trained
    for name in ("model.safetensors", "model.yaml"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_the_forest_maps_easy_classes(trained):
    (folder, _), facts = trained
    assert facts["result"]["validation_miou"] > 0.9
    data = make_data()
    cube = data.scenes[0].cube
    raw, valid = cube.read(0, 0, 40, 56)
    predictor = load_predictor(folder, threads=2)
    assert predictor.bands == data.bands and predictor.dates == 2 and predictor.tile == 32
    assert not needs_device(folder)
    shares = predictor.predict(
        raw[None], valid[None], [*cube.scale.values()], [*cube.offset.values()]
    )
    assert shares.shape == (1, 4, 40, 56) and shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    truth = data.scenes[0].labels.hard(0, 0, 40, 56)
    right = (shares[0].argmax(axis=0) + 1 == truth)[(truth > 0) & valid.all(axis=0)]
    assert right.mean() > 0.95


def test_a_forest_of_other_classes_is_refused(trained, tmp_path):
    bundle = load_bundle(trained[0][0])
    weights = {**bundle.weights, "classes": np.array([7], np.int32)}
    save_bundle(tmp_path, bundle.description, weights)
    with pytest.raises(InputError, match="another model: a forest of"):
        load_predictor(tmp_path)
