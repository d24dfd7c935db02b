"""Maps: written window by window out of core, finished as cloud-optimized GeoTIFF."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import rasterio.shutil

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.provenance.atomic import (
    library_faults,
    remove_leftovers,
    remove_path,
    temporary_beside,
    write_faults,
    write_text,
)
from nadir.provenance.writes import put_in_place
from nadir.raster.geotiff import GDAL_ERRORS, check_complete, open_raster
from nadir.raster.grid import Grid

BLOCK = 512
"""Side of a tile of a map, in pixels."""
CLASS_TAG = "CLASS_"
"""Band metadata item `CLASS_<id>` = name of the class."""

GDAL_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}
"""dtypes that a map may have, and GDAL's names for them."""

Overviews = Literal["nearest", "mode", "average"]


class MapWriter:
    """A raster of one band that is written in windows, in any order, by any number of threads.

    Pixels go uncompressed into a file beside the target whose room is reserved at the start, so
    that a full disk is found at once and memory does not grow with the map; leaving the `with`
    block turns it into a COG (DEFLATE, 512-px tiles, overviews, palette and class names inside)
    under the final name. An exception leaves nothing behind. Equal content gives equal bytes.

    Args:
        path: The map to make (`.tif`).
        grid: Its grid.
        dtype: A NumPy dtype of real numbers ("uint8", "float32", ...).
        nodata: Value of pixels without meaning, also of those never written; None writes 0.
        table: Classes, for a map of class ids: palette and names go into the file.
        overviews: How coarser levels are made; None: `mode` with a class table, else `average`.
        tags: Further metadata items of the file.
        description: Name of the band.

    Raises:
        OutputError: When the disk is full or not writable.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        grid: Grid,
        dtype: str = "uint8",
        nodata: float | None = 0,
        table: ClassTable | None = None,
        overviews: Overviews | None = None,
        tags: dict[str, str] | None = None,
        description: str = "",
    ) -> None:
        self.path = Path(path)
        self.grid = grid
        self.dtype = np.dtype(dtype)
        self.nodata = nodata
        self.table = table
        self.overviews = overviews or ("average" if table is None else "mode")
        self.tags = dict(tags or {})
        self.description = description or ("class" if table is not None else "")
        self._folder = temporary_beside(self.path)
        self._file = -1
        self._lock = threading.Lock()

    @property
    def _raw(self) -> Path:
        return self._folder / "pixels.bin"

    def __enter__(self) -> Self:
        size = self.grid.height * self.grid.width * self.dtype.itemsize
        try:
            with write_faults(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                remove_leftovers(self.path)
                self._folder.mkdir()
                self._file = os.open(self._raw, os.O_RDWR | os.O_CREAT, 0o644)
                _reserve(self._file, size)
                if self.nodata:
                    self._fill()
        except BaseException:
            self._discard()
            raise
        return self

    def _fill(self) -> None:
        """Set every pixel to the no-data value, some rows at a time."""
        rows = max(1, (8 << 20) // max(1, self.grid.width * self.dtype.itemsize))
        block = np.full((rows, self.grid.width), self.nodata, self.dtype)
        for y in range(0, self.grid.height, rows):
            self.write(y, 0, block[: self.grid.height - y])

    def write(self, y: int, x: int, array: np.ndarray) -> None:
        """Write a window; where windows overlap, the last one stays.

        Args:
            y: First row.
            x: First column.
            array: (height, width) of the map's dtype; must lie inside the grid.

        Raises:
            OutputError: When the disk is full or not writable.
        """
        height, width = array.shape
        if y < 0 or x < 0 or y + height > self.grid.height or x + width > self.grid.width:
            raise ValueError(f"window {(y, x, height, width)} leaves the map of {self.grid.shape}")
        if array.dtype != self.dtype:
            raise ValueError(f"{array.dtype} values for a map of {self.dtype}")
        size, stride = self.dtype.itemsize, self.grid.width * self.dtype.itemsize
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        with write_faults(self.path):
            if width == self.grid.width:
                _write_at(self._file, data, y * stride)
                return
            for row in range(height):
                start = row * width * size
                _write_at(
                    self._file, data[start : start + width * size], (y + row) * stride + x * size
                )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                with write_faults(self.path):
                    self._finish()
        finally:
            self._discard()

    def _finish(self) -> None:
        """Make the COG from the raw pixels and put it in place."""
        os.fsync(self._file)
        source, target = self._folder / "pixels.vrt", self._folder / "map.tif"
        source.write_text(self._description(), encoding="utf-8")
        options = {
            "COMPRESS": "DEFLATE",
            "BLOCKSIZE": str(BLOCK),
            "OVERVIEW_RESAMPLING": self.overviews.upper(),
            "BIGTIFF": "IF_SAFER",
            "STATISTICS": "NO",
            "SPARSE_OK": "TRUE",
            "NUM_THREADS": "2",
        }
        if self.table is None:
            options["PREDICTOR"] = "YES"
        with gdal_write_faults(self.path, target, 2 * self._raw.stat().st_size):
            # GDAL puts its own temporary files beside the target: inside the folder that goes.
            rasterio.shutil.copy(str(source), str(target), driver="COG", **options)
            check_complete(str(target))
        put_in_place(target, self.path)

    def _discard(self) -> None:
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
        remove_path(self._folder)

    def _description(self) -> str:
        """Return the VRT that describes the raw pixels to GDAL."""
        size = self.dtype.itemsize
        a, b, c, d, e, f = self.grid.transform
        transform = ", ".join(repr(float(value)) for value in (c, a, b, f, d, e))
        names = class_tags(dict(enumerate(self.table.names))) if self.table else {}
        return "\n".join(
            [
                f'<VRTDataset rasterXSize="{self.grid.width}" rasterYSize="{self.grid.height}">',
                f"<SRS>{escape(self.grid.crs)}</SRS>" if self.grid.crs else "",
                f"<GeoTransform>{transform}</GeoTransform>",
                _metadata({"AREA_OR_POINT": "Area", **self.tags}),
                f'<VRTRasterBand dataType="{GDAL_TYPES[self.dtype.name]}" band="1"'
                ' subClass="VRTRawRasterBand">',
                f"<Description>{escape(self.description)}</Description>"
                if self.description
                else "",
                _metadata(names) if names else "",
                "" if self.nodata is None else f"<NoDataValue>{self.nodata!r}</NoDataValue>",
                _palette(self.table) if self.table else "",
                f'<SourceFilename relativeToVRT="1">{self._raw.name}</SourceFilename>',
                f"<ImageOffset>0</ImageOffset><PixelOffset>{size}</PixelOffset>",
                f"<LineOffset>{self.grid.width * size}</LineOffset>",
                "</VRTRasterBand></VRTDataset>",
            ]
        )


@contextmanager
def gdal_write_faults(path: str | os.PathLike[str], temporary: Path, room: int) -> Iterator[None]:
    """Turn GDAL's write errors into an `OutputError` that names `path`.

    GDAL reports a full disk in many words, and after it has freed its own temporary files.

    Args:
        path: The file to name.
        temporary: The file that is written in its stead.
        room: Bytes; when fewer are free there, a failed write counts as a full disk.
    """
    errors = (*GDAL_ERRORS, _CutShort)
    with library_faults(path, temporary, errors, room, "GDAL cannot write it"):
        try:
            yield
        except InputError as error:
            if not _is_made(Path(error.file), temporary):
                raise  # bad input while writing, not a fault of writing
            raise _CutShort(error.problem) from error


class _CutShort(Exception):
    """What was just written cannot be read."""


def _is_made(file: Path, temporary: Path) -> bool:
    """Tell whether a file is the one that is being made, or lies in its temporary folder."""
    aside = ".partial" in temporary.parent.name and file.parent == temporary.parent
    return aside or file == temporary


def _reserve(file: int, size: int) -> None:
    """Reserve room for a file, zero-filled, so that a full disk shows before the work."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:  # macOS
        os.truncate(file, size)


