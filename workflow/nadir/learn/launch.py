"""Starting the processes that train one network together: torchrun, on each machine of a job.

The command that trains starts itself anew, several times, and waits. It holds what is written for
all of them. Nothing here imports torch.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from nadir.errors import InputError, NadirError
from nadir.learn.devices import count_gpus
from nadir.provenance.lease import STARTED

log = logging.getLogger(__name__)

PROCESSES, NODES = "NADIR_PROCESSES", "NADIR_NODES"
"""Variables that say how many processes train together on a machine, and on how many machines."""

_PORTS = (20000, 20000)  # the first one, and how many: of a job's number


@dataclass(frozen=True)
class Layout:
    """How many processes train together.

    Attributes:
        processes: On each machine.
        nodes: Machines.
    """

    processes: int = 1
    nodes: int = 1

    @classmethod
    def of_environment(cls) -> Layout:
        """Return what the configuration asks for; one process inside of what was started so.

        Raises:
            InputError: When it is no number.
        """
        if "RANK" in os.environ:
            return cls()
        numbers = []
        for name in (PROCESSES, NODES):
            value = os.environ.get(name, "1")
            if not value.isdigit() or int(value) < 1:
                raise InputError(name, f"{value!r} is no number of processes", "Give 1 or more.")
            numbers.append(int(value))
        return cls(*numbers)

    @property
    def size(self) -> int:
        """All processes."""
        return self.processes * self.nodes


class StartedProcessError(NadirError):
    """A process that was started has ended with a fault."""


def train_together(words: Sequence[str], layout: Layout, device: str, threads: int) -> None:
    """Run a command as several processes that train together, and wait for their end.

    Args:
        words: Verb and options of the command.
        layout: How many processes.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads of a machine.

    Raises:
        InputError: For more processes than GPUs, or several machines where no SLURM job has any.
        StartedProcessError: When one of them fails, or is killed.
        SystemExit: With status 143 when this process is asked to end; so are all others.
    """
    check_layout(layout, device)
    command = command_of(words, layout, threads)
    log.info("%d processes train together: %s", layout.size, " ".join(command[:8]))
    # Threads are told to each process; torchrun would warn that it chooses one.
    environment = {"OMP_NUM_THREADS": "1", **os.environ, STARTED: str(os.getpid())}
    asked_to_end = []

    def hand_on(number: int, frame: FrameType | None) -> None:
        asked_to_end.append(number)
        process.send_signal(number)

    with subprocess.Popen(command, env=environment) as process:
        before = signal.signal(signal.SIGTERM, hand_on)
        try:
            code = process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
    if asked_to_end:
        raise SystemExit(128 + signal.SIGTERM)
    if code:
        raise StartedProcessError(
            f"one of {layout.size} processes that train together has ended before its time, and "
            "so all have: its message stands above. Run the same command again: the training goes "
            "on after its last finished epoch, with any number of processes."
        )


def check_layout(layout: Layout, device: str) -> None:
    """See that the processes can be had, before any of them is started.

    Raises:
        InputError: When they cannot.
    """
    if layout.nodes > 1:
        if "SLURM_JOB_ID" not in os.environ or shutil.which("srun") is None:
            raise InputError(
                "compute.nodes",
                f"{layout.nodes} machines are asked for, and this is no job of SLURM, which has "
                "them",
                "Use the profile slurm, set compute.nodes to 1, or start torchrun on each machine.",
            )
        return
    gpus = 0 if device == "cpu" else count_gpus()
    if (device == "cuda" or gpus) and gpus < layout.processes:
        raise InputError(
            "compute.processes",
            f"{layout.processes} processes need a GPU each, and {gpus} are visible here",
            "Lower compute.processes, or let CUDA_VISIBLE_DEVICES show more.",
        )


def command_of(words: Sequence[str], layout: Layout, threads: int) -> list[str]:
    """Return the words that start torchrun, on several machines by `srun` of the job around."""
    torchrun = [sys.executable, "-m", "nadir.learn.torchrun"]
    torchrun += ["--nproc-per-node", str(layout.processes), "--max-restarts", "0"]
    program = ["-m", "nadir", *words]
    if layout.nodes == 1:
        return [*torchrun, "--standalone", "--local-addr", "127.0.0.1", *program]
    job = os.environ["SLURM_JOB_ID"]
    nodes = str(layout.nodes)
    port = _PORTS[0] + int(job) % _PORTS[1]
    # All is said: inside a job of Snakemake no variable of SLURM says it.
    srun = ["srun", "--nodes", nodes, "--ntasks", nodes, "--ntasks-per-node", "1"]
    srun += ["--cpus-per-task", str(threads), "--kill-on-bad-exit=1"]
    meeting = ["--nnodes", nodes, "--rdzv-backend", "c10d", "--rdzv-id", job]
    meeting += ["--rdzv-endpoint", f"{socket.gethostname()}:{port}"]
    return [*srun, *torchrun, *meeting, *program]
