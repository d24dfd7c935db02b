"""What would be made again, because of what, and what that cost the last time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nadir.provenance.benchmarks import Taken, read_all, read_taken, usual
from nadir.upkeep.changes import explain_params
from nadir.upkeep.drawing import Cause, Drawing, Job
from nadir.upkeep.walking import shown

_FEW = 3  # files that a sentence names


@dataclass(frozen=True)
class Due:
    """A job that would run, with all that can be said of it.

    Attributes:
        job: The job.
        reasons: Why, in words.
        first: Whether it is where a change comes in: something about itself, not only that a job
            above it runs.
        roots: Numbers of the jobs where the changes come in that make this one run.
        taken: What it took the last time, or what jobs of its rule usually took; None where there
            is neither.
        guessed: Whether `taken` is that of other jobs.
    """

    job: Job
    reasons: tuple[str, ...]
    first: bool
    roots: tuple[int, ...]
    taken: Taken | None
    guessed: bool

    @property
    def name(self) -> str:
        """The wildcards, for people."""
        return ", ".join(shown(value) for value in self.job.wildcards.values())

    @property
    def seconds(self) -> float:
        """Time that it took, NaN where that is not known."""
        return self.taken.seconds if self.taken else math.nan


@dataclass(frozen=True)
class Answer:
    """All jobs that would run, those that are needed first before the others.

    Attributes:
        due: The jobs.
        known: How many jobs the graph has in all.
    """

    due: tuple[Due, ...]
    known: int

    @property
    def seconds(self) -> float:
        """Time of all jobs one after the other, as far as it is known."""
        return _total(one.seconds for one in self.due)

    @property
    def longest(self) -> float:
        """Time of the longest chain of jobs that wait for each other, as far as it is known."""
        ends: dict[int, float] = {}
        for one in self.due:
            before = max((ends[number] for number in one.job.above), default=0.0)
            ends[one.job.number] = before + _total([one.seconds])
        return max(ends.values(), default=0.0)

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all jobs, as far as it is known."""
        return _total(one.taken.cpu_seconds for one in self.due if one.taken)

    @property
    def memory_mb(self) -> float:
        """Most memory that one job took, as far as it is known."""
        known = [one.taken.memory_mb for one in self.due if one.taken]
        return max((value for value in known if not math.isnan(value)), default=math.nan)

    @property
    def unknown(self) -> int:
        """How many jobs nothing is known of."""
        return sum(one.taken is None for one in self.due)

    def below(self, number: int) -> int:
        """Return how many other jobs run because of one."""
        return sum(number in one.roots and one.job.number != number for one in self.due)


def _total(values: Iterable[float]) -> float:
    """Return the sum of what is known."""
    return math.fsum(value for value in values if not math.isnan(value))


def answer(drawing: Drawing, workdir: Path, results: Path) -> Answer:
    """Return what would run and why, with past cost.

    Args:
        drawing: The graph.
        workdir: Folder that its paths start at.
        results: Folder of results, whose measurements tell what jobs took.
    """
    usually = usual(read_all(results))
    roots: dict[int, tuple[int, ...]] = {}
    due = []
    for job in drawing.jobs:
        first = any(cause.kind != "above" for cause in job.causes) or not job.above
        inherited = {root for number in job.above for root in roots[number]}
        roots[job.number] = tuple(sorted(inherited | ({job.number} if first else set())))
        own = read_taken(workdir / job.benchmark, job.rule, "") if job.benchmark else None
        taken = own or usually.get(job.rule)
        reasons = tuple(_sentence(cause, job, drawing.jobs) for cause in job.causes)
        due.append(Due(job, reasons, first, roots[job.number], taken, own is None))
    return Answer(tuple(due), drawing.known)


_WORDS = {
    "missing": "{files} is not there",
    "incomplete": "{files} was left half-made",
    "input": "{files} is newer than what was made of it",
    "set": "it reads other files than before",
    "code": "the rule itself was edited",
    "software": "the environment of the rule was edited",
    "forced": "you ask for it",
    "always": "it runs every time",
}


def _sentence(cause: Cause, job: Job, jobs: Sequence[Job]) -> str:
    """Return a cause in words."""
    if cause.kind == "params":
        return explain_params(cause.before, cause.now)
    if cause.kind == "above":
        makers = {jobs[number].rule for number in job.above if _feeds(jobs[number], cause)}
        what = ", ".join(sorted(makers)) or "a job above"
        return f"it reads what {what} {'make' if len(makers) > 1 else 'makes'} anew"
    return _WORDS[cause.kind].format(files=_named(cause.files))


def _feeds(job: Job, cause: Cause) -> bool:
    """Whether a job makes one of the files of a cause."""
    return not set(job.outputs).isdisjoint(cause.files)


def _named(files: Sequence[str]) -> str:
    """Return a few files by name, and how many there are beside them."""
    more = len(files) - _FEW
    text = ", ".join(map(shown, files[:_FEW]))
    return f"{text} and {more} more" if more > 0 else text
