"""Opening raster files: clear errors, a handle a thread, a small cache, truncation found early."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import rasterio
import tifffile
from rasterio._err import CPLE_BaseError  # rasterio raises it, but names it nowhere else
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from nadir.errors import InputError
from nadir.provenance.objects import is_object, object_faults, open_object
from nadir.provenance.raw import objects_beside
from nadir.provenance.transfer import local_copy
from nadir.raster.whole import is_torn

# GDAL reads this once, at its first block: block-shaped reads gain nothing from the default of 5 %
# of the memory, and each process would take it (research: decoding is 1.4 times faster with 64 MB).
os.environ.setdefault("GDAL_CACHEMAX", "64")

GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""What a failing call into GDAL may raise."""

_COPY_AGAIN = "Copy or download the file again."

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of classic and Big TIFF, little and big endian."""


_TYPE_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""TIFF data type -> bytes of one value, where that is not 1 (TIFF 6.0, BigTIFF)."""


def is_remote(path: str) -> bool:
    """Whether the file system does not resolve this path (an address, `/vsizip/`, ...)."""
    return "://" in path or path.startswith("/vsi")


def require_file(path: str) -> None:
    """Raise `InputError` unless `path` is a file that is there.

    Objects of stores (`s3://`) are asked for once a process, other remote paths not at all.
    """
    if is_object(path) and objects_beside(path)[path].size == 0:
        raise InputError(path, "the object is empty (0 bytes)", "Copy it there again.")
    if is_remote(path):
        return
    file = Path(path)
    if file.is_dir():
        raise InputError(path, "this is a folder", "Name the file itself in the configuration.")
    if not file.exists():
        raise InputError(path, "there is no such file", _where(file))
    if file.stat().st_size == 0:
        raise InputError(path, "the file is empty (0 bytes)", "Copy or download it again.")


def _where(file: Path) -> str:
    """Return a remedy that says how far the path exists, since most slips are near the start."""
    parent = next((item for item in file.absolute().parents if item.exists()), None)
    if parent is None or parent == file.absolute().parent:
        return "Check the path in the configuration."
    return f"Check the path in the configuration: it exists only as far as {parent}."


def open_raster(path: str) -> DatasetReader:
    """Open a raster.

    Args:
        path: A file that GDAL reads (GeoTIFF, JPEG 2000, ...).

    Raises:
        InputError: When there is no such file, or it is not a raster with bands.
    """
    require_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # reported as "no CRS" instead
            # Handles of two threads must not share state inside GDAL.
            dataset = rasterio.open(local_raster(path), sharing=False)
    except GDAL_ERRORS as error:
        check_complete(path)
        raise InputError(
            path,
            f"this is not a raster that GDAL can read ({first_line(error)})",
            "Give a GeoTIFF, a JPEG 2000 file or another raster; check that the file is whole.",
        ) from error
    if not dataset.count:
        names = len(dataset.subdatasets)
        dataset.close()
        raise InputError(
            path,
            f"it holds no bands itself, but {names} data sets" if names else "it holds no bands",
            "Name one raster file (of a product folder: its band files, through `files`).",
        )
    return dataset


