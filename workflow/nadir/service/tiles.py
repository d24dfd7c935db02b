"""XYZ tiles of a job's image and result: in Web Mercator through rio-tiler, or in plain pixels."""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rio_tiler.colormap import cmap
from rio_tiler.errors import RioTilerError, TileOutsideBounds
from rio_tiler.io import ImageReader, Reader

from nadir.errors import InputError
from nadir.provenance.atomic import remove_path, write_faults
from nadir.raster.cog import gdal_write_faults, rgb
from nadir.raster.geotiff import GDAL_ERRORS, open_raster
from nadir.raster.grid import Grid
from nadir.segmentation.blend import LEVELS, NO_CONFIDENCE
from nadir.service.layers import Legend
from nadir.service.problems import Problem
from nadir.service.pyramid import TILE, Pyramid
from nadir.service.results import MAP, PROBABILITY, Result

Layer = Literal["image", "probability", "mask", "levels"]
Space = Literal["mercator", "pixels"]

DEEPEST = 30
"""Deepest level of tiles in Web Mercator that is answered."""

_UNAIDED = 4096  # side up to which tiles are read without overviews
_COARSEST = 1024  # side that the coarsest overview may have
_FADE = 50  # level from which the color ramp is opaque
_KEPT = 6  # images whose overviews stay in memory


@dataclass(frozen=True)
class Place:
    """Which tile.

    Attributes:
        z: Level.
        x: Column.
        y: Row.
        space: In which numbering.
    """

    z: int
    x: int
    y: int
    space: Space

    def outside(self) -> Problem:
        """Return the problem of a tile that shows nothing."""
        return Problem(
            404,
            "no-tile",
            f"there is no tile {self.z}/{self.x}/{self.y}",
            "The job tells under `tiles` which levels there are.",
        )


def levels_of(grid: Grid) -> int:
    """Return the deepest level of tiles in plain pixels, as `Pyramid` counts them."""
    return max(0, math.ceil(math.log2(max(grid.shape) / TILE)))


def describe_tiles(source: Path, grid: Grid) -> dict[str, Any]:
    """Return how the tiles of an image are numbered."""
    ends: tuple[int | None, int | None] = (None, None)
    if grid.crs:
        try:
            with warnings.catch_warnings(), Reader(str(source)) as reader:
                warnings.simplefilter("ignore")
                ends = int(reader.minzoom), int(reader.maxzoom)
        except (RioTilerError, *GDAL_ERRORS):
            ends = (None, None)  # a system of which Web Mercator knows nothing
    return {"levels": levels_of(grid), "tile": TILE, "minzoom": ends[0], "maxzoom": ends[1]}


def add_overviews(path: Path) -> None:
    """Add overviews to a large image, beside it, so that its coarse tiles read little.

    Raises:
        OutputError: When the disk is full.
    """
    with open_raster(str(path)) as dataset:
        side, ready = max(dataset.shape), bool(dataset.overviews(1))
        room = dataset.width * dataset.height * dataset.count // 4
    beside = path.with_name(f"{path.name}.ovr")
    if ready or beside.exists() or side <= _UNAIDED:
        return
    # GDAL writes overviews in place: under another name first, since a kill would leave a torso;
    # and through a VRT, since a file opened for it might be changed itself.
    virtual = path.with_name(f".{path.name}.vrt")
    made = path.with_name(f"{virtual.name}.ovr")
    remove_path(made)
    factors = [2**power for power in range(2, 2 + math.ceil(math.log2(side / _COARSEST)))]
    try:
        with write_faults(path), gdal_write_faults(beside, made, room):
            rasterio.shutil.copy(str(path), str(virtual), driver="VRT")
            with (
                rasterio.Env(COMPRESS_OVERVIEW="DEFLATE", BIGTIFF_OVERVIEW="IF_SAFER"),
                rasterio.open(virtual, "r+") as dataset,
            ):
                dataset.build_overviews(factors, Resampling.average)
            made.replace(beside)
    finally:
        remove_path(virtual)
        remove_path(made)


