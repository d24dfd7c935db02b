"""Finding pickles among files, by their content: unpickling runs whatever the file says."""

from __future__ import annotations

import io
import os
import pickletools
import zipfile
from pathlib import Path

_SUFFIXES = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt"}
_HEAD = 1 << 20
_CALLS = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD"}


def pickled(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a pickle, or an archive or array file with one in it.

    Also true of a file whose name alone says so: libraries unpickle such files unasked.
    """
    path = Path(path)
    if path.suffix.lower() in _SUFFIXES:
        return True
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return _is_pickle(head) or _is_object_array(head) or _holds_pickle(path)


def _is_pickle(head: bytes) -> bool:
    """Tell whether bytes begin as a pickle does that makes or calls anything."""
    if len(head) > 1 and head[0] == 0x80 and head[1] <= 5:
        return True
    try:
        return any(code.name in _CALLS for code, _, _ in pickletools.genops(io.BytesIO(head)))
    except (ValueError, UnicodeDecodeError, IndexError, KeyError):
        return False


def _is_object_array(head: bytes) -> bool:
    """Tell whether bytes begin as a NumPy file of Python objects, which are pickled."""
    return head[:6] == b"\x93NUMPY" and b"|O" in head[:256]


def _holds_pickle(path: Path) -> bool:
    """Tell whether a file is a zip archive with a pickle in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if Path(entry.filename).suffix.lower() in _SUFFIXES:
                    return True
                with archive.open(entry) as part:
                    head = part.read(_HEAD)
                if _is_pickle(head) or _is_object_array(head):
                    return True
    except (zipfile.BadZipFile, OSError, RuntimeError, ValueError, NotImplementedError, EOFError):
        pass
    return False