def local_raster(path: str) -> str:
    """Return the path that GDAL opens: that of a copy, where a raster lies in a store.

    GDAL has a reader of its own for stores (`/vsis3/`), but takes a body that was cut off for the
    whole one: tried with GDAL 3.10, a torn answer to its first request gave pixels that were wrong,
    and no error. Nor do the file objects that rasterio takes in its stead outlive a change of the
    thread. So the object is copied once, in pieces that are checked, with what stands beside it.

    Raises:
        InputError: When the store does not give it whole.
    """
    if not is_object(path):
        return path
    return str(local_copy(path, objects_beside(path)))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def read_faults(path: str) -> Iterator[None]:
    """Turn a failing read of `path` into an `InputError` that names the file."""
    try:
        yield
    except (*GDAL_ERRORS, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the operating system's own fault (too many open files, ...), not the file's
        raise InputError(
            path,
            f"its pixels cannot be read ({first_line(error)})",
            "The file is damaged: copy or download it again.",
        ) from error


class Handles:
    """One open dataset per thread for one path; pickles as the path and reopens.

    GDAL datasets must not be used by two threads at once, and must not cross a fork.

    Args:
        path: The raster.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._start()

    def _start(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[DatasetReader] = []
        self._process = os.getpid()

    def get(self) -> DatasetReader:
        """Return this thread's dataset, opened on first use. Raises as `open_raster` does."""
        if self._process != os.getpid():
            self._start()  # forked: the parent's handles are not ours to use or close
        dataset = getattr(self._local, "dataset", None)
        if dataset is None or dataset.closed:
            dataset = open_raster(self.path)
            self._local.dataset = dataset
            with self._lock:
                self._open.append(dataset)
        return dataset

    def close(self) -> None:
        """Close the datasets of all threads; a later `get` opens anew."""
        with self._lock:
            for dataset in self._open:
                dataset.close()
            self._open.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._start()


def check_complete(path: str) -> None:
    """See that every block of a TIFF lies inside the file, and the end of a PNG or a JPEG.

    GDAL opens a truncated GeoTIFF without complaint and fails hours later at the missing blocks;
    of a torn PNG or JPEG it makes black. Nothing is decoded. Overviews and masks inside a TIFF are
    looked at too. Other formats pass.

    Args:
        path: The file, or an object of a store; other remote ones pass.

    Raises:
        InputError: When there is no such file, or blocks or directories lie beyond its end.
    """
    require_file(path)
    if is_object(path):
        with open_object(path) as file:
            _check_tiff(path, _Worded(file, path), objects_beside(path)[path].size)
    elif not is_remote(path):
        with open(path, "rb") as file:
            if is_torn(file):
                raise InputError(path, "the picture is truncated: its end is missing", _COPY_AGAIN)
            file.seek(0)
            _check_tiff(path, file, os.path.getsize(path))


class _Worded:
    """An object's bytes, whose faults are told in words: what a store does is no fault of the file.

    Args:
        file: What reads.
        address: The object.
    """

    def __init__(self, file: BinaryIO, address: str) -> None:
        self.file, self.address = file, address
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        """Return that many bytes. Raises as `nadir.provenance.objects.object_faults` does."""
        with object_faults(self.address):
            return self.file.read(size)


def _check_tiff(path: str, file: Any, size: int) -> None:
    """Raise unless every block of a TIFF of this many bytes lies inside it."""
    if file.read(4) not in TIFF_MAGIC:
        return
    file.seek(0)
    remedy = _COPY_AGAIN
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it logs what is raised below
    try:
        with tifffile.TiffFile(file, name=Path(path).name, size=size) as tiff:
            _check_chain(tiff, size)
            end = max((_last_byte(page) for page in _pages(tiff)), default=size + 1)
    except InputError:
        raise
    except Exception as error:  # struct.error, IndexError, ValueError ... on torn files
        raise InputError(
            path, f"the TIFF is truncated or damaged ({first_line(error)})", remedy
        ) from error
    if end > size:
        raise InputError(
            path, f"the TIFF is truncated: it holds {size} bytes where {end} are needed", remedy
        )


def _pages(tiff: tifffile.TiffFile) -> Iterator[Any]:
    """Yield every image of a TIFF, those in sub-directories included."""
    for page in tiff.pages:
        yield page
        yield from page.pages or ()


def _last_byte(page: Any) -> int:
    """Return the end of the last block of an image; sparse blocks have offset and length 0."""
    return max(
        (
            offset + count
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
            if count
        ),
        default=0,
    )


def _check_chain(tiff: tifffile.TiffFile, size: int) -> None:
    """Follow the directories and their entries; tifffile drops silently what leaves the file."""
    form, handle = tiff.tiff, tiff.filehandle

    def number(length: int) -> int:
        raw = handle.read(length)
        if len(raw) < length:
            raise ValueError("a directory ends beyond the file")
        return int.from_bytes(raw, "little" if form.byteorder == "<" else "big")

    handle.seek(8 if form.is_bigtiff else 4)
    seen: set[int] = set()
    while where := number(form.offsetsize):
        if where >= size or where in seen:
            raise ValueError(f"a directory lies at byte {where} of {size}")
        seen.add(where)
        handle.seek(where)
        for _ in range(number(form.tagnosize)):
            number(2)  # the tag
            length = _TYPE_SIZES.get(number(2), 1) * number(form.offsetsize)
            value = number(form.offsetsize)
            if length > form.offsetsize and value + length > size:
                raise ValueError(f"an entry ends at byte {value + length} of {size}")
