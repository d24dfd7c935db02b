"""RGB pictures with a mask: written window by window, finished as cloud-optimized GeoTIFF."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from nadir.provenance.atomic import remove_leftovers, remove_path, temporary_beside, write_faults
from nadir.provenance.writes import put_in_place
from nadir.raster.cog import BLOCK, gdal_write_faults
from nadir.raster.geotiff import check_complete
from nadir.raster.grid import Grid

_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


class PictureWriter:
    """Takes windows of a picture, in any order, by any number of threads; see `new_picture`."""

    def __init__(self, dataset: DatasetWriter) -> None:
        self._dataset = dataset
        self._lock = threading.Lock()

    def write(self, y: int, x: int, rgb: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
        """Write a window inside the picture.

        Args:
            y: First row; windows that start and end at multiples of 512 are written fastest.
            x: First column.
            rgb: uint8 (height, width, 3).
            valid: bool (height, width): where the picture shows something.
        """
        height, width = valid.shape
        window = Window(x, y, width, height)
        with self._lock:  # GDAL datasets serve one thread at a time
            self._dataset.write(np.moveaxis(rgb, -1, 0), window=window)
            self._dataset.write_mask(valid, window=window)


@contextmanager
def new_picture(path: str | os.PathLike[str], grid: Grid) -> Iterator[PictureWriter]:
    """Yield a writer of an RGB picture of any size; memory does not grow with it.

    Pixels go uncompressed into a file beside the target; leaving the block turns it into a COG
    (DEFLATE, 512-px tiles, overviews, a mask inside) under the final name. Windows that were never
    written are black and masked out. An exception leaves nothing behind; equal content gives equal
    bytes.

    Args:
        path: The picture to make (`.tif`).
        grid: Its grid; one without CRS makes a picture that is not georeferenced.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    path = Path(path)
    folder = temporary_beside(path)
    raw, target = folder / "pixels.tif", folder / "picture.tif"
    room = 4 * grid.height * grid.width
    with write_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        folder.mkdir()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            # GDAL's settings belong to a thread: the mask is made here, before others write.
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_NUM_THREADS=2):
                with gdal_write_faults(path, raw, room), _blank(raw, grid) as dataset:
                    yield PictureWriter(dataset)
                _finish(path, raw, target, room)
        with write_faults(path):
            put_in_place(target, path)
    finally:
        remove_path(folder)


def _blank(path: Path, grid: Grid) -> DatasetWriter:
    """Open an uncompressed picture for writing, black and masked out."""
    dataset = rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=grid.width,
        height=grid.height,
        count=3,
        dtype="uint8",
        crs=grid.crs or None,
        transform=grid.affine if grid.crs else None,
        tiled=True,
        blockxsize=BLOCK,
        blockysize=BLOCK,
        interleave="pixel",
        photometric="RGB",
        bigtiff="IF_SAFER",
        sparse_ok=True,
    )
    dataset.colorinterp = _RGB
    # One pixel makes the mask; tiles that are not there read as masked out.
    dataset.write_mask(np.zeros((1, 1), bool), window=Window(0, 0, 1, 1))
    return dataset


def _finish(path: Path, raw: Path, target: Path, room: int) -> None:
    """Make the COG from the raw pixels."""
    options = {
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "YES",
        "BLOCKSIZE": str(BLOCK),
        "OVERVIEW_RESAMPLING": "AVERAGE",
        "BIGTIFF": "IF_SAFER",
        "STATISTICS": "NO",
        "SPARSE_OK": "TRUE",
        "NUM_THREADS": "2",
    }
    with gdal_write_faults(path, target, room):
        rasterio.shutil.copy(str(raw), str(target), driver="COG", **options)
        check_complete(str(target))
