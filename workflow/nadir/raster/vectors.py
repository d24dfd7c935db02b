"""Hand-drawn labels: polygons with a class attribute, read and checked against the class table."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from nadir.config.classes import ClassTable
from nadir.config.scenes import MaskSource
from nadir.errors import InputError, did_you_mean
from nadir.provenance.objects import is_object
from nadir.provenance.raw import facts_of, with_sidecars
from nadir.provenance.transfer import local_copy
from nadir.raster.geotiff import first_line, require_file

log = logging.getLogger(__name__)

_NOWHERE = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class VectorFacts:
    """What is known of a vector file without its geometries.

    Attributes:
        crs: Its CRS, as text.
        features: Number of features.
        bounds: (left, bottom, right, top) in its CRS.
        counts: Raw class value -> features.
    """

    crs: str
    features: int
    bounds: tuple[float, float, float, float]
    counts: dict[int, int]


def inspect_vector(config: MaskSource, table: ClassTable) -> VectorFacts:
    """Check a vector file of labels by its header and its attributes alone.

    Args:
        config: The source, with `vector`, `field`, `polygons` and `background`. With a background
            the file may be empty: nothing stands there.
        table: What the attribute may hold.

    Raises:
        InputError: When the file is missing or no vector file, holds no polygons, has no CRS, or
            no such attribute, or the attribute holds classes outside the table.
    """
    path = str(config.vector)
    require_file(path)
    source = vector_file(config)
    try:
        info = pyogrio.read_info(source, force_total_bounds=True, force_feature_count=True)
    except (DataSourceError, DataLayerError) as error:
        raise InputError(
            path,
            f"this is not a vector file that GDAL can read ({first_line(error)})",
            "Give a GeoPackage, a GeoJSON file or a Shapefile with all its parts (.shx, .dbf).",
        ) from error
    if info["features"] == 0 and config.background is not None:
        return VectorFacts(str(info["crs"] or ""), 0, _NOWHERE, {})  # nothing stands there
    if info["geometry_type"] is None or info["features"] == 0:
        raise InputError(path, "it holds no polygons", "Give a layer with polygons of the classes.")
    if not _may_hold_polygons(info["geometry_type"]):
        raise InputError(
            path,
            f"it holds no polygons, but {info['geometry_type']} features",
            "Give a layer with polygons of the classes.",
        )
    if not info["crs"]:
        raise InputError(
            path,
            "it has no coordinate reference system",
            "Add it (for a Shapefile its .prj part), or save the layer with its CRS.",
        )
    bounds = _bounds_of(info["total_bounds"], path)
    features = int(info["features"])
    if config.field is None:
        only = {class_value(config.polygons, table, "polygons"): features}
        return VectorFacts(str(info["crs"]), features, bounds, only)
    fields = [str(name) for name in info["fields"]]
    if config.field not in fields:
        raise InputError(
            path,
            f"it has no attribute {config.field!r}{did_you_mean(config.field, fields)}",
            f"Set `field` to one of: {', '.join(fields) or 'none there'}.",
        )
    column = pyogrio.read_dataframe(source, columns=[config.field], read_geometry=False)
    values = class_values(column[config.field], table, path, config.field)
    found, counts = np.unique(values[values >= 0], return_counts=True)
    return VectorFacts(
        str(info["crs"]), features, bounds, dict(zip(found.tolist(), counts.tolist(), strict=True))
    )


def _bounds_of(found: Any, path: str) -> tuple[float, float, float, float]:
    """Return the bounds of a layer: left, bottom, right, top.

    Raises:
        InputError: When no feature has a place, or one lies beyond all ground.
    """
    if found is None:
        raise InputError(
            path, "its features have no place", "Give a layer with polygons of the classes."
        )
    left, bottom, right, top = map(float, found)
    # No system counts in less than millimetres: Earth's circumference has 4e10 of them.
    if not all(abs(value) < 1e11 for value in (left, bottom, right, top)):
        raise InputError(
            path,
            f"its corners lie beyond all ground ({left:.3g}, {bottom:.3g}, {right:.3g}, {top:.3g})",
            "Correct or leave out the features with such corners.",
        )
    return left, bottom, right, top


def class_value(name: str | None, table: ClassTable, key: str) -> int:
    """Return the raw value of a class by its name.

    Raises:
        InputError: When the table has no such class.
    """
    number = table.id_of(name or "")
    if number is None:
        raise InputError(
            f"mask.{key}",
            f"there is no class {name!r}{did_you_mean(str(name), table.names[1:])}",
            f"Use a name of the class table: {', '.join(table.names[1:])}.",
        )
    return table.classes[number - 1].value


def vector_file(config: MaskSource) -> Path:
    """Return the vector file on this machine; one of a store is copied, with its parts.

    Raises:
        InputError: When the store does not give it.
    """
    path = str(config.vector)
    if not is_object(path):
        return Path(path)
    parts = with_sidecars(config.paths())
    return local_copy(path, {part: facts_of(part) for part in parts})


def _may_hold_polygons(kind: str) -> bool:
    return any(word in kind for word in ("Polygon", "Surface", "Unknown", "Collection", "TIN"))


def class_values(column: Any, table: ClassTable, path: str, field: str) -> np.ndarray:
    """Return the raw class value of each feature, from values or names.

    Args:
        column: The attribute, a pandas Series: class names (case and outer blanks do not matter)
            or class values.
        table: The classes.
        path: File, for messages.
        field: Attribute, for messages.

    Returns:
        int64 (features,): raw class values; -1 where the attribute is empty.

    Raises:
        InputError: When it holds what is neither a name nor a value of the table.
    """
    by_text = {str(value): value for value in table.nodata}
    by_text |= {str(item.value): item.value for item in table.classes}
    by_text |= {item.name.strip().casefold(): item.value for item in table.classes}
    result = np.full(len(column), -1, np.int64)
    unknown: dict[str, int] = {}
    empty = column.isna().to_numpy()
    for index, value in enumerate(column.tolist()):
        if empty[index] or (isinstance(value, str) and not value.strip()):
            continue
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value).strip()
        if text.casefold() in by_text:
            result[index] = by_text[text.casefold()]
        else:
            unknown[text] = unknown.get(text, 0) + 1
    if unknown:
        names = [item.name for item in table.classes]
        shown = ", ".join(
            f"{text!r} ({count} feature{'s' if count > 1 else ''}{did_you_mean(text, names)})"
            for text, count in list(unknown.items())[:5]
        )
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        known = ", ".join(f"{item.value} {item.name}" for item in table.classes)
        raise InputError(
            path,
            f"attribute {field!r} holds classes outside the class table: {shown}{more}",
            f"Correct them, or add them to `classes` (known: {known}).",
        )
    return result


def read_polygons(config: MaskSource, table: ClassTable, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the polygons of a label file in another CRS.

    Features without geometry, area or class are left out, with one warning; invalid outlines
    (bow ties) are repaired.

    Args:
        config: The source, with `vector` and `field`.
        table: The classes.
        crs: Where the polygons are wanted.

    Returns:
        Geometries, object (n,), in the file's order, and their raw class values, uint8 (n,).

    Raises:
        InputError: As `inspect_vector`, and when nothing usable is left.
    """
    path = str(config.vector)
    frame = _read_frame(vector_file(config), [config.field] if config.field else [], path)
    if config.field:
        values = class_values(frame[config.field], table, path, config.field)
    else:
        values = np.full(len(frame), class_value(config.polygons, table, "polygons"))
    geometries = _valid_in(frame, crs, path)
    usable = (shapely.area(geometries) > 0) & (values >= 0)
    if not usable.any() and config.background is None:
        raise InputError(path, "it holds no polygon with a class", "Give polygons of the classes.")
    if not usable.all():
        log.warning(
            "%s: %d of %d features have no area or no class and are left out",
            path,
            int((~usable).sum()),
            len(usable),
        )
    return geometries[usable], values[usable].astype(np.uint8)


