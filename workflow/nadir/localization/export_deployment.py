"""Checking a localiser that is ready for single photos: its file, references and descriptor."""

from __future__ import annotations

import json
import os
from pathlib import Path

from nadir.errors import InputError, sentences
from nadir.learn.export_check import Finding
from nadir.localization.deployment import FILE, load_localizer
from nadir.localization.references import Reference


def descriptor_folder(folder: str | os.PathLike[str]) -> Path | None:
    """Return the bundle of the descriptor that a sound `localizer.json` names, if it names one."""
    said = json.loads((Path(folder) / FILE).read_text())
    return Path(folder) / said["descriptor"] if said["descriptor"] else None


def check_deployment(folder: str | os.PathLike[str]) -> list[Finding]:
    """Check a localiser's file, its references, and that its descriptor can be read.

    Args:
        folder: An experiment's folder with `localizer.json`.

    Returns:
        One finding for the file, and one a reference when the file is sound.
    """
    folder = Path(folder)
    try:
        load_localizer(folder, "cpu")
    except InputError as error:
        at = FILE if Path(error.file).name == FILE else os.path.relpath(error.file, folder)
        return [Finding(at, "fault", sentences(error.problem, error.remedy))]
    said = json.loads((folder / FILE).read_text())
    findings = [Finding(FILE, "ok", f"complete, {len(said['references'])} reference(s)")]
    for name in said["references"]:
        reference = Reference(folder / name)
        text = f"{reference.width} x {reference.height} pixels"
        findings.append(Finding(name, "ok", text))
    return findings
