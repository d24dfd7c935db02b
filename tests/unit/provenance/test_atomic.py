"""A reader sees the old file, the new one, or none; whatever happens to the writer."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nadir.errors import OutputError
from nadir.provenance import atomic


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_file_appears_whole_in_a_new_folder(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    with atomic.atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["file.bin"]


def test_suffix_is_kept_for_libraries_that_look_at_it(tmp_path):
    with atomic.atomic_path(tmp_path / "map.tif", suffix=".tif") as temporary:
        assert temporary.suffix == ".tif"
        temporary.write_bytes(b"II")


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(errno.EIO, "x")])
def test_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(type(error)), atomic.atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_full_disk_names_the_file_and_leaves_nothing(tmp_path, monkeypatch, where):
    path = tmp_path / "file"
    if where == "write":
        monkeypatch.setattr(Path, "write_bytes", no_space)
    else:
        monkeypatch.setattr(os, where, no_space)
    with pytest.raises(OutputError, match="the disk is full") as caught:
        atomic.write_bytes(path, b"data")
    assert caught.value.file == str(path)
    assert os.listdir(tmp_path) == []


def test_full_disk_names_the_folder_and_not_its_temporary_name(tmp_path, monkeypatch):
    with (
        pytest.raises(OutputError, match="the disk is full") as caught,
        atomic.atomic_folder(tmp_path / "store") as folder,
    ):
        monkeypatch.setattr(Path, "write_bytes", no_space)
        atomic.write_json(folder / "inside.json", {})
    assert caught.value.file == str(tmp_path / "store")
    with pytest.raises(OutputError) as caught, atomic.write_faults(tmp_path / "store"):
        atomic.write_json(tmp_path / "other.json", {})
    assert caught.value.file == str(tmp_path / "other.json")


def test_full_disk_behind_a_library_that_drops_errno(tmp_path):
    with pytest.raises(OutputError, match="the disk is full"), atomic.atomic_path(tmp_path / "x"):
        raise OSError("TIFFAppendToStrip: Write error at scanline 0: No space left on device")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_really_full_device(tmp_path):
    with (
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(OutputError, match="the disk is full"),
        atomic.atomic_path(tmp_path / "x"),
    ):
        full.write(b"data")


def test_unreadable_input_is_no_fault_of_the_output(tmp_path):
    denied = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/raw.tif")
    with pytest.raises(PermissionError), atomic.atomic_path(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise denied
    beside = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "part"))
    with pytest.raises(OutputError, match="not permitted"), atomic.atomic_path(tmp_path / "x"):
        raise beside


def test_folder_is_swapped_whole(tmp_path):
    path = tmp_path / "store"
    path.mkdir()
    (path / "stale").write_text("old")
    with atomic.atomic_folder(path) as temporary:
        (temporary / "fresh").write_text("new")
        assert (path / "stale").exists()
    assert os.listdir(path) == ["fresh"]
    assert os.listdir(tmp_path) == ["store"]


def test_folder_failure_keeps_the_old_one(tmp_path):
    path = tmp_path / "store"
    path.mkdir()
    (path / "kept").write_text("old")
    with pytest.raises(OutputError), atomic.atomic_folder(path) as temporary:
        (temporary / "half").write_text("new")
        no_space()
    assert os.listdir(path) == ["kept"]
    assert os.listdir(tmp_path) == ["store"]


def test_kill_leaves_the_old_file_and_the_next_run_cleans_up(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    program = (
        "import sys, time\n"
        "from nadir.provenance.atomic import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    package = Path(atomic.__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(package)},
    )
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert path.read_text() == "old"
    assert len(os.listdir(tmp_path)) == 2
    atomic.remove_leftovers(path)
    assert os.listdir(tmp_path) == ["file"]


def test_json_is_sorted_finite_and_ends_with_a_newline(tmp_path):
    path = tmp_path / "x.json"
    atomic.write_json(
        path,
        {
            "b": float("nan"),
            "a": np.float32(0.5),
            "c": np.array([[1, 2]]),
            "d": (np.inf, Path("p")),
            3: "é",
        },
    )
    text = path.read_text(encoding="utf-8")
    assert text.endswith("}\n") and "é" in text
    assert list(json.loads(text)) == ["3", "a", "b", "c", "d"]
    assert json.loads(text) == {"3": "é", "a": 0.5, "b": None, "c": [[1, 2]], "d": [None, "p"]}


def test_equal_values_give_equal_bytes(tmp_path):
    atomic.write_json(tmp_path / "1", {"x": 1, "y": [2.5]})
    time.sleep(0.01)
    atomic.write_json(tmp_path / "2", {"y": (np.float64(2.5),), "x": np.int64(1)})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize(
    "name", ["я" * 125 + "a.tif", "🛰" * 63 + "a", "a" * 251 + ".tif", "[a]*?.tif"]
)
def test_any_name_that_a_file_may_have(tmp_path, name):
    path = tmp_path / name
    atomic.write_text(path, "one")
    dead = atomic.temporary_beside(path)
    dead.touch()
    atomic.write_text(path, "two")
    atomic.remove_leftovers(path)
    assert path.read_text() == "two" and list(tmp_path.iterdir()) == [path]


def test_leftovers_of_a_neighbour_are_left_alone(tmp_path):
    """Another job may be writing `a.tif.ovr` at this very moment."""
    busy = atomic.temporary_beside(tmp_path / "a.tif.ovr")
    own = atomic.temporary_beside(tmp_path / "a.tif", ".tif")
    for path in (busy, own):
        path.touch()
    atomic.remove_leftovers(tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == [busy]


def test_a_limit_on_the_size_of_files_is_told(tmp_path):
    with (
        pytest.raises(OutputError, match="ulimit"),
        atomic.atomic_path(tmp_path / "a") as temporary,
    ):
        temporary.touch()
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    assert not list(tmp_path.iterdir())
