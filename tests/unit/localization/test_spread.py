"""Spreads: what right answers are off beyond their fits is measured, and nothing twice."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.localization.pose import Pose
from nadir.localization.spread import LEAST, Deviation, Spread, measure_spreads, spread_of


def deviations(count, pixels, degrees, fit_sd, reference="a", seed=0):
    """Return answers off by a common error of the reference and by what their fits know."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        off = random.normal(0, np.hypot(pixels, fit_sd), 2)
        turned = random.normal(0, np.hypot(degrees, fit_sd))
        found = Pose(100.0 + off[0], 50.0 + off[1], turned % 360.0)
        made.append(Deviation(reference, found, Pose(100.0, 50.0, 0.0), fit_sd**2 * np.eye(3)))
    return made


@pytest.mark.parametrize(("pixels", "degrees", "fit_sd"), [(1.5, 0.2, 0.05), (0.4, 0.3, 0.3)])
def test_what_fits_cannot_know_is_found(pixels, degrees, fit_sd):
    spread = measure_spreads(deviations(4000, pixels, degrees, fit_sd))["a"]
    assert spread.pixels == pytest.approx(pixels, rel=0.1)
    assert spread.degrees == pytest.approx(degrees, rel=0.1)


def test_answers_that_are_as_good_as_they_say_get_nothing_added():
    spread = measure_spreads(deviations(4000, 0.0, 0.0, 0.2))["a"]
    assert spread.pixels < 0.05 and spread.degrees < 0.08


def test_normalized_errors_become_those_of_a_normal_distribution():
    learned = measure_spreads(deviations(500, 0.9, 0.05, 0.1, seed=1))
    others = deviations(500, 0.9, 0.05, 0.1, seed=2)
    z = [
        (one.found.x - one.truth.x) / np.sqrt(spread_of(learned, "a").widen(one.covariance)[0, 0])
        for one in others
    ]
    assert np.sqrt(np.mean(np.square(z))) == pytest.approx(1.0, abs=0.15)


def test_single_outliers_do_no_harm():
    good = deviations(60, 0.5, 0.02, 0.05)
    wild = [Deviation("a", Pose(109.0, 59.0, 0.9), Pose(100.0, 50.0, 0.0), np.eye(3) * 0.0025)]
    spreads = [measure_spreads(good)["a"], measure_spreads(good + 3 * wild)["a"]]
    assert spreads[1].pixels < 1.25 * spreads[0].pixels


def test_each_reference_has_its_own_and_few_photos_borrow_that_of_all():
    own = deviations(200, 1.5, 0.1, 0.05) + deviations(200, 0.1, 0.01, 0.05, "b", 1)
    few = deviations(LEAST - 1, 3.0, 0.1, 0.05, "c", 2)
    spreads = measure_spreads(own + few)
    assert set(spreads) == {"", "a", "b"}
    assert spreads["b"].pixels < spreads[""].pixels < spreads["a"].pixels
    assert spread_of(spreads, "c") == spreads[""]
    assert spread_of({}, "c") == Spread()
    assert measure_spreads(few) == {}


def test_angles_wrap():
    made = [
        Deviation("a", Pose(0, 0, 359.9 if k % 2 else 0.1), Pose(0, 0, 0.0), 1e-6 * np.eye(3))
        for k in range(20)
    ]
    assert measure_spreads(made)["a"].degrees == pytest.approx(0.1, abs=0.01)


def test_widening_leaves_correlations_alone():
    covariance = np.array([[1.0, 0.2, 0.1], [0.2, 2.0, 0.3], [0.1, 0.3, 3.0]])
    wide = Spread(2.0, 0.5).widen(covariance)
    assert np.diag(wide).tolist() == [5.0, 6.0, 3.25]
    assert wide[0, 1] == 0.2 and wide[1, 2] == 0.3
