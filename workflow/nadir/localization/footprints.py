"""Footprints of located photos for maps: GeoPackage and GeoJSON."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from nadir.localization.answer import DIGITS
from nadir.localization.casefile import Case
from nadir.localization.georeference import to_map
from nadir.localization.photos import asked, poses_of, sizes_of
from nadir.localization.poses import aligned
from nadir.provenance.atomic import write_json
from nadir.provenance.geopackage import write_geopackage as write_polygons
from nadir.raster.features import LAYER, map_to_degrees

log = logging.getLogger(__name__)

_COLUMNS = (
    *("photo", "x", "y", "angle", "scale", "sd_x", "sd_y", "sd_angle"),
    *("probability", "resolved", "reference", "stage"),
)
_RING = [0, 1, 3, 2]  # corners in the order of `CORNERS`, around
_IN_PIXELS = (
    "The substrate has no georeference: coordinates are its pixels, counted from the outer corner "
    "of the first one, x to the right and y down."
)


def footprint_table(
    poses: pd.DataFrame,
    photos: pd.DataFrame,
    case: Case,
    source: str | os.PathLike[str] = "poses",
) -> gpd.GeoDataFrame:
    """Return the footprints of answers, in the CRS of the substrate, or in its pixels.

    Args:
        poses: Table of poses: every photo of the splits validation and test.
        photos: The photo table.
        case: The case.
        source: File of the poses, for messages.

    Returns:
        One polygon a photo, sorted by name, with `photo`, `split`, `date`, `x`, `y`, `angle`,
        `scale`, `sd_x`, `sd_y`, `sd_angle`, `probability`, `resolved`, `reference` and `stage`.

    Raises:
        InputError: When photos have no answer, or answers no photo.
    """
    wanted = asked(photos)
    rows = aligned(poses, photos, source)
    corners = [
        pose.corners(*size)[_RING]
        for pose, size in zip(poses_of(rows), sizes_of(wanted), strict=True)
    ]
    if case.grid is not None:
        corners = [to_map(case.grid, points) for points in corners]
    frame = rows[list(_COLUMNS)].copy()
    frame.insert(1, "split", wanted["split"].to_numpy())
    frame.insert(2, "date", wanted["date"].to_numpy())
    rings = np.array(corners).reshape(-1, 4, 2)
    shapes = shapely.polygons(rings) if len(rings) else []
    crs = case.grid.crs if case.grid else None
    table = gpd.GeoDataFrame(frame, geometry=shapes, crs=crs)
    return table.sort_values("photo", kind="stable", ignore_index=True)


def write_geopackage(path: str | os.PathLike[str], footprints: gpd.GeoDataFrame) -> None:
    """Write footprints as a GeoPackage with the layer `footprints`; equal ones, equal bytes.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    said = "Footprints of located photos."
    write_polygons(path, footprints, LAYER, said if footprints.crs else f"{said} {_IN_PIXELS}")


def write_geojson(path: str | os.PathLike[str], footprints: gpd.GeoDataFrame, case: Case) -> None:
    """Write footprints as GeoJSON: longitude and latitude as RFC 7946 has it, where there are such.

    Otherwise coordinates are map coordinates or pixels, and the foreign member
    `coordinate_system` says
    so in words.

    Args:
        path: The file.
        footprints: What `footprint_table` gave.
        case: The case.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    rings = shapely.get_coordinates(footprints.geometry).reshape(-1, 5, 2)
    said = _IN_PIXELS
    if case.grid is not None:
        degrees = map_to_degrees(case.grid.crs, rings)
        said = "" if degrees is not None else f"Coordinates are in the map's system {case.grid.crs}"
        rings = rings if degrees is None else np.round(degrees, DIGITS)
    features = [
        {
            "type": "Feature",
            "id": row["photo"],
            "properties": {key: value for key, value in row.items() if key != "geometry"},
            "geometry": {"type": "Polygon", "coordinates": [_counterclockwise(ring).tolist()]},
        }
        for row, ring in zip(footprints.to_dict("records"), rings, strict=True)
    ]
    document: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if said:
        document["coordinate_system"] = said
    write_json(Path(path), document)


def _counterclockwise(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a closed ring in the sense that RFC 7946 wants of an outer one."""
    x, y = ring[:-1].T
    area = float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    return ring if area > 0 else ring[::-1]
