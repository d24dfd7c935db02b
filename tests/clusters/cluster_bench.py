"""Benches whose jobs run on a SLURM of the tests, by the profile that users get."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import REPOSITORY, Bench
from plugins_here import plugins_folder
from slurm_here import Slurm

EXECUTOR = "snakemake_executor_plugin_slurm"
PROFILE = "profiles/slurm"
PROMPT = Path(__file__).with_name("prompt_snakemake.py")
QUICK = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "20")
"""What a test asks for beside the profile: that ended jobs are noticed soon."""


def executor_folder() -> Path | None:
    """Return the folder that holds Snakemake's executor for SLURM, or None."""
    return plugins_folder(EXECUTOR, "plugins")


def snakemake_words(*arguments: str) -> list[str]:
    """Return the words that run Snakemake with the profile."""
    profile = ["--workflow-profile", PROFILE, *QUICK]
    return [sys.executable, str(PROMPT), *arguments, *profile]


def cluster_environment(slurm: Slurm, *packages: Path) -> dict[str, str]:
    """Return the environment of a run: the cluster's commands, the executor, and packages."""
    path = os.pathsep.join(map(str, [*packages, executor_folder()]))
    return {**slurm.environment(), "PYTHONPATH": path, "OMP_NUM_THREADS": "2"}


class ClusterBench(Bench):
    """A bench on a cluster.

    Args:
        folder: Where to put it.
        config: The configuration to run instead of the default one.
        slurm: The cluster.
    """

    def __init__(self, folder: Path, config: dict[str, Any], slurm: Slurm) -> None:
        shutil.copytree(REPOSITORY / PROFILE, folder / PROFILE)
        super().__init__(folder, config)
        self.slurm = slurm

    def command(self, *arguments: str) -> list[str]:
        """Return the words that run Snakemake here."""
        return snakemake_words(*arguments)

    def environment(self) -> dict[str, str]:
        """Return the environment of a run."""
        return cluster_environment(self.slurm, self.folder / "workflow")

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start Snakemake and leave it running; what it says goes to the file NAME.txt."""
        return start(self.folder, name, self.command(*arguments), self.environment())


def start(
    folder: Path, name: str, words: list[str], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own; what it says goes to FOLDER/NAME.txt."""
    with (folder / f"{name}.txt").open("wb") as file:
        return subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until(
    condition: Callable[[], Any], what: str, seconds: float = 900.0, say: Callable[[], str] = str
) -> Any:
    """Wait until a condition gives something, and return that.

    Args:
        condition: The condition.
        what: What is waited for, for the failure's message.
        seconds: How long to wait.
        say: Gives more for that message.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds:.0f} s in vain: {what}\n{say()}")
