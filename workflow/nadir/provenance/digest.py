"""Digests of bytes, values, files and arrays: sha256, in hexadecimal."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nadir.errors import InputError, OutputError
from nadir.provenance.atomic import write_json
from nadir.provenance.files import require_plain

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

CACHE = Path(".snakemake") / "nadir-digests"  # one small file per path: no lock is needed


def sha(data: bytes) -> str:
    """Return the sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def json_digest(value: Any) -> str:
    """Return the digest of a JSON-serializable value, whatever the order of its keys."""
    return sha(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def array_digest(*arrays: np.ndarray) -> str:
    """Return the digest of arrays: dtypes, shapes and elements in C order."""
    import numpy as np

    state = hashlib.sha256()
    for array in arrays:
        state.update(f"{array.dtype.str}{array.shape}".encode())
        state.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return state.hexdigest()


def file_digest(path: str | os.PathLike[str], cache: Path | None = None) -> str:
    """Return the digest of a file's content, from the cache while its stat signature stands.

    The signature is size, modification time (ns) and inode, so a `touch` costs one re-hash and
    an unchanged file of any size costs one `stat`.

    Args:
        path: The file.
        cache: Folder of the cache; by default `.snakemake/nadir-digests` of the working folder.

    Raises:
        InputError: When there is no such file, or it is a pipe or a device.
    """
    path = Path(path)
    folder = CACHE if cache is None else cache
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(
            path, "there is no such file", "Check the path in the configuration."
        ) from error
    require_plain(path)
    signature = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
    entry = folder / sha(os.path.abspath(path).encode())
    try:
        record = json.loads(entry.read_text())
        if record["signature"] == signature:
            return record["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # absent or torn: hash again
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        write_json(entry, {"path": str(path), "signature": signature, "sha256": digest})
    except (OutputError, OSError) as error:  # the cache is a convenience
        log.debug("digest of %s not kept: %s", path, error)
    return digest
