"""Cloud-optimized GeoTIFF of several bands, written block by block out of core."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import rasterio
import rasterio.shutil
from rasterio.io import DatasetWriter

from nadir.provenance.atomic import (
    remove_leftovers,
    remove_path,
    temporary_beside,
    write_faults,
)
from nadir.provenance.writes import put_in_place
from nadir.raster.cog import BLOCK, gdal_write_faults
from nadir.raster.geotiff import check_complete
from nadir.raster.grid import Grid


@contextmanager
def cog_in_blocks(
    path: str | os.PathLike[str],
    grid: Grid,
    bands: tuple[str, ...],
    dtype: str,
    tags: Mapping[str, str],
) -> Iterator[DatasetWriter]:
    """Yield a raster to write in whole blocks of 512 pixels, which becomes the COG at the end.

    An exception leaves nothing behind. Blocks that are never written take no room.

    Args:
        path: The file to make (`.tif`); 0 is no data.
        grid: Its grid.
        bands: Names of the bands.
        dtype: Type of the values.
        tags: Metadata items of the file.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    path = Path(path)
    folder = temporary_beside(path)
    plain, target = folder / "plain.tif", folder / "image.tif"
    profile = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": len(bands),
        "dtype": dtype,
        "nodata": 0,
        "crs": grid.crs,
        "transform": grid.affine,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "interleave": "pixel",
        "compress": "deflate",
        "zlevel": 1,
        "bigtiff": "if_safer",
        "sparse_ok": True,
    }
    options = {
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "YES",
        "BLOCKSIZE": str(BLOCK),
        "OVERVIEW_RESAMPLING": "NEAREST",  # means would mix images and classes
        "BIGTIFF": "IF_SAFER",
        "STATISTICS": "NO",
        "SPARSE_OK": "TRUE",
        "NUM_THREADS": "2",
    }
    try:
        with write_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(path)
            folder.mkdir()
            with gdal_write_faults(path, plain, 1 << 20):
                with rasterio.open(plain, "w", **profile) as dataset:
                    dataset.descriptions = bands
                    dataset.update_tags(**tags)
                    yield dataset
                rasterio.shutil.copy(str(plain), str(target), driver="COG", **options)
                check_complete(str(target))
            put_in_place(target, path)
    finally:
        remove_path(folder)
