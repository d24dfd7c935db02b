"""Fine masks as sources of class ids: from a file or an array, read boundless, or warped.

A mask reader hands out raw values with a table raw value -> id, so that the kernels translate
while they count and the common case costs no pass of its own.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

import numpy as np
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from nadir.config.classes import UNKNOWN, ClassTable
from nadir.errors import InputError
from nadir.raster.geotiff import Handles, read_faults
from nadir.raster.grid import Grid

_SPARE = 255  # a raw value that no class can have


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

    Raises:
        InputError: When it is missing, not a raster, or has several bands.
    """

    def __init__(self, path: str) -> None:
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
        self.dtype = np.dtype(dataset.dtypes[0])
        self.nodata = dataset.nodata

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
        in_byte = tuple(value for value in table.nodata if 0 <= value <= 255)
        self.ids = table.model_copy(update={"nodata": in_byte}).lookup()
        self.nodata = [float(value) for value in table.nodata]
        if mask.nodata is not None:
            value = float(mask.nodata)
            self.nodata.append(value)
            if value in range(256) and self.ids[int(value)] == UNKNOWN:
                self.ids[int(value)] = 0
        self.identity = np.full(256, UNKNOWN, np.uint8)
        self.identity[: table.count + 1] = np.arange(table.count + 1)

    @property
    def grid(self) -> Grid:
        """Grid of the mask."""
        return self.mask.grid

    def translate(self, raw: np.ndarray) -> np.ndarray:
        """Return the uint8 ids of raw values of any type; unknown values give 255."""
        if raw.dtype == np.uint8:
            return self.ids[raw]
        in_byte = (raw >= 0) & (raw <= 255)
        whole = np.where(in_byte, raw, 0).astype(np.uint8)
        ids = np.where(in_byte & (whole == raw), self.ids[whole], UNKNOWN).astype(np.uint8)
        for value in self.nodata:
            if not (0 <= value <= 255):
                ids[np.isnan(raw) if np.isnan(value) else raw == value] = 0
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


class WarpedRaster:
    """A mask in another CRS or orientation, seen on a grid of the image's orientation.

    Categorical: each pixel takes the mask's value under its center (nearest neighbour), and
    outside there is no data. A `RawMask` itself. Warping runs in fixed blocks of GDAL's virtual
    raster, so pixels do not depend on the windows that are read.

    Args:
        mask: The mask's file.
        grid: The grid to see it on.
        spare: A raw value that means no data, to fill the outside with.
    """

    def __init__(self, mask: RasterMask, grid: Grid, spare: float) -> None:
        self.source, self.grid = mask, grid
        self.name, self.dtype = mask.name, mask.dtype
        self.nodata: float | None = spare
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return raw values (height, width) of a window inside the grid."""
        with read_faults(self.name):
            dataset = self.source.handles.get()
            opened = getattr(self._local, "opened", None)
            if opened is None or opened[0] is not dataset:
                opened = self._local.opened = (dataset, self._open(dataset))
            return opened[1].read(1, window=Window(x, y, width, height))

    def _open(self, dataset: Any) -> WarpedVRT:
        return WarpedVRT(
            dataset,
            crs=self.grid.crs,
            transform=Affine(*self.grid.transform),
            width=self.grid.width,
            height=self.grid.height,
            resampling=Resampling.nearest,
            src_nodata=self.nodata,
            nodata=self.nodata,
        )


def warped(reader: MaskReader, grid: Grid, table: ClassTable) -> MaskReader:
    """Return a reader of the same mask seen on `grid` (see `WarpedRaster`).

    Raises:
        InputError: When the mask is an array in memory, which only its own grid can describe.
    """
    mask = reader.mask
    if not isinstance(mask, RasterMask):
        raise InputError(
            mask.name,
            "a label array must share the orientation and CRS of the image",
            "Save the labels as a GeoTIFF in their own CRS.",
        )
    spares = np.flatnonzero(reader.ids == 0)
    return MaskReader(WarpedRaster(mask, grid, float(spares[0]) if spares.size else _SPARE), table)
