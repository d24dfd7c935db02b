"""Inputs of the comparison, made by code: scenes like Sentinel-2's and fine masks, any size.

What is made lies in the case's folder and is made again only when it is not there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speed.contest import Case

if TYPE_CHECKING:
    from nadir.config.scenes import ImageSource
    from nadir.raster.cube import Cube
    from nadir.raster.labels import Labels

CLASSES = 12
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
FINER = 10
_STRIP = 512
_CRS = "EPSG:32631"
_CORNER = (400_000.0, 4_600_000.0)


def field(side: int, cell: int, seed: int) -> Callable[[int, int], np.ndarray]:
    """Return (row, rows) -> float32 rows of a smooth random field, standard normal at its nodes."""
    import cv2

    nodes = side // cell + 3
    grid = np.random.default_rng([seed, side, cell]).standard_normal((nodes, nodes))
    grid = grid.astype(np.float32)
    columns = (np.arange(side, dtype=np.float32) + 0.5) / cell

    def rows(first: int, count: int) -> np.ndarray:
        along = (np.arange(first, first + count, dtype=np.float32) + 0.5) / cell
        xs, ys = np.meshgrid(columns, along)
        return cv2.remap(grid, xs, ys, cv2.INTER_LINEAR)

    return rows


def write_mask(path: Path, side: int, seed: int = 0) -> None:
    """Write a mask of classes 1..12 at 1 m, as deflated tiles.

    A fifth of the squares of 10 m hold more than one class; of nadir's simulated world it is a
    sixth.
    """
    coarse, fine = field(side, 800, seed), field(side, 40, seed + 1)

    def strip(first: int, count: int) -> np.ndarray:
        values = coarse(first, count) + 0.12 * fine(first, count)
        return np.clip(values * (CLASSES / 2.6) + CLASSES / 2 + 1, 1, CLASSES).astype(np.uint8)[
            None
        ]

    _write(path, side, 1.0, 1, "uint8", strip)


def write_image(path: Path, side: int, bands: int, seed: int) -> None:
    """Write an image of uint16 bands at 10 m: smooth ground with a sensor's noise, as deflated
    tiles with horizontal differences.
    """
    layers = [field(side, 40, seed * 100 + band) for band in range(bands)]

    def strip(first: int, count: int) -> np.ndarray:
        random = np.random.default_rng([seed, first])
        noise = random.normal(0, 25, (bands, count, side)).astype(np.float32)
        ground = np.stack([layer(first, count) for layer in layers])
        return np.clip(2500 + 600 * ground + noise, 1, 9999).astype(np.uint16)

    _write(path, side, 10.0, bands, "uint16", strip, predictor=2, interleave="pixel")


def _write(
    path: Path,
    side: int,
    resolution: float,
    count: int,
    dtype: str,
    strip: Callable[[int, int], np.ndarray],
    **options: Any,
) -> None:
    """Write a GeoTIFF strip by strip, unless it is there."""
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.tif")
    with rasterio.open(
        partial,
        "w",
        driver="GTiff",
        width=side,
        height=side,
        count=count,
        dtype=dtype,
        crs=_CRS,
        transform=from_origin(*_CORNER, resolution, resolution),
        tiled=True,
        blockxsize=512,
        blockysize=512,
        compress="deflate",
        zlevel=6,
        num_threads="all_cpus",
        BIGTIFF="IF_SAFER",
        **options,
    ) as file:
        for first in range(0, side, _STRIP):
            rows = min(_STRIP, side - first)
            file.write(strip(first, rows), window=Window(0, first, side, rows))
    partial.replace(path)


def image_source(path: Path, bands: int) -> ImageSource:
    """Return how the configuration names an image."""
    from nadir.config.scenes import ImageSource

    return ImageSource(file=str(path), file_bands=BANDS[:bands], scale=1e-4, offset=0)


def build_cube(paths: list[Path], bands: int, manifest: Path, threads: int) -> Cube:
    """Build the cube of some dates as `nadir build-cube` does, unless it is there, and open it."""
    from nadir.config.scenes import CubeConfig
    from nadir.raster import cube
    from nadir.raster.sources import open_source

    if not manifest.is_file():
        names = BANDS[:bands]
        images = [(p.stem, open_source(image_source(p, bands), names)) for p in paths]
        cube.build_cube(images, None, manifest, CubeConfig(), {}, workers=threads)
    return cube.open_cube(manifest)


def align(mask: Path, image: Path, manifest: Path, threads: int) -> Labels:
    """Align a mask as `nadir align-labels` does, unless that is done, and open the labels."""
    import rasterio

    from nadir.config.classes import CATALONIA
    from nadir.config.scenes import LabelConfig
    from nadir.raster.grid import Grid
    from nadir.raster.labels import align_labels, open_labels

    if not manifest.is_file():
        with rasterio.open(image) as file:
            grid = Grid.of(file)
        align_labels(mask, grid, CATALONIA, LabelConfig(), manifest, {}, workers=threads)
    return open_labels(manifest)


def empty_image(path: Path, side: int) -> None:
    """Write a band of zeros, for its grid alone."""
    zeros = np.zeros((1, _STRIP, side), np.uint8)
    _write(path, side, 10.0, 1, "uint8", lambda _, count: zeros[:, :count])


def small_cache() -> None:
    """Let GDAL keep 8 MB of decoded blocks instead of nadir's 64: small scenes fill it, too."""
    os.environ["GDAL_CACHEMAX"] = "8"


def folder_of(case: Case) -> Path:
    """Return where a case's inputs lie."""
    return case.folder / "inputs"
