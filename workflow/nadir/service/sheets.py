"""Large pictures that pages show on a map: described, previewed, cut into tiles."""

from __future__ import annotations

import hashlib
import os
from typing import Annotated, Any

from fastapi import Path as InPath
from fastapi import Request
from fastapi.responses import Response
from rasterio.crs import CRS

from nadir.raster.grid import Grid
from nadir.service.context import context_of
from nadir.service.pictures import picture
from nadir.service.problems import Problem
from nadir.service.pyramid import TILE, Pyramid, encode_png

Index = Annotated[int, InPath(ge=0, le=1 << 24)]
"""A number in the address of a tile."""


class Sheet:
    """One picture; thread-safe.

    Args:
        kind: What it is, for messages.
        name: What it is called.
        path: The raster.
        grid: Its grid; None where it is not georeferenced.

    Raises:
        InputError: When it cannot be read.
    """

    def __init__(
        self, kind: str, name: str, path: str | os.PathLike[str], grid: Grid | None
    ) -> None:
        self.kind, self.name, self.grid = kind, name, grid
        self.pyramid = Pyramid(path)

    def describe(self) -> dict[str, Any]:
        """Return its size, how its tiles are numbered, and where it lies."""
        pyramid = self.pyramid
        stat = os.stat(pyramid.path)
        state = f"{pyramid.path}:{stat.st_mtime_ns}:{stat.st_size}"
        return {
            "name": self.name,
            "width": pyramid.width,
            "height": pyramid.height,
            "tile": TILE,
            "levels": pyramid.levels,
            "grid": self.grid.to_dict() if self.grid else None,
            "meters_per_pixel": _meters_per_pixel(self.grid),
            # Part of the tiles' addresses on the page, so that none outlives its raster in a cache.
            "version": hashlib.sha256(state.encode()).hexdigest()[:12],
        }

    async def preview(self, request: Request) -> Response:
        """Return a picture of all of it, no longer than 1024 pixels."""
        return await picture(context_of(request), lambda: encode_png(self.pyramid.preview()))

    async def tile(self, request: Request, z: int, x: int, y: int) -> Response:
        """Return a tile.

        Raises:
            Problem: 404 outside of it.
        """
        if not self.pyramid.holds(z, x, y):
            raise Problem(
                404,
                "no-tile",
                f"{self.kind} {self.name!r} has no tile {z}/{x}/{y}",
                "Tiles span 256 * 2^(levels - z) pixels; the list of what there is tells `levels`.",
            )
        return await picture(context_of(request), lambda: encode_png(self.pyramid.tile(z, x, y)))

    def close(self) -> None:
        """Close its file."""
        self.pyramid.close()


def _meters_per_pixel(grid: Grid | None) -> float | None:
    """Return the size of a pixel where the grid's system counts lengths, for a scale bar."""
    if grid is None or not grid.crs:
        return None
    system = CRS.from_user_input(grid.crs)
    if not system.is_projected:
        return None
    return float(grid.resolution[0] * system.linear_units_factor[1])
