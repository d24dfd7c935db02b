"""Folders as they are: every file below, no link followed, whatever the names."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nadir.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One thing in a folder.

    Attributes:
        path: Where it is.
        kind: "file", "link", "other" (a pipe, a socket, a device) or "closed" (a folder that may
            not be read).
        size: Bytes; 0 for what is no file.
        modified: Time of modification, seconds since 1970.
    """

    path: Path
    kind: str
    size: int
    modified: float


def require_folder(folder: Path) -> None:
    """See that there is a folder that may be looked into.

    Raises:
        InputError: When there is none.
    """
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "Give the folder of results.")


def entries_below(folder: Path) -> Iterator[Entry]:
    """Yield what lies below a folder, sorted by name within each folder; links are not followed.

    Memory is that of one folder's names at each level.
    """
    try:
        with os.scandir(folder) as found:
            names = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield Entry(folder, "closed", 0, 0.0)
        return
    for entry in names:
        path = Path(entry.path)
        try:
            facts = entry.stat(follow_symlinks=False)
        except OSError:  # removed meanwhile
            continue
        if stat.S_ISDIR(facts.st_mode):
            yield from entries_below(path)
        else:
            yield Entry(path, _kind(facts.st_mode), _size(facts), facts.st_mtime)


def _kind(mode: int) -> str:
    return "link" if stat.S_ISLNK(mode) else "file" if stat.S_ISREG(mode) else "other"


def _size(facts: os.stat_result) -> int:
    return facts.st_size if stat.S_ISREG(facts.st_mode) else 0


def is_plain_folder(path: Path) -> bool:
    """Whether there is a folder that is no link."""
    return path.is_dir() and not path.is_symlink()


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as it may be printed: what is no text, or would steer a terminal, escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def bytes_text(size: float) -> str:
    """Return a number of bytes for people, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB" if size < 999.5 else f"{size:,.0f} TB"


def span_text(seconds: float) -> str:
    """Return a span of time for people; a question mark where it is not known."""
    if math.isnan(seconds):
        return "?"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 100 else f"{hours:,} h"
