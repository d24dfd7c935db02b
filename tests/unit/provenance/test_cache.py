"""Expensive results are kept under what they depend on."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nadir.errors import OutputError
from nadir.provenance import cache as cache_module
from nadir.provenance.cache import ResultCache

PARTS = {"inputs": ["d1", "d2"], "cfg": {"epochs": 3}, "code": "c", "seed": 0}


def test_equal_parts_find_the_result(tmp_path):
    first = ResultCache(tmp_path, PARTS)
    assert first.result is None
    with first.store() as folder:
        (folder / "weights").write_text("w")
        assert first.result is None
    again = ResultCache(tmp_path, dict(reversed(PARTS.items())))
    assert again.result is not None
    assert (again.result / "weights").read_text() == "w"


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"code": "d"}, {"cfg": {"epochs": 4}}, {"inputs": ["d2", "d1"]}]
)
def test_other_parts_do_not(tmp_path, change):
    with ResultCache(tmp_path, PARTS).store() as folder:
        (folder / "weights").write_text("w")
    assert ResultCache(tmp_path, {**PARTS, **change}).result is None


def test_work_survives_a_failure_and_goes_with_success(tmp_path):
    first = ResultCache(tmp_path, PARTS)
    (first.work / "checkpoint").write_text("epoch 1")
    with pytest.raises(RuntimeError), first.store():
        raise RuntimeError
    assert first.result is None
    again = ResultCache(tmp_path, PARTS)
    assert (again.work / "checkpoint").read_text() == "epoch 1"
    with again.store() as folder:
        (folder / "weights").write_text("w")
    assert not (again.folder / "work").exists()


def test_full_disk_keeps_the_work(tmp_path):
    slot = ResultCache(tmp_path, PARTS)
    (slot.work / "checkpoint").write_text("epoch 1")
    with pytest.raises(OutputError, match="the disk is full"), slot.store() as folder:
        (folder / "weights").write_text("half")
        raise OSError(28, "No space left on device")
    assert slot.result is None
    assert os.listdir(slot.folder) == ["work"]


def test_deliver_copies_to_declared_places(tmp_path):
    slot = ResultCache(tmp_path / "cache", PARTS)
    with slot.store() as folder:
        (folder / "a").write_text("1")
        (folder / "b").write_text("2")
    slot.deliver({"a": tmp_path / "x" / "first", "b": tmp_path / "y" / "second"})
    assert (tmp_path / "x" / "first").read_text() == "1"
    assert (tmp_path / "y" / "second").read_text() == "2"
    (tmp_path / "x" / "first").write_text("edited")
    assert slot.result is not None and (slot.result / "a").read_text() == "1"


def test_lock_is_held_by_one_process_awaited_by_others_and_freed_by_its_death(tmp_path):
    program = (
        "import sys, time\n"
        "from nadir.provenance.cache import ResultCache\n"
        "with ResultCache(sys.argv[1], {'a': 1}).lock():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    package = Path(cache_module.__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(package)},
    )
    assert child.stdout is not None and child.stdout.readline() == b"held\n"
    free = threading.Event()

    def wait() -> None:
        with ResultCache(tmp_path, {"a": 1}).lock():
            free.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    with ResultCache(tmp_path, {"a": 2}).lock():
        pass
    assert not free.wait(0.3)
    child.kill()
    child.wait()
    child.stdout.close()
    assert free.wait(10)
    waiting.join()
