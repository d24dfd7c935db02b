"""Photos located without a workflow: kept indices, answers as documents, faults by name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from localization_cases import write_ground
from PIL import Image
from textures import ground as made_ground
from textures import shoot

from nadir.cli.main import main
from nadir.config.localization import SearchConfig
from nadir.localization.calibration import Calibration
from nadir.localization.confidence import Confidence
from nadir.localization.deployment import write_deployment
from nadir.localization.pose import Pose
from nadir.localization.standalone import index_folder, kept_reference

SIDE, PHOTO = 384, 128
POSE = Pose(200.0, 170.0, 77.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A substrate, a photo of it, and a file that is none."""
    folder = tmp_path_factory.mktemp("standalone")
    ground = made_ground(SIDE, 3)
    write_ground(folder / "ground.tif", ground)
    Image.fromarray(shoot(ground, POSE, PHOTO, PHOTO)).save(folder / "good.png")
    (folder / "bad.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((500, 500, 3), np.uint8)).save(folder / "large.png")
    return folder


def words(folder: Path, *photos: str) -> list[str]:
    paths = [str(folder / name) for name in photos]
    substrate = ["--substrate", str(folder / "ground.tif"), "--index", str(folder / "index")]
    return ["localize", *paths, *substrate]


def test_an_answer_is_a_line_of_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words(folder, "good.png"), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    answer = json.loads(line)
    assert answer["file"] == str(folder / "good.png")
    x, y = answer["pixels"]["center"]
    assert np.hypot(x - POSE.x, y - POSE.y) < 1 and abs(answer["pixels"]["angle"] - POSE.angle) < 1
    east, north = answer["map"]["center"]
    assert (east, north) == pytest.approx((450_000 + x / 2, 4_600_000 - y / 2))
    assert 0 <= answer["probability"] <= 1 and isinstance(answer["resolved"], bool)
    assert np.linalg.eigvalsh(np.array(answer["covariance"])).min() > 0


def test_bad_photos_are_named_and_the_others_answered(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(folder, "bad.png", "good.png")) == 2
    printed = capsys.readouterr()
    assert "bad.png: this is not a picture" in printed.err
    (line,) = printed.out.splitlines()
    assert "good.png: center (200." in line and "EPSG:32631" in line and "probability" in line
    assert main(words(folder, "bad.png", "large.png", "none.png")) == 2
    said = capsys.readouterr().err
    assert "3 of 3 photos could not be located" in said and "none.png" in said
    assert "large.png: its 500 x 500 pixels cover more than the substrate" in said


def test_what_a_run_left_is_searched_as_that_run_did(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept_reference(folder / "ground.tif", folder / "index")
    manifest = folder / "index" / "substrate.manifest.json"
    sure = Confidence(np.array([9.0, 0, 0, 0, 0]))
    search = SearchConfig(joint=False)
    write_deployment(
        folder / "localizer.json", [manifest], None, search, Calibration(sure), PHOTO, 1.0
    )
    words = ["localize", str(folder / "good.png"), "--localiser", str(folder), "--json"]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["probability"] == pytest.approx(1 / (1 + np.exp(-9))) and answer["resolved"]
    x, y = answer["pixels"]["center"]
    assert np.hypot(x - POSE.x, y - POSE.y) < 1


def test_an_index_is_kept_until_the_substrate_changes(tmp_path: Path) -> None:
    path, index = tmp_path / "ground.tif", tmp_path / "index"
    write_ground(path, made_ground(128, 1))
    manifest = index / "substrate.manifest.json"
    first = kept_reference(path, index)
    stamp = manifest.stat().st_mtime_ns
    os.utime(path)
    assert kept_reference(path, index).digest == first.digest
    assert manifest.stat().st_mtime_ns == stamp
    path.unlink()
    write_ground(path, made_ground(128, 2))
    assert kept_reference(path, index).digest != first.digest
    manifest.write_text("torn")
    assert kept_reference(path, index).width == 128


def test_the_default_place_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    one, other = index_folder("a.tif"), index_folder("b.tif")
    assert one != other and one.parent == Path("/cache/nadir/references")
