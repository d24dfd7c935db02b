"""Finding pickles among files, by their content: unpickling runs whatever the file says."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import zipfile
from pathlib import Path
from typing import IO

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
        return _is_pickle(file) or _is_object_array(file) or _holds_pickle(path)


def _is_pickle(file: IO[bytes]) -> bool:
    """Tell whether a file begins with a pickle: one of protocol 2 on, or one that calls anything.

    Older protocols are told by reading all their operations: many a text begins with one.
    """
    file.seek(0)
    head = file.read(2)
    if len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= pickle.HIGHEST_PROTOCOL:
        return True
    file.seek(0)
    try:
        return not _CALLS.isdisjoint([code.name for code, _, _ in pickletools.genops(file)])
    except (ValueError, IndexError, KeyError, OverflowError, struct.error):
        return False


def _is_object_array(file: IO[bytes]) -> bool:
    """Tell whether a file begins as a NumPy file of Python objects, which are pickled."""
    file.seek(0)
    head = file.read(256)
    return head[:6] == b"\x93NUMPY" and b"|O" in head


def _holds_pickle(path: Path) -> bool:
    """Tell whether a file is a zip archive with a pickle in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if Path(entry.filename).suffix.lower() in _SUFFIXES:
                    return True
                with archive.open(entry) as part:
                    head = io.BytesIO(part.read(_HEAD))
                if _is_pickle(head) or _is_object_array(head):
                    return True
    except (zipfile.BadZipFile, OSError, RuntimeError, ValueError, EOFError):
        pass
    return False
