"""What rules took, added up over their jobs: time, memory, energy and price."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nadir.config.costs import CostConfig
from nadir.learn.energy import LINE
from nadir.provenance.benchmarks import Taken

KWH = 3.6e6
"""Joules in a kilowatt hour."""

_LOGS = "logs"
_LARGEST = 256 << 20


@dataclass(frozen=True)
class RuleCost:
    """What all jobs of a rule took, each at its last run.

    Attributes:
        rule: The rule.
        jobs: How many there are.
        seconds: Time that passed, all jobs one after the other.
        longest: That of the longest job.
        cpu_seconds: Processor time, of the jobs of which it is known.
        core_hours: Hours of cores that were held: processor time, and no less than the time that
            passed, since a job holds one core at least.
        memory_mb: Most memory of one job; NaN where it is not known.
        read_mb: Read from disks.
        written_mb: Written to disks.
        share: Share of `core_hours` in those of all rules, 0 to 1.
        joules: Energy of GPUs; NaN where none was counted.
        price: In the currency; NaN without prices.
    """

    rule: str
    jobs: int
    seconds: float
    longest: float
    cpu_seconds: float
    core_hours: float
    memory_mb: float
    read_mb: float
    written_mb: float
    share: float
    joules: float
    price: float


def costs_of(taken: Sequence[Taken], joules: dict[str, float], cfg: CostConfig) -> list[RuleCost]:
    """Return what jobs took by rule, the dearest first.

    Args:
        taken: What each job took.
        joules: Rule -> energy of GPUs, where it was counted.
        cfg: Prices.
    """
    by_rule: dict[str, list[Taken]] = defaultdict(list)
    for one in taken:
        by_rule[one.rule].append(one)
    hours = {rule: sum(map(_held, jobs)) / 3600 for rule, jobs in by_rule.items()}
    total = math.fsum(hours.values())
    found = [
        RuleCost(
            rule,
            len(jobs),
            _sum(one.seconds for one in jobs),
            max(one.seconds for one in jobs),
            _sum(one.cpu_seconds for one in jobs),
            hours[rule],
            _most(one.memory_mb for one in jobs),
            _sum(one.read_mb for one in jobs),
            _sum(one.written_mb for one in jobs),
            hours[rule] / total if total else 0.0,
            joules.get(rule, math.nan),
            _price(hours[rule], joules.get(rule, math.nan), cfg),
        )
        for rule, jobs in by_rule.items()
    ]
    return sorted(found, key=lambda one: (-one.core_hours, one.rule))


def _held(one: Taken) -> float:
    """Return for how many seconds a job held cores: one at least, while it ran."""
    return max(one.seconds, 0.0 if math.isnan(one.cpu_seconds) else one.cpu_seconds)


def _price(hours: float, joules: float, cfg: CostConfig) -> float:
    """Return the price of core hours and of energy; NaN without prices."""
    parts = []
    if cfg.price_per_core_hour is not None:
        parts.append(hours * cfg.price_per_core_hour)
    if cfg.price_per_kwh is not None and not math.isnan(joules):
        parts.append(joules / KWH * cfg.price_per_kwh)
    return math.fsum(parts) if parts else math.nan


def _sum(values: Iterable[float]) -> float:
    """Return the sum of what is known."""
    return math.fsum(value for value in values if not math.isnan(value))


def _most(values: Iterable[float]) -> float:
    """Return the largest of what is known."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def joules_of(results: Path) -> dict[str, float]:
    """Return rule -> energy of GPUs, as the logs of its jobs tell; links are skipped."""
    found: dict[str, float] = defaultdict(float)
    root = results / _LOGS
    for here, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(here) / name
            rule = path.relative_to(root).parts[0]
            if path.suffix != ".log" or path.is_symlink() or path.stat().st_size > _LARGEST:
                continue
            for joules, _seconds in LINE.findall(path.read_text(errors="replace")):
                found[rule] += float(joules)
    return dict(found)
