"""The archive to hand in: complete, whole numbers, byte-stable, worth what it says."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from localization_cases import PHOTO, SIDE, random_poses

from nadir.errors import InputError
from nadir.localization.casefile import Case
from nadir.localization.conventions import Conventions
from nadir.localization.guesses import constant_answers
from nadir.localization.metrics import compare
from nadir.localization.photos import SCHEMA
from nadir.localization.pose import CORNERS, angle_difference
from nadir.localization.poses import pose_table
from nadir.localization.records import parse_record
from nadir.localization.submission import check_archive, pack_poses


def case_of(conventions: Conventions) -> Case:
    ground = {"path": "original.tiff", "width": SIDE[0], "height": SIDE[1], "grid": None}
    return Case.from_dict({"substrate": ground, "conventions": conventions.to_dict()})


CASE = case_of(Conventions())


def table(test: int = 5, validation: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return photos with known poses, and these poses as answers."""
    rows = [
        (name, "", split, "all", *PHOTO, pose.x, pose.y, pose.angle, 1.0, "")
        for split, count, seed in (("test", test, 1), ("validation", validation, 2))
        for name, pose in random_poses(split[0], count, seed).items()
    ]
    photos = pd.DataFrame(rows, columns=SCHEMA.names).sort_values("photo", ignore_index=True)
    answers = pose_table(photos[["photo", "x", "y", "angle", "scale"]].to_dict("records"))
    return photos, answers.assign(resolved=True)


@pytest.mark.parametrize("corners", ["rotated", "upright"])
def test_archive_holds_every_test_photo(tmp_path: Path, corners: str) -> None:
    photos, answers = table()
    case = case_of(Conventions(corners, sign=-1, offset=90))
    summary = pack_poses(answers, photos, case, tmp_path / "submission.zip")
    assert (summary["files"], summary["unresolved"]) == (5, 0)
    assert summary["dry_score"] == {"photos": 4, "score": 1.0, "score_as_published": 1.0}
    with zipfile.ZipFile(tmp_path / "submission.zip") as archive:
        assert archive.namelist() == [f"t{index:02}.json" for index in range(5)]
        for row in answers[answers["photo"].str.startswith("t")].itertuples():
            value = json.loads(archive.read(f"{row.photo}.json"))
            assert list(value) == [*CORNERS, "angle"]
            assert type(value["angle"]) is int and 0 <= value["angle"] < 360
            pose = case.conventions.to_pose(parse_record(value, "f"), *PHOTO)
            assert np.hypot(pose.x - row.x, pose.y - row.y) < 0.75
            assert angle_difference(pose.angle, row.angle) < 1.5


def test_equal_answers_give_equal_bytes(tmp_path: Path) -> None:
    photos, answers = table()
    pack_poses(answers, photos, CASE, tmp_path / "one.zip")
    pack_poses(answers[::-1], photos[::-1], CASE, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_dry_score_is_that_of_the_metrics(tmp_path: Path) -> None:
    photos, _ = table()
    answers = constant_answers(CASE, photos)
    summary = pack_poses(answers, photos, CASE, tmp_path / "submission.zip")
    known = photos[photos["split"] == "validation"]
    errors = compare(answers[answers["photo"].isin(known["photo"])], known, CASE)
    assert summary["dry_score"]["score"] == pytest.approx(errors.score.mean())
    assert summary["dry_score"]["score_as_published"] == pytest.approx(errors.published.mean())
    assert summary["unresolved"] == 5


def test_without_validation_there_is_no_score(tmp_path: Path) -> None:
    photos, answers = table(validation=0)
    assert pack_poses(answers, photos, CASE, tmp_path / "s.zip")["dry_score"] is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda photos, answers: (photos, answers.drop(index=0)), "no answer"),
        (lambda photos, answers: (photos[5:], answers[5:]), "no test photo"),
        (lambda photos, answers: (photos, answers.assign(x=5000.0)), "off the substrate"),
        (lambda photos, answers: (photos, answers.assign(scale=1e-3)), "off the substrate"),
    ],
)
def test_refuses_before_anything_is_written(tmp_path: Path, change, problem: str) -> None:
    photos, answers = change(*table())
    with pytest.raises(InputError, match=problem):
        pack_poses(answers, photos, CASE, tmp_path / "submission.zip")
    assert not list(tmp_path.iterdir())


def test_an_archive_that_is_not_right_is_found(tmp_path: Path) -> None:
    photos, answers = table()
    pack_poses(answers, photos, CASE, tmp_path / "good.zip")
    with zipfile.ZipFile(tmp_path / "good.zip") as archive:
        files = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    sizes = dict.fromkeys(files, PHOTO)
    check_archive(tmp_path / "good.zip", files, sizes)
    with pytest.raises(InputError, match="missing or damaged"):
        check_archive(tmp_path / "good.zip", {**files, "t99.json": {}}, sizes)
    for change in ({"angle": 12.0}, {"angle": 360}):
        wrong = {**files, "t02.json": {**files["t02.json"], **change}}
        with zipfile.ZipFile(tmp_path / "wrong.zip", "w") as archive:
            for name, value in wrong.items():
                archive.writestr(name, json.dumps(value))
        with pytest.raises(InputError, match=r"t02\.json"):
            check_archive(tmp_path / "wrong.zip", wrong, sizes)
