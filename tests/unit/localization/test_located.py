"""The mosaic of located photos: sure answers at their place, all else masked out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from localization_cases import PHOTO, SIDE, picture, write_case

from nadir.config.localization import CaseDataset
from nadir.localization.case import check_case
from nadir.localization.casefile import Case
from nadir.localization.located import resolved_photos, write_located
from nadir.localization.photos import asked
from nadir.localization.poses import pose_table


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Case, pd.DataFrame, dict]:
    monkeypatch.chdir(tmp_path)
    _, test = write_case(tmp_path / "case", train=3, test=2)
    facts, photos = check_case(CaseDataset(folder="case"))
    return Case.from_dict(facts), photos, test


def answers(photos: pd.DataFrame, poses: dict, sure: set[str]) -> pd.DataFrame:
    rows = []
    for name in asked(photos)["photo"]:
        pose = poses.get(name)
        place = (pose.x, pose.y, pose.angle, pose.scale) if pose else (20.0, 20.0, 0.0, 1.0)
        keys = ("x", "y", "angle", "scale")
        rows.append(
            {"photo": name, "resolved": name in sure, **dict(zip(keys, place, strict=True))}
        )
    return pose_table(rows)


def test_sure_test_photos_lie_where_they_were_found(made: tuple, tmp_path: Path) -> None:
    case, photos, test = made
    validation = set(photos["photo"][photos["split"] == "validation"])
    (name, pose), other = next(iter(test.items())), list(test)[1]
    poses = answers(photos, test, {name} | validation)
    assert [one.name for one in resolved_photos(poses, photos)] == [name]
    facts = write_located(poses, photos, case, tmp_path / "located.tif", workers=1)
    assert facts["photos"] == [name]
    with rasterio.open(tmp_path / "located.tif") as file:
        rgb, shown = np.moveaxis(file.read(), 0, -1), file.dataset_mask() > 0
        assert file.crs == "EPSG:32631"
    x, y = int(pose.x), int(pose.y)
    assert shown[y, x] and abs(shown.sum() - PHOTO[0] * PHOTO[1]) < 60
    assert other not in name and shown.shape == (SIDE[1], SIDE[0])
    difference = np.abs(rgb.astype(int) - picture())[shown]
    assert np.median(difference) <= 3


def test_without_a_sure_answer_the_picture_is_empty(made: tuple, tmp_path: Path) -> None:
    case, photos, test = made
    poses = answers(photos, test, set())
    facts = write_located(poses, photos, case, tmp_path / "located.tif", workers=1)
    assert facts["photos"] == [] and (tmp_path / "located.json").is_file()
    with rasterio.open(tmp_path / "located.tif") as file:
        assert file.shape == (SIDE[1], SIDE[0]) and not file.dataset_mask().any()
