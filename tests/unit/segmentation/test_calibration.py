"""Temperature, calibration error, conformal sets, and the layers that follow from them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nadir.config.quality import CalibrationConfig, ConformalConfig
from nadir.errors import InputError
from nadir.segmentation.blend import ONE
from nadir.segmentation.calibrate import (
    clustered_error,
    fit_calibration,
    judge_calibration,
    judge_sets,
)
from nadir.segmentation.calibration import CalibratedLayers, Calibration, read_calibration
from nadir.segmentation.conformal import (
    members,
    pixel_draw,
    pixel_draws,
)
from nadir.segmentation.held_out import Sample
from nadir.segmentation.reliability import (
    brier_score,
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
    probability_scores,
    reliability,
    tempered,
)


def honest(n, classes, seed, sharpness=1.0):
    """Probabilities, and truths drawn from them."""
    rng = np.random.default_rng([seed, 3])
    logits = rng.normal(0, 1.5, (n, classes))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (rng.random(n)[:, None] > p.cumsum(1)).sum(1).clip(0, classes - 1)
    given = tempered(p, 1 / sharpness)
    return p, given, truth, rng.random(n)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_temperature_undoes_a_known_sharpening(sharpness):
    p, given, truth, _ = honest(60_000, 5, 1, sharpness)
    found = fit_temperature(given, truth)
    assert found == pytest.approx(sharpness, rel=0.03)
    assert np.abs(tempered(given, sharpness) - p).max() < 5e-3  # the least are cut off
    assert probability_scores(tempered(given, found), truth, 15)["ece"] < 0.01


def test_temperature_keeps_the_order_of_classes():
    _, given, _, _ = honest(500, 6, 2)
    assert (np.argsort(tempered(given, 3.0)) == np.argsort(given)).all()


def test_scores_against_their_definitions():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4]])
    truth = np.array([0, 2, 2])
    one_hot = np.eye(3)[truth]
    assert brier_score(p, truth) == pytest.approx(((p - one_hot) ** 2).sum(1).mean())
    assert negative_log_likelihood(p, truth) == pytest.approx(-np.log([0.7, 0.4, 0.4]).mean())
    rows = reliability(np.array([0.1, 0.15, 0.95, 1.0]), np.array([0, 1, 1, 1], bool), 10)
    assert [row["count"] for row in rows] == [1, 1, 2]
    want = (1 * 0.1 + 1 * 0.85 + 2 * 0.025) / 4
    assert calibration_error(rows) == pytest.approx(want)
    assert np.isnan(calibration_error([]))


def test_draws_are_uniform_and_depend_on_the_place_alone():
    y, x = np.mgrid[:300, :300]
    draws = pixel_draws(y.ravel(), x.ravel())
    assert draws.min() >= 0 and draws.max() < 1
    assert np.abs(np.histogram(draws, 10, (0, 1))[0] / draws.size - 0.1).max() < 0.005
    assert draws[300 * 7 + 11] == pixel_draw(7, 11)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.02


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_layers_say_what_the_sample_says(method):
    rng = np.random.default_rng(8)
    p = rng.dirichlet(np.full(5, 0.4), (12, 9))
    total = np.empty((6, 12, 9), np.int32)
    total[:5] = np.rint(np.moveaxis(p, -1, 0) * ONE)
    total[5] = 1
    total[5, 0, :4] = 0
    total[5, 5:8] = 2
    total[5, 8:] = 3  # more dates than any that was fitted
    own = Calibration((9.0, 1.7, 0.6), 0.62, method, 0.9, True)
    made = CalibratedLayers(own, 5)(total, 100, 40)
    dates = total[5].ravel()
    flat = tempered(total[:5].reshape(5, -1).T / ONE, np.where(dates <= 1, 1.7, 0.6))
    y, x = (part.ravel() for part in np.mgrid[100:112, 40:49])
    inside = members(flat, 0.62, method, pixel_draws(y, x), at_least_one=True)
    valid = dates > 0
    bits = (inside.astype(int) << np.arange(5)).sum(1)
    assert (made["sets"].ravel() == np.where(valid, bits, 0)).all()
    assert (made["set_size"].ravel() == np.where(valid, inside.sum(1), 255)).all()
    spread = -(flat * np.log(flat)).sum(1) / np.log(5) * 250
    assert (np.abs(made["entropy"].ravel() - spread)[valid] <= 0.51).all()
    assert (np.abs(made["confidence"].ravel() - 100 * flat.max(1))[valid] <= 0.51).all()
    assert (made["confidence"].ravel()[~valid] == 255).all()


def test_too_many_classes_for_the_bits():
    with pytest.raises(InputError, match="bits"):
        CalibratedLayers(Calibration((1, 1), 1, "lac", 0.9, True), 33)
    assert CalibratedLayers(Calibration((1, 1), 1, "lac", 0.9, True), 17).layers["sets"] == "uint32"


def test_fit_and_judge(tmp_path):
    p, given, truth, draws = honest(40_000, 4, 9, 2.0)
    dates = np.arange(40_000) % 4 // 3 + 1  # a quarter is seen twice, and was sharpened less
    given = np.where(dates[:, None] == 2, tempered(p, 1 / 1.3), given)
    block = np.arange(40_000) // 400
    fit, new = (
        Sample(given[part].astype(np.float32), truth[part], block[part], draws[part], dates[part])
        for part in (slice(0, 20_000), slice(20_000, None))
    )
    cfg = CalibrationConfig(conformal=ConformalConfig(at_least_one=False))
    facts = fit_calibration(fit, cfg, 64)
    assert facts["temperatures"][1:] == pytest.approx([2.0, 1.3], rel=0.08)
    assert facts["before"]["ece"] > 0.08 > 0.02 > facts["after"]["ece"]
    levels = list(facts["conformal"]["thresholds"].values())
    assert levels == sorted(levels) and facts["conformal"]["blocks"] == 50
    (tmp_path / "calibration.json").write_text(json.dumps(facts))
    own = read_calibration(tmp_path / "calibration.json")
    judged = judge_calibration(new, own, cfg)
    assert judged["after"]["ece"] < 0.02
    assert abs(judged["sets"]["coverage"] - 0.9) < 0.03
    assert sum(judged["sets"]["sizes"]) == 20_000
    assert judged["after"]["brier"] < judged["before"]["brier"]


def test_error_of_clusters():
    rng = np.random.default_rng(5)
    values = rng.random(12)
    alone = clustered_error(values, np.arange(12))
    assert alone == pytest.approx(values.std(ddof=1) / np.sqrt(12))
    assert clustered_error(values, np.zeros(12, int)) is None
    # Copies of a value tell nothing new.
    copied = clustered_error(np.repeat(values, 4), np.repeat(np.arange(12), 4))
    assert copied == pytest.approx(alone)
    # Against many draws of unequal clusters whose values go together.
    means, errors = [], []
    for _ in range(400):
        sizes = rng.integers(1, 6, 30)
        member = np.repeat(np.arange(30), sizes)
        made = rng.normal(0, 1, 30)[member] + rng.normal(0, 0.3, len(member))
        means.append(made.mean())
        errors.append(clustered_error(made, member))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)


def test_coverage_errs_by_blocks_of_the_split():
    _, given, truth, draws = honest(4_000, 4, 9, 1.0)
    block, own = np.arange(4_000) // 100, Calibration((1.0, 1.0), 0.7, "lac", 0.9, False)
    rest = (given.astype(np.float32), truth, block, draws, np.ones(4_000, int))
    squares = judge_sets(Sample(*rest), given, own)
    wholes = judge_sets(Sample(*rest, np.arange(40) // 10), given, own)
    assert (squares["draws"], wholes["draws"]) == (40, 4)
    assert squares["block_coverage"] == wholes["block_coverage"]
    assert squares["block_error"] != wholes["block_error"]


def test_no_calibration_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_calibration(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InputError, match="no calibration"):
        read_calibration(tmp_path / "bad.json")