class TileMaker:
    """Makes tiles of jobs; keeps the overviews of the images looked at last; thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, Pyramid] = OrderedDict()
        self._lock = Lock()

    def image(self, source: Path, grid: Grid, place: Place) -> NDArray[np.uint8]:
        """Return a tile of the image, (256, 256, 4) uint8.

        Raises:
            Problem: 404 outside the image.
        """
        pyramid = self._pyramid(source)
        if place.space == "pixels":
            if not pyramid.holds(place.z, place.x, place.y):
                raise place.outside()
            return pyramid.tile(place.z, place.x, place.y)
        values, valid = _read(source, grid, place, pyramid.bands, "bilinear")
        return pyramid.paint(np.moveaxis(np.broadcast_to(values, (3, *valid.shape)), 0, 2), valid)

    def result(
        self, result: Result, place: Place, layer: Layer, threshold: float | None
    ) -> NDArray[np.uint8]:
        """Return a tile of a result, (256, 256, 4) uint8; transparent where it says nothing.

        The layer `levels` holds numbers instead of colors, for who colors them: the level in red
        (250 is certain), the class id in green for models of many classes.

        Raises:
            Problem: 404 outside the image.
        """
        grid = result.grid
        levels, valid = _read(result.folder / PROBABILITY, grid, place, [1], "nearest")
        levels = np.where(valid, levels[0], NO_CONFIDENCE).astype(np.uint8)
        if layer == "probability":
            return _ramp()[levels]
        classes = None
        if result.legend.target is None:
            ids, known = _read(result.folder / MAP, grid, place, [1], "nearest")
            classes = np.where(known, ids[0], 0).astype(np.uint8)
        if layer == "levels":
            return _numbers(levels, classes)
        return colors_of(result.legend)[result.legend.ids(levels, classes, result.level(threshold))]

    def forget(self, folder: Path) -> None:
        """Close what belongs to a folder."""
        with self._lock:
            for path in [path for path in self._kept if path.is_relative_to(folder)]:
                self._kept.pop(path).close()

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            for pyramid in self._kept.values():
                pyramid.close()
            self._kept.clear()

    def _pyramid(self, source: Path) -> Pyramid:
        """Return the pyramid of an image, opened if it is not."""
        with self._lock:
            if source in self._kept:
                self._kept.move_to_end(source)
                return self._kept[source]
        pyramid = Pyramid(source)
        with self._lock:
            kept = self._kept.setdefault(source, pyramid)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)  # closed when its last tile is made
        return kept


def _read(
    path: Path, grid: Grid, place: Place, bands: list[int], how: Literal["nearest", "bilinear"]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return values (band, 256, 256) and validity (256, 256) of a tile of a raster."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no overviews, no georeference: known
        try:
            if place.space == "pixels":
                levels = levels_of(grid)
                span = float(TILE << max(0, levels - place.z))
                left, top = place.x * span, place.y * span
                if place.z > levels or left >= grid.width or top >= grid.height:
                    raise place.outside()
                with _plain(path) as plain:
                    box = (left, top + span, left + span, top)
                    tile = plain.part(
                        box, width=TILE, height=TILE, indexes=bands, resampling_method=how
                    )
            else:
                with Reader(str(path)) as reader:
                    tile = reader.tile(
                        place.x,
                        place.y,
                        place.z,
                        indexes=bands,
                        resampling_method=how,
                        reproject_method=how,
                    )
        except TileOutsideBounds as error:
            raise place.outside() from error
        except (RioTilerError, *GDAL_ERRORS) as error:
            raise InputError(path, f"a tile cannot be read ({error})", "Send it anew.") from error
    return tile.array.data, tile.mask > 0


def _plain(path: Path) -> ImageReader:
    """Return a reader in pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return ImageReader(str(path))


def _numbers(levels: NDArray[np.uint8], classes: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Return levels and class ids (h, w) as a picture (h, w, 4) that no viewer alters: opaque."""
    numbers = np.zeros((*levels.shape, 4), np.uint8)
    known = levels != NO_CONFIDENCE
    numbers[..., 0] = np.where(known, levels, 0)
    if classes is not None:
        numbers[..., 1] = np.where(known, classes, 0)
    numbers[..., 3] = np.where(known, 255, 0)
    return numbers


@cache
def _ramp() -> NDArray[np.uint8]:
    """Return the colors of levels, (256, 4) uint8."""
    colors = np.array([cmap.get("magma")[index] for index in range(256)], np.uint8)
    ramp = colors[np.minimum(np.arange(256) * 255 // LEVELS, 255)]
    ramp[:, 3] = np.minimum(np.arange(256) * 255 // _FADE, 255)
    ramp[NO_CONFIDENCE] = 0
    return ramp


def colors_of(legend: Legend) -> NDArray[np.uint8]:
    """Return the colors of class ids, (256, 4) uint8: of the target only, where there is one."""
    colors = np.zeros((256, 4), np.uint8)
    for number, color in enumerate(legend.table.colors):
        if number and legend.target in (None, number):
            colors[number] = (*rgb(color), 255)
    return colors
