"""Probability from evidence: sensible before any photo is known, moved by those that are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nadir.localization.confidence import FEATURES, PRIOR, Confidence, Evidence

GOOD = Evidence(score=0.7, margin=0.3, agreement=0.95, patches=60, clear=1.0)
BAD = Evidence(score=0.15, margin=0.01, agreement=0.15, patches=30, clear=1.0)
MIDDLING = Evidence(score=0.35, margin=0.08, agreement=0.45, patches=40, clear=0.8)

GROWING = {
    "score": np.linspace(-1, 1, 9),
    "margin": np.linspace(-0.2, 0.9, 9),
    "agreement": np.linspace(0, 1, 9),
    "patches": np.array([0, 1, 4, 8, 16, 32, 64, 128, 500]),
}


def series(confidence: Confidence, name: str) -> np.ndarray:
    return np.array(
        [confidence.probability(replace(MIDDLING, **{name: one})) for one in GROWING[name]]
    )


def known(count: int, share: float, seed: int = 0) -> tuple[list[Evidence], np.ndarray]:
    """Return evidence that tells right from wrong but for some overlap."""
    random = np.random.default_rng(seed)
    right = random.random(count) < share
    evidence = [
        Evidence(
            score=float(0.3 + 0.15 * one + 0.1 * random.standard_normal()),
            margin=float(abs(0.02 + 0.1 * one + 0.04 * random.standard_normal())),
            agreement=float(np.clip(0.3 + 0.4 * one + 0.15 * random.standard_normal(), 0, 1)),
            patches=int(random.integers(10, 64)),
            clear=1.0,
        )
        for one in right
    ]
    return evidence, right


def test_before_any_photo_is_known():
    confidence = Confidence()
    assert confidence.probability(GOOD) > 0.95 > 0.5 > confidence.probability(BAD)
    assert confidence.probability(Evidence(0.0, 0.0, 0.0, 0, 0.0)) < 0.05


@pytest.mark.parametrize("name", GROWING)
def test_more_of_anything_never_speaks_against(name):
    assert (np.diff(series(Confidence(), name)) >= 0).all()
    # Not even where the photos with known truth seem to say so.
    evidence, right = known(200, 0.5)
    confidence = Confidence.fitted(evidence, ~right)
    assert (np.diff(series(confidence, name)) >= 0).all()
    assert (confidence.weights[1:] >= 0).all()


def test_an_unknown_margin_is_neither_the_least_nor_the_most():
    confidence = Confidence()
    alone = confidence.probability(replace(MIDDLING, margin=float("nan")))
    little = confidence.probability(replace(MIDDLING, margin=0.0))
    much = confidence.probability(replace(MIDDLING, margin=1.0))
    assert little < alone < much
    assert np.isfinite(replace(MIDDLING, margin=float("nan")).vector()).all()
    assert len(MIDDLING.vector()) == len(FEATURES) == len(PRIOR)


def test_no_photo_leaves_the_prior_and_many_decide():
    assert np.array_equal(Confidence.fitted([], np.array([], bool)).weights, PRIOR)
    usual = Confidence().probability(MIDDLING)
    few, many = (
        [Confidence.fitted([MIDDLING] * n, np.full(n, truth)) for truth in (False, True)]
        for n in (2, 200)
    )
    wrong, right = (one.probability(MIDDLING) for one in few)
    surely_wrong, surely_right = (one.probability(MIDDLING) for one in many)
    assert surely_wrong < wrong < usual < right < surely_right
    assert surely_wrong < 0.05 and surely_right > 0.95


def test_probabilities_come_true():
    random = np.random.default_rng(3)
    weights = np.array([-4.0, 12.0, 5.0, 2.0, 0.5])

    def drawn(count: int) -> tuple[list[Evidence], np.ndarray]:
        evidence = [
            Evidence(*random.uniform((0, 0, 0), (0.8, 0.3, 1)), int(random.integers(8, 64)), 1.0)
            for _ in range(count)
        ]
        odds = np.array([one.vector() @ weights for one in evidence])
        return evidence, random.random(count) < 1 / (1 + np.exp(-odds))

    confidence = Confidence.fitted(*drawn(3000))
    fresh, truth = drawn(3000)
    said = np.array([confidence.probability(one) for one in fresh])
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        there = (said >= low) & (said < low + 0.2 + 1e-9)
        assert there.sum() > 100
        assert said[there].mean() == pytest.approx(truth[there].mean(), abs=0.08)


def test_the_fit_is_where_data_and_prior_balance():
    """Among weights around the answer none is more probable."""
    from nadir.localization.confidence import PRIOR_SD

    evidence, right = known(40, 0.5)
    found = Confidence.fitted(evidence, right).weights
    assert (found[1:] > 0).all(), "no bound is met, so the optimum is plain"
    design = np.stack([one.vector() for one in evidence])

    def height(weights):
        odds = design @ weights
        likely = (right * odds - np.logaddexp(0, odds)).sum()
        return likely - 0.5 * (((weights - PRIOR) / PRIOR_SD) ** 2).sum()

    random = np.random.default_rng(0)
    best = height(found)
    for size in (1e-3, 1e-1, 1.0):
        for _ in range(30):
            assert height(found + size * random.standard_normal(len(found))) <= best + 1e-9


@pytest.mark.parametrize("count", [20, 1000])
def test_perfectly_separated_answers_do_not_blow_up(count):
    evidence = [GOOD, BAD] * (count // 2)
    right = np.array([True, False] * (count // 2))
    with np.errstate(all="raise"):
        confidence = Confidence.fitted(evidence, right)
        said = [confidence.probability(one) for one in (GOOD, MIDDLING, BAD)]
    assert np.isfinite(confidence.weights).all() and np.abs(confidence.weights).max() < 200
    assert 1 >= said[0] >= said[1] >= said[2] >= 0
    assert said[0] > 0.9 and said[2] < 0.1


@pytest.mark.parametrize("truth", [True, False])
def test_answers_all_right_or_all_wrong_stay_finite(truth):
    evidence, _ = known(300, 0.5)
    evidence[0] = replace(evidence[0], margin=float("nan"))
    confidence = Confidence.fitted(evidence, np.full(300, truth))
    said = np.array([confidence.probability(one) for one in evidence])
    assert np.isfinite(said).all() and abs(said.mean() - truth) < 0.1


def test_fits_leave_the_prior_as_it_is():
    before = PRIOR.copy()
    Confidence.fitted([GOOD] * 50, np.zeros(50, bool))
    assert np.array_equal(PRIOR, before) and np.array_equal(Confidence().weights, before)
