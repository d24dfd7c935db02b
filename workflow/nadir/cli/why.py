"""Tell what would be made again, because of what, and what that took the last time.

The graph is drawn by Snakemake itself, as for `snakemake -n`; nothing is run. Without a target, it
is about all that the Snakefile makes by default.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from nadir.provenance.atomic import write_text
from nadir.report.why_map import why_map
from nadir.report.why_page import roots_text, summary, time_text, why_page
from nadir.upkeep.drawing import Place, draw
from nadir.upkeep.why import Answer, Due, answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="rules or files")
    parser.add_argument("--snakefile", type=Path, help="as Snakemake's option of this name")
    parser.add_argument("--directory", type=Path, help="as Snakemake's option of this name")
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], help="as Snakemake's option of this name"
    )
    parser.add_argument(
        "--config", nargs="+", default=[], metavar="KEY=VALUE", help="as Snakemake's"
    )
    parser.add_argument(
        "--forcerun", nargs="+", default=[], metavar="TARGET", help="as if these were made again"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="where measurements lie"
    )
    parser.add_argument("--html", type=Path, help="page with a map to write")
    parser.add_argument("--svg", type=Path, help="map to write")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    here = (options.directory or Path()).absolute()
    html, svg = (path and path.absolute() for path in (options.html, options.svg))
    place = Place(options.snakefile, options.directory, options.configfile, _config(options.config))
    drawing = draw(options.targets, place, options.forcerun)
    found = answer(drawing, here, here / options.results)
    target = " ".join(options.targets) or "everything"
    if html:
        write_text(html, why_page(found, target))
    if svg:
        write_text(svg, why_map(found))
    text = json.dumps(_plain(found), indent=1, ensure_ascii=False) if options.json else None
    sys.stdout.write((text or "\n".join(_lines(found))) + "\n")


def _config(words: list[str]) -> dict[str, Any]:
    """Return the keys of `--config` as Snakemake reads them."""
    if not words:
        return {}
    from snakemake.cli import parse_config

    return dict(parse_config(words))


def _lines(found: Answer) -> list[str]:
    """Return the answer as lines of text."""
    lines = [summary(found)]
    if not found.due:
        return lines
    lines += ["", "where the changes come in:", *(f"  {line}" for line in roots_text(found)), ""]
    rows = [_cells(one) for one in found.due]
    rows.insert(0, ("rule", "of", "time", "memory", "because"))
    wide = [max(len(row[column]) for row in rows) for column in range(4)]
    for rule, name, time, memory, reason in rows:
        left = f"{rule:<{wide[0]}}  {name:<{wide[1]}}"
        lines.append(f"{left}  {time:>{wide[2]}}  {memory:>{wide[3]}}  {reason}")
    return lines


def _cells(one: Due) -> tuple[str, str, str, str, str]:
    """Return one job as cells of a table."""
    memory = one.taken.memory_mb if one.taken else math.nan
    text = "?" if math.isnan(memory) else f"{memory:,.0f} MB"
    return one.job.rule, one.name, time_text(one), text, "; ".join(one.reasons)


def _plain(found: Answer) -> dict[str, Any]:
    """Return the answer as JSON has it."""
    jobs = [
        {
            "rule": one.job.rule,
            "wildcards": one.job.wildcards,
            "outputs": one.job.outputs,
            "reasons": one.reasons,
            "first": one.first,
            "because_of": one.roots,
            "number": one.job.number,
            "seconds": _number(one.seconds),
            "guessed": one.guessed,
        }
        for one in found.due
    ]
    return {
        "jobs": jobs,
        "known": found.known,
        "seconds": found.seconds,
        "longest": found.longest,
        "cpu_seconds": found.cpu_seconds,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
