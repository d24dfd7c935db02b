"""GeoTIFFs of what is simulated, written block by block: whole under their names, or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter

from nadir.provenance.atomic import atomic_path, library_faults


@contextmanager
def new_geotiff(
    path: str | os.PathLike[str], suffix: str = ".tif", **profile: Any
) -> Iterator[DatasetWriter]:
    """Yield a raster to write, which takes its name when the block ends without an error.

    Args:
        path: The GeoTIFF to make.
        suffix: Ending of its temporary name.
        profile: What GDAL is to make, as for `rasterio.open`.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    errors = (RasterioError, CPLE_BaseError)
    with atomic_path(path, suffix) as temporary, library_faults(path, temporary, errors):
        with rasterio.open(temporary, "w", **{"driver": "GTiff", **profile}) as dataset:
            yield dataset
        # Closing a dataset hides writes that failed: what was written must be there to be read.
        with rasterio.open(temporary) as made:
            for _, window in made.block_windows(1):
                made.read(window=window)
