"""Starting processes that train together: what is asked for, and what is said when it fails."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nadir.errors import InputError
from nadir.learn import launch
from nadir.learn.history import read_history
from nadir.learn.launch import Layout, StartedProcessError
from nadir.provenance import lease

sys.path.insert(0, str(Path(__file__).parent))
import trainings_in_groups as trainings

WORDS = ["train-model", "--cfg", "{}"]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("RANK", "SLURM_JOB_ID", launch.PROCESSES, launch.NODES):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_says_how_many(monkeypatch):
    assert Layout.of_environment().size == 1
    monkeypatch.setenv(launch.PROCESSES, "4")
    monkeypatch.setenv(launch.NODES, "2")
    assert Layout.of_environment() == Layout(4, 2) and Layout(4, 2).size == 8
    monkeypatch.setenv("RANK", "0")
    assert Layout.of_environment().size == 1, "what was started starts nothing"
    monkeypatch.delenv("RANK")
    monkeypatch.setenv(launch.NODES, "0")
    with pytest.raises(InputError, match="'0' is no number of processes"):
        Layout.of_environment()


def test_one_machine_is_torchrun_s_own():
    words = launch.command_of(WORDS, Layout(2), 4)
    assert words[:3] == [sys.executable, "-m", "nadir.learn.torchrun"]
    assert words[words.index("--nproc-per-node") + 1] == "2" and "--standalone" in words
    assert words[-5:] == ["-m", "nadir", *WORDS] and "srun" not in words


def test_several_machines_are_those_of_the_job(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "123456")
    words = launch.command_of(WORDS, Layout(4, 3), 8)
    assert words[0] == "srun" and "--kill-on-bad-exit=1" in words
    pairs = dict(itertools.pairwise(words))
    assert [pairs[name] for name in ("--nodes", "--ntasks", "--nnodes")] == ["3"] * 3
    assert (pairs["--ntasks-per-node"], pairs["--nproc-per-node"]) == ("1", "4")
    assert pairs["--cpus-per-task"] == "8" and pairs["--rdzv-id"] == "123456"
    assert pairs["--rdzv-endpoint"].endswith(":23456")


def test_what_cannot_be_had_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.setattr(launch, "count_gpus", lambda: 1)
    for device in ("auto", "cuda"):
        with pytest.raises(InputError, match="2 processes need a GPU each, and 1 are visible"):
            launch.check_layout(Layout(2), device)
    launch.check_layout(Layout(2), "cpu")
    with pytest.raises(InputError, match="this is no job of SLURM"):
        launch.check_layout(Layout(1, 2), "cpu")


@pytest.mark.parametrize(
    ("code", "error"), [("0", None), ("3", StartedProcessError), ("term", SystemExit)]
)
def test_ends_are_handed_on(monkeypatch, code, error):
    """The one who waits ends as those do who train; asked to end, it asks them."""
    program = "import os, sys, signal, time\n"
    if code == "term":
        program += "os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    else:
        program += f"sys.exit({code} if os.environ['{lease.STARTED}'] else 9)"
    monkeypatch.setattr(launch, "command_of", lambda *_: [sys.executable, "-c", program])
    before = signal.getsignal(signal.SIGTERM)
    if error is None:
        launch.train_together(WORDS, Layout(2), "cpu", 2)
    else:
        with pytest.raises(error) as ended:
            launch.train_together(WORDS, Layout(2), "cpu", 2)
        if code == "term":
            assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_was_started_waits_for_no_lease_of_its_starter(monkeypatch, tmp_path):
    assert not lease.is_follower()
    monkeypatch.setenv(lease.STARTED, "1")
    assert lease.is_follower()


def _start(folder: Path, processes: int) -> subprocess.Popen[str]:
    """Start the command that trains a network of retrieval."""
    network = trainings.NETWORK.model_dump(mode="json")
    train = trainings.RETRIEVAL.model_dump(mode="json")
    cfg = {"seed": 5, "views": trainings.VIEWS, "upright": False, "model": network, "train": train}
    results = folder / "results/retrieval"
    words = ["--cfg", json.dumps(cfg), "--images", str(folder / "images/images.parquet")]
    words += ["--out", str(results / "model/model.safetensors"), "--threads", "2"]
    words += ["--history", str(results / "history.parquet")]
    return subprocess.Popen(
        [sys.executable, "-m", "nadir", "train-retrieval", *words],
        env=os.environ | {launch.PROCESSES: str(processes), "NADIR_DEVICE": "cpu"},
        stderr=subprocess.PIPE,
        text=True,
    )


def _workers(parent: int) -> list[int]:
    """Return the processes that torchrun, a child of a process, has started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        int(n) for c in children for n in Path(f"/proc/{c}/task/{c}/children").read_text().split()
    ]


def _begun(folder: Path, process: subprocess.Popen[str]) -> list[int]:
    """Wait until a state is written; return the processes that train."""
    begun = time.monotonic()
    while not list((folder / "results").rglob("state.pt")):
        assert time.monotonic() - begun < 300 and process.poll() is None
        time.sleep(0.02)
    return _workers(process.pid)


@pytest.mark.slow
def test_the_command_trains_is_killed_and_goes_on_alone(tmp_path):
    trainings.make_images(tmp_path / "images")
    process = _start(tmp_path, 2)
    os.kill(_begun(tmp_path, process)[1], signal.SIGKILL)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 2, said
    assert "ended by SIGKILL before all others" in said and "Traceback" not in said
    assert "one of 2 processes that train together has ended before its time" in said
    assert not list((tmp_path / "results/retrieval").rglob("*.*"))
    process = _start(tmp_path, 1)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0 and "resuming after epoch" in said, said
    history = read_history(tmp_path / "results/retrieval/history.parquet")
    trainings.train("retrieval", tmp_path / "images", tmp_path / "alone")
    wanted = read_history(tmp_path / "alone/made/history.parquet")
    assert history["train_loss"].tolist() == pytest.approx(wanted["train_loss"].tolist(), rel=2e-5)


@pytest.mark.slow
def test_all_end_with_a_command_that_is_killed(tmp_path):
    trainings.make_images(tmp_path / "images")
    process = _start(tmp_path, 2)
    workers = _begun(tmp_path, process)
    assert len(workers) == 2
    process.kill()
    process.wait()
    begun = time.monotonic()
    while any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers if not _is_zombie(pid)):
        assert time.monotonic() - begun < 60
        time.sleep(0.1)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
