"""Reading positions: good ones, and every kind of bad one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nadir.errors import InputError
from nadir.localization.pose import CORNERS, Pose
from nadir.localization.records import check_rectangle, fit_pose, parse_record, read_record

GOOD = {
    "left_top": [10, 20],
    "right_top": [110, 20],
    "left_bottom": [10, 70],
    "right_bottom": [110, 70],
    "angle": 0,
}


def test_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({**GOOD, "note": "kept out"}).encode())
    record = read_record(path)
    assert record.angle == 0
    assert record.corners.tolist() == [GOOD[key] for key in CORNERS]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "empty"),
        (b"{", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[1, 2]", "no JSON object"),
        (b"{}", "it lacks left_top, right_top, left_bottom, right_bottom, angle"),
    ],
)
def test_refuses_files(tmp_path: Path, text: bytes, problem: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=problem) as caught:
        read_record(path)
    assert caught.value.file == str(path) and caught.value.remedy


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_record(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"left_top": [1]}, "left_top is"),
        ({"left_top": [1, 2, 3]}, "left_top is"),
        ({"left_top": "1, 2"}, "left_top is"),
        ({"right_top": [1, "2"]}, "right_top is"),
        ({"right_top": [1, None]}, "right_top is"),
        ({"right_bottom": [True, 2]}, "right_bottom is"),
        ({"right_bottom": [float("nan"), 2]}, "right_bottom is"),
        ({"right_bottom": [10**400, 2]}, "right_bottom is"),
        ({"angle": "12"}, "angle is"),
        ({"angle": None}, "angle is"),
        ({"angle": float("inf")}, "angle is"),
        ({"angle": 400}, "angle is"),
    ],
)
def test_refuses_values(change: dict, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_record({**GOOD, **change}, "a.json")


def test_fit_undoes_corners() -> None:
    pose = Pose(123.4, 567.8, 211.0, 1.3)
    value = {key: xy.tolist() for key, xy in zip(CORNERS, pose.corners(100, 50), strict=True)}
    found, residual = fit_pose(parse_record({**value, "angle": 0}, "f"), 100, 50)
    assert found.x == pytest.approx(pose.x) and found.y == pytest.approx(pose.y)
    assert found.angle == pytest.approx(pose.angle) and found.scale == pytest.approx(pose.scale)
    assert residual < 1e-9


@pytest.mark.parametrize(
    ("corners", "problem"),
    [
        ([[5, 5], [5, 5], [5, 5], [5, 5]], "coincide"),
        ([[110, 20], [10, 20], [110, 70], [10, 70]], "mirrored"),
        ([[10, 70], [110, 70], [10, 20], [110, 20]], "mirrored"),
        ([[10, 20], [110, 20], [10, 120], [110, 120]], "no rectangle"),  # a square, photo 2 : 1
        ([[10, 20], [110, 20], [30, 70], [130, 70]], "no rectangle"),  # sheared
        ([[10, 20], [110, 20], [110, 70], [10, 70]], "no rectangle"),  # around instead of by rows
    ],
)
def test_refuses_what_is_no_rectangle_of_the_photo(corners: list, problem: str) -> None:
    value = {**dict(zip(CORNERS, corners, strict=True)), "angle": 0}
    with pytest.raises(InputError, match=problem):
        check_rectangle(parse_record(value, "a.json"), 100, 50, "a.json")


def test_allows_rounding() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        pose = Pose(*rng.uniform(0, 1000, 2), rng.uniform(0, 360), rng.uniform(0.5, 2))
        corners = np.floor(pose.corners(100, 50)).tolist()  # cut off, the worst
        value = {**dict(zip(CORNERS, corners, strict=True)), "angle": 0}
        found, _ = check_rectangle(parse_record(value, "f"), 100, 50, "f")
        assert np.hypot(found.x - pose.x, found.y - pose.y) < 1.5
