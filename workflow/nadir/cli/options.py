"""Options and conversions that several commands share."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from nadir.config.classes import ClassTable
from nadir.errors import InputError


def add_cfg(parser: argparse.ArgumentParser) -> None:
    """Add `--cfg`: the command's section of the configuration, as JSON text."""
    parser.add_argument("--cfg", required=True, type=json.loads, help="JSON text of the settings")


def add_out(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add `--out`: the path to make."""
    parser.add_argument("--out", required=True, type=Path, help=help_text)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add `--threads`."""
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads to use")


def add_code(parser: argparse.ArgumentParser) -> None:
    """Add `--code`: the fingerprint under which an expensive result is kept."""
    parser.add_argument(
        "--code", default="", help="fingerprint of the code, part of the result's key"
    )


def add_raw(parser: argparse.ArgumentParser) -> None:
    """Add `--raw`: digests of the raw files, recorded in the manifest."""
    parser.add_argument("--raw", type=json.loads, default={}, help="JSON text: raw file -> digest")


def class_table(cfg: dict[str, Any]) -> ClassTable:
    """Return the class table of a command's settings."""
    return ClassTable.model_validate(cfg["classes"])


def device() -> str:
    """Return the device that the configuration asks for (`auto` when run alone)."""
    return os.environ.get("NADIR_DEVICE", "auto")


def scheduler() -> str | None:
    """Return the address of the Dask scheduler, or None for threads."""
    return os.environ.get("NADIR_SCHEDULER") or None


def by_scene(paths: list[Path]) -> dict[str, Path]:
    """Return scene name -> path, the name being the folder of the file.

    Raises:
        InputError: When two paths are of the same scene.
    """
    named = {path.parent.name: path for path in paths}
    if len(named) != len(paths):
        raise InputError(paths[0], "a scene is given twice", "Give each scene's file once.")
    return named


def cache_root(output: Path, verb: str) -> Path:
    """Return where results of a verb are kept: `.cache/VERB` in the results folder of an output.

    The results folder is the one above the job's: `results/<job>/<dataset>/...`, so that
    experiments which share a training share it whatever they are called.
    """
    for folder in output.absolute().parents:
        if folder.name == "results":
            return folder / ".cache" / verb
    return output.absolute().parent / ".cache" / verb
