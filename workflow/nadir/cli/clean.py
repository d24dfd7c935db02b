"""Remove old keys of the result cache that no product came from; `--dry-run` only tells.

Trainings and predictions are kept under `results/.cache`, so that a setting that is set back costs
nothing. A key that is gone is made again when it is asked for.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from nadir.upkeep.clean import Slot, parse_span, remove_slot, survey
from nadir.upkeep.clean_sent import remove_version, survey_sent
from nadir.upkeep.walking import bytes_text, shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "results", nargs="?", type=Path, default=Path("results"), help="folder of results"
    )
    parser.add_argument(
        "--older-than",
        type=_span,
        required=True,
        metavar="30d",
        help="time since a key was last used (s, m, h, d, w)",
    )
    parser.add_argument(
        "--keep", type=_count, default=2, help="last used keys of each kind that stay anyway"
    )
    parser.add_argument(
        "--stores",
        metavar="s3://BUCKET/PREFIX",
        help="remove instead: Zarr stores under this prefix (compute.storage) that no manifest of "
        "the folder names; only for a prefix that no other folder of results uses",
    )
    parser.add_argument("--dry-run", action="store_true", help="remove nothing, tell what would go")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _span(text: str) -> float:
    """Return seconds."""
    try:
        return parse_span(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    """Return a number that is not negative."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of keys")
    return int(text)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    now = time.time()
    if options.stores:
        _clean_stores(options, now)
        return
    slots = survey(options.results, options.older_than, options.keep, now)
    states = {}
    for slot in slots:
        states[slot.path] = slot.kept or "would go"
        if not slot.kept and not options.dry_run:
            states[slot.path] = "removed" if remove_slot(slot) else "a run holds it"
    freed = sum(slot.size for slot in slots if states[slot.path] in ("would go", "removed"))
    if options.json:
        keys = [_plain(slot, states[slot.path]) for slot in slots]
        print(json.dumps({"freed": freed, "dry_run": options.dry_run, "keys": keys}, indent=1))
        return
    for slot in slots:
        print(_line(slot, states[slot.path], now))
    verb = "would be freed" if options.dry_run else "freed"
    print(f"{bytes_text(freed)} {verb}, of {bytes_text(sum(slot.size for slot in slots))}")


def _clean_stores(options: argparse.Namespace, now: float) -> None:
    """Remove versions of stores in an object store, or tell which would go."""
    freed, lines, keys = 0, [], []
    for one in survey_sent(options.results, options.stores, options.older_than, now):
        state = one.kept or ("would go" if options.dry_run else "removed")
        if not one.kept:
            freed += one.size
            if not options.dry_run:
                remove_version(one)
        unfinished = "" if one.finished else ", unfinished"
        days = max(now - one.used, 0) / 86400
        size = bytes_text(one.size)
        lines.append(f"{shown(one.address)}  {size:>8}  {days:6.1f} d  {state}{unfinished}")
        keys.append({"path": one.address, "bytes": one.size, "state": state})
    if options.json:
        print(json.dumps({"freed": freed, "dry_run": options.dry_run, "keys": keys}, indent=1))
        return
    verb = "would be freed" if options.dry_run else "freed"
    print("\n".join([*lines, f"{bytes_text(freed)} {verb}"]))


def _plain(slot: Slot, state: str) -> dict[str, object]:
    """Return a key as JSON has it."""
    return {
        "path": shown(slot.path),
        "kind": slot.kind,
        "bytes": slot.size,
        "used": round(slot.used),
        "finished": slot.finished,
        "state": state,
    }


def _line(slot: Slot, state: str, now: float) -> str:
    """Return a key as a line."""
    days = max(now - slot.used, 0) / 86400
    unfinished = "" if slot.finished else ", unfinished"
    name = f"{slot.kind}/{slot.path.name}"
    return f"{shown(name)}  {bytes_text(slot.size):>8}  {days:6.1f} d  {state}{unfinished}"
