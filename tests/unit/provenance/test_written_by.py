"""Digests of what commands write, kept beside results."""

from __future__ import annotations

import hashlib
import json
import threading

import numpy as np
import pytest

from nadir.provenance.atomic import atomic_folder, atomic_path, write_text
from nadir.provenance.lease import STARTED
from nadir.provenance.written_by import FOLDER, digests_below, kept_digests
from nadir.raster.grid import Grid
from nadir.raster.written import cog_in_blocks


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_everything_that_gets_its_name_is_known(tmp_path):
    results = tmp_path / "results"
    with kept_digests(results / "job/metrics.json"):
        write_text(results / "job/metrics.json", "{}\n")
        with atomic_path(results / "job/figure.png") as temporary:
            temporary.write_bytes(b"picture")
        with atomic_folder(results / "job/model") as folder:
            write_text(folder / "model.yaml", "a: 1\n")
            (folder / "deep").mkdir()
            (folder / "deep/notes.txt").write_text("x")
            (folder / "tiles.zarr").mkdir()
            (folder / "tiles.zarr/zarr.json").write_text("{}")
        write_text(results / ".cache/train/state.json", "{}")
        write_text(tmp_path / "elsewhere.txt", "x")
        write_text(results / "job/gone.txt", "x")
        (results / "job/gone.txt").unlink()
    assert digests_below(results) == {
        name: {sha(results / name)}
        for name in (
            "job/metrics.json",
            "job/figure.png",
            "job/model/model.yaml",
            "job/model/deep/notes.txt",
        )
    }


def test_rasters_are_known(tmp_path):
    path = tmp_path / "results/map.tif"
    grid = Grid("EPSG:32631", (10.0, 0.0, 4e5, 0.0, -10.0, 46e5), 300, 300)
    with kept_digests(path), cog_in_blocks(path, grid, ("class",), "uint8", {}) as dataset:
        dataset.write(np.full((300, 300), 3, np.uint8), 1)
    assert digests_below(tmp_path / "results") == {"map.tif": {sha(path)}}


def test_threads_write_too(tmp_path):
    path = tmp_path / "results/a.txt"
    with kept_digests(path):
        thread = threading.Thread(target=write_text, args=(path, "x"))
        thread.start()
        thread.join()
    assert set(digests_below(tmp_path / "results")) == {"a.txt"}


def test_a_job_that_fails_or_is_killed_leaves_nothing_that_could_be_wrong(tmp_path):
    path = tmp_path / "results/a.txt"
    with kept_digests(path):
        write_text(path, "old")
    with pytest.raises(ValueError, match="stop"), kept_digests(path):
        write_text(path, "new")
        raise ValueError("stop")
    assert digests_below(tmp_path / "results") == {}


def test_nothing_is_kept_outside_results_nor_by_later_ranks(tmp_path, monkeypatch):
    with kept_digests(tmp_path / "a.txt"):
        write_text(tmp_path / "a.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    path = tmp_path / "results/a.txt"
    monkeypatch.setenv(STARTED, "1")  # the first process of a distributed training writes
    with kept_digests(path):
        write_text(path, "x")
    assert set(digests_below(tmp_path / "results")) == {"a.txt"}
    monkeypatch.setenv("RANK", "1")
    with kept_digests(path):
        write_text(path, "y")
    assert digests_below(tmp_path / "results") == {"a.txt": {hashlib.sha256(b"x").hexdigest()}}


@pytest.mark.parametrize("content", [b"[", b"[1]", b'{"a.txt": 3}', b'"a"', b"\xff"])
def test_damaged_records_prove_nothing(tmp_path, content):
    record = tmp_path / FOLDER / "x.json"
    record.parent.mkdir(parents=True)
    record.write_bytes(content)
    assert digests_below(tmp_path) == {}


def test_the_record_is_plain_json(tmp_path):
    path = tmp_path / "results/ä b.txt"
    with kept_digests(path):
        write_text(path, "x")
    (record,) = (tmp_path / "results" / FOLDER).iterdir()
    assert json.loads(record.read_text()) == {"ä b.txt": sha(path)}
