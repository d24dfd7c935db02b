"""Writing so that a reader sees the old file, the new file, or none: never a half-written one."""

from __future__ import annotations

import errno
import glob
import json
import math
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nadir.errors import OutputError
from nadir.provenance.writes import note_write, put_in_place

_WRITE_FAULTS = {
    errno.ENOSPC: ("the disk is full", "Free some space, then run the same command again."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, then run the command again."),
    errno.EROFS: ("the file system is read-only", "Choose a writable results folder."),
    errno.EACCES: ("writing is not permitted", "Check the permissions of the results folder."),
    errno.EPERM: ("writing is not permitted", "Check the permissions of the results folder."),
    errno.EFBIG: (
        "the file grows beyond what is allowed (`ulimit -f`, or the file system's own limit)",
        "Raise the limit or choose another results folder, then run the command again.",
    ),
}
_DENIED = (errno.EACCES, errno.EPERM)
# What libraries say that drop the number of the error: GDAL, SQLite, NumPy.
_FULL = re.compile(r"No space left|disk is full|\d+ requested and \d+ written")
_NO_FILES = (
    "the disk is full: it has room for no further file (inodes)",
    "Remove some files, then run the same command again.",
)
_SPARE = 1 << 20  # bytes: with less, a failed write counts as a full disk where nothing is told
_NAME_BYTES = 80  # of the name that a temporary name begins with: 255 are what file systems take


@contextmanager
def write_faults(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the operating system's write errors into an `OutputError` that names `path`.

    Lacking permission counts only inside the folder of `path`: what the block merely reads is no
    fault of the output.

    Raises:
        OutputError: On a full disk, a used-up quota, a read-only file system or lacking permission.
    """
    try:
        yield
    except OutputError as error:
        if not any(".partial" in part for part in Path(error.file).parts):
            raise
        # A file inside what is still under its temporary name: name what it is to become.
        raise OutputError(path, error.problem, error.remedy) from error
    except OSError as error:
        fault = _WRITE_FAULTS.get(error.errno or 0)
        if fault is None and _says_full(error):  # wrapped by GDAL, which drops errno
            fault = _WRITE_FAULTS[errno.ENOSPC]
        if fault is None or (error.errno in _DENIED and not _concerns(error, path)):
            raise
        if fault is _WRITE_FAULTS[errno.ENOSPC]:
            fault = _kind_of_full(path)
        raise OutputError(path, *fault) from error


@contextmanager
def library_faults(
    path: str | os.PathLike[str],
    temporary: Path,
    errors: tuple[type[Exception], ...],
    room: int = _SPARE,
    problem: str = "it cannot be written",
) -> Iterator[None]:
    """Turn the errors of a library that writes by itself into an `OutputError` that names `path`.

    Such libraries have errors of their own, and few say what the operating system has said.

    Args:
        path: The file to name.
        temporary: The file that is written in its stead.
        errors: What the library raises.
        room: Bytes; when fewer are free there, a failed write counts as a full disk.
        problem: What to say of other errors, before their own words.

    Raises:
        OutputError: On any of these errors.
    """
    try:
        yield
    except errors as error:
        if _says_full(error) or shutil.disk_usage(temporary.parent).free < room:
            raise OutputError(path, *_kind_of_full(path)) from error
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise OutputError(
            path,
            f"{problem} ({told})",
            "Check the results folder, then run the command again.",
        ) from error


def _says_full(error: Exception) -> bool:
    """Tell whether an error's words are those of a full disk."""
    return bool(_FULL.search(str(error)))


def _kind_of_full(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Return problem and remedy of a full disk: of its bytes, or of its number of files."""
    place = Path(path).absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    told = os.statvfs(place)
    # File systems that give out inodes as they need them count none.
    if told.f_files and not told.f_favail and told.f_bavail:
        return _NO_FILES
    return _WRITE_FAULTS[errno.ENOSPC]


def fault_of_writing(error: OSError) -> tuple[str, str] | None:
    """Return problem and remedy of an error that nothing but writing can meet, or None."""
    return None if error.errno in _DENIED else _WRITE_FAULTS.get(error.errno or 0)


def _concerns(error: OSError, path: str | os.PathLike[str]) -> bool:
    """Tell whether an error is about the folder of `path`; one that names no file may be."""
    if not isinstance(error.filename, (str, bytes)):
        return True
    folder = Path(path).absolute().parent
    named = Path(os.fsdecode(error.filename)).absolute()
    return named.is_relative_to(folder) or folder.is_relative_to(named)


def remove_path(path: Path) -> None:
    """Remove a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def temporary_beside(path: Path, suffix: str = "") -> Path:
    """Return a fresh hidden name in the folder of `path`, for a rename that stays on one disk."""
    return path.with_name(f"{hidden_beginning(path)}{uuid.uuid4().hex[:12]}.partial{suffix}")


def hidden_beginning(path: Path) -> str:
    """Return what names of `temporary_beside` begin with: as much as fits, in whole characters."""
    name = os.fsencode(path.name)[:_NAME_BYTES].decode(errors="ignore")
    return f".{name}."


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove what killed runs left beside `path` under names of `temporary_beside`."""
    path = Path(path)
    number = "[0-9a-f]" * 12  # not just anything: `a.tif` must leave alone what becomes `a.tif.ovr`
    for leftover in path.parent.glob(f"{glob.escape(hidden_beginning(path))}{number}.partial*"):
        remove_path(leftover)


@contextmanager
def atomic_path(path: str | os.PathLike[str], suffix: str = "") -> Iterator[Path]:
    """Yield a temporary file name that becomes `path` when the block ends without an error.

    Args:
        path: The file to make; its folder is created.
        suffix: Ending of the temporary name, for libraries that choose a format by it (".tif").

    Raises:
        OutputError: When the disk is full or not writable. The temporary file is removed.
    """
    path = Path(path)
    temporary = temporary_beside(path, suffix)
    try:
        with write_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            put_in_place(temporary, path)
    finally:
        remove_path(temporary)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder that replaces `path` when the block ends without an error.

    Replacing a folder takes two renames, so a kill between them leaves none: readers go through
    a manifest or a marker file that is written afterwards.

    Raises:
        OutputError: When the disk is full or not writable. The temporary folder is removed.
    """
    path = Path(path)
    temporary = temporary_beside(path)
    try:
        with write_faults(path):
            temporary.mkdir(parents=True)
            yield temporary
            swap_folder(temporary, path)
    finally:
        remove_path(temporary)


def swap_folder(new: Path, path: Path) -> None:
    """Put the folder `new` in the place of `path`; what stood there is removed."""
    note_write(new, path)
    if path.exists():
        old = temporary_beside(path)
        os.rename(path, old)
        os.rename(new, path)
        remove_path(old)
    else:
        os.rename(new, path)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file atomically. Raises `OutputError` as `atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole UTF-8 text file atomically. Raises `OutputError` as `atomic_path` does."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON atomically with sorted keys, so that equal values give equal bytes.

    NaN and infinities become null, since JSON has no word for them.
    """
    text = json.dumps(_plain(value), sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays, tuples and paths into what `json` knows."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return str(value)
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
