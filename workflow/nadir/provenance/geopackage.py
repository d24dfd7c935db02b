"""GeoPackages whose bytes follow from their content alone, never half-written."""

from __future__ import annotations

import os
import threading
import warnings

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
        finally:
            pyogrio.set_gdal_config_options({_OPTION: before})
