"""ZIP archives with equal bytes for equal content."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path
from nadir.provenance.files import is_inside

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP can state


def pack_archive(
    path: str | os.PathLike[str],
    files: Mapping[str, bytes],
    check: Callable[[Path], object] | None = None,
) -> None:
    """Write a ZIP archive atomically: sorted names, one fixed time, the same permissions.

    Args:
        path: The archive.
        files: Name -> content.
        check: Called with the finished archive under its temporary name; if it raises, no archive
            is left.

    Raises:
        InputError: When a name would leave the folder that the archive is unpacked into.
        OutputError: When the disk is full or not writable.
    """
    strange = sorted(name for name in files if not is_inside(name))
    if strange:
        problem = f"{strange[0]!r} would be unpacked outside of its folder"
        raise InputError(path, problem, "Rename what the file is called after.")
    with atomic_path(path, ".zip") as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, _TIME)
                entry.external_attr = 0o644 << 16
                entry.create_system = 3  # as written on Unix, wherever this runs
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, files[name], compresslevel=9)
        if check is not None:
            check(temporary)