def read_extent(path: str, crs: str) -> np.ndarray:
    """Read polygons within which the ground was looked at, in another CRS.

    Returns:
        Geometries, object (n,).

    Raises:
        InputError: When there is no such file, or it holds no polygons.
    """
    require_file(path)
    geometries = _valid_in(_read_frame(path, [], path), crs, path)
    geometries = geometries[shapely.area(geometries) > 0]
    if not len(geometries):
        raise InputError(path, "it holds no polygons", "Give the polygons that were looked at.")
    return geometries


def _read_frame(place: str | Path, columns: list[str], path: str) -> gpd.GeoDataFrame:
    """Return the features of a file, with some attributes; `path` is what messages name."""
    try:
        return gpd.read_file(place, columns=columns)
    except (DataSourceError, DataLayerError, shapely.GEOSException, ValueError) as error:
        raise InputError(
            path,
            f"this is not a vector file that GDAL can read ({first_line(error)})",
            "Give a GeoPackage, a GeoJSON file or a Shapefile with all its parts (.shx, .dbf).",
        ) from error


def _valid_in(frame: gpd.GeoDataFrame, crs: str, path: str) -> np.ndarray:
    """Return geometries in another CRS, with invalid outlines (bow ties) repaired."""
    if not len(frame):
        return np.empty(0, object)
    try:
        geometries = frame.geometry.to_crs(crs).to_numpy()
    except Exception as error:  # pyproj has many; all mean that there is no way between the two
        raise InputError(
            path,
            f"its polygons cannot be brought into the image's CRS ({first_line(error)})",
            "Save them in the CRS of the image.",
        ) from error
    if not np.isfinite(shapely.get_coordinates(geometries)).all():
        raise InputError(
            path,
            "corners of its polygons have no place in the image's CRS",
            "Correct or leave out the features with such corners.",
        )
    return np.where(shapely.is_valid(geometries), geometries, shapely.make_valid(geometries))
