"""What Snakemake wrote down of the files that it made: their rules, and digests of small inputs.

The records lie in `.snakemake/metadata` of the working folder, one JSON file a product, under the
base64 of its path (cut into folders that begin with `@` where it is too long for a file name).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nadir.upkeep.walking import entries_below

FOLDER = Path(".snakemake") / "metadata"
_LARGEST = 64 << 20  # bytes of a record: one lists the inputs of a job


@dataclass(frozen=True)
class Record:
    """What is known of a product.

    Attributes:
        rule: The rule that made it.
        ended: When its job ended, seconds since 1970.
        incomplete: Whether the job was at work when the record was written.
    """

    rule: str
    ended: float
    incomplete: bool


@dataclass(frozen=True)
class Seen:
    """The content of a file when a job read it: the sha256, and when that job ended."""

    sha256: str
    ended: float


@dataclass(frozen=True)
class Records:
    """All records of a working folder, by paths as Snakemake names them.

    Attributes:
        products: Path -> record.
        inputs: Path -> content when it was last read, where Snakemake kept it (files below 1 MB).
    """

    products: dict[str, Record]
    inputs: dict[str, Seen]


def read_records(workdir: Path) -> Records:
    """Return the records of a working folder; damaged ones are passed over."""
    products: dict[str, Record] = {}
    inputs: dict[str, Seen] = {}
    for path, found in _each(workdir / FOLDER):
        try:
            ended = float(found.get("endtime") or 0)
            products[path] = Record(str(found["rule"]), ended, bool(found.get("incomplete")))
            sums = dict(found.get("input_checksums") or {})
        except (KeyError, TypeError, ValueError):
            continue
        for name, digest in sums.items():
            if name not in inputs or inputs[name].ended < ended:
                inputs[name] = Seen(str(digest).removeprefix("sha256:"), ended)
    return Records(products, inputs)


def _each(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (path of the product, record)."""
    if not folder.is_dir():
        return
    for entry in entries_below(folder):
        if entry.kind != "file" or entry.size > _LARGEST:
            continue
        parts = entry.path.relative_to(folder).parts
        name = "".join(part.removeprefix("@") for part in parts)
        try:
            path = base64.urlsafe_b64decode(name).decode()
            found = json.loads(entry.path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            yield path, found
