"""Pictures of a large raster in pixel space: square tiles of all sizes, and an overview.

Tile (z, x, y) shows the pixels from column x * s and row y * s, where s = 256 * 2^(levels - z)
is how many pixels it spans: at the deepest level a tile's pixels are the raster's own, and level 0
is one tile.
"""

from __future__ import annotations

import io
import math
import threading
from os import PathLike, fspath

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.io import DatasetReader
from rasterio.windows import Window

from nadir.errors import InputError
from nadir.raster.geotiff import Handles, check_complete, read_faults

TILE = 256
"""Side of a tile in pixels."""
OVERVIEW = 2048
"""Largest side of the picture of the whole that is kept in memory."""
_FINEST_UNAIDED = 32768
"""Largest side of a raster without overviews: beyond it, tiles would read too many pixels."""
_COLORS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


class Pyramid:
    """Tiles of one raster, 8-bit RGBA; thread-safe.

    Reading is bounded: the coarse tiles are cut from one overview in memory, read once at the
    first need; the fine ones read no more than about 4096 x 4096 pixels of the file.

    Args:
        path: The raster. Values of other types than uint8 are stretched from the 2nd to the 98th
            percentile; red, green and blue where bands are marked so, else the first three, or
            one as gray.

    Attributes:
        bands: Numbers of the bands that are shown, counted from 1.

    Raises:
        InputError: When it cannot be read, or is very large and has no overviews.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        check_complete(self.path)
        self._handles = Handles(self.path)
        dataset = self._handles.get()
        self.width, self.height = dataset.width, dataset.height
        self.bands = _display_bands(dataset)
        self._plain = dataset.dtypes[0] == "uint8"
        self._masked = MaskFlags.all_valid not in dataset.mask_flag_enums[0]
        largest = max(self.width, self.height)
        if largest > _FINEST_UNAIDED and not dataset.overviews(1):
            raise InputError(
                self.path,
                f"it is {largest} pixels long and has no overviews, so it cannot be shown quickly",
                "Add them with `gdaladdo -r average FILE`, or write it as a COG.",
            )
        self.levels = max(0, math.ceil(math.log2(largest / TILE)))
        self._factor = 2 ** max(0, math.ceil(math.log2(largest / OVERVIEW)))
        self._lock = threading.Lock()
        self._kept: NDArray[np.uint8] | None = None
        self._low = np.zeros(3, np.float32)
        self._high = np.full(3, 255, np.float32)

    def holds(self, z: int, x: int, y: int) -> bool:
        """Whether a tile shows any pixel of the raster."""
        if not 0 <= z <= self.levels:
            return False
        span = TILE << (self.levels - z)
        return 0 <= x * span < self.width and 0 <= y * span < self.height

    def tile(self, z: int, x: int, y: int) -> NDArray[np.uint8]:
        """Return a tile that `holds` is true for.

        Returns:
            (256, 256, 4) uint8; transparent beyond the raster and where it has no data.
        """
        factor = 1 << (self.levels - z)
        tile = np.zeros((TILE, TILE, 4), np.uint8)
        if factor >= self._factor > 1:
            step = factor // self._factor
            span = TILE * step
            part = _reduced(self._overview()[y * span :, x * span :][:span, :span], step)
        else:
            span = TILE * factor
            top, left = y * span, x * span
            window = (top, left, min(span, self.height - top), min(span, self.width - left))
            part = self.paint(*self._read(*window, factor))
        tile[: part.shape[0], : part.shape[1]] = part
        return tile

    def preview(self, side: int = 1024) -> NDArray[np.uint8]:
        """Return a picture of the whole (h, w, 4) uint8, no longer than `side`."""
        whole = self._overview()
        return _reduced(whole, max(1, -(-max(whole.shape[:2]) // side)))

    def close(self) -> None:
        """Close the file."""
        self._handles.close()

    def _overview(self) -> NDArray[np.uint8]:
        """Return the picture of the whole, each pixel a square of `_factor` pixels' mean."""
        with self._lock:
            if self._kept is None:
                values, valid = self._read(0, 0, self.height, self.width, self._factor)
                if not self._plain and valid.any():
                    ends = np.percentile(values[valid], [2, 98], axis=0)
                    low, high = ends.astype(np.float32)
                    self._low, self._high = low, np.where(high > low, high, low + 1)
                self._kept = self._paint(values, valid)
            return self._kept

    def paint(self, values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return values (h, w, 3) of `bands` as RGBA (h, w, 4); the stretch is the overview's."""
        if not self._plain:
            self._overview()
        return self._paint(values, valid)

    def _paint(self, values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return values (h, w, 3) as RGBA."""
        if not self._plain:
            values = np.nan_to_num((values - self._low) * (255 / (self._high - self._low)))
        colors = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        colors[~valid] = 0
        return np.dstack([colors, np.where(valid, 255, 0).astype(np.uint8)])

    def _read(
        self, y: int, x: int, height: int, width: int, factor: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a window with pixels `factor` times as large.

        The last row and column of pixels may reach beyond the window; they are read by themselves,
        so that all others are exact squares.

        Returns:
            (ceil(height / factor), ceil(width / factor), 3) float32 and bool without the last axis.
        """
        shape = (-(-height // factor), -(-width // factor))
        values = np.zeros((*shape, 3), np.float32)
        valid = np.zeros(shape, bool)
        with read_faults(self.path):
            dataset = self._handles.get()
            for rows, out_rows in _pieces(height, factor):
                for columns, out_columns in _pieces(width, factor):
                    window = Window(
                        x + columns.start,
                        y + rows.start,
                        columns.stop - columns.start,
                        rows.stop - rows.start,
                    )
                    out = (out_rows.stop - out_rows.start, out_columns.stop - out_columns.start)
                    place = (out_rows, out_columns)
                    values[place], valid[place] = self._read_piece(dataset, window, out)
        valid &= np.isfinite(values).all(axis=2)
        return values, valid

    def _read_piece(
        self, dataset: DatasetReader, window: Window, out: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a window into `out` rows and columns: values (h, w, 3) and validity (h, w)."""
        same = out == (window.height, window.width)
        how = Resampling.nearest if same else Resampling.average
        bands = dataset.read(
            self.bands, window=window, out_shape=(len(self.bands), *out), resampling=how
        )
        values = np.moveaxis(np.broadcast_to(bands, (3, *out)), 0, 2).astype(np.float32)
        if not self._masked:
            return values, np.ones(out, bool)
        mask = dataset.dataset_mask(window=window, out_shape=out, resampling=Resampling.nearest)
        return values, mask > 0


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return an RGBA picture (h, w, 4) as PNG, without the alpha where it says nothing."""
    opaque = bool((pixels[..., 3] == 255).all())
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., :3] if opaque else pixels).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _display_bands(dataset: DatasetReader) -> list[int]:
    """Return the three bands to show, or the one."""
    known = list(dataset.colorinterp)
    if all(color in known for color in _COLORS):
        return [known.index(color) + 1 for color in _COLORS]
    return [1, 2, 3] if dataset.count >= 3 else [1]


def _pieces(length: int, factor: int) -> list[tuple[slice, slice]]:
    """Return the parts of an axis, (in pixels, in reduced pixels): whole ones, and the rest."""
    whole, rest = divmod(length, factor)
    parts = [(slice(0, whole * factor), slice(0, whole))] if whole else []
    if rest:
        parts.append((slice(whole * factor, length), slice(whole, whole + 1)))
    return parts


def _reduced(pixels: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Return an RGBA picture with pixels `step` times as large; colors weigh by their alpha."""
    if step == 1:
        return pixels
    height, width = pixels.shape[:2]
    rows, columns = -(-height // step), -(-width // step)
    padded = np.zeros((rows * step, columns * step, 4), np.float32)
    padded[:height, :width] = pixels
    padded[..., :3] *= padded[..., 3:] / 255
    total = padded.reshape(rows, step, columns, step, 4).sum(axis=(1, 3))
    weight = total[..., 3:] / 255
    colors = np.divide(total[..., :3], weight, out=np.zeros_like(total[..., :3]), where=weight > 0)
    # Pixels beyond the raster are no reason to fade its last row: what is seen at all is opaque.
    alpha = np.where(weight > 0, 255, 0)
    return np.rint(np.dstack([colors, alpha])).astype(np.uint8)
