"""What became of each photo."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nadir.localization.outcomes import OUTCOMES, outcomes_of
from nadir.localization.poses import pose_table


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return photos and answers, one of each outcome, in the order of `OUTCOMES`."""
    names = list("abcde")
    photos = pd.DataFrame(
        {
            "photo": names,
            "path": [f"{name}.png" for name in names],
            "split": "test",
            "width": 40,
            "height": 30,
            "x": [50.0, 50.0, 50.0, 50.0, np.nan],
            "y": [60.0, 60.0, 60.0, 60.0, np.nan],
            "angle": [359.8, 10.0, 10.0, 10.0, np.nan],
            "scale": [1.0, 1.0, 1.0, 1.0, np.nan],
        }
    )
    answers = [
        ("a", 53.0, 64.0, 0.5, True),
        ("b", 50.0, 69.9, 10.9, False),
        ("c", 50.0, 70.1, 10.0, False),
        ("d", 50.0, 60.0, 11.1, True),
        ("e", 50.0, 60.0, 0.0, True),
    ]
    keys = ("photo", "x", "y", "angle", "resolved")
    rows = [dict(zip(keys, row, strict=True)) | {"scale": 1.0} for row in answers]
    return photos, pose_table(rows)


def test_outcomes_follow_both_errors_and_the_flag():
    table = outcomes_of(*tables())
    assert table["outcome"].tolist() == list(OUTCOMES)
    assert table["center"].tolist()[:4] == pytest.approx([5.0, 9.9, 10.1, 0.0])
    assert table["turn"].tolist()[:4] == pytest.approx([0.7, 0.9, 0.0, 1.1])
    assert np.isnan(table[["center", "turn"]].iloc[4]).all()


def test_thresholds_can_be_narrower():
    photos, poses = tables()
    assert outcomes_of(photos, poses, right_px=4.9)["outcome"].iloc[0] == "wrong"
    assert outcomes_of(photos, poses, right_deg=0.6)["outcome"].iloc[0] == "wrong"
