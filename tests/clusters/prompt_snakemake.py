"""Snakemake that notices soon that a cluster's job has ended: `python prompt_snakemake.py ...`.

The executor for SLURM looks ten seconds later each time it finds nothing new, up to minutes, which
spares the controllers of real clusters, and which tests would spend waiting.
"""

from __future__ import annotations

import sys
from typing import Any

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

LONGEST = 3
"""Seconds between two looks."""

patient = RemoteExecutor.next_seconds_between_status_checks


def _set(self: Any, value: float) -> None:
    patient.fset(self, min(value, LONGEST))


if __name__ == "__main__":
    RemoteExecutor.next_seconds_between_status_checks = patient.setter(_set)
    main(sys.argv[1:])
