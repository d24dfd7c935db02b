"""The picture of a scene: tiles put together, resampled to one pixel size, brought to 8 bits."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from nadir.config.scenes import ImageSource
from nadir.errors import InputError
from nadir.provenance.atomic import (
    remove_leftovers,
    remove_path,
    temporary_beside,
    write_faults,
)
from nadir.provenance.writes import put_in_place
from nadir.raster.bandnames import check_band_count, depth_error, name_file_bands
from nadir.raster.blocks import run_blocks
from nadir.raster.cog import BLOCK, gdal_write_faults
from nadir.raster.geotiff import check_complete
from nadir.raster.grid import Grid, is_local
from nadir.raster.metric import metres_per_unit
from nadir.raster.pieces import Form, Pieces, open_pieces
from nadir.raster.resample import resample_window
from nadir.raster.store import Block, blocks_of

log = logging.getLogger(__name__)

STEP = 1024
"""Side of the blocks that are worked on at a time, in pixels of the finer of the two grids."""

_SAME = 1e-3  # a pixel size that differs by less than this share is the same
_CONFORMAL = 0.01  # scales along x and y that differ by less than this share make square pixels


def mosaic_images(
    source: ImageSource,
    bands: tuple[str, ...],
    resolution: float | None,
    path: str | os.PathLike[str],
    workers: int | None = None,
) -> Grid:
    """Write the picture of a scene as a cloud-optimized GeoTIFF.

    Pixels are averaged by area where the picture becomes coarser, and interpolated bilinearly where
    it becomes finer; its CRS stays. What no tile shows, and what has no data, is masked. Memory is
    that of a block a worker.

    Args:
        source: One raster or a folder of tiles, of 8 bits or with a declared range.
        bands: The bands wanted, in order.
        resolution: Size of a pixel on the ground in metres; None keeps the pixels.
        path: The file to make (`.tif`): uint8, masked, bands named.
        workers: Blocks at a time; None for one per processor.

    Returns:
        The grid of the picture.

    Raises:
        InputError: On faults of the files (see `open_pieces`); a number of bands that does not
            fit; values of more than 8 bits without a declared range; nothing but no data.
        OutputError: When the disk is full or not writable.
    """
    pieces = open_pieces(source.file, source.tiles, source.grid)
    order = _band_order(pieces, source, bands)
    grid = pieces.grid if resolution is None else ground_grid(pieces.grid, resolution)
    work = _Work(pieces, grid, order, *_levels(pieces, source), source)
    side = _side(pieces.grid, grid)
    log.info("%s: %d x %d pixels from %d files", path, grid.width, grid.height, len(pieces.pieces))
    seen = np.zeros(1, np.int64)
    with _writing(path, grid, bands) as dataset:
        lock = threading.Lock()

        def write(block: Block) -> None:
            y, x, height, width = block
            values, valid = work(block)
            window = Window(x, y, width, height)
            with lock:  # a dataset is written by one thread at a time
                dataset.write(values, window=window)
                dataset.write_mask(valid, window=window)
                seen[0] += np.count_nonzero(valid)

        run_blocks(write, blocks_of(*grid.shape, side), workers, None, "mosaic images")
        if not seen[0]:
            raise InputError(
                pieces.name, "it holds nothing but no data", "Give pictures of the scene."
            )
    return grid


@dataclass(frozen=True)
class _Work:
    """Makes one block of the picture."""

    pieces: Pieces
    grid: Grid
    order: list[int]
    black: float
    white: float
    source: ImageSource

    def __call__(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Return uint8 (band, height, width) and valid bool (height, width)."""
        if self.grid == self.pieces.grid:
            raw, valid = self._read(*block)
        else:
            raw, valid = resample_window(self._read, self.pieces.grid, self.grid, block, "average")
        if (self.black, self.white) != (0, 255) or raw.dtype != np.uint8:
            level = (raw.astype(np.float32) - self.black) * (255 / (self.white - self.black))
            raw = np.clip(np.rint(level), 0, 255).astype(np.uint8)
        raw[:, ~valid] = 0
        return raw, valid

    def _read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window on the grid of the pieces."""
        raw, valid = self.pieces.read(self.order, y, x, height, width)
        if raw.dtype.kind == "f":
            valid = valid & np.isfinite(raw).all(axis=0)
            raw = np.nan_to_num(raw, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        nodata = self.source.nodata if self.source.nodata is not None else self.pieces.form.nodata
        empty = 0.0 if nodata is None else float(nodata)
        return raw, valid & ~(raw == empty).all(axis=0)


def ground_grid(grid: Grid, resolution: float) -> Grid:
    """Return the grid over the same ground with pixels of a size in metres on the ground.

    Pixels of a plane of unknown place are taken as metres. Where the size is that of the grid
    already, the grid itself is returned.

    Args:
        grid: An axis-parallel grid.
        resolution: Size of a pixel on the ground, m.
    """
    left, bottom, right, top = grid.bounds
    per_x, per_y = (
        (1.0, 1.0)
        if is_local(grid.crs)
        else metres_per_unit(grid.crs, (left + right) / 2, (bottom + top) / 2)
    )
    if abs(per_x / per_y - 1) < _CONFORMAL:
        per_x = per_y = math.sqrt(per_x * per_y)  # square on the map as on the ground
    wide, tall = resolution / per_x, resolution / per_y
    x, y = grid.resolution
    if abs(x / wide - 1) < _SAME and abs(y / tall - 1) < _SAME:
        return grid
    # A last row or column of less than a hundredth of a pixel is rounding, not ground.
    height = max(1, int(np.ceil((top - bottom) / tall - 0.01)))
    width = max(1, int(np.ceil((right - left) / wide - 0.01)))
    return Grid(grid.crs, (wide, 0.0, left, 0.0, -tall, top), height, width)


def _side(source: Grid, target: Grid) -> int:
    """Return the side of a block of the target: what is read for it stays bounded, too."""
    ratio = max(t / s for s, t in zip(source.resolution, target.resolution, strict=True))
    return max(BLOCK // 2, int(STEP / max(ratio, 1)) // BLOCK * BLOCK)


def _band_order(pieces: Pieces, source: ImageSource, bands: tuple[str, ...]) -> list[int]:
    """Return the numbers of the wanted bands, from 0."""
    form = pieces.form
    if form.palette and len(bands) == 3:
        return [0, 1, 2]
    first = pieces.pieces[0].path
    check_band_count(first, form.count, source.file_bands, bands, form.palette)
    named = name_file_bands(first, form.descriptions, source.file_bands, bands)
    return [named.index(band) for band in bands]


def _levels(pieces: Pieces, source: ImageSource) -> tuple[float, float]:
    """Return the values of black and white."""
    form, path = pieces.form, pieces.pieces[0].path
    if isinstance(source.range, tuple):
        return source.range
    said = declared_levels(form)
    if source.range == "metadata":
        if said is None and form.dtype != "uint8":
            raise InputError(
                path,
                f"it does not say which values of {form.dtype} are black and white",
                "Declare them as `range: [black, white]`.",
            )
        return said or (0.0, 255.0)
    if form.dtype != "uint8":
        raise depth_error(path, form.dtype, said)
    return 0.0, 255.0


def declared_levels(form: Form) -> tuple[float, float] | None:
    """Return the values of black and white that a file declares: its number of bits, or a scale."""
    bits = dict(form.tags).get("NBITS")
    if bits and bits.isdigit() and np.dtype(form.dtype).kind == "u":
        return 0.0, float(2 ** int(bits) - 1)
    scale, offset = form.gain
    if (scale, offset) != (1.0, 0.0) and scale > 0:
        return -offset / scale, (1.0 - offset) / scale
    return None


@contextmanager
def _writing(
    path: str | os.PathLike[str], grid: Grid, bands: tuple[str, ...]
) -> Iterator[DatasetWriter]:
    """Yield a picture to write in blocks, which becomes the COG at the end."""
    path = Path(path)
    folder = temporary_beside(path)
    plain, target = folder / "plain.tif", folder / "image.tif"
    profile = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": len(bands),
        "dtype": "uint8",
        "crs": grid.crs,
        "transform": grid.affine,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "interleave": "pixel",
        "bigtiff": "if_safer",
        **({"photometric": "RGB"} if len(bands) == 3 else {}),
    }
    options = {
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "YES",
        "BLOCKSIZE": str(BLOCK),
        "OVERVIEW_RESAMPLING": "AVERAGE",
        "BIGTIFF": "IF_SAFER",
        "STATISTICS": "NO",
        "NUM_THREADS": "2",
    }
    room = grid.height * grid.width * (len(bands) + 1)
    try:
        with write_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(path)
            folder.mkdir()
            with (
                gdal_write_faults(path, plain, room),
                rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            ):
                with rasterio.open(plain, "w", **profile) as dataset:
                    dataset.descriptions = bands
                    yield dataset
                check_complete(str(plain))
                rasterio.shutil.copy(str(plain), str(target), driver="COG", **options)
                check_complete(str(target))
            put_in_place(target, path)
    finally:
        remove_path(folder)
