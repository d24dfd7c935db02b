"""Polygons as GeoJSON, valid after rounding, equal bytes for equal content."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.errors import GEOSException

from nadir.provenance.atomic import write_text

DIGITS = 7
"""Decimals of longitude and latitude: about a centimetre, as RFC 7946 advises."""
LAYER = "footprints"
"""Layer of every GeoPackage of footprints."""

_PLAIN_DIGITS = 3  # decimals of coordinates that are no degrees


def map_to_degrees(crs: str, place: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return map coordinates (..., 2) as longitude and latitude, or None where there is no way."""
    try:
        way = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        degrees = np.stack(way.transform(place[..., 0], place[..., 1]), axis=-1)
    except (CRSError, ProjError):  # a local system, of a plan or a simulated scene
        return None
    return degrees if np.isfinite(degrees).all() else None


def feature_collection(
    frame: gpd.GeoDataFrame, unplaced: str = "", ids: str = "id"
) -> dict[str, Any]:
    """Return polygons as a GeoJSON FeatureCollection (RFC 7946), JSON-serializable.

    Coordinates are longitude and latitude of WGS 84 with seven decimals, outer rings run
    counterclockwise. Polygons that have no place on the Earth keep their coordinates, and the
    foreign member `coordinate_system` says what they are.

    Args:
        frame: Polygons, with a CRS or without.
        unplaced: What coordinates are where they are no degrees; by default the CRS is named.
        ids: Column whose values become the features' ids.
    """
    shapes = np.asarray(frame.geometry.array, object)
    degrees = None
    if frame.crs is not None and len(shapes):
        degrees = map_to_degrees(frame.crs.to_wkt(), shapely.get_coordinates(shapes))
    if degrees is not None:
        shapes = _rounded(shapes, degrees, DIGITS)
    elif len(shapes):
        shapes = _rounded(shapes, shapely.get_coordinates(shapes), _PLAIN_DIGITS)
    shapes = shapely.orient_polygons(shapes)  # by the sign of the area, as the RFC asks
    names = [name for name in frame.columns if name != frame.geometry.name]
    rows = zip(*(frame[name].tolist() for name in names), strict=True)
    document: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": _features(names, rows, shapes, ids),
    }
    if len(shapes) and degrees is None:
        named = f"Coordinates are in the map's system {frame.crs}." if frame.crs else ""
        document["coordinate_system"] = unplaced or named or "Coordinates have no known system."
    return document


def write_geojson(
    path: str | os.PathLike[str], frame: gpd.GeoDataFrame, unplaced: str = ""
) -> None:
    """Write polygons as GeoJSON: what `feature_collection` gives.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    document = feature_collection(frame, unplaced)
    write_text(path, json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n")


def _rounded(
    shapes: NDArray[np.object_], points: NDArray[np.float64], digits: int
) -> NDArray[np.object_]:
    """Return shapes with other coordinates, rounded; one that folds then is repaired."""
    moved = shapely.set_coordinates(shapes.copy(), np.round(points, digits))
    broken = ~shapely.is_valid(moved)
    for index in np.flatnonzero(broken).tolist():
        exact = shapely.set_coordinates(
            shapes[index : index + 1].copy(), points[_span(shapes, index)]
        )[0]
        try:
            moved[index] = _largest(shapely.set_precision(exact, 10.0**-digits), exact)
        except GEOSException:  # GEOS gives up on some holes that come to touch their shell
            moved[index] = mended(moved[index])
    return np.asarray(moved)


def mended(polygon: shapely.Polygon) -> shapely.Polygon:
    """Return a valid polygon: of one that crosses itself the largest part, with its holes."""
    whole = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    return _largest(whole, polygon)


def _largest(whole: shapely.Geometry, otherwise: shapely.Polygon) -> shapely.Polygon:
    """Return the largest polygon of a geometry."""
    parts = [part for part in shapely.get_parts(whole) if part.geom_type == "Polygon"]
    return max(parts, key=lambda part: part.area) if parts else otherwise


def _span(shapes: NDArray[np.object_], index: int) -> slice:
    """Return where the coordinates of one shape lie among those of all."""
    ends = np.cumsum(shapely.get_num_coordinates(shapes))
    return slice(int(ends[index - 1]) if index else 0, int(ends[index]))


def _features(
    names: list[str],
    rows: Iterable[tuple[Any, ...]],
    shapes: NDArray[np.object_],
    ids: str,
) -> list[dict[str, Any]]:
    """Return the features; NaN becomes null."""
    features = []
    for values, shape in zip(rows, shapes.tolist(), strict=True):
        properties = {
            name: None if isinstance(value, float) and value != value else value
            for name, value in zip(names, values, strict=True)
        }
        rings = [shape.exterior, *shape.interiors]
        features.append(
            {
                "type": "Feature",
                "id": properties.get(ids),
                "properties": properties,
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [shapely.get_coordinates(ring).tolist() for ring in rings],
                },
            }
        )
    return features
