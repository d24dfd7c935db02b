"""Leases: one writer, whoever dies, wherever it runs, whatever the clocks say."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nadir.errors import OutputError
from nadir.provenance import lease as lease_module
from nadir.provenance.lease import held, is_follower, lease_path, sole_writer

PACKAGE = Path(lease_module.__file__).parents[2]
PROGRAM = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from nadir.provenance import lease\n"
    "lease.BEAT = 0.1\n"
    "with lease.held(Path(sys.argv[1]), 'map.tif'):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leases" / "one.json"


@pytest.fixture
def child(path):
    """A process that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def elsewhere(path, **changes):
    """Write the lease of a process on another machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = {"host": "n7", "machine": "other", "pid": 1, "started": "1", "job": "42"}
    path.write_text(json.dumps({**owner, **changes}))


def in_thread(path):
    """Ask for the lease in a thread; the event tells that it was got."""
    got = threading.Event()

    def wait():
        with held(path, "map.tif"):
            got.set()

    threading.Thread(target=wait, daemon=True).start()
    return got


def test_a_lease_says_who_writes_and_goes_with_the_block(path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with held(path, "map.tif"):
        owner = json.loads(path.read_text())
        assert (owner["pid"], owner["job"]) == (os.getpid(), "17")
    assert list(path.parent.iterdir()) == []
    with pytest.raises(RuntimeError), held(path, "map.tif"):
        raise RuntimeError
    assert list(path.parent.iterdir()) == []


def test_the_second_waits_for_the_first_and_says_so(path, child, caplog):
    caplog.set_level("INFO")
    got = in_thread(path)
    assert not got.wait(0.4)
    assert f"process {child.pid} on" in caplog.text and "waiting" in caplog.text
    child.kill()
    child.wait()
    assert got.wait(5)


def test_one_that_died_unseen_is_replaced_at_once(path, child):
    child.kill()  # not waited for: a zombie has a process id still
    time.sleep(0.1)
    start = time.monotonic()
    with held(path, "map.tif"):
        assert time.monotonic() - start < 1


def test_a_process_id_that_was_given_anew_is_no_holder(path):
    mine = lease_module._identity()
    elsewhere(path, machine=mine["machine"], pid=mine["pid"], started="1")
    with held(path, "map.tif"):
        pass


def test_one_of_another_machine_is_held_while_it_is_renewed(path, monkeypatch):
    monkeypatch.setattr(lease_module, "LAPSE", 0.5)
    elsewhere(path)
    got = in_thread(path)
    for second in range(8):  # its clock runs backwards, by days
        os.utime(path, (0, 10**9 - 10**5 * second))
        assert not got.wait(0.15)
    assert got.wait(5), "it was renewed no more"


@pytest.mark.parametrize("text", ["", "[1]", '{"pid"'])
def test_one_that_says_nothing_lapses(path, monkeypatch, text):
    monkeypatch.setattr(lease_module, "LAPSE", 0.2)
    path.parent.mkdir()
    path.write_text(text)
    with held(path, "map.tif"):
        pass


def test_a_holder_renews(path, monkeypatch):
    monkeypatch.setattr(lease_module, "BEAT", 0.02)
    with held(path, "map.tif"):
        os.utime(path, (0, 0))
        time.sleep(0.3)
        assert path.stat().st_mtime > 0


def test_a_holder_that_was_suspended_too_long_ends_before_it_writes(path, child):
    child.send_signal(signal.SIGSTOP)
    path.unlink()
    elsewhere(path)
    child.send_signal(signal.SIGCONT)
    assert child.wait(5) == lease_module.LOST
    assert json.loads(path.read_text())["host"] == "n7", "the new holder keeps its lease"


def test_a_new_lease_is_not_removed_in_the_place_of_a_void_one(path):
    elsewhere(path)
    _, sign = lease_module._look(path)
    path.unlink()
    elsewhere(path, host="n8")
    os.utime(path, (5, 5))
    lease_module._remove(path, sign)
    assert json.loads(path.read_text())["host"] == "n8"
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_of_many_who_wait_one_writes_at_a_time(path, monkeypatch):
    monkeypatch.setattr(lease_module, "LAPSE", 0.2)
    monkeypatch.setattr(lease_module, "_LONGEST_PAUSE", 0.05)
    elsewhere(path)  # void soon, and all see it
    inside, most, ended = [], [], []

    def write(number):
        with held(path, "map.tif"):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)
        ended.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(ended) == list(range(6))
    assert set(most) == {1}


def test_leases_of_outputs_follow_their_place_in_the_results(tmp_path):
    one, other = tmp_path / "a" / "results", tmp_path / "b" / "results"
    first = lease_path(one / "landcover" / "map.tif")
    second = lease_path(other / "landcover" / "map.tif")
    assert first is not None and second is not None
    assert first.parent == one / ".cache" / "writers"
    assert first.name == second.name, "the same folder may be mounted elsewhere"
    assert first.name != lease_path(one / "landcover" / "map.png").name
    assert len(os.fsencode(lease_path(one / ("щ" * 120)).name)) < 60
    assert lease_path(tmp_path / "map.tif") is None


def test_the_first_process_of_a_training_writes_and_no_other(tmp_path, monkeypatch):
    out = tmp_path / "results" / "weights"
    for name in ("RANK", "SLURM_PROCID"):
        monkeypatch.setenv(name, "0")
    assert not is_follower()
    with sole_writer(out):
        assert lease_path(out).is_file()
        monkeypatch.setenv("RANK", "1")
        with sole_writer(out):  # it would wait for ever
            assert is_follower()


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    out = tmp_path / "results" / "map.tif"

    def full(*given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lease_module.os, "fsync", full)
    with pytest.raises(OutputError, match=r"map\.tif: the disk is full"), sole_writer(out):
        pass
    assert list(lease_path(out).parent.iterdir()) == []


def test_a_command_waits_for_whoever_writes_its_output(tmp_path, child, path):
    """`nadir` itself, whose output another process is writing."""
    split = tmp_path / "results" / "landcover" / "d" / "split.png"
    lease = lease_path(split)
    lease.parent.mkdir(parents=True)
    lease.write_bytes(path.read_bytes())  # as if that process wrote the picture
    words = [sys.executable, "-m", "nadir", "plot-split", "--split", "none", "--tiles", "none"]
    words += ["--cubes", "none", "--cfg", "{}", "--out", str(split)]
    process = subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(PACKAGE)}
    )
    assert process.stderr is not None
    assert f"process {child.pid} on" in process.stderr.readline()
    assert process.poll() is None
    child.kill()
    child.wait()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2 and "died while writing" in said and "nadir: error" in said
    assert list(lease.parent.iterdir()) == []


class Stale(type(Path())):
    """A file on NFS that another machine has just removed."""

    def open(self, *arguments, **options):
        raise OSError(errno.ESTALE, "Stale file handle")


def test_a_lease_that_another_machine_removes_while_it_is_read_is_gone(tmp_path):
    assert lease_module._look(Stale(tmp_path / "lease.json")) is None
