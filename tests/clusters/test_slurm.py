"""The graph on a real SLURM, by the profile that users get, and what happens there.

The jobs of `faults.smk` run beside everything else: one of them waits until its time is over.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from bench import REPOSITORY
from cluster_bench import (
    PROFILE,
    ClusterBench,
    cluster_environment,
    snakemake_words,
    start,
    wait_until,
)
from raw import BANDS, CLASSES, write_scene
from slurm_here import Slurm

pytestmark = pytest.mark.rules

MAP = "results/landcover/d/u/scenes/a/map.tif"
LOG = "results/logs/train_model/landcover.d.u.log"
EPOCHS = 4


@dataclass
class Faults:
    """The run of `faults.smk`.

    Attributes:
        folder: Its folder.
        slurm: The cluster.
        driver: Snakemake, which goes on.
    """

    folder: Path
    slurm: Slurm
    driver: subprocess.Popen[bytes]

    @property
    def said(self) -> str:
        """What Snakemake has said."""
        return (self.folder / "driver.txt").read_text()

    def cancel(self) -> None:
        """Cancel the job that waits for it, as its owner or an administrator would."""
        begun = self.folder / "cancelled.jobs"
        wait_until(begun.exists, "the job to cancel", 900, lambda: self.said)
        (number,) = wait_until(lambda: self.tried("cancelled"), "its number")
        self.slurm.run("scancel", str(number))

    def finish(self) -> int:
        """Wait for the end, and return the exit code."""
        wait_until(lambda: self.driver.poll() is not None, "the end", 900, lambda: self.said)
        return self.driver.returncode

    def tried(self, name: str) -> list[int]:
        """Return the numbers of the jobs that ran a rule, in their order."""
        return [int(line) for line in (self.folder / f"{name}.jobs").read_text().split()]

    def states(self, name: str) -> list[str]:
        """Return what became of these jobs."""
        found = self.slurm.jobs()
        return [found[number][0] for number in self.tried(name)]


@pytest.fixture(scope="module", autouse=True)
def faults(slurm: Slurm, clusters_folder: Path) -> Iterator[Faults]:
    """The jobs of `faults.smk`, started before anything else."""
    folder = clusters_folder / "faults"
    shutil.copytree(REPOSITORY / PROFILE, folder / PROFILE)
    shutil.copy(Path(__file__).with_name("faults.smk"), folder / "Snakefile")
    words, environment = snakemake_words(), cluster_environment(slurm)
    run = Faults(folder, slurm, start(folder, "driver", words, environment))
    hand = threading.Thread(target=run.cancel, daemon=True)
    hand.start()
    try:
        yield run
    finally:
        if run.driver.poll() is None:
            os.killpg(run.driver.pid, signal.SIGKILL)
            run.driver.wait()


@pytest.fixture(scope="module")
def bench(slurm: Slurm, clusters_folder: Path) -> ClusterBench:
    """A bench with one scene and one experiment that trains for a while."""
    folder = clusters_folder / "graph"
    scenes = {"a": write_scene(folder / "raw", 0, 300000)}
    dataset = {
        "classes": CLASSES,
        "bands": BANDS,
        "scenes": scenes,
        "tiles": {"sizes": [16]},
        "split": {"method": "blocks", "block": 2},
    }
    experiment = {
        "datasets": ["d"],
        "model": {"name": "unet_scratch", "width": 4, "depth": 2},
        "train": {"epochs": EPOCHS, "augment": {"dihedral": "random"}},
    }
    config = {
        "landcover": {"datasets": {"d": dataset}, "experiments": {"u": experiment}},
        "compute": {"device": "auto"},
    }
    bench = ClusterBench(folder, config, slurm)
    # Jobs cost two starts of Snakemake each: here one makes all data, and one model and map.
    for rule, own, other in (
        ("split_tiles", "split", "scene"),
        ("compute_statistics", "split", "scene"),
        ("predict_map", "map", "model"),
    ):
        bench.edit(f"{PROFILE}/config.yaml", f"  {rule}: {own}\n", f"  {rule}: {other}\n")
    return bench


def writer(bench: ClusterBench) -> int | None:
    """Return the process that trains, by its lease, once it has finished an epoch."""
    log = bench.folder / LOG
    if not log.is_file() or "INFO epoch 1/" not in log.read_text():
        return None
    leases = list((bench.folder / "results/.cache/writers").glob("*.json"))
    assert len(leases) == 1, "one output is being written"
    return int(json.loads(leases[0].read_text())["pid"])


def test_driver_killed_while_a_job_runs_and_started_again(bench: ClusterBench) -> None:
    """No second writer, nothing lost: the job that goes on trains, the new one takes its result."""
    first = bench.start("first", MAP)
    say = (bench.folder / "first.txt").read_text
    pid = wait_until(lambda: writer(bench), "an epoch", say=say)
    os.kill(pid, signal.SIGSTOP)  # so that it is still at it when the next one comes
    try:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        running = {job for job, (state, _) in bench.slurm.jobs().items() if state == "RUNNING"}
        trainings = [job for job in running if "train_model" in bench.slurm.jobs()[job][1]]
        assert len(trainings) == 1, "the driver's death ends no job"
        bench.snakemake("--unlock")
        second = bench.start("second", MAP)
        said = "is writing this very result: waiting for it"
        log = bench.folder / LOG
        say = (bench.folder / "second.txt").read_text
        # The log of the job before is removed when the next one is begun.
        wait_until(
            lambda: log.is_file() and said in log.read_text(), "the second job waits", say=say
        )
        assert f"process {pid} on" in log.read_text()
        assert f"SLURM job {trainings[0]}" in log.read_text()
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: second.poll() is not None, "the end", say=say)
    assert second.returncode == 0, say()
    assert (bench.folder / MAP).is_file()
    mine = log.read_text().partition(said)[2].replace("\0", "")
    assert "this training has been done before" in mine
    history = pd.read_parquet(bench.folder / "results/landcover/d/u/history.parquet")
    assert list(history["epoch"]) == list(range(1, EPOCHS + 1))
    # The job of the killed driver goes on with the map, which the other one has made meanwhile.
    wait_until(lambda: bench.slurm.jobs()[trainings[0]][0] != "RUNNING", "its job", say=say)
    assert bench.slurm.jobs()[trainings[0]][0] == "COMPLETED"
    left = [path for path in bench.folder.rglob("results/**/*") if ".partial" in path.name]
    assert left == [] and list((bench.folder / "results/.cache/writers").iterdir()) == []


def test_rules_that_follow_each_other_run_as_one_job(bench: ClusterBench) -> None:
    ended = [comment for state, comment in bench.slurm.jobs().values() if state == "COMPLETED"]
    (scene,) = [text for text in ended if text.startswith("rule_scene_")]
    assert all(rule in scene for rule in ("check_images", "build_cube", "compute_statistics"))
    models = [text for text in ended if text.startswith("rule_model_")]
    assert len(models) == 2, "that of the driver that was killed, and that of the next"


def test_training_got_a_gpu_of_the_cluster(bench: ClusterBench) -> None:
    trainings = [job for job, (_, text) in bench.slurm.jobs().items() if "train_model" in text]
    assert len(trainings) == 2
    for job in trainings:
        shown = bench.slurm.run("scontrol", "show", "job", str(job))
        assert "gres:gpu:1" in shown, shown


def test_a_failing_job_is_reported_and_its_log_kept(faults: Faults) -> None:
    assert faults.finish() == 1
    assert faults.states("fails") == ["FAILED", "FAILED"], "tried once more, as the profile says"
    assert "the reason" in (faults.folder / "fails.log").read_text()
    assert not (faults.folder / "never.txt").exists(), "what it had begun to write is gone"
    assert "the reason" in faults.said
    assert re.search(r"Error in rule fails", faults.said)


def test_a_cancelled_job_is_tried_again(faults: Faults) -> None:
    faults.finish()
    assert faults.states("cancelled") == ["CANCELLED", "COMPLETED"]
    assert (faults.folder / "cancelled.txt").read_text() == "done\n"


def test_a_job_out_of_time_gets_more_and_goes_on(faults: Faults) -> None:
    faults.finish()
    assert faults.states("late") == ["TIMEOUT", "COMPLETED"]
    limits = faults.slurm.run("squeue", "--noheader", "--states=all", "--format=%i %l")
    limit = dict(line.split() for line in limits.splitlines())
    assert [limit[str(number)] for number in faults.tried("late")] == ["1:00", "2:00"]


def test_gpus_are_given_to_one_job_at_a_time(faults: Faults) -> None:
    faults.finish()
    times = []
    for number in range(2):
        device, begin, end = (faults.folder / f"gpu{number}.txt").read_text().splitlines()
        assert device == "device 0,1"
        times.append((float(begin), float(end)))
    (_, end), (begin, _) = sorted(times)
    assert end <= begin


def test_a_group_is_one_job_with_the_time_of_both(faults: Faults) -> None:
    faults.finish()
    first, second = (faults.folder / "chain.txt").read_text().split()
    assert first == second
    limits = faults.slurm.run("squeue", "--noheader", "--states=all", "--format=%i %l")
    assert dict(line.split() for line in limits.splitlines())[first] == "5:00"
