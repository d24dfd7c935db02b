"""What rules took, added up over their jobs: time, memory, GPUs and price."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nadir.config.costs import CostConfig
from nadir.learn.gpu_meter import ENERGY, USE
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
        gpu_busy: Share of the time that GPUs were held in which they computed, 0 to 1; NaN where
            it is not known.
        gpu_memory_mb: Most memory taken of one GPU; NaN where it is not known.
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
    gpu_busy: float
    gpu_memory_mb: float
    price: float


@dataclass
class GpuUse:
    """What the jobs of a rule took of GPUs, as their logs tell; NaN where they do not.

    Attributes:
        joules: Energy.
        busy: Share of the time in which GPUs computed, 0 to 1.
        memory_mb: Most memory of one GPU.
    """

    joules: float = math.nan
    busy: float = math.nan
    memory_mb: float = math.nan


def costs_of(taken: Sequence[Taken], gpus: dict[str, GpuUse], cfg: CostConfig) -> list[RuleCost]:
    """Return what jobs took by rule, the dearest first.

    Args:
        taken: What each job took.
        gpus: Rule -> what it took of GPUs, where logs tell.
        cfg: Prices.
    """
    by_rule: dict[str, list[Taken]] = defaultdict(list)
    for one in taken:
        by_rule[one.rule].append(one)
    hours = {rule: sum(map(_held, jobs)) / 3600 for rule, jobs in by_rule.items()}
    total = math.fsum(hours.values())
    used = {rule: gpus.get(rule, GpuUse()) for rule in by_rule}
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
            used[rule].joules,
            used[rule].busy,
            used[rule].memory_mb,
            _price(hours[rule], used[rule].joules, cfg),
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


def gpus_of(results: Path) -> dict[str, GpuUse]:
    """Return rule -> what its jobs took of GPUs, as their logs tell; links are skipped."""
    joules: dict[str, list[float]] = defaultdict(list)
    looks: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    root = results / _LOGS
    for here, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(here) / name
            rule = path.relative_to(root).parts[0]
            if path.suffix != ".log" or path.is_symlink() or path.stat().st_size > _LARGEST:
                continue
            text = path.read_text(errors="replace")
            joules[rule] += [float(taken) for taken, _seconds in ENERGY.findall(text)]
            looks[rule] += [tuple(map(float, found)) for found in USE.findall(text)]
    return {
        rule: _use_of(joules[rule], looks[rule]) for rule in looks if joules[rule] or looks[rule]
    }


def _use_of(joules: Sequence[float], looks: Sequence[tuple[float, ...]]) -> GpuUse:
    """Return what energies, and percent, seconds and megabytes of looks, come to."""
    use = GpuUse(joules=math.fsum(joules) if joules else math.nan)
    if looks:
        held = math.fsum(seconds for _, seconds, _ in looks)
        busy = math.fsum(percent * seconds for percent, seconds, _ in looks) / 100
        use.busy = busy / held if held else 0.0
        use.memory_mb = max(memory for _, _, memory in looks)
    return use
