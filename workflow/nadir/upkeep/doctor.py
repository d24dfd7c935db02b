"""Whether nadir can work here: all checks of the place, the machine and the software."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from nadir.upkeep.checkup import Check, guarded
from nadir.upkeep.machine import check_files_at_once, check_gpus, check_memory, check_threads
from nadir.upkeep.place import (
    check_clock,
    check_disk,
    check_locks,
    check_names,
    check_run,
    check_writing,
)
from nadir.upkeep.software import (
    check_compiled,
    check_gdal,
    check_lock,
    check_python,
    check_snakemake,
    check_torch,
    torch_cuda,
)

ROOT = Path(__file__).resolve().parents[3]
"""The checkout, where this is one."""


def examine(results: Path, workdir: Path, *, torch: bool = True) -> list[Check]:
    """Run all checks. Nothing stays behind; nothing is installed or changed.

    Args:
        results: Folder of results, whether it is there or not.
        workdir: Folder in which Snakemake runs.
        torch: Also start torch, which takes some seconds.
    """
    steps: list[tuple[str, Callable[[], Iterable[Check]]]] = [
        ("disk", lambda: check_disk(results)),
        ("write", lambda: check_writing(results, workdir)),
        ("names", lambda: check_names(results)),
        ("file locks", lambda: check_locks(results)),
        ("clock", lambda: check_clock(results, workdir)),
        ("Snakemake's lock", lambda: check_run(workdir)),
        ("memory", check_memory),
        ("cores", check_threads),
        ("open files", check_files_at_once),
        ("GPU", lambda: check_gpus(torch_cuda())),
        ("Python", check_python),
        ("modules", check_compiled),
        ("Snakemake", check_snakemake),
        ("GDAL", check_gdal),
        ("lock", lambda: check_lock(ROOT)),
    ]
    if torch:
        steps.append(("torch", check_torch))
    return [check for name, step in steps for check in guarded(name, step)]
