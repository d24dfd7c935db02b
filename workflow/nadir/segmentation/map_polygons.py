"""A map as polygons: one for each patch, with class, area and confidence."""

from __future__ import annotations

import logging
import os

import geopandas as gpd
import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray

from nadir.config.classes import ClassTable
from nadir.config.quality import PolygonConfig
from nadir.errors import InputError
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid, is_local
from nadir.segmentation.footprint_extract import pixel_ground, placed_shapes
from nadir.segmentation.regions import patches

log = logging.getLogger(__name__)

_POLYGON = shapely.GeometryType.POLYGON.value
_ATTEMPTS = 5  # each with half of the tolerance before


def polygons_of_map(
    map_path: str | os.PathLike[str],
    confidence_path: str | os.PathLike[str],
    classes: ClassTable,
    cfg: PolygonConfig,
) -> gpd.GeoDataFrame:
    """Return the patches of a map as polygons; memory grows with the map.

    Patches are pixels of one class that share sides. Without simplification their borders are
    those of the pixels; simplified ones still leave neither gaps nor overlaps, since neighbors
    keep a common border (Visvalingam and Whyatt 1993, as GEOS does it for coverages).

    Args:
        map_path: uint8 class ids, 0 = no data.
        confidence_path: uint8 percent, 255 = no data, on the same grid.
        classes: The class table.
        cfg: Simplification and least area.

    Returns:
        One polygon a patch in the order of their first pixels, in the map's CRS: `id` from 1,
        `class` (name), `class_id`, `area_m2` (of the pixels on the ground; NaN without a
        georeference), `pixels` and `confidence` (mean, 0 to 1).

    Raises:
        InputError: When a file cannot be read, or the two do not fit together.
    """
    with open_raster(str(map_path)) as dataset, open_raster(str(confidence_path)) as sure:
        grid = Grid.of(dataset)
        if not Grid.of(sure).same_as(grid):
            raise InputError(
                confidence_path, "it lies elsewhere than the map", "Give the map's own."
            )
        ids, percent = dataset.read(1), sure.read(1)
    if ids.max(initial=0) > classes.count:
        raise InputError(
            map_path,
            f"it holds class id {ids.max()}, but there are {classes.count} classes",
            "Give the class table that the map was made with.",
        )
    labels = np.empty(ids.shape, np.int32)
    count = patches(np.ascontiguousarray(ids), labels)
    flat = labels.ravel()
    pixels = np.bincount(flat, minlength=count + 1)[1:]
    known = np.where(percent.ravel() <= 100, percent.ravel(), 0)
    confidence = np.bincount(flat, known, count + 1)[1:] / np.maximum(100 * pixels, 1)
    kind = np.zeros(count + 1, np.uint8)
    kind[flat] = ids.ravel()
    placed = grid if grid.crs else None
    pixel = float(abs(np.linalg.det(pixel_ground(placed))))
    shapes = _shapes(labels, count, cfg.simplify)
    area = pixels * (pixel if placed is not None else np.nan)
    keep = np.ones(count, bool)
    if cfg.min_area:
        keep = (area if placed is not None else pixels) >= cfg.min_area
    table = {
        "id": np.arange(1, keep.sum() + 1),
        "class": np.array(classes.names, object)[kind[1:]][keep],
        "class_id": kind[1:][keep].astype(np.int32),
        "area_m2": area[keep],
        "pixels": pixels[keep],
        "confidence": confidence[keep],
    }
    crs = None if placed is None or is_local(grid.crs) else grid.crs
    geometry = placed_shapes(shapes[keep], grid) if placed is not None else shapes[keep]
    log.info("%s: %d polygons", map_path, keep.sum())
    return gpd.GeoDataFrame(table, geometry=geometry, crs=crs)


def _shapes(labels: NDArray[np.int32], count: int, tolerance: float) -> NDArray[np.object_]:
    """Return the polygon of each patch in pixels, perhaps simplified as one coverage."""
    shapes = np.empty(count, object)
    for shape, number in rasterio.features.shapes(labels, mask=labels > 0, connectivity=4):
        rings = shape["coordinates"]
        shapes[int(number) - 1] = shapely.Polygon(rings[0], rings[1:])
    return _simplified(shapes, tolerance) if tolerance and count else shapes


def _simplified(shapes: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    """Return polygons of pixels with simpler borders that still leave neither gaps nor overlaps.

    Traced borders have no vertex where they run straight past a corner of two neighbors: only with
    one at each pixel are they the same for both sides. Where what comes back is no coverage, all
    polygons are simplified less, since single ones put back would not fit their neighbors.
    """
    noded = shapely.segmentize(shapes, 1.0)
    for attempt in range(_ATTEMPTS):
        simple = shapely.coverage_simplify(noded, tolerance / 2**attempt)
        if _is_coverage(simple):
            return simple
        log.info("polygons simplified by %g pixels do not fit together", tolerance / 2**attempt)
    return noded


def _is_coverage(shapes: NDArray[np.object_]) -> bool:
    """Tell whether these are polygons that share their borders vertex by vertex."""
    polygons = (shapely.get_type_id(shapes) == _POLYGON) & ~shapely.is_empty(shapes)
    if not (polygons & shapely.is_valid(shapes)).all():
        return False
    return bool(shapely.coverage_is_valid(shapes))
