"""Files that a user gave: endings of pictures, and bytes. Light: the graph is drawn with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from nadir.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
"""Endings of files that are taken for pictures, in lower case."""


def require_plain(path: str | os.PathLike[str]) -> None:
    """See that what is there is a plain file: opening a pipe would wait for ever.

    Raises:
        InputError: When it is a pipe, a socket or a device.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # whoever opens it says so
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(path, "this is no plain file", "Give a file, no pipe and no device.")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file.

    Raises:
        InputError: When there is no such file, or it cannot be read.
    """
    require_plain(path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        problem = f"the file cannot be read ({(error.strerror or str(error)).lower()})"
        raise InputError(path, problem, "Check the path and its permissions.") from error


def is_inside(name: str) -> bool:
    """Tell whether a relative name stays in the folder that it starts from, on any system."""
    parts = name.replace("\\", "/").split("/")
    absolute = parts[0] == "" or parts[0][1:2] == ":"
    return not absolute and ".." not in parts and "\0" not in name
