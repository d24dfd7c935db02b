"""Rasters of which only parts are on this machine: what a window needs is loaded first.

A TIFF says where each of its blocks lies, so that of a cloud-optimized one a window costs a few
ranges of bytes; other formats are loaded whole. Pixels are then read by GDAL from the local file.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tifffile

from nadir.errors import InputError
from nadir.raster.geotiff import TIFF_MAGIC, first_line
from nadir.raster.layers import RasterLayer

_DAMAGED = "The file on the server is damaged or of another version: look at it there."


class Part(Protocol):
    """A file of which parts are loaded when they are needed."""

    @property
    def name(self) -> str:
        """What the file is called in messages: its address, or its path."""

    @property
    def path(self) -> Path:
        """The local file."""

    def need(self, spans: Iterable[tuple[int, int]]) -> None:
        """See that ranges of bytes (start, end) are here."""

    def need_all(self) -> None:
        """See that all of it is here."""

    def forget(self) -> None:
        """Remove what is here: it is damaged."""


class _Reader(io.RawIOBase):
    """The bytes of a part as a file; what is read is loaded first."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._file = part.path.open("rb", buffering=0)
        self._size = part.path.stat().st_size

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._file.tell()
        end = min(start + len(buffer), self._size)
        if start >= end:
            return 0
        self.part.need([(start, end)])
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class WindowedRaster:
    """A raster that is read by window and loaded as it is read; safe among threads.

    Args:
        part: The file.

    Raises:
        InputError: When it is no raster, truncated, or cannot be loaded.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self._lock = threading.Lock()
        self._size = part.path.stat().st_size
        self._pages = self._directories()
        if not self._pages:
            part.need_all()
        try:
            self.layer = RasterLayer(str(part.path), None)
        except InputError as error:
            raise self._named(error) from error
        self.grid = self.layer.grid
        self.dtype = self.layer.dtype
        # Catalogues' copies of Sentinel-2 do not always say that 0 is no data.
        self.nodata = 0.0 if self.layer.nodata is None else self.layer.nodata

    def _named(self, error: InputError) -> InputError:
        """Return a fault of the local file as one of the file that it is a part of."""
        if error.file != str(self.part.path):
            return error
        self.part.forget()
        return InputError(self.part.name, error.problem, _DAMAGED)

    def _directories(self) -> list[Any]:
        """Return the directories of a TIFF that describe all of its pixels (image, masks)."""
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it logs what is raised below
        with _Reader(self.part) as raw, io.BufferedReader(raw, 2**16) as file:
            if file.read(4) not in TIFF_MAGIC:
                return []
            file.seek(0)
            try:
                with tifffile.TiffFile(file, name=self.part.path.name, size=self._size) as tiff:
                    pages = list(tiff.pages)
                    for page in pages:  # what GDAL may look at later is loaded by asking for it
                        self._check_inside(page)
            except InputError:
                raise
            except Exception as error:  # struct.error, IndexError, ... on torn files
                raise InputError(
                    self.part.name, f"the TIFF is damaged ({first_line(error)})", _DAMAGED
                ) from error
        return [page for page in pages if page.shape[:2] == pages[0].shape[:2]] if pages else []

    def _check_inside(self, page: Any) -> None:
        blocks = zip(page.dataoffsets, page.databytecounts, strict=True)
        end = max((offset + count for offset, count in blocks if count), default=0)
        if end > self._size:
            raise InputError(
                self.part.name,
                f"the TIFF is truncated: it holds {self._size} bytes where {end} are needed",
                _DAMAGED,
            )

    def load(self, y: int, x: int, height: int, width: int) -> None:
        """See that the blocks of a window are here; raises as reading does."""
        for page in self._pages:
            self.part.need(_spans(page, y, x, height, width))

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window of the first band.

        Args:
            y: First row.
            x: First column.
            height: Rows.
            width: Columns; the window lies inside the grid.

        Returns:
            Raw (1, height, width), and bool (height, width): whether a pixel is not no data.

        Raises:
            InputError: When blocks cannot be loaded, or are damaged.
        """
        with self._lock:
            self.load(y, x, height, width)
            # An open file keeps bytes beside those that it read before; they may not have been
            # there yet (seen with GDAL 3.10: a whole block of zeros).
            self.layer.close()
            try:
                raw, mask = self.layer.read([0], y, x, height, width)
            except InputError as error:
                raise self._named(error) from error
        valid = np.ones(raw.shape[1:], bool) if mask is None else mask
        if raw.dtype.kind == "f":
            valid = valid & np.isfinite(raw[0])
        return raw, valid & (raw[0] != self.nodata)

    def close(self) -> None:
        """Close the file; a later read opens it anew."""
        self.layer.close()


def _spans(page: Any, y: int, x: int, height: int, width: int) -> list[tuple[int, int]]:
    """Return where the blocks of a window lie: (start, end) in bytes."""
    tall, wide = (
        (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    )
    across = -(-page.imagewidth // wide)
    down = -(-page.imagelength // tall)
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    rows = np.arange(y // tall, (y + height - 1) // tall + 1)
    columns = np.arange(x // wide, (x + width - 1) // wide + 1)
    inside = (rows[:, None] * across + columns[None]).ravel()
    numbers = [plane * across * down + int(number) for plane in range(planes) for number in inside]
    # Blocks of cloud-optimized files have their length in the four bytes before them.
    return [
        (page.dataoffsets[n] - 4, page.dataoffsets[n] + page.databytecounts[n] + 4)
        for n in numbers
        if page.databytecounts[n]
    ]
