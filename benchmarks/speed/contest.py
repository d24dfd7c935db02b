"""What a row of the comparison is: contestants, how they are run, and what nadir must reach.

Needs nothing beyond the standard library, so that peers can be run in an environment of their own.
A row is a module of this package with a function `row(device) -> Row`; `ROWS` names them all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ROWS = (
    "align",
    "cube",
    "patches",
    "step",
    "scene",
    "confusion",
    "photos",
    "retrieval",
    "graph",
    "start",
    "recipe",
)
"""Modules of rows, in the order of the table."""


@dataclass(frozen=True)
class Case:
    """Where and how large.

    Attributes:
        folder: Of the row's inputs and of what contestants write.
        scale: 1 for the default sizes; sides of rasters shrink with it.
        threads: Threads that each contestant may use.
        device: `cpu` or `cuda`.
    """

    folder: Path
    scale: float
    threads: int
    device: str = "cpu"

    def side(self, full: int, step: int = 256) -> int:
        """Return a side in pixels at this scale, a multiple of `step`."""
        return max(step, round(full * self.scale / step) * step)

    def count(self, full: int, least: int = 1) -> int:
        """Return a number of things at this scale."""
        return max(least, round(full * self.scale))

    def fresh(self, name: str) -> Path:
        """Return an empty folder for what one contestant writes."""
        import shutil

        folder = self.folder / "out" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


@dataclass(frozen=True)
class Task:
    """What a contestant does, ready to be run again and again.

    Attributes:
        work: What is timed; what it returns is kept for the comparison.
        probe: Called once after the timed runs: what to compare instead of what `work` returns.
        note: What the table says of it.
        told: What `work` returns -> the seconds that count instead of those that passed, such as of
            a whole training of which a part was run; and a further note.
    """

    work: Callable[[], Any]
    probe: Callable[[], Any] | None = None
    note: str = ""
    told: Callable[[Any], tuple[float, str]] | None = None


@dataclass(frozen=True)
class Contestant:
    """One way to do the work of a row.

    Attributes:
        name: As the table shows it.
        start: Case -> task; not timed.
        needs: Modules that it imports beside nadir's own requirements; they may be in the peers'
            environment.
        program: Program that must be on the PATH.
        ours: Whether it is nadir.
        times: Timed runs in each process.
        warm: Whether a run that does not count goes before them.
    """

    name: str
    start: Callable[[Case], Task]
    needs: tuple[str, ...] = ()
    program: str = ""
    ours: bool = False
    times: int = 3
    warm: bool = True


@dataclass(frozen=True)
class Claim:
    """What nadir must reach.

    Attributes:
        ours: Name of nadir's contestant.
        theirs: Name of the other one; empty for a bound in seconds or memory on ours alone.
        kind: `faster`: theirs takes `bound` times as long as ours, at least. `within`: ours takes
            `bound` times as long as theirs, at most. `seconds`: ours takes so many seconds at most.
            `memory`: ours takes `bound` times the memory of theirs, at most. `each`: as `within`,
            where ours does `parts` times the work.
        bound: See `kind`.
        parts: Of `each`.
    """

    ours: str
    theirs: str
    kind: Literal["faster", "within", "seconds", "memory", "each"]
    bound: float
    parts: float = 1.0


def growth(names: Mapping[int, str]) -> list[Claim]:
    """Return what nadir must reach as its work grows: time in proportion, memory that stays.

    Args:
        names: Contestants by side: 1 and 2, and 4 with four times the work of 2.
    """
    return [
        Claim(names[4], names[2], "each", 1.15, 4),
        Claim(names[4], names[2], "memory", 1.15),
        Claim(names[2], names[1], "memory", 1.15),
    ]


Compare = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""Contestant -> what it gave (those that ran) to contestant -> how that compares, in words; raises
`AssertionError` where results that must be equal are not.
"""


@dataclass(frozen=True)
class Row:
    """One row of the comparison.

    Attributes:
        name: Short name.
        title: What is done, in words.
        contestants: Who does it.
        claims: What must be reached.
        prepare: Makes the inputs in the case's folder, once.
        compare: Compares what they gave.
        together: Whether all contestants run in one process, in turn: for differences of a few
            percent. Memory is told only of rows whose contestants have a process each.
        rounds: How often each contestant's process is started.
        devices: Where the row is run.
    """

    name: str
    title: str
    contestants: Sequence[Contestant]
    claims: Sequence[Claim] = ()
    prepare: Callable[[Case], None] | None = None
    compare: Compare | None = None
    together: bool = False
    rounds: int = 3
    devices: tuple[str, ...] = ("cpu",)


@dataclass
class Outcome:
    """What was measured of a contestant.

    Attributes:
        name: The contestant.
        rounds: Median seconds of each round.
        cpu: Median processor seconds of each round, of all threads and children.
        memory: Peak resident memory in MiB; 0 where it is not told.
        note: What the table says of it, such as how its result compares.
        skipped: Why it did not run; empty where it did.
    """

    name: str
    rounds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: float = 0.0
    note: str = ""
    skipped: str = ""


def load_row(name: str, device: str) -> Row:
    """Return a row by the name of its module."""
    return importlib.import_module(f"speed.{name}").row(device)


def needed_modules(row: Row) -> set[str]:
    """Return every module that contestants of a row need beside nadir's own requirements."""
    return {name for contestant in row.contestants for name in contestant.needs}
