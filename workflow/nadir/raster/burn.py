"""Making a fine mask file where labels come as polygons or as an array."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from rasterio.features import rasterize
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from nadir.config.classes import UNKNOWN, ClassTable
from nadir.config.scenes import MaskSource
from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path
from nadir.provenance.objects import is_object
from nadir.raster.cog import class_tags, gdal_write_faults, rgb
from nadir.raster.geotiff import check_complete, open_raster, read_faults
from nadir.raster.grid import Grid, same_crs
from nadir.raster.label_files import LabelArray, TiledMask
from nadir.raster.masks import MaskReader, RasterMask, RawMask
from nadir.raster.vectors import (
    VectorFacts,
    class_value,
    inspect_vector,
    read_extent,
    read_polygons,
)

log = logging.getLogger(__name__)

TILE = 512
"""Side of a tile of the mask file."""
STEP = 4 * TILE
"""Side of the blocks that are burnt at a time: bounds the memory (4 MB of pixels)."""


def prepare_mask(
    config: MaskSource, image: Grid, table: ClassTable, path: str | os.PathLike[str]
) -> Path:
    """Return a raster of fine labels for a mask of any kind, made at `path` where needed.

    Args:
        config: Where the labels come from.
        image: Grid of the image that they belong to.
        table: The classes.
        path: GeoTIFF to make from polygons, from an array, or from a raster of a store.

    Returns:
        `path`, or the mask's own file when it is a raster of this machine (nothing is made then).

    Raises:
        InputError: As `burn_vector` and `export_mask`.
        OutputError: When the disk is full or not writable.
    """
    if config.file and is_object(config.file):
        return copy_mask(config.file, path)
    if config.vector:
        return burn_vector(config, image, table, path)
    if config.tiles:
        return export_mask(TiledMask(config.tiles), table, path)
    if config.array:
        return export_mask(LabelArray(config.array, image), table, path)
    assert config.file is not None  # the model holds exactly one of the four
    if config.grid is None:
        return Path(config.file)
    return export_mask(RasterMask(config.file, config.grid), table, path)


def copy_mask(address: str, path: str | os.PathLike[str]) -> Path:
    """Copy a mask of a store: it is read more than once, and in another order than it lies there.

    Args:
        address: The raster; what stands beside it counts (georeference, no-data value).
        path: GeoTIFF to make, of the same type and values, tiled, DEFLATE.

    Returns:
        `path`.

    Raises:
        InputError: When the store does not give it whole.
        OutputError: When the disk is full or not writable.
    """
    form = {"tiled": True, "blockxsize": TILE, "blockysize": TILE, "compress": "deflate"}
    with (
        open_raster(address) as dataset,
        read_faults(address),
        atomic_path(path, ".tif") as temporary,
        gdal_write_faults(path, temporary, 1 << 20),
    ):
        profile = {**dataset.profile, "driver": "GTiff", "bigtiff": "if_safer", **form}
        with rasterio.open(temporary, "w", **profile) as made:
            for _, window in made.block_windows(1):
                made.write(dataset.read(window=window), window=window)
        check_complete(str(temporary))  # closing a dataset hides failed writes
    return Path(path)


def burn_vector(
    config: MaskSource, image: Grid, table: ClassTable, path: str | os.PathLike[str]
) -> Path:
    """Burn polygons into a fine mask of raw class values.

    A pixel belongs to the polygon that holds its center; where polygons overlap, the one that
    stands later in the file wins. The mask covers the labelled part of the image, or all of it
    where the ground outside the polygons has a class, too; tile by tile in bounded memory; tiles
    without labels take no room.

    Args:
        config: The source, with `vector`, `field` or `polygons`, `background`, `extent` and
            `resolution` (m; None for the image's own pixels).
        image: Grid of the image.
        table: The classes; ground without a label gets its first no-data value, or a free one.
        path: GeoTIFF to make: uint8, tiled, DEFLATE, with palette and class names.

    Returns:
        `path`.

    Raises:
        InputError: As `nadir.raster.vectors.inspect_vector`; when no polygon lies on the image.
        OutputError: When the disk is full or not writable.
    """
    facts = inspect_vector(config, table)
    crs = image.crs if config.resolution is None else label_crs(image, facts)
    shapes, values = read_polygons(config, table, crs)
    grid = _burn_grid(config, image, crs, shapes)
    if grid is None:
        raise InputError(
            str(config.vector),
            f"none of its {len(shapes)} polygons lies on the image",
            "Give the labels of this scene; check the CRS of both files.",
        )
    log.info("burning %d polygons into %d x %d pixels", len(shapes), grid.height, grid.width)
    layers = [_Burning(shapes, values.astype(int))]
    if config.background is not None:
        ground = read_extent(config.extent, crs) if config.extent else _whole(grid)
        value = class_value(config.background, table, "background")
        layers.insert(0, _Burning(ground, np.full(len(ground), value)))
    looked = _Burning(read_extent(config.extent, crs), None) if config.extent else None
    fill = table.unlabelled
    with _create(path, grid, table, fill) as dataset:
        for y, x, height, width in _blocks(grid):
            block = grid.window(y, x, height, width)
            burnt = np.full((height, width), fill, np.uint8)
            touched = [layer.onto(burnt, block) for layer in layers]
            if not any(touched):
                continue
            if looked is not None:
                burnt[~looked.inside(block)] = fill
            dataset.write(burnt, 1, window=Window(x, y, width, height))
    return Path(path)


class _Burning:
    """Polygons to burn block by block.

    Args:
        shapes: Polygons.
        values: What to burn for each; None where only the inside is asked for.
    """

    def __init__(self, shapes: np.ndarray, values: np.ndarray | None) -> None:
        self.shapes, self.values = shapes, values
        self.tree = shapely.STRtree(shapes)

    def onto(self, burnt: np.ndarray, block: Grid) -> bool:
        """Burn what lies on a block into it; return whether anything does."""
        assert self.values is not None
        found = self._near(block)
        if found.size:
            pairs = [(self.shapes[index], int(self.values[index])) for index in found]
            rasterize(pairs, out=burnt, transform=block.affine)
        return bool(found.size)

    def inside(self, block: Grid) -> np.ndarray:
        """Return which pixels of a block have their center inside: bool (height, width)."""
        found = [self.shapes[index] for index in self._near(block)]
        if not found:
            return np.zeros(block.shape, bool)
        return rasterize(found, out_shape=block.shape, transform=block.affine) > 0

    def _near(self, block: Grid) -> np.ndarray:
        """Return the polygons near a block, in the order of their file."""
        return np.sort(self.tree.query(block.footprint(0, 0, *block.shape)))


def _whole(grid: Grid) -> np.ndarray:
    """Return the footprint of a grid, a pixel larger so that no border is left out."""
    rows, columns = grid.shape
    return np.array([grid.footprint(-1, -1, rows + 2, columns + 2)])


def _burn_grid(config: MaskSource, image: Grid, crs: str, shapes: np.ndarray) -> Grid | None:
    """Return the grid to burn on: all of the image where the ground outside counts."""
    if config.resolution is None and config.background is not None:
        return image
    resolution = config.resolution or max(image.resolution)
    if config.background is None:
        return label_grid(image, crs, resolution, tuple(shapely.total_bounds(shapes)))
    return label_grid(image, crs, resolution, image.bounds_in(crs))


def export_mask(mask: RawMask, table: ClassTable, path: str | os.PathLike[str]) -> Path:
    """Write labels of any kind as a mask of raw class values.

    Args:
        mask: The labels.
        table: The classes.
        path: GeoTIFF to make, as from `burn_vector`.

    Returns:
        `path`.

    Raises:
        InputError: When the labels cannot be read, or are outside the class table.
        OutputError: When the disk is full or not writable.
    """
    reader = MaskReader(mask, table)
    fill = table.unlabelled
    with _create(path, mask.grid, table, fill) as dataset:
        for window in _blocks(mask.grid):
            y, x, height, width = window
            ids = reader.translate(raw := mask.read(*window))
            if (ids == UNKNOWN).any():
                raise reader.unknown_error(*window)
            labels = np.where(ids == 0, fill, raw).astype(np.uint8)
            dataset.write(labels, 1, window=Window(x, y, width, height))
    return Path(path)


def label_crs(image: Grid, facts: VectorFacts) -> str:
    """Return the CRS to burn in: the image's or the labels' if in metres, else a UTM zone."""
    if is_metric(image.crs):
        return image.crs
    if is_metric(facts.crs):
        return facts.crs
    left, bottom, right, top = facts.bounds
    middle = shapely.Point((left + right) / 2, (bottom + top) / 2)
    from geopandas import GeoSeries  # geopandas knows how to choose a zone

    return GeoSeries([middle], crs=facts.crs).estimate_utm_crs().to_string()


def is_metric(crs: str) -> bool:
    """Whether a CRS is plane, in metres (a projection, or a local system)."""
    parsed = CRS.from_user_input(crs)
    if parsed.is_geographic or parsed.is_geocentric:
        return False
    return all(axis.unit_name in ("metre", "meter") for axis in parsed.axis_info[:2])


def label_grid(image: Grid, crs: str, resolution: float, bounds: tuple[float, ...]) -> Grid | None:
    """Return the grid of a mask over the labelled part of an image.

    Args:
        image: Grid of the image.
        crs: Plane CRS of the mask, in metres.
        resolution: Wanted pixel, m.
        bounds: (left, bottom, right, top) of the labels in `crs`.

    Returns:
        In the image's CRS: whole image pixels, each cut into factor x factor, the whole factor
        that comes nearest to `resolution`. In another CRS: pixels of `resolution`, corners at
        multiples of it. None when labels and image share no ground.
    """
    left, bottom, right, top = bounds
    if same_crs(crs, image.crs):
        corners = [~image.affine @ (x, y) for x in (left, right) for y in (bottom, top)]
        columns, rows = zip(*corners, strict=True)
        x0, x1 = max(0, math.floor(min(columns))), min(image.width, math.ceil(max(columns)))
        y0, y1 = max(0, math.floor(min(rows))), min(image.height, math.ceil(max(rows)))
        if x0 >= x1 or y0 >= y1:
            return None
        factor = max(1, round(max(image.resolution) / resolution))
        part = image.window(y0, x0, y1 - y0, x1 - x0)
        fine = part.affine @ Affine.scale(1 / factor)
        return Grid(image.crs, tuple(fine)[:6], part.height * factor, part.width * factor)
    image_left, image_bottom, image_right, image_top = image.bounds_in(crs)
    x0 = math.floor(max(left, image_left) / resolution)
    x1 = math.ceil(min(right, image_right) / resolution)
    y0 = math.ceil(min(top, image_top) / resolution)
    y1 = math.floor(max(bottom, image_bottom) / resolution)
    if x0 >= x1 or y0 <= y1:
        return None
    transform = (resolution, 0.0, x0 * resolution, 0.0, -resolution, y0 * resolution)
    return Grid(crs, transform, y0 - y1, x1 - x0)


def _blocks(grid: Grid) -> Iterator[tuple[int, int, int, int]]:
    """Yield the blocks (y, x, height, width) of a grid, row by row."""
    for y in range(0, grid.height, STEP):
        for x in range(0, grid.width, STEP):
            yield y, x, min(STEP, grid.height - y), min(STEP, grid.width - x)


@contextmanager
def _create(
    path: str | os.PathLike[str], grid: Grid, table: ClassTable, fill: int
) -> Iterator[DatasetWriter]:
    """Yield a mask file to write, which takes its name when the block ends without an error."""
    profile = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": 1,
        "dtype": "uint8",
        "crs": grid.crs,
        "transform": grid.affine,
        "nodata": fill,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": "deflate",
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    with atomic_path(path, ".tif") as temporary, gdal_write_faults(path, temporary, 1 << 20):
        with rasterio.open(temporary, "w", **profile) as dataset:
            dataset.set_band_description(1, "class")
            colors = zip(table.classes, table.colors[1:], strict=True)
            dataset.write_colormap(1, {item.value: rgb(color) for item, color in colors})
            dataset.update_tags(1, **class_tags({item.value: item.name for item in table.classes}))
            yield dataset
        check_complete(str(temporary))  # closing a dataset hides failed writes
