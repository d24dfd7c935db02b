"""Scores as a whole: perfect, chance, copied and equal views; and what has no figure says why."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from judged_pairs import make_pairs

from nadir.config.groundview_evaluate import JudgeConfig, PairingConfig, ViewEvaluateConfig
from nadir.errors import InputError
from nadir.groundview.judge_fitting import Judge
from nadir.groundview.judge_network import JudgeNetwork
from nadir.groundview.scoring import score_views

CFG = ViewEvaluateConfig(
    pairing=PairingConfig(among=8, draws=40), resamples=100, groups=5, neighbors=3
)


@pytest.fixture(scope="module")
def judge():
    torch.manual_seed(0)
    cfg = JudgeConfig(size=32, width=8, features=12)
    return Judge(JudgeNetwork(cfg).eval(), cfg, True)


@pytest.fixture(scope="module")
def pairs():
    return make_pairs(56, test=24)


def test_photos_themselves_are_perfect(pairs, judge):
    test = pairs.of("test")
    views = np.repeat(test.photos[:, None], 2, 1)
    found = score_views(pairs, views, judge, CFG)
    assert (found["pairs"], found["places"], found["samples"]) == (24, 24, 2)
    assert found["swd"]["value"] == 0 and found["swd"]["photos"] > 0
    assert found["fd_own"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["ssim"]["value"] == pytest.approx(1) and found["psnr"]["value"] == 60
    for name in ("precision", "recall", "coverage"):
        assert found[name]["value"] == 1 and found[name]["high"] <= 1
    pairing = found["pairing"]
    assert (pairing["n"], pairing["chance"], len(pairing["drawn"])) == (8, 0.125, 8)
    assert set(pairing["losses"]) == {"mse", "ssim", "custom", "coarse", "judge"}
    for loss in pairing["losses"].values():
        assert loss["accuracy"] == {"value": 1, "low": 1, "high": 1}
        assert np.allclose(np.diag(loss["distances"]), 0, atol=1e-5)
    assert found["diversity"]["value"] == 0 and found["diversity"]["places"] == pytest.approx(1)
    assert found["copying"]["ratio"] == pytest.approx(1)
    cover = found["land_cover"]
    assert cover["agreement"]["value"] == pytest.approx(cover["agreement"]["photos"], abs=1e-6)
    assert found["fid"]["value"] is None and "no file" in found["lpips"]["reason"]


def test_views_of_other_places_are_at_chance_and_copies_are_found(pairs, judge):
    training = pairs.photos[pairs.rows("train")]
    views = training[:24][:, None]
    found = score_views(pairs, views, judge, CFG, seed=1)
    best = max(loss["accuracy"]["low"] for loss in found["pairing"]["losses"].values())
    assert best < 0.25
    assert found["copying"]["distance"]["value"] == 0 and found["copying"]["nearer"]["value"] == 1
    assert found["diversity"]["value"] is None and "one sample" in found["diversity"]["reason"]
    assert found["ssim"]["value"] < 0.9 and found["swd"]["value"] > 0


def test_scores_are_a_function_of_the_seed(pairs, judge):
    views = np.random.default_rng(0).integers(0, 256, (24, 2, 3, 32, 32), dtype=np.uint8)
    one, same, other = (score_views(pairs, views, judge, CFG, seed) for seed in (3, 3, 4))
    assert one == same
    assert one["pairing"]["drawn"] != other["pairing"]["drawn"]
    assert one["ssim"]["value"] == other["ssim"]["value"]


def test_without_truth_land_cover_says_why(judge):
    pairs = make_pairs(40, truth=False, test=12)
    views = pairs.of("test").photos[:, None]
    found = score_views(pairs, views, judge, CFG)
    assert found["land_cover"]["agreement"] is None
    assert "not known" in found["land_cover"]["reason"]
    blind = Judge(judge.network, judge.cfg, False)
    assert "no truth" in score_views(pairs, views, blind, CFG)["land_cover"]["reason"]


def test_what_cannot_be_scored_is_refused(pairs, judge):
    wrong = CFG.model_copy(update={"pairing": PairingConfig(losses=("mse", "custon"))})
    with pytest.raises(InputError, match="did you mean 'custom'"):
        score_views(pairs, pairs.of("test").photos[:, None], judge, wrong)
    few = make_pairs(20, test=1)
    with pytest.raises(InputError, match="set of 1 test pairs"):
        score_views(few, few.of("test").photos[:, None], judge, CFG)
