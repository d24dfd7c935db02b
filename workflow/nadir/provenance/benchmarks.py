"""What jobs took, as Snakemake measured it: `results/benchmarks/RULE/WILDCARDS.tsv`.

Snakemake measures the last attempt of a job, in its own process tree: a training that was killed
and went on counts from where it went on, and one that was delivered from the result cache counts
the delivery.
"""

from __future__ import annotations

import csv
import logging
import math
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER = "benchmarks"
"""Name of the folder of measurements in a folder of results."""

_LARGEST = 1 << 20  # bytes of a file: one line a repetition


@dataclass(frozen=True)
class Taken:
    """What one job took.

    Attributes:
        rule: The rule.
        job: The wildcards, as in the name of the file.
        seconds: Time that passed.
        cpu_seconds: Time on processors, all threads and processes together; NaN where Snakemake
            could not tell (a job of less than half a second).
        memory_mb: Most memory at once (RSS), MB; NaN as above.
        read_mb: Bytes read from disks, MB; NaN as above.
        written_mb: Bytes written, MB; NaN as above.
        made: When the file was written, seconds since 1970.
    """

    rule: str
    job: str
    seconds: float
    cpu_seconds: float
    memory_mb: float
    read_mb: float
    written_mb: float
    made: float


def read_taken(path: Path, rule: str, job: str) -> Taken | None:
    """Return what a file of measurements tells: the mean of its repetitions; None for no such file.

    Args:
        path: The file.
        rule: The rule that it is of.
        job: The wildcards that it is of.
    """
    try:
        facts = path.stat()
        if facts.st_size > _LARGEST:
            raise ValueError("too large")
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        seconds = [_number(row.get("s")) for row in rows]
        if not rows or not all(value >= 0 for value in seconds):
            raise ValueError("no times in it")
    except (OSError, ValueError, csv.Error) as error:
        log.debug("%s is no file of measurements: %s", path, error)
        return None
    columns = {
        name: _mean([_number(row.get(name)) for row in rows])
        for name in ("cpu_time", "max_rss", "io_in", "io_out")
    }
    return Taken(
        rule,
        job,
        _mean(seconds),
        columns["cpu_time"],
        columns["max_rss"],
        columns["io_in"],
        columns["io_out"],
        facts.st_mtime,
    )


def _number(text: str | None) -> float:
    """Return a number, NaN for `NA`, `-` and other words."""
    try:
        value = float(text or "nan")
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _mean(values: Iterable[float]) -> float:
    """Return the mean of what is known."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def read_all(results: str | os.PathLike[str]) -> list[Taken]:
    """Return what is known of all jobs of a folder of results, by rule and job; links are skipped.

    Args:
        results: The folder.
    """
    root = Path(results) / FOLDER
    found = []
    for here, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(here) / name
            if not name.endswith(".tsv") or path.is_symlink():
                continue
            parts = path.relative_to(root).with_suffix("").parts
            taken = read_taken(path, parts[0], "/".join(parts[1:]))
            if taken is not None:
                found.append(taken)
    return sorted(found, key=lambda one: (one.rule, one.job))


def usual(taken: Iterable[Taken]) -> Mapping[str, Taken]:
    """Return rule -> what its jobs usually took: the median of each figure."""
    by_rule: dict[str, list[Taken]] = defaultdict(list)
    for one in taken:
        by_rule[one.rule].append(one)
    return {
        rule: Taken(
            rule,
            "",
            _median(one.seconds for one in jobs),
            _median(one.cpu_seconds for one in jobs),
            _median(one.memory_mb for one in jobs),
            _median(one.read_mb for one in jobs),
            _median(one.written_mb for one in jobs),
            max(one.made for one in jobs),
        )
        for rule, jobs in by_rule.items()
    }


def _median(values: Iterable[float]) -> float:
    """Return the median of what is known."""
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan
