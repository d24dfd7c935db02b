"""See whether nadir can work here, and what to do where not; 1 when something is in its way.

Looks at disk, inodes, write access, file names, file locks, clock, memory, cores, GPU and driver
against the build of torch, GDAL and PROJ, Snakemake, and the versions of the lock.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from nadir.upkeep.checkup import Check, worst
from nadir.upkeep.doctor import examine

_MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of results, there or not"
    )
    parser.add_argument(
        "--workdir", type=Path, default=Path(), help="folder in which Snakemake runs"
    )
    parser.add_argument("--quick", action="store_true", help="do not start torch")
    parser.add_argument("--strict", action="store_true", help="exit code 1 for a warning as well")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Run the command; exit code 1 where something is in nadir's way."""
    checks = examine(options.results, options.workdir, torch=not options.quick)
    state = worst(checks)
    if options.json:
        plain = {"state": state, "checks": [asdict(check) for check in checks]}
        print(json.dumps(plain, indent=1, ensure_ascii=False))
    else:
        print("\n".join(_lines(checks)))
    if state == "fail" or (options.strict and state == "warn"):
        raise SystemExit(1)


def _lines(checks: list[Check]) -> list[str]:
    """Return the checks as lines of text, remedies below what they mend."""
    wide = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{_MARKS[check.state]}  {check.name:<{wide}}  {check.found}")
        if check.remedy:
            lines.append(f"{'':{wide + 6}}  -> {check.remedy}")
    return lines
