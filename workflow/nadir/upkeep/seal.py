"""The seal of a folder of results: every file by its digest, to compare with later.

Snakemake keeps no digests of what its jobs make, and a map whose pixels were changed by hand is as
good a GeoTIFF as before. The seal lists all files at a time when they are known to be right.
A file that the graph has made again since then is no longer covered: its record tells.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nadir.errors import InputError
from nadir.provenance.atomic import write_json
from nadir.provenance.digest import json_digest

FILE = ".sealed.json"
_FORMAT = 1
_REMEDY = "Remove it, and seal the folder again once it is known to be right."

Sealed = dict[str, tuple[str, float]]
"""Name below the folder -> sha256, and when the job that made it had ended (0: not known)."""


def write_seal(folder: Path, files: Sealed) -> None:
    """Write the seal. Raises `OutputError` when the disk is full or not writable."""
    plain = {name: list(entry) for name, entry in files.items()}
    write_json(folder / FILE, {"format": _FORMAT, "files": plain, "digest": json_digest(plain)})


def read_seal(folder: Path) -> Sealed | None:
    """Return what a folder's seal lists, or None where there is none.

    Raises:
        InputError: When it is damaged.
    """
    path = folder / FILE
    if path.is_symlink() or not path.is_file():
        return None
    try:
        found: Any = json.loads(path.read_bytes())
        if found["format"] != _FORMAT or json_digest(found["files"]) != found["digest"]:
            raise ValueError("it was changed after it was written")
        return {
            str(name): (str(digest), float(ended))
            for name, (digest, ended) in found["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"this is no seal ({error})", _REMEDY) from error
