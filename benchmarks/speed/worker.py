"""One process of the comparison: prepares a row, or runs contestants of it and tells what it took.

    python -m speed.worker TASK.json

Runs in the environment of nadir or of the peers: imports nothing but what a contestant does.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from speed.contest import Case, Contestant, Task, load_row


def main() -> None:
    """Do what the file says."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    row = load_row(asked["row"], asked["device"])
    case = Case(Path(asked["folder"]), asked["scale"], asked["threads"], asked["device"])
    case.folder.mkdir(parents=True, exist_ok=True)
    if not asked["contestants"]:
        if row.prepare is not None:
            row.prepare(case)
        return
    chosen = [one for one in row.contestants if one.name in asked["contestants"]]
    found = run(chosen, case, Path(asked["results"]) if asked["results"] else None)
    Path(asked["answer"]).write_text(json.dumps(found), encoding="utf-8")


def run(chosen: list[Contestant], case: Case, results: Path | None) -> dict[str, Any]:
    """Run contestants in turn; return what each took."""
    tasks = {one.name: (one, one.start(case)) for one in chosen}
    given: dict[str, Any] = {}
    notes = {name: task.note for name, (_, task) in tasks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    cpu: dict[str, list[float]] = {name: [] for name in tasks}
    for name, (one, task) in tasks.items():
        if one.warm:
            given[name] = task.work()
    for turn in range(max(one.times for one in chosen)):
        for name, (one, task) in tasks.items():
            if turn < one.times:
                given[name], took, spent = timed(task)
                if task.told is not None:
                    took, notes[name] = task.told(given[name])
                seconds[name].append(took)
                cpu[name].append(spent)
    memory = peak_memory() if len(chosen) == 1 else 0.0
    for name, (_, task) in tasks.items():
        if results is not None:
            keep(results / f"{slug(name)}.npz", task.probe() if task.probe else given[name])
    return {
        name: {
            "seconds": statistics.median(seconds[name]),
            "cpu": statistics.median(cpu[name]),
            "memory": memory,
            "note": notes[name],
        }
        for name in tasks
    }


def timed(task: Task) -> tuple[Any, float, float]:
    """Return what a run gives, its seconds, and processor seconds of all threads and children."""
    spent, begin = processor_seconds(), time.perf_counter()
    given = task.work()
    return given, time.perf_counter() - begin, processor_seconds() - spent


def processor_seconds() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_memory() -> float:
    """Return the peak resident memory in MiB, of this process or of its largest child.

    The kernel's own account of a process (`ru_maxrss`) includes that of the one that started it.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    try:
        told = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        own = int(told[1]) / 1024 if told else 0.0
    except OSError:
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return max(own, children)


def keep(path: Path, given: Any) -> None:
    """Keep what a contestant gave, an array or arrays by name, for the comparison."""
    if given is None:
        return
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = given if isinstance(given, dict) else {"value": given}
    np.savez(path, **{name: np.asarray(value) for name, value in arrays.items()})


def slug(name: str) -> str:
    """Return a name that suits a file."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # threads of some readers outlive their last use by seconds
