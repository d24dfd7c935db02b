"""Footprints of buildings out of probabilities: the function behind the command and the service."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window

from nadir.config.footprints import FootprintConfig
from nadir.errors import InputError
from nadir.raster.features import mended
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid, is_local
from nadir.raster.metric import metres_per_unit
from nadir.segmentation.footprint_scan import (
    BLOCK,
    InMemory,
    Probabilities,
    Sizes,
    trace_buildings,
)
from nadir.segmentation.footprint_shapes import (
    Frame,
    largest_part,
    shapes_of,
    without_overlaps,
)

log = logging.getLogger(__name__)

IN_PIXELS = (
    "The image has no georeference: coordinates are its pixels, counted from the outer corner of "
    "the first one, x to the right and y down."
)
"""What is said of polygons of an image without georeference."""
COLUMNS = ("id", "area_m2", "confidence", "regularized")
"""Columns of a table of footprints; without a georeference `area_px` besides."""


def footprints_of(
    probability: NDArray[np.uint8],
    grid: Grid | None,
    level: int,
    options: FootprintConfig,
) -> gpd.GeoDataFrame:
    """Return the footprints of buildings of an image in memory.

    Args:
        probability: uint8 (height, width): v / 250 of class building, 255 = no data.
        grid: Georeference of the image, or None.
        level: Least value of a building's pixels, 1 to 250.
        options: What counts as a building, and tolerances.

    Returns:
        As `extract_footprints`.
    """
    return extract_footprints(InMemory(probability), grid, level, options, progress=False)


def extract_footprints(
    source: Probabilities,
    grid: Grid | None,
    level: int,
    options: FootprintConfig,
    *,
    block: int = BLOCK,
    progress: bool | None = None,
) -> gpd.GeoDataFrame:
    """Return the footprints of buildings of a scene, read block by block.

    The result does not depend on the blocks, and a building on a seam is one polygon. Memory is
    bounded by the block and by the number of buildings.

    Args:
        source: The probabilities.
        grid: Georeference of the scene; None, or one without a CRS, for a picture whose pixels
            are the coordinates (x to the right, y down).
        level: Least value of a building's pixels, 1 to 250.
        options: What counts as a building, and tolerances.
        block: Side of a block in pixels.
        progress: Whether to show a bar; None: on a terminal.

    Returns:
        One polygon a building, valid, in the CRS of the grid, in the order of their first pixels:
        `id` from 1, `area_m2` on the ground (NaN without a georeference, where `area_px` says it
        in pixels), `confidence` (mean probability, 0 to 1), `regularized` (whether its walls
        were laid at right angles).
    """
    if not 1 <= level <= 250:
        raise ValueError(f"level {level} is not within 1 to 250")
    placed = grid if grid is not None and grid.crs else None
    ground = pixel_ground(placed)
    pixel = float(abs(np.linalg.det(ground)))  # square metres
    size = pixel if placed is not None else options.nominal_pixel**2
    sizes = Sizes(level, options.min_area / size, options.min_hole / size, options.split)
    frame = Frame(ground / np.sqrt(pixel))
    shapes, regular, first, confidence = [], [], [], []
    for traced in trace_buildings(source, sizes, block=block, progress=progress):
        some, straight = shapes_of(traced, frame, source.shape, options)
        shapes.append(some)
        regular.append(straight)
        first.append(traced.first)
        confidence.append(traced.confidence)
    if not shapes:
        return _table(np.array([], object), np.array([], bool), np.zeros(0), placed, pixel)
    place = np.concatenate(first)
    order = np.lexsort((place[:, 1], place[:, 0]))
    inside, flags = _inside(np.concatenate(shapes)[order], source.shape), np.concatenate(regular)
    whole, cut = without_overlaps(inside)
    return _table(whole, flags[order] & ~cut, np.concatenate(confidence)[order], placed, pixel)


def pixel_ground(grid: Grid | None) -> NDArray[np.float64]:
    """Return the matrix (2, 2) from pixels to metres on the ground at the middle of a grid."""
    if grid is None:
        return np.eye(2)
    a, b, _, d, e, _ = grid.transform
    linear = np.array([[a, b], [d, e]])
    if is_local(grid.crs):
        return linear
    left, bottom, right, top = grid.bounds
    scale = metres_per_unit(grid.crs, (left + right) / 2, (bottom + top) / 2)
    return np.diag(scale) @ linear


def _inside(shapes: NDArray[np.object_], scene: tuple[int, int]) -> NDArray[np.object_]:
    """Cut off what fitted walls put beyond the border of the scene."""
    height, width = scene
    left, top, right, bottom = shapely.bounds(shapes).T
    beyond = (left < 0) | (top < 0) | (right > width) | (bottom > height)
    shapes = shapes.copy()
    for index in np.flatnonzero(beyond).tolist():
        part = largest_part(shapely.intersection(shapes[index], shapely.box(0, 0, width, height)))
        shapes[index] = shapes[index] if part is None else part
    return shapes


def _table(
    shapes: NDArray[np.object_],
    regular: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    grid: Grid | None,
    pixel: float,
) -> gpd.GeoDataFrame:
    """Return the table of footprints given in pixels."""
    pixels = shapely.area(shapes)
    columns: dict[str, NDArray] = {
        "id": np.arange(1, len(shapes) + 1),
        "area_m2": np.full(len(shapes), np.nan) if grid is None else pixels * pixel,
        "confidence": confidence,
        "regularized": regular,
    }
    if grid is None:
        columns["area_px"] = pixels
        return gpd.GeoDataFrame(columns, geometry=shapes)
    placed = placed_shapes(shapes, grid)
    crs = None if is_local(grid.crs) else grid.crs
    return gpd.GeoDataFrame(columns, geometry=placed, crs=crs)


def placed_shapes(shapes: NDArray[np.object_], grid: Grid) -> NDArray[np.object_]:
    """Return shapes given in pixels in the CRS of a grid, valid.

    Far from the CRS's origin coordinates are rounded, by which a corner can come to lie on a wall.
    """
    a, b, c, d, e, f = grid.transform
    matrix, origin = np.array([[a, d], [b, e]]), np.array([c, f])
    placed = np.asarray(shapely.transform(shapes, lambda points: points @ matrix + origin))
    for index in np.flatnonzero(~shapely.is_valid(placed)).tolist():
        placed[index] = mended(placed[index])
    return placed


@dataclass(frozen=True)
class RasterProbabilities:
    """Probabilities of an open raster of one uint8 band, 255 = no data.

    Attributes:
        dataset: The raster.
    """

    dataset: rasterio.DatasetReader

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.dataset.height, self.dataset.width

    def read(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return a window."""
        return self.dataset.read(1, window=Window(x, y, width, height))


def footprints_of_raster(
    path: str | os.PathLike[str], level: int, options: FootprintConfig, *, block: int = BLOCK
) -> gpd.GeoDataFrame:
    """Return the footprints of a raster of probabilities, as `extract_footprints`.

    Raises:
        InputError: When the file cannot be read or is no raster of one band of uint8.
    """
    with open_raster(str(path)) as dataset:
        if dataset.count != 1 or dataset.dtypes[0] != "uint8":
            raise InputError(
                path,
                "it is no map of probabilities (one band of uint8)",
                "Give probability.tif, as predict-map writes it.",
            )
        grid = Grid.of(dataset)
        source = RasterProbabilities(dataset)
        found = extract_footprints(source, grid, level, options, block=block)
    log.info("%s: %d footprints, %d regular", path, len(found), int(found["regularized"].sum()))
    return found
