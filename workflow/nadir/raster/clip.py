"""Fine labels over an area: cut from one raster or put together from several, values renamed."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

import numpy as np
from rasterio.windows import Window
from tqdm import tqdm

from nadir.errors import InputError
from nadir.raster.bring import bring_window
from nadir.raster.ground_area import Area, window_of_area
from nadir.raster.store import blocks_of
from nadir.raster.windowed import WindowedRaster
from nadir.raster.written import cog_in_blocks

log = logging.getLogger(__name__)

STEP = 2048
"""Side of the blocks that are worked on at a time, in pixels."""


def clip_labels(
    rasters: Sequence[WindowedRaster],
    area: Area,
    values: Mapping[int, int],
    path: str | os.PathLike[str],
    names: Sequence[str] = (),
) -> int:
    """Write the labels over an area as a GeoTIFF of uint8, on the pixels of the first raster.

    Of rasters that overlap the first one with a label counts.

    Args:
        rasters: Class values; one at least.
        area: West, south, east, north in degrees.
        values: Value of the files -> value to write; others become 0. Empty: values stay.
        path: The file to make (`.tif`).
        names: What the rasters are called in messages.

    Returns:
        Labelled pixels.

    Raises:
        InputError: When a raster cannot be read, holds no whole numbers, values beyond 255 that
            are not renamed, or nothing over the area.
        OutputError: When the disk is full or not writable.
    """
    first = rasters[0]
    name = names[0] if names else first.part.name
    for raster in rasters:
        if raster.dtype.kind not in "iu":
            raise InputError(
                raster.part.name, f"its values are {raster.dtype}", "Give whole class numbers."
            )
    if not first.grid.is_axis_parallel:
        raise InputError(name, "its grid is rotated", "Warp it onto an axis-parallel grid.")
    grid = window_of_area(first.grid, area)
    if not any(raster.grid.overlaps(grid) for raster in rasters):
        raise InputError(name, "it does not touch the area", "Check the area and the address.")
    count = 0
    with cog_in_blocks(path, grid, ("class",), "uint8", {}) as dataset:
        blocks = list(blocks_of(*grid.shape, STEP))
        for block in tqdm(blocks, desc="labels", unit="block", disable=None):
            out = np.zeros(block[2:], np.uint8)
            for raster in rasters:
                if raster.grid.overlaps(grid.window(*block)) and not out.all():
                    raw, valid = bring_window(raster, grid, block, "nearest")
                    take = valid & (out == 0)
                    out[take] = _renamed(raw[0][take], values, raster.part.name)
            labelled = int(np.count_nonzero(out))
            count += labelled
            if labelled:
                y, x, height, width = block
                dataset.write(out, 1, window=Window(x, y, width, height))
        if not count:
            raise InputError(
                name, "it holds no label over the area", "Check the area, and `values`."
            )
    log.info("%s: %d labelled pixels", path, count)
    return count


def _renamed(raw: np.ndarray, values: Mapping[int, int], name: str) -> np.ndarray:
    """Return values of the files as values of the class table, uint8."""
    if values:
        out = np.zeros(raw.shape, np.uint8)
        for old, new in values.items():
            out[raw == old] = new
        return out
    if raw.size and (raw.min() < 0 or raw.max() > 255):
        strange = raw[(raw < 0) | (raw > 255)][0]
        raise InputError(
            name, f"it holds the value {strange}", "Rename values beyond 255 with `values`."
        )
    return raw.astype(np.uint8)
