"""What validation photos teach: probabilities, covariances; and that only they teach."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nadir.localization.calibration import Calibration, calibrate, is_right
from nadir.localization.confidence import Confidence, Evidence
from nadir.localization.localizer import Answer
from nadir.localization.pose import Pose
from nadir.localization.spread import Spread

GOOD, POOR = Evidence(0.4, 0.2, 0.9, 60, 1.0), Evidence(0.05, 0.005, 0.15, 60, 1.0)


def answer(pose, evidence=GOOD, reference="substrate", stage="search"):
    return Answer(pose, 0.01 * np.eye(3), evidence, evidence.margin, 0.5, False, reference, stage)


def case(count=40, off=1.0, split="validation"):
    """Return answers, each off by one pixel or so, every fourth wrong; and their photo table."""
    random = np.random.default_rng(3)
    answers, rows = [], []
    for k in range(count):
        truth = Pose(200.0 + k, 300.0, 10.0)
        dx, dy = (500.0, 0.0) if k % 4 == 3 else random.normal(0, off, 2)
        answers.append(answer(Pose(truth.x + dx, truth.y + dy, 10.0), POOR if k % 4 == 3 else GOOD))
        rows.append({"x": truth.x, "y": truth.y, "angle": 10.0, "scale": 1.0, "split": split})
    return answers, pd.DataFrame(rows)


def test_probability_and_covariance_follow_the_case():
    learned = calibrate(*case())
    sure, unsure = (
        learned.apply(answer(Pose(0, 0, 0)), 0.9),
        learned.apply(answer(Pose(0, 0, 0), POOR), 0.9),
    )
    assert sure.resolved and not unsure.resolved and unsure.probability < 0.2
    assert np.sqrt(sure.covariance[0, 0]) == pytest.approx(1.0, abs=0.3)


def test_only_validation_photos_teach():
    learned = calibrate(*case(split="test"))
    assert np.array_equal(learned.confidence.weights, Confidence().weights)
    assert learned.spreads == {}


def test_photos_without_truth_or_answer_teach_nothing():
    answers, photos = case()
    photos["x"] = np.nan
    assert calibrate(answers, photos).spreads == {}
    answers, photos = case()
    nowhere = [answer(one.pose, stage="none") for one in answers]
    assert calibrate(nowhere, photos).spreads == {}


def test_an_answer_from_nowhere_stays_as_it_is():
    given = answer(Pose(0, 0, 0), stage="none")
    assert Calibration(spreads={"": Spread(9.0, 9.0)}).apply(given, 0.5) is given


def test_there_and_back():
    learned = calibrate(*case())
    again = Calibration.from_dict(learned.to_dict())
    assert np.array_equal(again.confidence.weights, learned.confidence.weights)
    assert again.spreads == learned.spreads


@pytest.mark.parametrize("broken", [{}, {"confidence": {}, "spreads": {}}, {"confidence": 1}])
def test_what_is_no_calibration_is_refused(broken):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Calibration.from_dict(broken)


@pytest.mark.parametrize(
    ("pose", "right"),
    [
        (Pose(10.0, 0.0, 0.0), True),
        (Pose(10.1, 0.0, 0.0), False),
        (Pose(0.0, 0.0, 359.0), True),
        (Pose(0.0, 0.0, 1.1), False),
    ],
)
def test_what_is_right(pose, right):
    assert is_right(pose, Pose(0.0, 0.0, 0.0)) is right
