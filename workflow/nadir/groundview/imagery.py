"""Where the imagery of a dataset lies, and how far places are from each other."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pyproj
from numpy.typing import ArrayLike, NDArray

from nadir.config.groundview import PhotosDataset
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.raster.cube import open_cube
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid, is_local
from nadir.raster.metric import GEOD, transformer

WGS84 = "OGC:CRS84"
"""Longitude and latitude, in this order."""


@dataclass(frozen=True)
class Extent:
    """Ground that imagery covers.

    Attributes:
        crs: Its CRS.
        bounds: Left, bottom, right, top in it.
    """

    crs: str
    bounds: tuple[float, float, float, float]

    def project(
        self, longitude: ArrayLike, latitude: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y of positions in degrees; NaN where either is."""
        x, y = transformer(WGS84, self.crs).transform(
            np.asarray(longitude, float), np.asarray(latitude, float)
        )
        bad = ~(np.isfinite(x) & np.isfinite(y))
        return np.where(bad, np.nan, x), np.where(bad, np.nan, y)

    def holds(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.bool_]:
        """Tell which positions lie inside; False for NaN."""
        left, bottom, right, top = self.bounds
        x, y = np.asarray(x), np.asarray(y)
        return (x >= left) & (x <= right) & (y >= bottom) & (y <= top)


def extent_of(
    dataset: PhotosDataset,
    *,
    world: WorldConfig | None = None,
    cube: str | os.PathLike[str] | None = None,
) -> Extent | None:
    """Return where the imagery of a dataset lies; None where that is not known.

    Args:
        dataset: The dataset.
        world: Its world, if it is simulated.
        cube: For crops from a cube: its manifest.

    Raises:
        InputError: When the world or cube is not given, or the imagery has no CRS.
    """
    source = dataset.crop.source
    if source == "substrate":
        assert dataset.crop.substrate is not None
        with open_raster(dataset.crop.substrate) as raster:
            grid = Grid.of(raster)
        return _extent(grid, dataset.crop.substrate)
    if source == "cube":
        if cube is None:
            raise InputError("crop.scene", "its cube is not given", "Give --cube.")
        return _extent(open_cube(cube).grid, cube)
    if dataset.world:
        if world is None:
            raise InputError("world", "the settings of the world are not given", "Give them.")
        left, top = world.origin
        right, bottom = left + 10 * world.width, top - 10 * world.height
        return Extent(world.crs, (left, bottom, right, top))
    return None


def _extent(grid: Grid, path: str | os.PathLike[str]) -> Extent:
    if is_local(grid.crs):
        problem = "it has no CRS, so that photos cannot be placed on it"
        raise InputError(path, problem, "Give a georeferenced raster.")
    return Extent(grid.crs, grid.bounds)


def local_metres(longitude: ArrayLike, latitude: ArrayLike) -> NDArray[np.float64]:
    """Return positions in metres east and north of their middle, (n, 2): true near it.

    Azimuthal equidistant projection about the median position; NaN where a position is.
    """
    longitude, latitude = np.asarray(longitude, float), np.asarray(latitude, float)
    known = np.isfinite(longitude) & np.isfinite(latitude)
    metres = np.full((len(longitude), 2), np.nan)
    if known.any():
        east, north = float(np.median(longitude[known])), float(np.median(latitude[known]))
        plane = pyproj.CRS.from_user_input(
            f"+proj=aeqd +lon_0={east:.9f} +lat_0={north:.9f} +datum=WGS84 +units=m"
        )
        project = pyproj.Transformer.from_crs(WGS84, plane, always_xy=True)
        metres[known] = np.column_stack(project.transform(longitude[known], latitude[known]))
    return metres


def distance_m(
    longitude: ArrayLike, latitude: ArrayLike, east: float, north: float
) -> NDArray[np.float64]:
    """Return the distances of positions from one position on the ellipsoid, in metres."""
    longitude, latitude = np.asarray(longitude, float), np.asarray(latitude, float)
    same = np.full_like(longitude, east), np.full_like(latitude, north)
    return np.asarray(GEOD.inv(longitude, latitude, *same)[2], float)
