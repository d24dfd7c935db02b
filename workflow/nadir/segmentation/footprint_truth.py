"""True footprints of a scene: polygons from files, or traced out of a mask."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from nadir.config.classes import ClassTable
from nadir.errors import InputError, did_you_mean
from nadir.raster.geotiff import first_line, require_file
from nadir.raster.grid import Grid, is_local
from nadir.raster.vectors import class_values
from nadir.segmentation.evaluate import HardLabels
from nadir.segmentation.footprint_extract import pixel_ground, placed_shapes
from nadir.segmentation.footprint_scan import CERTAIN, Sizes, trace_buildings
from nadir.segmentation.footprint_shapes import traced_shapes
from nadir.segmentation.threshold import NO_DATA, positive_id

log = logging.getLogger(__name__)

COLUMNS = ("id", "area_m2", "share")
"""Columns of a table of true footprints; `share` is the part of the building in the scene."""


def truth_of_vectors(
    paths: Sequence[str | os.PathLike[str]],
    grid: Grid,
    classes: ClassTable,
    field: str | None = None,
) -> gpd.GeoDataFrame:
    """Return true footprints from vector files, cut off at the border of a scene.

    Invalid outlines (bow ties) are repaired; each part of a multipolygon is a building.

    Args:
        paths: Vector files, each in any CRS.
        grid: Grid of the scene.
        classes: The class table.
        field: Attribute that holds the class; None: every polygon is a building.

    Returns:
        One polygon a building in the CRS of the grid, in the order of the files: `id` from 1,
        `area_m2`, `share` (of the building's area that lies in the scene, 0 to 1).

    Raises:
        InputError: When a file cannot be read, has no CRS or no such attribute, or the scene has
            no georeference.
    """
    if is_local(grid.crs):
        raise InputError(
            paths[0],
            "its polygons cannot be laid on a scene that has no georeference",
            "Give the scene a georeference, or give the buildings as a mask.",
        )
    place = grid.footprint(0, 0, grid.height, grid.width)
    shapes = np.concatenate([_read(path, grid, place, classes, field) for path in paths])
    whole = shapely.area(shapes)
    inside = shapely.intersection(shapes, place)
    parts, owners = shapely.get_parts(inside, return_index=True)
    kept = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (shapely.area(parts) > 0)
    parts, owners = parts[kept], owners[kept]
    return _table(parts, shapely.area(parts) / whole[owners], grid)


def _read(
    path: str | os.PathLike[str],
    grid: Grid,
    place: shapely.Polygon,
    classes: ClassTable,
    field: str | None,
) -> NDArray[np.object_]:
    """Return the valid polygons of a file that touch a scene, in its CRS."""
    require_file(str(path))
    try:
        frame = gpd.read_file(path)
    except (DataSourceError, DataLayerError) as error:
        raise InputError(
            path,
            f"this is not a vector file that GDAL can read ({first_line(error)})",
            "Give a GeoPackage, a GeoJSON file or a Shapefile with all its parts (.shx, .dbf).",
        ) from error
    if frame.crs is None:
        raise InputError(
            path,
            "it has no coordinate reference system",
            "Add it (for a Shapefile its .prj part), or save the layer with its CRS.",
        )
    if field is not None:
        if field not in frame:
            names = [str(name) for name in frame.columns if name != frame.geometry.name]
            raise InputError(
                path,
                f"it has no attribute {field!r}{did_you_mean(field, names)}",
                f"Name one of: {', '.join(names) or 'none there'}.",
            )
        building = classes.classes[positive_id(classes) - 1].value
        values = class_values(frame[field], classes, str(path), field)
        frame = frame[values == building]
    shapes = np.asarray(frame.geometry.to_crs(grid.crs).array, object)
    shapes = shapes[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))]
    parts = shapely.get_parts(shapely.make_valid(shapes))
    parts = shapely.get_parts(parts)  # what was repaired may be a collection
    polygons = parts[
        (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (shapely.area(parts) > 0)
    ]
    return np.asarray(polygons[shapely.intersects(polygons, place)], object)


@dataclass(frozen=True)
class _CertainLabels:
    """Labels as probabilities: 1 in buildings, 0 elsewhere."""

    labels: HardLabels
    positive: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.labels.grid.shape

    def read(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return a window."""
        ids = self.labels.hard(y, x, height, width)
        known = np.where(ids == self.positive, CERTAIN, 0).astype(np.uint8)
        known[ids == 0] = NO_DATA
        return known


def truth_of_labels(labels: HardLabels, classes: ClassTable) -> gpd.GeoDataFrame:
    """Return true footprints traced out of the hard labels of a scene.

    Pixels of buildings that hang together along edges are one footprint: a mask cannot tell roofs
    that touch apart. Outlines run between the pixels, as those of predictions do.

    Args:
        labels: The labels.
        classes: The class table.

    Returns:
        As `truth_of_vectors`; `share` is 1 throughout, as nothing is known beyond the border.
    """
    source = _CertainLabels(labels, positive_id(classes))
    sizes = Sizes(CERTAIN // 2, 1, 0, 0)
    shapes: list[NDArray[np.object_]] = []
    first: list[NDArray[np.int64]] = []
    for traced in trace_buildings(source, sizes):
        shapes.append(traced_shapes(traced))
        first.append(traced.first)
    if not shapes:
        return _table(np.array([], object), np.zeros(0), labels.grid)
    place = np.concatenate(first)
    order = np.lexsort((place[:, 1], place[:, 0]))
    pixels = shapely.simplify(np.concatenate(shapes)[order], 0)
    return _table(placed_shapes(pixels, labels.grid), np.ones(len(pixels)), labels.grid)


def _table(shapes: NDArray[np.object_], share: NDArray[np.float64], grid: Grid) -> gpd.GeoDataFrame:
    """Return the table of footprints given in the CRS of a grid."""
    a, b, _, d, e, _ = grid.transform
    metres = abs(np.linalg.det(pixel_ground(grid)) / (a * e - b * d))
    area = shapely.area(shapes) * metres if grid.crs else np.full(len(shapes), np.nan)
    columns = {"id": np.arange(1, len(shapes) + 1), "area_m2": area, "share": share}
    crs = None if is_local(grid.crs) else grid.crs
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=crs)
