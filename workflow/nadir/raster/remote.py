"""Rasters in object stores, read by window without a copy.

GDAL has a reader of its own for stores (`/vsis3/`), but takes a body that was cut off for the whole
one: tried with GDAL 3.10, a torn answer to its first request gave pixels that were wrong, and no
error. So GDAL reads through our client, which delivers every range whole or fails.

Nor may a failure reach GDAL as an exception, which ends the process (an uncaught `length_error`):
it is noted, GDAL sees the end of the file, and who reads looks afterwards whether faults came.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rasterio.abc import FileContainer

from nadir.errors import InputError
from nadir.provenance.objects import SCHEME, object_faults, open_object
from nadir.provenance.raw import objects_beside

_LOCK = threading.Lock()
_COUNT: Counter[str] = Counter()  # faults of each object, ever: what can be compared by threads
_LAST: dict[str, InputError] = {}


def _note(address: str, error: InputError) -> None:
    """Note that reading an object failed."""
    with _LOCK:
        _COUNT[address] += 1
        _LAST[address] = error


@contextmanager
def watch_object(address: str) -> Iterator[None]:
    """Raise when a read of an object failed meanwhile, whatever GDAL made of it.

    Raises:
        InputError: With what the store said.
    """
    before = _COUNT[address]
    try:
        yield
    finally:
        with _LOCK:
            fault = _LAST[address] if _COUNT[address] != before else None
        if fault is not None:
            raise InputError(fault.file, fault.problem, fault.remedy)


class _Reader:
    """A file-like object that notes faults instead of raising them.

    Args:
        file: What reads.
        name: Address of what is read.
        owner: Address of the raster that it belongs to.
    """

    def __init__(self, file: Any, name: str, owner: str) -> None:
        self.file, self.name, self.owner = file, name, owner

    def read(self, size: int = -1) -> bytes:
        """Return that many bytes; none after a fault, which is noted."""
        try:
            with object_faults(self.name):
                return self.file.read(size)
        except Exception as error:
            known = error if isinstance(error, InputError) else None
            _note(self.owner, known or InputError(self.name, f"{error}", "Try again later."))
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a byte."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """Return where it stands."""
        return self.file.tell()

    def close(self) -> None:
        """Let go of what is kept."""
        self.file.close()

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Objects(FileContainer):
    """What GDAL may see of a store: one object, and what stands beside it.

    Args:
        address: The object.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.beside = {item: info.size for item, info in objects_beside(address).items()}

    def open(self, path: str, mode: str = "r", **_: Any) -> Any:
        """Return a file-like object.

        Raises:
            FileNotFoundError: When GDAL asks for what is not there.
        """
        address = _address(path)
        if address not in self.beside or set(mode) - set("rb"):
            raise FileNotFoundError(path)
        try:
            return _Reader(open_object(address), address, self.address)
        except InputError as error:
            _note(self.address, error)
            raise FileNotFoundError(path) from error

    def isfile(self, path: str) -> bool:
        """Whether an object is there."""
        return _address(path) in self.beside

    def isdir(self, path: str) -> bool:
        """Stores have no folders."""
        return False

    def ls(self, path: str) -> list[str]:
        """Return what is there."""
        return [item.rsplit("/", 1)[-1] for item in self.beside]

    def mtime(self, path: str) -> int:
        """Time plays no part."""
        return 0

    def rm(self, path: str) -> None:
        """Nothing is ever removed."""
        raise PermissionError(path)

    def size(self, path: str) -> int:
        """Return the bytes of an object."""
        return self.beside.get(_address(path), 0)


def _address(path: str) -> str:
    """Return the address that a path, as GDAL hands it back, stands for."""
    return path if path.startswith(SCHEME) else SCHEME + path.lstrip("/")


def opener_of(address: str) -> FileContainer:
    """Return what `rasterio.open` takes as `opener` for an object.

    Raises:
        InputError: When there is no such object, or the store cannot be read.
    """
    return _Objects(address)
