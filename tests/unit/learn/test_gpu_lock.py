"""Locks of GPUs: one holder each, freed by its death, told to those who wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from nadir.errors import InputError
from nadir.learn import gpu_lock

_HOLDER = """
import sys
from nadir.learn import gpu_lock
print("busy" if gpu_lock.try_lock("GPU-1") is None else "held", flush=True)
if len(sys.argv) > 1:
    import os
    if os.fork() == 0:  # a child that outlives its parent
        sys.stdin.close()
        os.close(1)
        import time
        time.sleep(20)
        os._exit(0)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(gpu_lock.VARIABLE, str(tmp_path / "locks"))
    monkeypatch.setattr(gpu_lock, "_WAIT", 0.01)
    return tmp_path / "locks"


@pytest.fixture(params=["plain", "forking"])
def holder(request, folder):
    """Another process that holds the lock of GPU-1."""
    options = [] if request.param == "plain" else ["fork"]
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        time.sleep(0.2 if options else 0)
        yield process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


def test_a_gpu_is_held_by_one_process_and_freed_by_its_death(holder, caplog):
    assert gpu_lock.try_lock("GPU-1") is None
    with gpu_lock.locked(["GPU-1", "GPU-2"]) as chosen:
        assert chosen == [1]
    who = gpu_lock.holder_of("GPU-1")
    assert who.pid == holder.pid and time.time() - who.since < 60
    os.kill(holder.pid, 9)
    holder.wait()  # its child, if it has one, lives on
    with gpu_lock.locked(["GPU-1", "GPU-2"]) as chosen:
        assert chosen == [0] and gpu_lock.holder_of("GPU-1").pid == os.getpid()
    assert gpu_lock.holder_of("GPU-1") is None


def test_who_waits_is_told_for_whom(folder, caplog):
    caplog.set_level("INFO", logger="nadir")
    taken = threading.Event()

    def wait() -> None:
        with gpu_lock.locked(["GPU-1"]):
            taken.set()

    with gpu_lock.locked(["GPU-1"]):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not taken.wait(0.1)
    thread.join(10)
    assert taken.is_set()
    (message,) = [one.getMessage() for one in caplog.records]
    assert f"GPU-1: process {os.getpid()} on " in message and "last seen 0 s ago" in message


def test_some_are_taken_at_once_or_none(folder):
    with gpu_lock.locked(["GPU-2"]):
        done = []

        def take_both() -> None:
            with gpu_lock.locked(["GPU-1", "GPU-2"], 2) as chosen:
                done.append(chosen)

        thread = threading.Thread(target=take_both)
        thread.start()
        with gpu_lock.locked(["GPU-1"]) as chosen:  # who waits for two keeps nobody from one
            assert chosen == [0] and not done
    thread.join(10)
    assert done == [[0, 1]]
    wanted = pytest.raises(InputError, match="2 processes need a GPU each, and 1 are visible")
    with wanted, gpu_lock.locked(["GPU-1"], 2):
        pass


def test_holders_give_signs_of_life(folder, monkeypatch):
    monkeypatch.setattr(gpu_lock, "_BEAT", 0.01)
    with gpu_lock.locked(["GPU-1"]):
        os.utime(folder / "GPU-1", (0, 0))
        begun = time.monotonic()
        while gpu_lock.holder_of("GPU-1").seen == 0:
            assert time.monotonic() - begun < 10
            time.sleep(0.01)


def test_files_are_for_all_users_and_links_are_not_followed(folder, tmp_path):
    before = os.umask(0o077)
    try:
        with gpu_lock.locked(["MIG-GPU-1/2/0"]):
            pass
    finally:
        os.umask(before)
    (path,) = folder.iterdir()
    assert path.name == "MIG-GPU-1_2_0" and path.stat().st_mode & 0o777 == 0o666
    assert folder.stat().st_mode & 0o7777 == 0o1777
    (tmp_path / "precious").write_text("kept")
    (folder / "GPU-3").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError):
        gpu_lock.try_lock("GPU-3")
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_folder_that_is_none_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(gpu_lock.VARIABLE, str(tmp_path / "file"))
    with pytest.raises(InputError, match="locks of GPUs cannot be kept there"):
        gpu_lock.try_lock("GPU-1")


def test_jobs_with_folders_of_their_own_for_passing_files_meet_all_the_same(monkeypatch, tmp_path):
    monkeypatch.delenv(gpu_lock.VARIABLE)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert tmp_path not in gpu_lock.lock_folder().parents


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [
        (None, ["GPU-a", "GPU-b"]),
        ("", ["GPU-a", "GPU-b"]),
        ("3,1", ["GPU-a", "GPU-b"]),
        ("GPU-a1, GPU-b1", ["GPU-a", "GPU-b"]),  # shortened names mean the same GPUs
        ("MIG-1,MIG-2", ["MIG-1", "MIG-2"]),
        ("MIG-GPU-a/1/0", ["MIG-GPU-a/1/0", "GPU-b"]),
    ],
)
def test_ids_do_not_depend_on_how_gpus_are_named(visible, wanted):
    assert gpu_lock.gpu_ids(2, visible, lambda number: "ab"[number]) == wanted


def test_without_ids_the_names_or_numbers_of_this_process_stand_in():
    assert gpu_lock.gpu_ids(2, "7,GPU-x", lambda number: None) == ["7", "GPU-x"]
    assert gpu_lock.gpu_ids(1, None, lambda number: None) == ["0"]
