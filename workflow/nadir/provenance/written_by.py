"""Digests of a command's products, kept beside the results that they lie in.

A small file for each job in `results/.cache/digests`. It is removed when the job begins to write
anew, and written when it has ended, so that a killed job leaves none: nothing is ever taken for
altered that was merely made again.
"""

from __future__ import annotations

import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nadir.errors import OutputError
from nadir.provenance.atomic import write_json
from nadir.provenance.lease import is_later_rank, lease_path
from nadir.provenance.writes import noted_writes

log = logging.getLogger(__name__)

FOLDER = Path(".cache") / "digests"
"""Where they lie in a folder of results."""

_LARGEST = 64 << 20


@contextmanager
def kept_digests(out: str | os.PathLike[str]) -> Iterator[None]:
    """Keep the digests of all products that are written while the block runs.

    Where they cannot be written, as on a disk that the products have filled to the last byte, a
    warning says so: the products are whole.

    Args:
        out: Main output of the command; of one outside a folder of results nothing is kept.
    """
    lease = lease_path(out)
    if lease is None or is_later_rank():
        yield
        return
    root = lease.parents[2]
    record = root / FOLDER / lease.name
    record.unlink(missing_ok=True)
    with noted_writes(root) as writes:
        yield
    found = {name: digest for name, digest in writes.digests.items() if (root / name).is_file()}
    if found:
        try:
            write_json(record, found)
        except OutputError as error:
            log.warning("digests of what was written are not kept: %s", error)


def digests_below(results: Path) -> dict[str, set[str]]:
    """Return name in a folder of results -> the digests that jobs have written it with.

    What is no such record, or is damaged, is passed over: it proves nothing.
    """
    known: dict[str, set[str]] = defaultdict(set)
    for record in sorted((results / FOLDER).glob("*.json")):
        if record.is_symlink() or record.stat().st_size > _LARGEST:
            continue
        try:
            found = json.loads(record.read_bytes())
        except (ValueError, OSError, RecursionError):
            continue
        for name, digest in found.items() if isinstance(found, dict) else ():
            if isinstance(digest, str):
                known[name].add(digest)
    return known
