"""The commands around a case, one after the other, as the workflow runs them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from localization_cases import write_case

from nadir.cli.main import main
from nadir.localization.poses import read_poses


def test_from_folder_to_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_case(tmp_path / "case", exact=True)
    cfg = json.dumps({"case": {"world": "valley", "seed": 3}})
    truth = ["--truth", "case/truth.json"]
    words = ["check-case", "--folder", "case", "--cfg", cfg, "--threads", "1", *truth]
    assert main([*words, "--out", "case.json", "--photos", "photos.parquet"]) == 0
    known = ["--case", "case.json", "--photos", "photos.parquet"]
    for name in ("constant", "random"):
        cfg = json.dumps({"method": {"name": name}})
        assert main(["guess-poses", *known, "--cfg", cfg, "--out", f"{name}.parquet"]) == 0
    assert set(read_poses("random.parquet")["stage"]) == {"random"}
    given = [*known, "--poses", "random.parquet"]
    assert main(["evaluate-poses", *given, "--out", "metrics.json", "--pixels", "20"]) == 0
    metrics = json.loads(Path("metrics.json").read_text())
    splits = metrics["splits"]["test"]
    assert splits["answers"] == splits["random"]
    assert metrics["success_within"] == {"pixels": 20.0, "degrees": 1.0}
    assert main(["pack-poses", *given, "--out", "s.zip", "--summary", "s.json"]) == 0
    assert len(zipfile.ZipFile("s.zip").namelist()) == 3
    packed = json.loads(Path("s.json").read_text())
    wanted = metrics["splits"]["validation"]["answers"]["score"]["value"]
    assert packed["dry_score"]["score"] == pytest.approx(wanted)
    places = ["--geopackage", "f.gpkg", "--geojson", "f.geojson"]
    assert main(["export-footprints", *given, *places]) == 0
    count = len(json.loads(Path("f.geojson").read_text())["features"])
    assert count == 3 + packed["dry_score"]["photos"]


def test_faults_of_a_case_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_case(tmp_path / "case")
    (tmp_path / "case" / "original.tiff").unlink()
    (tmp_path / "case" / "train" / "json" / "a00.json").write_text("{}")
    words = ["check-case", "--cfg", json.dumps({"case": {"folder": "case"}})]
    assert main([*words, "--out", "case.json", "--photos", "photos.parquet"]) == 2
    said = capsys.readouterr().err
    assert "2 problems" in said and "original.tiff" in said and "a00.json" in said
    assert not Path("case.json").exists() and not Path("photos.parquet").exists()
