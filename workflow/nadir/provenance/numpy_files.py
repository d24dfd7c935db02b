"""Arrays in NumPy's files: nothing is unpickled, nor any room made for what a file does not hold.

NumPy itself makes room for the shape that a header states, and raises whatever its parsers raise.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Collection
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_DENSEST = 1100
"""No byte of DEFLATE stands for more (1032 is the bound of the format)."""
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_ENDING = ".npy"


class BadArrays(ValueError):
    """A file is no file of arrays, or does not hold what it states."""


def load_arrays(
    file: str | os.PathLike[str] | IO[bytes], names: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an `.npz` file by name.

    Args:
        file: Its path, or the open file.
        names: Those that are wanted; None for all. Names that it has not are left out.

    Raises:
        BadArrays: When it is damaged, is no such file, or holds Python objects.
        OSError: When it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            found = {}
            for entry in archive.infolist():
                name = entry.filename.removesuffix(_ENDING)
                if names is None or name in names:
                    if entry.file_size > _DENSEST * (entry.compress_size + 1):
                        raise BadArrays(f"{name} states more bytes than it can hold")
                    with archive.open(entry) as stream:
                        check_header(stream, entry.file_size)
                    with archive.open(entry) as stream:
                        found[name] = npy.read_array(stream, allow_pickle=False)
            return found
    except (OSError, BadArrays):
        raise
    except Exception as error:  # of parsers of ZIP, DEFLATE and literals, each with its own
        raise BadArrays(_told(error)) from error


def array_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the arrays of an `.npz` file. Raises as `load_arrays` does."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(_ENDING) for name in archive.namelist()]
    except OSError:
        raise
    except Exception as error:
        raise BadArrays(_told(error)) from error


def check_header(stream: IO[bytes], size: int) -> None:
    """See that an `.npy` file is one of plain values, and as large as its shape asks for.

    Args:
        stream: The file, at its beginning; the header is read.
        size: Bytes of the whole file.

    Raises:
        BadArrays: When it is not.
    """
    try:
        read = _HEADERS[npy.read_magic(stream)]
        shape, _, dtype = read(stream)
        # Another reader than this one would take these for numbers beyond its own.
        count = math.prod(int(side) for side in shape)
        sound = all(int(side) >= 0 for side in shape)
    except OSError:
        raise
    except Exception as error:
        raise BadArrays(_told(error)) from error
    if dtype.hasobject:
        raise BadArrays("it holds Python objects")
    if not sound or count * dtype.itemsize > size - stream.tell():
        raise BadArrays(f"it is shorter than its shape {shape} asks for")


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file begins as an `.npz` file does. Raises `OSError`."""
    with open(path, "rb") as file:
        return file.read(2) == b"PK"


def open_array(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Map an `.npy` file. Raises as `load_arrays` does."""
    with open(path, "rb") as file:
        check_header(file, os.path.getsize(path))
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:
        raise BadArrays(_told(error)) from error
    return np.asanyarray(found)


def _told(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
