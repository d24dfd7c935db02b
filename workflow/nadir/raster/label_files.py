"""Labels that are no single georeferenced raster, seen as one: arrays, and tiles side by side."""

from __future__ import annotations

import numpy as np

from nadir.config.scenes import ArraySource
from nadir.config.slippy import TileFolder
from nadir.errors import InputError
from nadir.raster.arrays import ArrayFile
from nadir.raster.grid import Grid
from nadir.raster.pieces import open_pieces


class TiledMask:
    """Mask tiles side by side, as a mask on one grid (see `masks.RawMask`).

    Args:
        tiles: The folder.

    Raises:
        InputError: When the tiles do not fit together, or are not one band of integers.
    """

    nodata: float | None = -1.0

    def __init__(self, tiles: TileFolder) -> None:
        self.pieces = open_pieces(None, tiles)
        self.name, self.grid = tiles.folder, self.pieces.grid
        form = self.pieces.form
        if form.count != 1 or np.dtype(form.dtype).kind not in "iu":
            raise InputError(
                self.pieces.pieces[0].path,
                f"a mask has one band of class values, this tile has {form.count} of {form.dtype}",
                "Give single-band tiles of class values, not colored renderings of them.",
            )
        # Wide enough for every value beside -1, which stands where there is no tile.
        self.dtype = np.dtype(np.int16 if np.dtype(form.dtype).itemsize == 1 else np.int64)

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return raw values (height, width) of a window inside the grid; -1 without a tile."""
        raw, there = self.pieces.read([0], y, x, height, width)
        values = raw[0].astype(self.dtype)
        empty = self.pieces.form.nodata
        values[~there if empty is None else ~there | (raw[0] == empty)] = -1
        return values


class LabelArray:
    """A label array in a file, as a mask on the grid of its image (see `masks.RawMask`).

    Args:
        source: The array.
        image: Grid of the image.

    Raises:
        InputError: When the array is not one band of integers of the image's shape.
    """

    nodata: float | None = None

    def __init__(self, source: ArraySource, image: Grid) -> None:
        self.array = ArrayFile(source)
        self.name, self.grid, self.dtype = source.file, image, self.array.dtype
        if self.dtype.kind not in "iu":
            raise InputError(
                self.name,
                f"its labels are {self.dtype}, not integers",
                "Give integer class values.",
            )
        if self.array.shape != (1, *image.shape):
            raise InputError(
                self.name,
                f"its labels have the shape {self.array.shape} (band, y, x), "
                f"the image has {(1, *image.shape)}",
                "Give one label a pixel of the image; check `axes` and `key`.",
            )

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return raw values (height, width) of a window inside the grid."""
        return self.array.read(y, x, height, width)[0]
