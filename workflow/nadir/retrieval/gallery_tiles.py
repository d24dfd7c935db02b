"""A gallery from a georeferenced substrate: its tiles, cut to pictures with known centers."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from nadir.errors import InputError
from nadir.provenance.atomic import atomic_folder, write_bytes
from nadir.raster.geotiff import open_raster, read_faults
from nadir.raster.grid import Grid
from nadir.retrieval.listing import Listed

log = logging.getLogger(__name__)


def cut_tiles(
    substrate: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    size: int = 256,
    overlap: float = 0.5,
    *,
    least_valid: float = 0.5,
    view: str = "satellite",
) -> list[Listed]:
    """Cut a substrate into overlapping tiles: a gallery in which photos are looked for.

    Tiles cover the substrate to its edges; each is a place of its own, called by its row and column
    of pixels. One tile is held in memory at a time.

    Args:
        substrate: An 8-bit RGB (or grey) raster.
        folder: Where the tiles are written as PNG; it is replaced.
        size: Side of a tile in pixels.
        overlap: Share of the side that neighbors share, below 1.
        least_valid: Least share of valid pixels; tiles with less are left out.
        view: Name of the view.

    Returns:
        One entry a tile, of the split "gallery", with x and y of its center in the substrate's CRS
        (in pixels where it has none).

    Raises:
        InputError: When the substrate cannot be read, is not 8-bit, is smaller than a tile, or has
            no valid tile.
        OutputError: When the disk is full or not writable.
    """
    name = str(substrate)
    target = Path(folder)
    listed: list[Listed] = []
    with open_raster(name) as dataset, atomic_folder(target) as temporary:
        _check(dataset, name, size)
        grid = Grid.of(dataset)
        rows, columns = (_starts(n, size, overlap) for n in grid.shape)
        for row in rows:
            for column in columns:
                window = Window(column, row, size, size)
                with read_faults(name):
                    picture = dataset.read(bands_of(dataset), window=window)
                    valid = dataset.dataset_mask(window=window) > 0
                if valid.mean() < least_valid:
                    continue
                tile = f"r{row:06d}_c{column:06d}"
                write_bytes(temporary / f"{tile}.png", png_of(picture))
                x, y = grid.affine @ (column + size / 2, row + size / 2)
                listed.append(
                    Listed(f"gallery/{tile}", tile, view, "gallery", target / f"{tile}.png", x, y)
                )
        if not listed:
            problem = f"none of its tiles of {size} pixels is at least {least_valid:.0%} valid"
            raise InputError(name, problem, "Check its no-data value, or ask for less.")
    log.info("%s: %d of %d tiles", name, len(listed), len(rows) * len(columns))
    return listed


def _check(dataset: DatasetReader, name: str, size: int) -> None:
    if set(dataset.dtypes) != {"uint8"}:
        problem = f"its pixels are {dataset.dtypes[0]}, not 8-bit"
        raise InputError(name, problem, "Convert it to an 8-bit RGB picture first.")
    if size > min(dataset.shape):
        problem = f"it has {dataset.width} x {dataset.height} pixels, less than a tile of {size}"
        raise InputError(name, problem, "Cut smaller tiles.")


def _starts(length: int, size: int, overlap: float) -> list[int]:
    """Return where tiles begin along a side: evenly, the last at the very edge."""
    step = max(1, round(size * (1 - overlap)))
    count = -(-(length - size) // step) + 1
    return sorted({round(k * (length - size) / max(count - 1, 1)) for k in range(count)})


def bands_of(dataset: DatasetReader) -> list[int]:
    """Return the bands that make a picture: three, or the first one three times."""
    return [1, 2, 3] if dataset.count >= 3 else [1, 1, 1]


def png_of(picture: NDArray[np.uint8]) -> bytes:
    """Return (3, rows, columns) RGB as a PNG file."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(picture[::-1].transpose(1, 2, 0)))
    if not done:
        raise ValueError("a tile could not be encoded")
    return data.tobytes()
