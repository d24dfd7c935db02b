"""The comparison of localization experiments: order, floors, equal bytes, no address."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nadir.errors import InputError
from nadir.localization.casefile import Case
from nadir.localization.conventions import Conventions
from nadir.localization.guesses import constant_answers, random_answers
from nadir.localization.metrics import evaluate_poses
from nadir.localization.poses import write_poses
from nadir.provenance.atomic import write_json
from nadir.report.pose_scores import read_pose_rows, shown_split
from nadir.report.poses import PoseComparison, compare_poses

GROUND = {"path": "s.tif", "width": 400, "height": 300, "grid": None}
CASE = Case.from_dict({"substrate": GROUND, "conventions": Conventions().to_dict()})


def photo_table(count: int = 12) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "photo": [f"p{number:02}" for number in range(count)],
            "path": "",
            "split": ["validation", "test"] * (count // 2),
            "width": 40,
            "height": 40,
            "x": generator.uniform(50, 350, count),
            "y": generator.uniform(50, 250, count),
            "angle": generator.uniform(0, 360, count),
            "scale": 1.0,
        }
    )


def write_experiment(root: Path, name: str, photos: pd.DataFrame, poses: pd.DataFrame) -> None:
    write_poses(root / name / "poses.parquet", poses)
    metrics = evaluate_poses(poses, photos, CASE, resamples=50)
    write_json(root / name / "metrics.json", metrics)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset with a good, a bad and a constant experiment."""
    root, photos = tmp_path / "town", photo_table()
    blind = constant_answers(CASE, photos)
    good = blind.assign(**{key: photos[key] for key in ("x", "y", "angle")}, resolved=True)
    bad = blind.assign(x=photos["x"] + 60, y=photos["y"], angle=photos["angle"])
    write_experiment(root, "a_bad", photos, bad)
    write_experiment(root, "good & true", photos, good)
    write_experiment(root, "middle", photos, blind)
    write_experiment(root, "random", photos, random_answers(CASE, photos, seed=7))
    return root


def compare(root: Path, out: Path) -> dict[str, bytes]:
    files = {"page": "c.html", "table": "c.csv", "figure": "c.png", "curves": "e.png"}
    outputs = PoseComparison(**{key: out / name for key, name in files.items()})
    metrics = sorted(root.glob("*/metrics.json"))
    compare_poses(metrics, sorted(root.glob("*/poses.parquet")), photo_table(), CASE, outputs)
    return {key: (out / name).read_bytes() for key, name in files.items()}


def test_the_best_comes_first_and_floors_last_each_once(folder: Path) -> None:
    rows = read_pose_rows(sorted(folder.glob("*/metrics.json")))
    names = [row.label for row in rows]
    assert names[0] == "good & true" and "middle" not in names
    assert names[-2:] == ["constant (floor)", "random (floor)"]
    assert "random" in names, "random answers of another seed are an experiment"
    best = rows[0].values["test", "success"]
    assert best is not None and best.value == best.high == 100 and 50 < best.low < 70
    assert rows[0].values["test", "score"].value == 1.0
    assert rows[0].values["test", "precision"].value == 100
    assert rows[-1].values["test", "precision"] is None
    assert shown_split(rows) == "test"


def test_the_page_stands_alone_and_names_everything(folder: Path, tmp_path: Path) -> None:
    made = compare(folder, tmp_path / "out")
    page = made["page"].decode()
    assert "://" not in page and "good &amp; true" in page
    assert re.search(r'<th scope="row">constant <span[^>]*>\(floor\)</span>', page)
    assert page.count("<table>") == 2 and "data:image/png;base64," in page
    open_tags: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list) -> None:
            if tag not in ("meta", "br", "img"):
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Balance().feed(page)
    assert not open_tags


def test_equal_inputs_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    assert compare(folder, tmp_path / "one") == compare(folder, tmp_path / "two")


def test_the_table_holds_figures_and_intervals(folder: Path, tmp_path: Path) -> None:
    lines = list(csv.DictReader(compare(folder, tmp_path / "out")["table"].decode().splitlines()))
    assert [line["floor"] for line in lines] == ["no"] * 3 + ["yes"] * 2
    bad = next(line for line in lines if line["experiment"] == "a_bad")
    assert float(bad["test median error"]) == pytest.approx(60)
    assert float(bad["test success"]) == 0 and float(bad["test success high"]) > 20
    assert bad["test photos"] == "6"


def test_scores_of_other_photos_are_refused(folder: Path) -> None:
    photos = photo_table(10)
    write_experiment(folder, "other", photos, constant_answers(CASE, photos))
    with pytest.raises(InputError, match="scored on other photos"):
        read_pose_rows(sorted(folder.glob("*/metrics.json")))


def test_what_are_no_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        read_pose_rows([])
    with pytest.raises(InputError, match="no such file"):
        read_pose_rows([tmp_path / "metrics.json"])
    write_json(tmp_path / "metrics.json", {"splits": {"test": {"answers": 3}}})
    with pytest.raises(InputError, match="no scores of poses"):
        read_pose_rows([tmp_path / "metrics.json"])
