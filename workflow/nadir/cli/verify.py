"""Compare a folder of results with its manifests, digests and formats; 1 when anything is wrong.

Finds what was deleted, cut off, changed or half copied, and names the rule and the command that
make it again. Nothing is written, but for the seal where that is asked for.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from nadir.upkeep.verify import Finding, Verdict, repair_commands, verify
from nadir.upkeep.walking import bytes_text, shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "results", nargs="?", type=Path, default=Path("results"), help="folder to look at"
    )
    parser.add_argument(
        "--workdir",
        type=Path,
        help="folder in which Snakemake ran (by default the one that holds the results)",
    )
    parser.add_argument(
        "--seal",
        action="store_true",
        help="where nothing is wrong, keep the digests of all files, to compare with later",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Run the command; exit code 1 when anything is wrong."""
    verdict = verify(options.results, options.workdir, seal=options.seal)
    workdir = options.workdir or options.results.absolute().parent
    commands = repair_commands(verdict.faults, workdir)
    if options.json:
        print(json.dumps(_plain(verdict, commands), indent=1))
    else:
        print("\n".join(_lines(options.results, verdict, commands)))
    if verdict.faults:
        raise SystemExit(1)


def _plain(verdict: Verdict, commands: list[str]) -> dict[str, object]:
    """Return the verdict as JSON has it."""
    findings = [
        {
            "path": shown(one.path),
            "state": "fault" if one.fault else "note",
            "problem": one.problem,
            "rule": one.rule,
        }
        for one in verdict.findings
    ]
    counts = {name: getattr(verdict, name) for name in ("stores", "files", "proved", "unchecked")}
    return {**counts, "bytes": verdict.size, "findings": findings, "commands": commands}


def _lines(folder: Path, verdict: Verdict, commands: list[str]) -> list[str]:
    """Return the verdict as lines of text."""
    faults = len(verdict.faults)
    head = "sound" if not faults else f"{faults} fault{'s' if faults > 1 else ''}"
    counts = (
        f"{verdict.stores} stores compared with their manifests; {verdict.files} files "
        f"({verdict.proved} by digest, {verdict.unchecked} unknown); {bytes_text(verdict.size)}"
    )
    lines = [f"{shown(folder)}: {head}", f"  {counts}"]
    lines += [_line(one) for one in verdict.findings]
    return lines + (
        ["", "to repair:", *(f"  {command}" for command in commands)] if commands else []
    )


def _line(one: Finding) -> str:
    """Return one finding as a line."""
    mark = "FAULT" if one.fault else "note "
    rule = f"  [rule {one.rule}]" if one.rule else ""
    return f"  {mark}  {shown(one.path)}: {one.problem}{rule}"
