"""Scores: known figures, brute force, intervals, and the tables of answers they are taken of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from localization_cases import write_case

from nadir.config.localization import CaseDataset
from nadir.errors import InputError
from nadir.localization.bootstrap import intervals, mean, quantile, wilson
from nadir.localization.case import check_case
from nadir.localization.casefile import Case
from nadir.localization.guesses import constant_answers, random_answers
from nadir.localization.metrics import (
    compare,
    evaluate_poses,
    official,
    score,
    score_as_published,
    summarize,
)
from nadir.localization.photos import SCHEMA as PHOTO_SCHEMA
from nadir.localization.pose import Pose
from nadir.localization.poses import aligned, pose_table, read_poses, write_poses

SIDE = 10496
CASE = Case.from_dict(
    {
        "substrate": {"path": "original.tiff", "width": SIDE, "height": SIDE, "grid": None},
        "conventions": {},
    }
)


def photo_table(count: int, split: str = "test", seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        (f"p{index:04}", "", split, "all", 1024, 1024, *rng.uniform(512, SIDE - 512, 2), a, 1.0, "")
        for index, a in enumerate(rng.uniform(0, 360, count))
    ]
    return pd.DataFrame(rows, columns=PHOTO_SCHEMA.names)


def answers_of(photos: pd.DataFrame, **change: object) -> pd.DataFrame:
    rows = photos[["photo", "x", "y", "angle", "scale"]].to_dict("records")
    return pose_table(rows).assign(**{"resolved": True, **change})


def test_the_constant_answer_gets_what_is_known_of_it() -> None:
    photos = photo_table(4000)
    errors = compare(constant_answers(CASE, photos), photos, CASE)
    assert errors.score.mean() == pytest.approx(0.767, abs=0.004)
    assert errors.published.mean() == pytest.approx(0.992, abs=0.005)
    errors = compare(random_answers(CASE, photos), photos, CASE)
    assert errors.score.mean() == pytest.approx(0.714, abs=0.005)
    assert errors.published.mean() == pytest.approx(0.890, abs=0.005)


def test_small_errors_cost_what_is_known() -> None:
    assert score(10, 10, 1, SIDE, SIDE) == pytest.approx(0.9985, abs=2e-5)
    assert score(2, 2, 0, SIDE, SIDE) == pytest.approx(0.9999, abs=4e-5)
    assert score(0, 0, 0, SIDE, SIDE) == score_as_published(0, 0, 0, SIDE, SIDE) == 1


def test_the_published_formula_rewards_wrong_angles() -> None:
    assert score_as_published(0, 0, 180, SIDE, SIDE) > 1 > score(0, 0, 180, SIDE, SIDE)
    assert score(0, 0, 359, SIDE, SIDE) == score(0, 0, 1, SIDE, SIDE) == score(0, 0, -1, SIDE, SIDE)
    assert score_as_published(0, 0, 359, SIDE, SIDE) == pytest.approx(1.3)


def script(one: dict, other: dict, width: int, height: int) -> float:
    """Follow the challenge's script, statement by statement, on two files."""
    centers = []
    for value in (one, other):
        x = int((value["left_top"][0] + value["right_bottom"][0]) / 2)
        y = int((value["left_top"][1] + value["right_bottom"][1]) / 2)
        centers.append((x, y))
    dx, dy = abs(centers[0][0] - centers[1][0]), abs(centers[0][1] - centers[1][1])
    da = abs(one["angle"] - other["angle"])
    return 1 - 0.7 * (dx / width + dy / height) / 2 + 0.3 * da / 359


def test_scores_are_those_of_the_files() -> None:
    photos = photo_table(30)
    guesses = random_answers(CASE, photos, 5)
    errors = compare(guesses, photos, CASE)
    for index in range(len(photos)):
        files = []
        for table in (guesses, photos):
            row = table.iloc[index]
            pose = Pose(row.x, row.y, row.angle, row.scale)
            files.append(CASE.conventions.to_record(pose, 1024, 1024))
        assert errors.published[index] == pytest.approx(script(*files, SIDE, SIDE))


def test_centers_are_cut_off() -> None:
    record = {
        "left_top": [0, -3],
        "right_top": [9, 9],
        "left_bottom": [9, 9],
        "right_bottom": [5, 0],
        "angle": 7,
    }
    assert official(record) == (2, -1, 7)


def test_errors_success_coverage_and_precision() -> None:
    photos = photo_table(8)
    answers = answers_of(photos)
    answers.loc[0, "x"] += 11.0  # too far, and sure of it
    answers.loc[1, "angle"] = (answers.loc[1, "angle"] + 359) % 360  # 1 degree, just right
    answers.loc[2, "y"] += 5000.0
    answers.loc[2, "resolved"] = False
    answers.loc[3, "resolved"] = False
    errors = compare(answers, photos, CASE)
    assert errors.success.tolist() == [0, 1, 0, 1, 1, 1, 1, 1]
    summary = summarize(errors, resamples=200)
    assert summary["success"]["value"] == 6 / 8
    assert summary["coverage"]["value"] == 6 / 8
    assert summary["precision"]["value"] == 5 / 6
    assert summary["center_m_median"] is None
    assert summary["center_px_median"]["value"] == 0
    for figure in ("score", "success", "precision", "angle_deg_p90"):
        entry = summary[figure]
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert summary["precision"]["wilson"] == list(wilson(5, 6))
    looser = compare(answers, photos, CASE, pixels=12, degrees=0.5)
    assert looser.success.tolist() == [1, 0, 0, 1, 1, 1, 1, 1]


