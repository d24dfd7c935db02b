"""The judge: what it minimizes, that it learns, and that it is kept, read back and refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from judged_pairs import make_pairs, store_pairs

from nadir.config.experiments import OptimizerConfig
from nadir.config.groundview_evaluate import JudgeConfig
from nadir.errors import InputError
from nadir.groundview.judge_fitting import fit_judge, load_judge
from nadir.groundview.judge_learner import JudgeBatches, JudgedPhotos, known_again, share_loss
from nadir.groundview.judging import train_judge
from nadir.groundview.land_cover import agreement, chance_agreement
from nadir.learn.kept import TrainingRun

RATE = OptimizerConfig(name="adamw", learning_rate=1e-2, weight_decay=0.01)
CFG = JudgeConfig(
    size=32, width=8, features=16, epochs=20, max_seconds=None, batch_size=16, instance=0.1,
    optimizer=RATE,
)  # fmt: skip


def train(folder, pairs, cfg=CFG, **options):
    manifest = store_pairs(pairs, folder / "pairs.manifest.json")
    told = {"code": "c", "device": "cpu", "threads": 1} | options
    fit = told.pop("fit", fit_judge)
    run = TrainingRun(folder / "cache", **told)
    return train_judge(fit, manifest, cfg, model=folder / "judge", run=run)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    pairs = make_pairs(120, test=40)
    return folder, pairs, train(folder, pairs)


def test_share_loss_is_the_divergence_of_known_rows():
    shares = torch.tensor([[0.5, 0.5], [1.0, 0.0], [float("nan"), 0.0]])
    logs = torch.tensor([[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]]).log()
    wanted = (0.5 * np.log(2) + 0.5 * np.log(2 / 3) + np.log(2)) / 2
    assert float(share_loss(logs, shares)) == pytest.approx(wanted, rel=1e-5)
    assert float(share_loss(logs, shares * float("nan"))) == 0


def test_known_again_is_the_cross_entropy_over_all_others():
    random = np.random.default_rng(0)
    one, other = (
        v / np.linalg.norm(v, axis=1, keepdims=True) for v in random.normal(size=(2, 3, 4))
    )
    both = np.concatenate([one, other])
    terms = []
    for i in range(6):
        scores = [np.exp(both[i] @ both[j] / 0.5) for j in range(6) if j != i]
        terms.append(-np.log(np.exp(both[i] @ both[(i + 3) % 6] / 0.5) / np.sum(scores)))
    found = known_again(torch.tensor(one), torch.tensor(other), 0.5)
    assert float(found) == pytest.approx(np.mean(terms), rel=1e-6)


def test_it_learns_what_a_view_shows(judged):
    folder, pairs, _ = judged
    judge, test = load_judge(folder / "judge"), pairs.of("test")
    shares = judge.shares(test.photos)
    assert shares.shape == (40, 13) and np.allclose(shares.sum(1), 1, atol=1e-5)
    truth = test.view_shares()
    assert agreement(shares, truth).mean() > chance_agreement(shares, truth).mean() + 0.05
    features = judge.features(pairs.photos[pairs.rows("train")])
    assert features.dtype == np.float32 and features.shape == (76, 16)
    assert 0.5 < features.std(0).mean() < 1.5
    assert np.array_equal(features[:3], judge.features(pairs.photos[:3])) or np.allclose(
        features[:3], judge.features(pairs.photos[:3]), atol=1e-4
    )


def test_an_equal_training_is_delivered_and_another_is_run(judged):
    folder, pairs, key = judged

    def never(*_):
        raise AssertionError("trained again")

    assert train(folder, pairs, fit=never) == key
    card = json.loads((folder / "judge" / "card.json").read_text())
    assert card["result"]["knows_classes"] and card["result"]["training_photos"] == 76
    with pytest.raises(AssertionError, match="again"):
        train(folder, pairs, CFG.model_copy(update={"seed": 1}), fit=never)


def test_weights_are_a_function_of_the_seed(tmp_path):
    pairs, cfg = make_pairs(40), CFG.model_copy(update={"epochs": 2})
    weights = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        train(tmp_path / name, pairs, cfg)
        weights.append((tmp_path / name / "judge/model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_without_truth_it_knows_photos_again(tmp_path):
    pairs = make_pairs(40, truth=False, validation=0)
    train(tmp_path, pairs, CFG.model_copy(update={"epochs": 3}))
    judge = load_judge(tmp_path / "judge")
    assert not judge.knows_classes and judge.shares(pairs.photos) is None
    assert np.isfinite(judge.features(pairs.photos)).all()


def test_batches_are_a_function_of_seed_and_epoch():
    pairs = make_pairs(30)
    data = JudgedPhotos.of(pairs.photos, pairs.view_shares(), 32)

    def shown(epoch):
        batches = JudgeBatches(data, 8, 3)
        batches.set_epoch(epoch)
        return [torch.cat([light, cut]) for light, cut, _ in batches]

    first = shown(1)
    assert len(first) == 3 and all(torch.equal(a, b) for a, b in zip(first, shown(1), strict=True))
    assert not torch.equal(first[0], shown(2)[0])
    plain = list(JudgeBatches(data, 8))
    assert sum(len(light) for light, _, _ in plain) == 30 and torch.equal(plain[0][0], plain[0][1])


def test_too_little_to_learn_from_is_refused(tmp_path):
    with pytest.raises(InputError, match="training photos, and 8 are the least"):
        train(tmp_path, make_pairs(12, test=6, validation=2))
    pairs = make_pairs(40)
    pairs.photos[:] = pairs.photos[0]
    with pytest.raises(InputError, match="photos are equal"):
        train(tmp_path, pairs)


def test_another_bundle_is_refused(judged, tmp_path):
    source = judged[0] / "judge"
    for name in ("model.safetensors", "model.yaml"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    text = (tmp_path / "model.yaml").read_text()
    (tmp_path / "model.yaml").write_text(text.replace("judgment of ground views", "soup"))
    with pytest.raises(InputError, match="model for 'soup'"):
        load_judge(tmp_path)
    (tmp_path / "model.yaml").write_text(text.replace("features: 16", "features: 24"))
    with pytest.raises(InputError):
        load_judge(tmp_path)
