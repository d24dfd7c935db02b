"""What changed between two maps of the same ground."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.raster.cog import MapWriter
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid
from nadir.segmentation.footprint_extract import pixel_ground

log = logging.getLogger(__name__)

_BLOCK = 1024
WIDEST = 255
"""Most classes: a change is stored as 256 * before + after."""


def compare_maps(
    before: str | os.PathLike[str],
    after: str | os.PathLike[str],
    classes: ClassTable,
    path: str | os.PathLike[str],
) -> dict[str, Any]:
    """Write the map of changes and count transitions.

    A map's errors look like changes: where both maps err by themselves, the table holds their
    errors twice. Compare maps of one model, and read small transitions with doubt.

    Args:
        before: A map, uint8 class ids, 0 = no data.
        after: Another on the same grid.
        classes: The class table of both.
        path: GeoTIFF to write, uint16: 256 * before + after where the class changed, 1 where it
            stayed, 0 where one of the two has no data.

    Returns:
        `classes`, `unit` (`ha`, or `px`), `transitions` (rows before, columns after, in units),
        `pixels` (the same, counted), `changed` (share of pixels), and by class `gain`, `loss`,
        `net` and `kept` in units.

    Raises:
        InputError: When a file cannot be read, the maps lie on different grids, or hold ids
            outside the class table.
    """
    count = classes.count
    matrix = np.zeros((count, count), np.int64)
    with open_raster(str(before)) as old, open_raster(str(after)) as new:
        grid = Grid.of(old)
        if not Grid.of(new).same_as(grid):
            raise InputError(
                after, f"it lies elsewhere than {before}", "Compare maps of the same scene."
            )
        with MapWriter(
            path, grid, "uint16", overviews="nearest", description="256 * before + after"
        ) as writer:
            for y in range(0, grid.height, _BLOCK):
                for x in range(0, grid.width, _BLOCK):
                    height, width = min(_BLOCK, grid.height - y), min(_BLOCK, grid.width - x)
                    window = Window(x, y, width, height)
                    one, other = old.read(1, window=window), new.read(1, window=window)
                    for name, ids in ((before, one), (after, other)):
                        _check(name, ids, count)
                    writer.write(y, x, changes_of(one, other))
                    both = (one > 0) & (other > 0)
                    key = (one[both].astype(np.int64) - 1) * count + other[both] - 1
                    matrix += np.bincount(key, minlength=count * count).reshape(count, count)
    return {"classes": classes.names[1:], **transition_facts(matrix, grid)}


def changes_of(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return 256 * before + after where the class changed, 1 where it stayed, 0 without data."""
    both = (before > 0) & (after > 0)
    code = before.astype(np.uint16) * np.uint16(256) + after
    return np.where(both, np.where(before == after, 1, code), 0).astype(np.uint16)


def transition_facts(matrix: NDArray[np.int64], grid: Grid) -> dict[str, Any]:
    """Return what a matrix of transitions (pixels) says, in hectares where the grid is placed."""
    unit = float(abs(np.linalg.det(pixel_ground(grid)))) / 1e4 if grid.crs else 1.0
    kept, old, new = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    total = int(matrix.sum())
    return {
        "unit": "ha" if grid.crs else "px",
        "pixels": matrix.tolist(),
        "transitions": (matrix * unit).tolist(),
        "changed": 1 - int(kept.sum()) / total if total else None,
        "kept": (kept * unit).tolist(),
        "gain": ((new - kept) * unit).tolist(),
        "loss": ((old - kept) * unit).tolist(),
        "net": ((new - old) * unit).tolist(),
    }


def _check(name: str | os.PathLike[str], ids: NDArray[np.uint8], count: int) -> None:
    if ids.max(initial=0) > count:
        raise InputError(
            name,
            f"it holds class id {ids.max()}, but there are {count} classes",
            "Compare maps of one class table.",
        )