def _write_at(file: int, data: memoryview, offset: int) -> None:
    """Write all of `data` at `offset`; thread-safe, since no file position is shared."""
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _metadata(items: dict[str, str]) -> str:
    rows = [f"<MDI key={quoteattr(key)}>{escape(value)}</MDI>" for key, value in items.items()]
    return f"<Metadata>{''.join(rows)}</Metadata>"


def class_tags(names: dict[int, str]) -> dict[str, str]:
    """Return the band metadata items that name classes by pixel value."""
    return {f"{CLASS_TAG}{value}": name for value, name in names.items()}


def rgb(color: str) -> tuple[int, int, int]:
    """Return `#rrggbb` as (red, green, blue), 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def palette(table: ClassTable) -> dict[int, tuple[int, int, int, int]]:
    """Return id -> (red, green, blue, alpha), 0 to 255; no data is transparent."""
    return {
        number: (*rgb(color), 255 if number else 0) for number, color in enumerate(table.colors)
    }


def _palette(table: ClassTable) -> str:
    rows = [
        f'<Entry c1="{r}" c2="{g}" c3="{b}" c4="{alpha}"/>'
        for r, g, b, alpha in palette(table).values()
    ]
    return f"<ColorInterp>Palette</ColorInterp><ColorTable>{''.join(rows)}</ColorTable>"


def read_class_names(path: str | os.PathLike[str]) -> dict[int, str]:
    """Return id -> name of the classes that a map holds inside; empty when it holds none.

    Raises:
        InputError: When there is no such raster.
    """
    with open_raster(str(path)) as dataset:
        tags = dataset.tags(1)
    names = {
        int(key.removeprefix(CLASS_TAG)): value
        for key, value in tags.items()
        if key.startswith(CLASS_TAG) and key.removeprefix(CLASS_TAG).isdigit()
    }
    return dict(sorted(names.items()))


def write_qml(path: str | os.PathLike[str], table: ClassTable) -> None:
    """Write the QGIS style of a class map: QGIS takes `map.qml` beside `map.tif` by itself.

    Args:
        path: The style (`.qml`).
        table: The classes; values are ids, no data is left out (transparent).

    Raises:
        OutputError: When the disk is full or not writable.
    """
    entries = list(zip(table.names, table.colors, strict=True))
    rows = [
        f'        <paletteEntry value="{number}" label={quoteattr(name)} color="{color}"'
        ' alpha="255"/>'
        for number, (name, color) in enumerate(entries)
        if number
    ]
    lines = [
        "<!DOCTYPE qgis>",
        '<qgis version="3.28" styleCategories="Symbology">',
        "  <pipe>",
        '    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">',
        "      <rasterTransparency/>",
        "      <colorPalette>",
        *rows,
        "      </colorPalette>",
        "    </rasterrenderer>",
        "  </pipe>",
        "  <blendMode>0</blendMode>",
        "</qgis>",
    ]
    write_text(path, "\n".join(lines) + "\n")