def test_an_answer_in_doubt_everywhere_has_no_precision() -> None:
    photos = photo_table(4)
    summary = summarize(compare(answers_of(photos, resolved=False), photos, CASE), resamples=50)
    assert summary["precision"] is None and summary["coverage"]["value"] == 0


def test_intervals_match_brute_force_and_cover() -> None:
    values = np.random.default_rng(0).exponential(size=40)
    found = intervals({"m": (values, mean), "q": (values, quantile(0.9))}, seed=3, resamples=500)
    picks = [
        values[np.random.default_rng([3, 0xB007, index]).integers(0, 40, 40)]
        for index in range(500)
    ]
    assert found["m"] == pytest.approx(np.quantile([pick.mean() for pick in picks], [0.025, 0.975]))
    tops = [np.quantile(pick, 0.9) for pick in picks]
    assert found["q"] == pytest.approx(np.quantile(tops, [0.025, 0.975]))
    hits = 0
    for seed in range(60):
        sample = np.random.default_rng([9, seed]).normal(size=60)
        low, high = intervals({"m": (sample, mean)}, seed, 200)["m"]
        hits += low <= 0 <= high
    assert 50 <= hits <= 60


def test_chunks_do_not_change_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=30)
    whole = intervals({"m": (values, mean)}, 1, 100)
    monkeypatch.setattr("nadir.localization.bootstrap._VALUES", 70)
    assert intervals({"m": (values, mean)}, 1, 100) == whole


def test_wilson_is_honest_where_all_succeed() -> None:
    low, high = wilson(20, 20)
    assert low == pytest.approx(0.8389, abs=1e-4) and high == 1
    assert np.isnan(wilson(0, 0)).all()


def test_evaluation_of_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_case(tmp_path / "case", train=10, test=4, exact=True)
    facts, photos = check_case(CaseDataset(folder=str(tmp_path / "case")))
    case = Case.from_dict(facts)
    asked = photos[photos["split"] != "train"]
    answers = answers_of(asked)
    answers["x"] += 3.0
    result = evaluate_poses(answers, photos, case, resamples=50)
    assert set(result["splits"]) == {"validation", "test"}
    own = result["splits"]["test"]["answers"]
    assert own["photos"] == 4
    assert own["center_px_median"]["value"] == pytest.approx(3)
    assert own["center_m_median"]["value"] == pytest.approx(1.5, abs=0.002)
    assert own["success"]["value"] == 1
    floors = [result["splits"]["test"][name]["score"]["value"] for name in ("constant", "random")]
    assert own["score"]["value"] > max(floors)
    assert evaluate_poses(answers, photos, case, resamples=50) == result
    blind = photos.assign(x=photos["x"].where(photos["split"] != "test"))
    assert set(evaluate_poses(answers, blind, case, resamples=50)["splits"]) == {"validation"}
    json.dumps(result, allow_nan=False)


def test_answers_must_be_those_asked_for() -> None:
    photos = photo_table(5)
    answers = answers_of(photos)
    with pytest.raises(InputError, match=r"1 of 5 photos have no answer \(p0002\)"):
        aligned(answers.drop(index=2), photos, "poses.parquet")
    extra = pd.concat([answers, answers.head(1).assign(photo="p9")])
    with pytest.raises(InputError, match="nobody asked for"):
        aligned(extra, photos, "poses.parquet")
    found = aligned(answers[::-1], photos, "poses.parquet")
    assert found["photo"].tolist() == photos["photo"].tolist()


def test_poses_are_byte_stable_and_read_back(tmp_path: Path) -> None:
    answers = random_answers(CASE, photo_table(6), 1)
    write_poses(tmp_path / "one.parquet", answers)
    write_poses(tmp_path / "two.parquet", answers[::-1])
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    pd.testing.assert_frame_equal(read_poses(tmp_path / "one.parquet"), answers)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"x": np.nan}, "not finite"),
        ({"angle": 360.0}, "outside 0 to 360"),
        ({"angle": -1.0}, "outside 0 to 360"),
        ({"scale": 0.0}, "not positive"),
        ({"probability": 1.2}, "outside 0 to 1"),
        ({"sd_x": -1.0}, "negative"),
        ({"photo": "p0000"}, "twice"),
    ],
)
def test_what_is_no_pose_is_refused(tmp_path: Path, change: dict, problem: str) -> None:
    answers = answers_of(photo_table(3))
    for column, value in change.items():
        answers.loc[1, column] = value
    with pytest.raises(InputError, match=problem):
        write_poses(tmp_path / "poses.parquet", answers)
    assert not (tmp_path / "poses.parquet").exists()


def test_guesses_depend_on_seed_and_name_alone() -> None:
    photos = photo_table(50)
    guesses = random_answers(CASE, photos, 7)
    part = random_answers(CASE, photos[10:20], 7)
    pd.testing.assert_frame_equal(guesses[10:20].reset_index(drop=True), part)
    assert not guesses.equals(random_answers(CASE, photos, 8))
    assert guesses[["x", "y"]].to_numpy().min() >= 512
    assert guesses[["x", "y"]].to_numpy().max() <= SIDE - 512
    assert not guesses["resolved"].any()
