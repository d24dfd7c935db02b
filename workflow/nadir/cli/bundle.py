"""Check models' bundles: whole, unchanged, every file gives the same answer, nothing pickled."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.bundles import open_model
from nadir.errors import InputError, sentences
from nadir.learn.export_check import Finding, check_bundle
from nadir.service.catalog import THRESHOLD, read_threshold

_LOCALIZER = "localizer.json"
_MARKS = {"ok": "ok", "fault": "FAULT", "none": "-", "unchecked": "?"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="see that bundles are whole; 1 on a fault")
    check.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="folder of a bundle, or of a localiser's experiment (its parts are checked)",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command: one table a folder; exit code 1 when anything is wrong."""
    sound = True
    for folder in options.folders:
        findings = _findings(folder)
        print(_table(folder, findings), flush=True)
        sound &= all(one.state != "fault" for one in findings)
    if not sound:
        raise SystemExit(1)


def _findings(folder: Path) -> list[Finding]:
    """Return what is known of a folder: a bundle's files, or a localiser's parts."""
    try:
        if not (folder / _LOCALIZER).is_file():
            return check_bundle(folder, open_model) + _threshold(folder)
        from nadir.localization.export_deployment import check_deployment, descriptor_folder

        findings = check_deployment(folder)
        part = descriptor_folder(folder) if findings[0].state == "ok" else None
        return findings + (check_bundle(part, open_model) if part else [])
    except InputError as error:
        return [Finding(str(folder), "fault", sentences(error.problem, error.remedy))]


def _threshold(folder: Path) -> list[Finding]:
    """Return what is known of the threshold in a bundle, where there is one."""
    path = folder / THRESHOLD
    if not path.is_file():
        return []
    try:
        _, threshold = read_threshold(path)
    except InputError as error:
        return [Finding(THRESHOLD, "fault", sentences(error.problem, error.remedy))]
    return [Finding(THRESHOLD, "ok", f"the last class counts from a probability of {threshold:g}")]


def _table(folder: Path, findings: list[Finding]) -> str:
    """Return findings as lines of text."""
    wide = max(len(one.file) for one in findings)
    lines = [f"  {one.file:<{wide}}  {_MARKS[one.state]:<5}  {one.text}" for one in findings]
    faults = sum(one.state == "fault" for one in findings)
    head = "sound" if not faults else f"{faults} fault{'s' if faults > 1 else ''}"
    return "\n".join([f"{folder}: {head}", *lines])
