"""Training: learning, resuming to the bit, delivery, features as a store."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from nadir.config.retrieval import RankingConfig
from nadir.config.retrieval_experiments import RetrievalTrain, SharedEncoder, TwoView
from nadir.errors import InputError
from nadir.learn import keeper
from nadir.learn.bundle import load_bundle, save_bundle
from nadir.learn.history import read_history
from nadir.learn.kept import TrainingRun
from nadir.retrieval.evaluate import Intervals, evaluate
from nadir.retrieval.extraction import asked_for, extract, load_embedder
from nadir.retrieval.feature_store import Stored, read_features, write_features
from nadir.retrieval.fitting import fit_retrieval
from nadir.retrieval.layouts import flat_layout
from nadir.retrieval.learner import RetrievalLearner
from nadir.retrieval.listing import hold_out, image_table
from nadir.retrieval.places import read_images, write_images
from nadir.retrieval.training import retrieval_data, train_retrieval

VIEWS = ("drone", "satellite")
NETWORK = SharedEncoder(width=4, dimensions=8, size=32, statistics=True)
TRAIN = RetrievalTrain(
    epochs=3,
    batch_size=4,
    hard_negatives=0.5,
    hard_from=1,
    neighbors=4,
    ema=0.9,
    losses={"terms": {"infonce": 1.0, "instance": 0.5}},
    augment={"turn": 30, "jitter": 0.1, "erasing": 0.3, "weather": 0.3},
    monitor="validation_recall",
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Places of one color each, seen with noise."""
    folder = tmp_path_factory.mktemp("places")
    for place in range(20):
        color = np.random.default_rng([1, place]).integers(30, 226, 3)
        for number, view in enumerate(VIEWS):
            noise = np.random.default_rng([2, place, number]).normal(0, 20, (32, 32, 3))
            path = folder / view / f"{place:02d}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), np.clip(color + noise, 0, 255).astype(np.uint8))
    listed = hold_out(flat_layout(folder, test=0.25), 0.2, 0)
    write_images(folder / "images.parquet", image_table(listed, folder, 1))
    return folder / "images.parquet"


def train(images: Path, out: Path, network=NETWORK, cfg=TRAIN) -> str:
    return train_retrieval(
        fit_retrieval,
        images,
        VIEWS,
        upright=False,
        network=network,
        train=cfg,
        model=out / "model",
        history=out / "history.parquet",
        run=TrainingRun(out / "cache", "c", device="cpu", threads=1),
    )


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("trained")
    return out, train(images, out)


def test_a_killed_training_goes_on_to_the_same_weights(images, trained, tmp_path, monkeypatch):
    saves = []
    save = keeper.Keeper._save

    def dying(self, *args):
        save(self, *args)
        saves.append(1)
        if len(saves) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(keeper.Keeper, "_save", dying)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(images, tmp_path)
    assert not (tmp_path / "model").exists()
    assert train(images, tmp_path) == trained[1]
    assert len(saves) == 3, "one epoch was left"
    for name in ("model.safetensors", "model.yaml"):
        one, other = trained[0] / "model" / name, tmp_path / "model" / name
        assert one.read_bytes() == other.read_bytes(), name
    times = ["seconds", "images_per_second"]
    straight, resumed = (
        read_history(f / "history.parquet").drop(columns=times) for f in (trained[0], tmp_path)
    )
    assert straight.equals(resumed)
    assert {"loss/infonce", "loss/instance", "validation_recall"} <= set(straight)


def test_an_equal_training_is_delivered(images, trained, tmp_path, monkeypatch):
    (tmp_path / "cache").symlink_to(trained[0] / "cache")
    monkeypatch.setattr(RetrievalLearner, "training_step", None)
    assert train(images, tmp_path) == trained[1]


