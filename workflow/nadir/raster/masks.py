"""Fine masks as sources of class ids: from a file or an array, read boundless.

A mask reader hands out raw values with a table raw value -> id, so that the kernels translate
while they count and the common case costs no pass of its own.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from rasterio.windows import Window

from nadir.config.classes import UNKNOWN, ClassTable
from nadir.config.scenes import DeclaredGrid
from nadir.errors import InputError
from nadir.raster.geotiff import Handles, read_faults
from nadir.raster.grid import Grid
from nadir.raster.layers import declared_grid, is_placed

_NARROW = 4096  # pixels: a narrower striped file is read as well as a tiled one


class RawMask(Protocol):
    """What a mask is read from."""

    name: str
    """File or other name, for messages."""
    grid: Grid
    dtype: np.dtype
    nodata: float | None
    """Declared no-data value."""

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return raw values (height, width) of a window inside the grid."""


class RasterMask:
    """A single-band raster file of class values.

    Args:
        path: The file.
        declared: Its georeference, used where the file carries none.

    Raises:
        InputError: When it is missing, not a raster, or has several bands.
    """

    def __init__(self, path: str, declared: DeclaredGrid | None = None) -> None:
        self.name = str(path)
        self.handles = Handles(self.name)
        dataset = self.handles.get()
        if dataset.count != 1:
            raise InputError(
                path,
                f"a mask has one band of class values, this file has {dataset.count}",
                "Give the single-band raster of class values, not a colored rendering of it.",
            )
        self.grid = Grid.of(dataset)
        if declared is not None and not is_placed(self.grid):
            self.grid = declared_grid(declared, *self.grid.shape)
        self.dtype = np.dtype(dataset.dtypes[0])
        self.nodata = dataset.nodata
        self.striped = dataset.block_shapes[0][1] >= dataset.width and dataset.width > _NARROW

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return raw values (height, width) of a window inside the grid."""
        with read_faults(self.name):
            return self.handles.get().read(1, window=Window(x, y, width, height))


class ArrayMask:
    """A label array in memory (or mapped), with its grid.

    Args:
        values: (height, width), any integer or floating type.
        grid: Where it lies.
        name: File it came from, for messages.
        nodata: Declared no-data value.
    """

    def __init__(
        self, values: np.ndarray, grid: Grid, name: str, nodata: float | None = None
    ) -> None:
        if values.shape != grid.shape:
            raise InputError(
                name,
                f"the label array has {values.shape[0]} x {values.shape[1]} pixels where its grid "
                f"has {grid.height} x {grid.width}",
                "Give a label array of the size of the image, or correct its `axes`.",
            )
        self.values, self.grid, self.name, self.nodata = values, grid, name, nodata
        self.dtype = values.dtype

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return raw values (height, width) of a window inside the grid."""
        return self.values[y : y + height, x : x + width]


class MaskReader:
    """Reads any window of a mask as values that translate to class ids; outside is no data.

    Args:
        mask: The raw mask.
        table: Classes: what raw values mean. The file's declared no-data value means no data
            too, unless it is a class.
    """

    def __init__(self, mask: RawMask, table: ClassTable) -> None:
        self.mask = mask
        self.ids = table.lookup()
        self.beyond: float | None = None  # declared no data that no byte can hold
        if mask.nodata is not None and not np.isnan(mask.nodata):
            if mask.nodata not in range(256):
                self.beyond = mask.nodata
            elif self.ids[int(mask.nodata)] == UNKNOWN:
                self.ids[int(mask.nodata)] = 0
        self.identity = np.full(256, UNKNOWN, np.uint8)
        self.identity[: table.count + 1] = np.arange(table.count + 1)

    @property
    def grid(self) -> Grid:
        """Grid of the mask."""
        return self.mask.grid

    def translate(self, raw: np.ndarray) -> np.ndarray:
        """Return the uint8 ids of raw values of any type: 0 for NaN, 255 for unknown values."""
        if raw.dtype == np.uint8:
            return self.ids[raw]
        in_byte = (raw >= 0) & (raw <= 255)
        whole = np.where(in_byte, raw, 0).astype(np.uint8)
        ids = np.where(in_byte & (whole == raw), self.ids[whole], UNKNOWN).astype(np.uint8)
        if self.beyond is not None:
            ids[raw == self.beyond] = 0
        if raw.dtype.kind == "f":
            ids[np.isnan(raw)] = 0
        return ids

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a window, which may reach beyond the mask or lie outside it.

        Returns:
            uint8 values (height, width) and the uint8 table (256,) value -> id.
        """
        rows, columns = self.mask.grid.shape
        top, left = max(y, 0), max(x, 0)
        bottom, right = min(y + height, rows), min(x + width, columns)
        if top >= bottom or left >= right:
            return np.zeros((height, width), np.uint8), self.identity
        raw = self.mask.read(top, left, bottom - top, right - left)
        if raw.shape == (height, width):
            if raw.dtype == np.uint8:
                return raw, self.ids
            return self.translate(raw), self.identity
        ids = np.zeros((height, width), np.uint8)
        ids[top - y : bottom - y, left - x : right - x] = self.translate(raw)
        return ids, self.identity

    def unknown_error(self, y: int, x: int, height: int, width: int) -> InputError:
        """Return the error that names the values outside the class table in a window."""
        rows, columns = self.mask.grid.shape
        top, left = min(max(y, 0), rows), min(max(x, 0), columns)
        bottom, right = max(min(y + height, rows), top), max(min(x + width, columns), left)
        raw = self.mask.read(top, left, bottom - top, right - left)
        unknown = self.translate(raw) == UNKNOWN
        values = [f"{value:g}" for value in np.unique(raw[unknown]).tolist()]
        more = f" and {len(values) - 10} more" if len(values) > 10 else ""
        shown = ", ".join(values[:10]) + more
        row, column = np.argwhere(unknown)[0] if values else (0, 0)
        known = ", ".join(str(value) for value in np.flatnonzero(self.ids != UNKNOWN).tolist())
        return InputError(
            self.mask.name,
            f"it holds values outside the class table: {shown} "
            f"(first at row {top + row}, column {left + column})",
            f"Add them to the dataset's classes or to its `nodata` values (known: {known}).",
        )
