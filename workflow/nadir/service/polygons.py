"""Footprints as files: GeoPackage, and GeoJSON on the ground or in pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray

from nadir.config.footprints import FootprintConfig
from nadir.provenance.atomic import write_text
from nadir.raster.features import LAYER, feature_collection
from nadir.raster.grid import Grid
from nadir.segmentation.footprint_extract import (
    IN_PIXELS,
    footprints_of,
    footprints_of_raster,
)

Table: TypeAlias = gpd.GeoDataFrame


def from_levels(levels: NDArray[np.uint8], grid: Grid, level: int) -> Table:
    """Return the footprints in an array of levels (h, w) at a least level."""
    return footprints_of(levels, grid if grid.crs else None, max(1, level), FootprintConfig())


def from_raster(raster: Path, level: int) -> Table:
    """Return the footprints in a raster of levels, in memory that does not grow with it."""
    return footprints_of_raster(raster, max(1, level), FootprintConfig())


def read_geopackage(path: Path) -> Table:
    """Return the footprints in a GeoPackage."""
    return gpd.read_file(path, layer=LAYER)


def as_geojson(table: Table, grid: Grid, space: str) -> str:
    """Return footprints as GeoJSON text.

    Args:
        table: Footprints in the system of the image.
        grid: The image's grid.
        space: `ground`: longitude and latitude as RFC 7946 asks; `pixels`: x to the right and y
            downwards from the upper-left corner; by default ground where there is one. The member
            `coordinates` says which it is.
    """
    placed = bool(grid.crs)
    if placed and space == "pixels":
        a, b, c, d, e, f = tuple(~grid.affine)[:6]
        matrix, origin = np.array([[a, d], [b, e]]), np.array([c, f])
        shapes = shapely.transform(
            np.asarray(table.geometry), lambda points: points @ matrix + origin
        )
        table = gpd.GeoDataFrame(table.drop(columns="geometry"), geometry=shapes)
    document: dict[str, Any] = feature_collection(table, IN_PIXELS)
    document["coordinates"] = "EPSG:4326" if placed and space != "pixels" else "pixels"
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def write_geojson(path: Path, table: Table, grid: Grid, space: str) -> None:
    """Write footprints as GeoJSON; see `as_geojson`.

    Raises:
        OutputError: When the disk is full.
    """
    write_text(path, as_geojson(table, grid, space))


def summary(table: Table) -> dict[str, Any]:
    """Return how many footprints there are, their area on the ground, and how sure they are."""
    area, sure = table["area_m2"].to_numpy(float), table["confidence"].to_numpy(float)
    known = bool(len(area)) and bool(np.isfinite(area).all())
    return {
        "count": len(table),
        "area_m2": round(float(area.sum()), 3) if known else None,
        "mean_confidence": round(float(sure.mean()), 6) if len(sure) else None,
    }


def summary_of_file(path: Path) -> dict[str, Any] | None:
    """Return the summary of a GeoPackage of footprints, None where there is none."""
    if not path.exists():
        return None
    return summary(pyogrio.read_dataframe(path, layer=LAYER, read_geometry=False))
