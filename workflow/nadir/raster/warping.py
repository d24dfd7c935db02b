"""A mask in another CRS or orientation, seen on a grid: categorical, and the same in any window.

GDAL's warper approximates coordinates along the rows of whatever window it is asked for, so its
result depends on how a scene is cut into blocks. Here coordinates are transformed exactly at nodes
that stand still (every 64 pixels of the grid) and interpolated in between; over such a distance
the curvature of any projection is far below a thousandth of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nadir.config.classes import UNKNOWN
from nadir.errors import InputError
from nadir.raster.grid import Grid, same_crs
from nadir.raster.kernels import sample_nearest
from nadir.raster.masks import MaskReader
from nadir.raster.store import blocks_of

_STEP = 64  # pixels of the grid between nodes
_TILE = 1024  # pixels of the grid sampled at a time, which bounds the part of the mask in memory


@dataclass(frozen=True)
class WarpedReader:
    """Reads windows of a mask on another grid, taking the mask's value under each pixel's center.

    Attributes:
        reader: The mask on its own grid.
        grid: The grid to see it on; outside of the mask there is no data.
    """

    reader: MaskReader
    grid: Grid

    @cached_property
    def _transformer(self) -> Any:
        """The transformation between the systems, or None where they are one."""
        from pyproj import Transformer  # half a second that only warps should cost

        if same_crs(self.grid.crs, self.reader.grid.crs):
            return None
        return Transformer.from_crs(self.grid.crs, self.reader.grid.crs, always_xy=True)

    def __getstate__(self) -> dict[str, Any]:
        return {"reader": self.reader, "grid": self.grid}

    def _nodes(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns in the mask of the nodes around a window."""
        down = np.arange(y // _STEP, (y + height - 1) // _STEP + 2) * float(_STEP)
        right = np.arange(x // _STEP, (x + width - 1) // _STEP + 2) * float(_STEP)
        v, u = np.meshgrid(down, right, indexing="ij")
        a, b, c, d, e, f = self.grid.transform
        xs, ys = a * u + b * v + c, d * u + e * v + f
        if self._transformer is not None:
            xs, ys = self._transformer.transform(xs, ys)
        a, b, c, d, e, f = tuple(~self.reader.grid.affine)[:6]
        with np.errstate(invalid="ignore"):  # places that a projection cannot hold are infinite
            rows, columns = d * xs + e * ys + f, a * xs + b * ys + c
        known = np.isfinite(rows) & np.isfinite(columns)
        return np.where(known, rows, np.nan), np.where(known, columns, np.nan)

    def _around(self, rows: np.ndarray, columns: np.ndarray) -> tuple[int, int, int, int] | None:
        """Return the part of the mask (row, column, height, width) that nodes span, or None."""
        if np.isnan(rows).all():
            return None
        size = self.reader.grid.shape
        spans = []
        for nodes, limit in zip((rows, columns), size, strict=True):
            low = max(int(np.floor(np.nanmin(nodes))), 0)
            high = min(int(np.ceil(np.nanmax(nodes))), limit)
            if low >= high:
                return None
            spans.append((low, high - low))
        return spans[0][0], spans[1][0], spans[0][1], spans[1][1]

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ids uint8 (height, width) of a window of the grid, and the table of ids."""
        out = np.zeros((height, width), np.uint8)
        for v, u, h, w in blocks_of(height, width, _TILE):
            rows, columns = self._nodes(y + v, x + u, h, w)
            part = self._around(rows, columns)
            if part is not None:
                values, ids = self.reader.read(*part)
                into = out[v : v + h, u : u + w]
                sample_nearest(
                    values, ids, part[0], part[1], rows, columns, _STEP, y + v, x + u, into
                )
        return out, self.reader.identity

    def unknown_error(self, y: int, x: int, height: int, width: int) -> InputError:
        """Return the error that names the values outside the class table in a window."""
        for v, u, h, w in blocks_of(height, width, _TILE):
            if (self.read(y + v, x + u, h, w)[0] == UNKNOWN).any():
                part = self._around(*self._nodes(y + v, x + u, h, w))
                if part is not None:
                    return self.reader.unknown_error(*part)
        return self.reader.unknown_error(0, 0, 0, 0)
