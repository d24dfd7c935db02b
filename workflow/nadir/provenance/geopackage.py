"""GeoPackages whose bytes follow from their content alone, never half-written."""

from __future__ import annotations

import os
import sqlite3
import threading
import warnings
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from nadir.provenance.atomic import atomic_path, library_faults

_TIME = "2000-01-01T00:00:00.000Z"  # GDAL would state the present, and bytes would differ
_OPTION = "OGR_CURRENT_DATE"
_LEAST = 1 << 20  # bytes
_CORNER = 16  # bytes
_ERRORS = (DataSourceError, DataLayerError)  # the others are kinds of these
_LOCK = threading.Lock()  # the option is the whole process's


def write_geopackage(
    path: str | os.PathLike[str], table: gpd.GeoDataFrame, layer: str, description: str
) -> None:
    """Write polygons as a GeoPackage with one layer; equal ones give equal bytes.

    Args:
        path: The file.
        table: Polygons with attributes; without a CRS, coordinates have no system.
        layer: Name of the layer.
        description: What it holds, in words.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    # SQLite takes back what it could not finish: room that is free again tells nothing.
    room = _LEAST + 2 * int(shapely.get_num_coordinates(table.geometry.array).sum()) * _CORNER
    with _LOCK:
        before = pyogrio.get_gdal_config_option(_OPTION)
        pyogrio.set_gdal_config_options({_OPTION: _TIME})
        try:
            with (
                atomic_path(path, ".gpkg") as temporary,
                library_faults(path, temporary, _ERRORS, room),
                warnings.catch_warnings(),
            ):
                warnings.filterwarnings("ignore", "'crs' was not provided")
                pyogrio.write_dataframe(
                    table,
                    temporary,
                    layer=layer,
                    driver="GPKG",
                    geometry_type="Polygon",
                    layer_options={"DESCRIPTION": description, "IDENTIFIER": layer},
                )
                _check_index(
                    temporary, layer, int((~table.geometry.isna() & ~table.geometry.is_empty).sum())
                )
        finally:
            pyogrio.set_gdal_config_options({_OPTION: before})


def _check_index(path: Path, layer: str, count: int) -> None:
    """See that all geometries are in the spatial index, which GDAL makes last of all.

    GDAL says nothing when the disk is full by then, and leaves a file without one.

    Raises:
        DataLayerError: When they are not.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        name = f"rtree_{layer}_geom".replace('"', '""')
        try:
            (found,) = file.execute(f'SELECT count(*) FROM "{name}"').fetchone()
        except sqlite3.Error as error:
            raise DataLayerError(f"it has no spatial index: {error}") from error
    if found != count:
        raise DataLayerError(f"its spatial index has {found} of {count} geometries")