def test_the_two_view_network_trains_without_pairs_and_validation(images, tmp_path):
    cfg = RetrievalTrain(
        epochs=1,
        batch_size=7,
        paired=False,
        losses={"terms": {"instance": 1.0}},
        optimizer={"name": "sgd", "learning_rate": 0.01},
        scheduler={"name": "step", "factor": 0.1},
        encoder_rate=0.1,
    )
    network = TwoView(encoder="resnet18", dimensions=8, size=32, share_weight=False, stride=1)
    table = read_images(images)
    write_images(tmp_path / "images.parquet", table[table["split"] != "validation"])
    train(tmp_path / "images.parquet", tmp_path, network, cfg)
    bundle = load_bundle(tmp_path / "model")
    assert {name.split(".")[0] for name in bundle.weights} == {"encoder", "bottleneck"}
    assert any(name.startswith("encoder.1.") for name in bundle.weights)


def test_features_find_places_of_one_color(images, trained, tmp_path):
    cfg = RankingConfig(weathers=("normal", "dark"), turns=True)
    embedder = load_embedder(trained[0] / "model", torch.device("cpu"))
    rows = asked_for(read_images(images), VIEWS, cfg)
    assert len(rows) == 5 * 2 * 3, "queries twice, gallery once"
    feature = extract(embedder, rows, cfg, upright=False)
    turned = extract(embedder, rows, cfg, upright=False, turns=4)
    np.testing.assert_allclose(np.linalg.norm(feature, axis=1), 1, rtol=1e-5)
    made = write_features(tmp_path / "f.manifest.json", Stored(rows, feature, turned), {"flip": 1})
    again = write_features(tmp_path / "f.manifest.json", Stored(rows, feature, turned), {"flip": 1})
    assert made.digest == again.digest
    stored = read_features(tmp_path / "f.manifest.json")
    assert (stored.feature == feature).all() and (stored.turned == turned).all()
    columns = ["image", "place", "view", "split", "weather", "path", "x", "y"]
    pd.testing.assert_frame_equal(stored.table, rows[columns], check_dtype=False)
    _, queries = stored.side("drone", "query", weather="normal")
    _, gallery = stored.side("satellite", "gallery")
    found = evaluate(queries, gallery, intervals=Intervals(resamples=0))
    assert found.figures["public"]["Recall@5"]["value"] == 1.0
    with pytest.raises(InputError, match="no images of the view 'street'"):
        stored.side("street", "query")
    with pytest.raises(InputError, match=r"knows no view 'dron'.*drone"):
        embedder.features([np.zeros((8, 8, 3), np.uint8)], "dron")


def test_quarter_turns_make_features_blind_to_them(trained):
    embedder = load_embedder(trained[0] / "model", torch.device("cpu"))
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    turned = np.ascontiguousarray(np.rot90(picture))
    plain, summed = (
        embedder.features([picture, turned], "satellite", turns=turns) for turns in (1, 4)
    )
    assert np.abs(plain[0] - plain[1]).max() > 1e-4
    np.testing.assert_allclose(summed[0], summed[1], atol=1e-5)


def test_what_cannot_be_trained_is_said_before(images, tmp_path):
    with pytest.raises(InputError, match=r"resnet5.*resnet50"):
        train(images, tmp_path, TwoView(encoder="resnet5"))
    table = read_images(images)
    path = tmp_path / "images.parquet"
    write_images(path, table[table["split"] != "validation"])
    with pytest.raises(InputError, match="there are none"):
        retrieval_data(path, VIEWS, False, TRAIN)
    one = table[table["place"] == table.loc[table["split"] == "train", "place"].iloc[0]]
    write_images(path, one)
    with pytest.raises(InputError, match="single place"):
        retrieval_data(path, VIEWS, False, RetrievalTrain())


def test_a_bundle_of_something_else_is_refused(trained, tmp_path):
    save_bundle(tmp_path, {"task": "segmentation"}, {"w": np.zeros(2, np.float32)})
    with pytest.raises(InputError, match="not for place retrieval"):
        load_embedder(tmp_path, torch.device("cpu"))
