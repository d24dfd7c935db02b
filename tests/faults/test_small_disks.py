"""Disks of every size from a page on: really full, for GDAL, SQLite, Arrow and torch alike."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, files
from disk_writers import KEPT, QUICK, TIMED, WRITERS
from small_disks import LARGEST, can_mount, outcomes

PRODUCTS = {
    "check-images": "images.json",
    "check-scene": "check.json",
    "build-cube": "cube.manifest.json",
    "align-labels": "labels.manifest.json",
    "index-tiles": "tiles.parquet",
    "split-tiles": "split.parquet",
    "compute-statistics": "statistics.json",
    "predict-map": "map.tif",
    "pack-submission": "submission.zip",
    "train-model": "model/model.safetensors",
}
TIMES = ("history.parquet", "card.json")
"""Products that hold times."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to mount disks on."""
    folder = tmp_path_factory.mktemp("small") / "disk"
    folder.mkdir()
    if not can_mount(folder):
        pytest.skip("this system lets no user mount a disk of their own")
    return folder


def task_of(disk: Path, writer: str, **options: Any) -> dict[str, Any]:
    """Return the task of trying a writer on disks of many sizes."""
    place = {"disk": str(disk), "bound": "size", "log": str(disk.with_name("log"))}
    return {"name": writer, "writer": writer, **place, **options}


def check_failure(found: dict[str, Any], disk: Path) -> None:
    """See that a command that met a full disk has said so in one line, and where."""
    said = found["said"]
    assert found["code"] == 2 and "Traceback" not in said, said[-3000:]
    errors = [line for line in said.splitlines() if line.startswith("nadir: error: ")]
    assert len(errors) == 1, said[-3000:]
    assert "the disk is full" in errors[0] and f"{disk}/" in errors[0], errors
    assert ".partial" not in errors[0]
    assert not [name for name in found["files"] if ".partial" in name]


def check_writer(name: str, found: list[dict[str, Any]], disk: Path) -> None:
    """See that a writer has written all, or nothing and told why; and that it can begin anew."""
    assert [item["code"] for item in found].count(2) >= 1
    assert found[0]["code"] == 2
    (whole, *_) = [item["files"] for item in found if item["code"] == 0]
    for item in found:
        if item["code"] == 0:
            assert item["files"] == whole or name in TIMED
            continue
        check_failure(item, disk)
        assert not [file for file in item["files"] if not file.startswith(KEPT.get(name, "none"))]
        assert item["again"]["code"] == 0, item["again"]["said"]
        assert item["again"]["files"] == whole or name in TIMED


def test_writers_of_other_libraries_on_a_full_disk(disk: Path) -> None:
    found = outcomes(
        [task_of(disk, name, sizes=[1, late, LARGEST]) for name, late in QUICK.items()]
    )
    for name in QUICK:
        check_writer(name, [item for item in found if item["name"] == name], disk)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_on_disks_of_growing_size(disk: Path, name: str) -> None:
    check_writer(name, outcomes([task_of(disk, name)]), disk)


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["size", "nr_inodes"])
@pytest.mark.parametrize("verb", PRODUCTS)
def test_every_command_on_disks_of_growing_size(
    made: Commands, disk: Path, verb: str, bound: str
) -> None:
    """Bounded in bytes, or in files; from one too small up to the least that is enough."""
    out = disk / "results"
    task = {"disk": str(disk), "bound": bound, "log": str(disk.with_name("log")), "name": verb}
    found = outcomes([{**task, "words": made.words(verb, out)}])
    product = str(Commands(made.raw, out).path(PRODUCTS[verb]).relative_to(disk))
    sound = {
        f"results/{path.relative_to(made.out)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files(made.out)
    }
    assert found[0]["code"] == 2 and found[0]["size"] == 1
    assert any(item["code"] == 0 for item in found)
    for item in found:
        if item["code"]:
            check_failure(item, disk)
            assert product not in item["files"]
            item = item["again"]
            assert item["code"] == 0, item["said"]
        assert item["files"][product] == sound[product]
        lasting = {name for name in item["files"] if name in sound and not name.endswith(TIMES)}
        assert all(item["files"][name] == sound[name] for name in lasting)
        assert not [name for name in item["files"] if ".partial" in name]
