"""The substrate of a case: what its header says, and where it holds no data."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from nadir.errors import InputError
from nadir.provenance.digest import file_digest
from nadir.raster.geotiff import check_complete, open_raster, read_faults
from nadir.raster.grid import Grid

log = logging.getLogger(__name__)

_ROWS = 512
_DARK = 0.01  # share of black pixels from which they look like holes


def substrate_facts(path: Path, remarks: list[str]) -> dict[str, Any]:
    """Check a substrate, and return what is known of it.

    Every pixel is looked at, strip by strip: holes are counted, and a damaged file is found before
    anything expensive begins.

    Args:
        path: The substrate.
        remarks: Takes sentences about what is unusual.

    Returns:
        `path`, `digest`, `width`, `height`, `bands`, `grid` (None without georeference),
        `nodata_share` (share of pixels that the file declares to be empty) and `black_share`
        (share of the others that are black in every band).

    Raises:
        InputError: When it cannot be read, is no 8-bit RGB or grey picture, or is empty.
    """
    check_complete(str(path))
    with open_raster(str(path)) as dataset:
        _require_picture(path, dataset)
        empty, black = _count_holes(path, dataset)
        grid = _georeference(path, dataset, remarks)
        pixels = dataset.width * dataset.height
        facts = {
            "path": str(path),
            "width": dataset.width,
            "height": dataset.height,
            "bands": dataset.count,
            "grid": grid.to_dict() if grid else None,
            "nodata_share": empty / pixels,
            "black_share": black / max(pixels - empty, 1),
        }
    if empty == pixels:
        raise InputError(path, "it holds no data at all", "Give a substrate that shows ground.")
    if empty:
        remarks.append(f"{path}: {100 * empty / pixels:.2f} % of the substrate are without data")
    if not empty and black / pixels > _DARK:
        remarks.append(
            f"{path}: {100 * black / pixels:.1f} % of the substrate are black, but no value is "
            "declared as no data; if these are holes, declare it (gdal_edit.py -a_nodata 0 FILE)"
        )
    return {**facts, "digest": file_digest(path)}


def _require_picture(path: Path, dataset: DatasetReader) -> None:
    """Raise unless a raster is 8-bit RGB (a fourth band is left aside) or grey."""
    remedy = "Convert it to an 8-bit RGB GeoTIFF (gdal_translate -ot Byte -scale)."
    if any(kind != "uint8" for kind in dataset.dtypes):
        kinds = ", ".join(sorted(set(dataset.dtypes)))
        raise InputError(path, f"its values are {kinds}, not 8-bit (uint8)", remedy)
    if dataset.colorinterp[0] == ColorInterp.palette:
        remedy = "Expand it to RGB (gdal_translate -expand rgb)."
        raise InputError(path, "it is a picture with a palette", remedy)
    if dataset.count not in (1, 3, 4):
        problem = f"it has {dataset.count} bands where RGB (3, or 4) or grey (1) is needed"
        raise InputError(path, problem, "Give a picture of red, green and blue.")


def _count_holes(path: Path, dataset: DatasetReader) -> tuple[int, int]:
    """Return how many pixels are declared to be empty, and how many others are black."""
    flags = dataset.mask_flag_enums[0]
    bands = (1, 2, 3) if dataset.count >= 3 else (1,)
    empty = black = 0
    for top in range(0, dataset.height, _ROWS):
        window = Window(0, top, dataset.width, min(_ROWS, dataset.height - top))
        with read_faults(str(path)):
            values = dataset.read(bands, window=window)
            if MaskFlags.all_valid in flags:
                hole = np.zeros(values.shape[1:], bool)
            elif MaskFlags.nodata in flags:  # a hole is where all bands say so
                hole = (values == dataset.nodata).all(axis=0)
            else:
                hole = dataset.dataset_mask(window=window) == 0
        empty += int(np.count_nonzero(hole))
        black += int(np.count_nonzero(~values.any(axis=0) & ~hole))
    return empty, black


def _georeference(path: Path, dataset: DatasetReader, remarks: list[str]) -> Grid | None:
    """Return the grid of a raster, or None when it has no place on the ground."""
    grid = Grid.of(dataset)
    placed = not dataset.transform.is_identity
    if grid.crs and placed:
        return grid
    if placed or grid.crs:
        lacking = "no transform" if grid.crs else "no coordinate reference system"
        remarks.append(f"{path}: it has {lacking}, so answers are in pixels only")
    return None
