"""Rasters for tests: held in memory, or loaded in parts from another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

from nadir.raster.grid import Grid


class Held:
    """A raster in memory."""

    def __init__(self, grid: Grid, values: np.ndarray, valid: np.ndarray | None = None) -> None:
        self.grid, self.values, self.dtype = grid, values, values.dtype
        self.valid = np.ones(grid.shape, bool) if valid is None else valid

    def read(self, y, x, height, width):
        part = np.s_[y : y + height, x : x + width]
        assert y >= 0 and x >= 0 and y + height <= self.grid.height
        return self.values[None][:, *part], self.valid[part]


def grid(
    crs: str = "EPSG:32631",
    step: float = 10.0,
    left: float = 500000.0,
    top: float = 4600000.0,
    side: int = 120,
) -> Grid:
    """Return a square grid."""
    return Grid(crs, (step, 0, left, 0, -step, top), side, side)


class Sparse:
    """A file whose bytes come from another one, when they are asked for."""

    def __init__(self, source: Path, path: Path) -> None:
        self.content = source.read_bytes()
        self.name, self.path = f"http://there/{source.name}", path
        self.loaded = np.zeros(len(self.content), bool)
        self.forgotten = False
        path.write_bytes(bytes(len(self.content)))

    def need(self, spans):
        with self.path.open("r+b") as file:
            for start, end in spans:
                start, end = max(start, 0), min(end, len(self.content))
                file.seek(start)
                file.write(self.content[start:end])
                self.loaded[start:end] = True

    def need_all(self):
        self.need([(0, len(self.content))])

    def forget(self):
        self.forgotten = True


def write(path: Path, data: np.ndarray, **options: Any) -> Path:
    """Write (height, width) as a raster; every band is the same."""
    profile = {
        "driver": "GTiff",
        "height": data.shape[0],
        "width": data.shape[1],
        "count": 1,
        "dtype": data.dtype,
        "crs": "EPSG:32631",
        "transform": from_origin(400000, 4600000, 10, 10),
        **options,
    }
    with rasterio.open(path, "w", **profile) as file:
        for band in range(profile["count"]):
            file.write(data, band + 1)
    return path
