"""Runs a row: contestants in turn, round after round, each in a process of its own."""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speed.contest import Contestant, Outcome, Row, load_row, needed_modules
from speed.worker import slug

log = logging.getLogger(__name__)

BENCHMARKS = Path(__file__).resolve().parents[1]
_FIND = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"


@dataclass(frozen=True)
class Plan:
    """How rows are run.

    Attributes:
        work: Folder of inputs and of what contestants write.
        scale: 1 for the default sizes.
        threads: Threads that each contestant may use.
        device: `cpu` or `cuda`.
        peers: Python of an environment with peers that nadir's own has not; None for none.
        rounds: Rounds of each row; None for the row's own number.
        seconds: Longest time of a process.
    """

    work: Path
    scale: float
    threads: int
    device: str
    peers: Path | None
    rounds: int | None = None
    seconds: float = 900.0


def run_row(name: str, plan: Plan) -> tuple[Row, list[Outcome]]:
    """Prepare and run a row; return it with what was measured, contestant by contestant.

    Raises:
        AssertionError: When results that must be equal are not.
        RuntimeError: When preparing fails.
    """
    row = load_row(name, plan.device)
    outcomes = {one.name: Outcome(one.name) for one in row.contestants}
    if plan.device not in row.devices:
        return row, []
    python = {one.name: _python_of(one, row, plan, outcomes[one.name]) for one in row.contestants}
    runnable = [one for one in row.contestants if python[one.name]]
    if not runnable:
        return row, list(outcomes.values())
    begin = time.monotonic()
    folder = plan.work / f"{name}_{plan.scale:g}"
    told = _process(sys.executable, row, folder, plan, [], None)
    if isinstance(told, str):
        raise RuntimeError(f"{name} could not be prepared: {told}")
    log.info("%s: prepared in %.1f s", name, time.monotonic() - begin)
    results = folder / "results"
    shutil.rmtree(results, ignore_errors=True)
    rounds = plan.rounds or row.rounds
    for turn in range(rounds):
        groups = [runnable] if row.together else [[one] for one in runnable]
        if turn % 2:
            groups.reverse()  # whoever always comes after another finds other caches
        for group in groups:
            mine = [one for one in group if not outcomes[one.name].skipped]
            if mine:
                interpreter = python[mine[0].name]
                kept = results if turn == 0 else None
                told = _process(interpreter, row, folder, plan, mine, kept)
                _note(outcomes, mine, told)
        log.info("%s: round %d of %d, %.1f s", name, turn + 1, rounds, time.monotonic() - begin)
    _compare(row, results, outcomes)
    shutil.rmtree(folder / "out", ignore_errors=True)
    return row, list(outcomes.values())


def _python_of(one: Contestant, row: Row, plan: Plan, outcome: Outcome) -> str:
    """Return the interpreter that can run a contestant; else say in the outcome what lacks."""
    if one.program and shutil.which(one.program) is None:
        outcome.skipped = f"{one.program} is not on the PATH"
        return ""
    if row.together or not one.needs:
        lacking = set(one.needs) - _importable(sys.executable, tuple(sorted(needed_modules(row))))
        outcome.skipped = f"{', '.join(sorted(lacking))} not installed" if lacking else ""
        return "" if lacking else sys.executable
    for python in [sys.executable, *([str(plan.peers)] if plan.peers else [])]:
        lacking = set(one.needs) - _importable(python, tuple(sorted(needed_modules(row))))
        if not lacking:
            return python
    outcome.skipped = f"{', '.join(sorted(lacking))} not installed"
    return ""


@functools.cache
def _importable(python: str, names: tuple[str, ...]) -> frozenset[str]:
    """Return which modules an interpreter finds; of `a.b` only `a` is looked for."""
    tops = {name: name.split(".")[0] for name in names}
    command = [python, "-c", _FIND, *sorted(set(tops.values()))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    there = set(done.stdout.split())
    return frozenset(name for name, top in tops.items() if top in there)


def _process(
    python: str,
    row: Row,
    folder: Path,
    plan: Plan,
    chosen: Sequence[Contestant],
    results: Path | None,
) -> dict[str, Any] | str:
    """Run contestants (or, without any, prepare) in a process; return its answer, or its error."""
    with tempfile.TemporaryDirectory(prefix="nadir-speed-") as place:
        task, answer = Path(place) / "task.json", Path(place) / "answer.json"
        asked = {
            "row": row.name,
            "device": plan.device,
            "folder": str(folder.resolve()),
            "scale": plan.scale,
            "threads": plan.threads,
            "contestants": [one.name for one in chosen],
            "results": str(results.resolve()) if results else "",
            "answer": str(answer),
        }
        task.write_text(json.dumps(asked), encoding="utf-8")
        command = [python, "-m", "speed.worker", str(task)]
        try:
            done = subprocess.run(
                command,
                env=_environment(plan.threads),
                capture_output=True,
                text=True,
                timeout=plan.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"took more than {plan.seconds:g} s"
        if done.returncode:
            log.warning("%s", done.stderr[-4000:])
            lines = done.stderr.strip().splitlines()
            return lines[-1] if lines else f"exit status {done.returncode}"
        return json.loads(answer.read_text(encoding="utf-8")) if chosen else {}


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a process: threads as told, modules of nadir and of this folder.

    Libraries choose the kernels that fit the machine, whatever an environment forces upon them.
    """
    paths = [str(BENCHMARKS), str(BENCHMARKS.parent / "workflow")]
    counts = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), str(threads))
    forced = ("GDAL_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    kept = {name: text for name, text in os.environ.items() if name not in forced}
    return {**kept, **counts, "PYTHONPATH": os.pathsep.join(paths)}


def _note(
    outcomes: dict[str, Outcome], chosen: Sequence[Contestant], told: dict[str, Any] | str
) -> None:
    """Write down what a process told."""
    for one in chosen:
        outcome = outcomes[one.name]
        if isinstance(told, str):
            outcome.skipped = f"failed: {told}"
            if one.ours:
                raise RuntimeError(f"{one.name}: {told}")
            continue
        mine = told[one.name]
        outcome.rounds.append(mine["seconds"])
        outcome.cpu.append(mine["cpu"])
        outcome.memory = max(outcome.memory, mine["memory"])
        outcome.note = outcome.note or mine["note"]


def _compare(row: Row, results: Path, outcomes: dict[str, Outcome]) -> None:
    """Compare what contestants gave."""
    if row.compare is None:
        return
    given = {}
    for one in row.contestants:
        path = results / f"{slug(one.name)}.npz"
        if path.is_file() and not outcomes[one.name].skipped:
            with np.load(path) as held:
                given[one.name] = {name: held[name] for name in held.files}
    for name, words in row.compare(given).items():
        outcomes[name].note = "; ".join(filter(None, [outcomes[name].note, words]))
