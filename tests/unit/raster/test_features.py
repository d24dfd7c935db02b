"""Polygons as files: what RFC 7946 asks for, and equal bytes."""

from __future__ import annotations

import json
import time

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Transformer
from shapely.errors import GEOSException

from nadir.provenance.geopackage import write_geopackage
from nadir.raster.features import LAYER, feature_collection, write_geojson

CORNER = (350_000, 3_057_000)


def table(crs: str | None = "EPSG:32645") -> gpd.GeoDataFrame:
    """A square with a hole, clockwise, and a triangle."""
    square = shapely.Polygon(
        [(0, 0), (0, 30), (30, 30), (30, 0)], [[(10, 10), (20, 10), (20, 20), (10, 20)]]
    )
    shapes = [square, shapely.Polygon([(50, 0), (60, 0), (55, 9)])]
    moved = shapely.transform(np.array(shapes), lambda points: np.add(points, CORNER))
    columns = {"id": [1, 2], "area_m2": [800.0, np.nan], "regularized": [True, False]}
    return gpd.GeoDataFrame(columns, geometry=moved, crs=crs)


def test_geojson_is_as_the_rfc_wants_it() -> None:
    document = feature_collection(table())
    assert "coordinate_system" not in document
    first, second = document["features"]
    assert first["id"] == 1 and second["properties"]["area_m2"] is None
    outer, hole = (np.array(ring) for ring in first["geometry"]["coordinates"])
    assert shapely.is_ccw(shapely.LinearRing(outer)) and not shapely.is_ccw(
        shapely.LinearRing(hole)
    )
    np.testing.assert_array_equal(outer[0], outer[-1])
    back = Transformer.from_crs("EPSG:4326", "EPSG:32645", always_xy=True)
    x, y = back.transform(*outer.T)
    assert {(round(a), round(b)) for a, b in zip(x, y, strict=True)} == {
        (350_000 + a, 3_057_000 + b) for a in (0, 30) for b in (0, 30)
    }
    text = json.dumps(document)
    decimals = [len(part.split(",")[0].split("]")[0]) for part in text.split("85.")[1:]]
    assert decimals and max(decimals) <= 7


def test_without_a_system_pixels_stay_and_that_is_said() -> None:
    document = feature_collection(table(None), "These are pixels.")
    assert document["coordinate_system"] == "These are pixels."
    assert document["features"][1]["geometry"]["coordinates"][0][0] == [350_050, 3_057_000]


def test_nothing_is_a_valid_collection() -> None:
    empty = gpd.GeoDataFrame({"id": []}, geometry=[], crs="EPSG:4326")
    assert feature_collection(empty) == {"type": "FeatureCollection", "features": []}


def test_rounding_never_folds_a_polygon() -> None:
    needle = shapely.Polygon([(0, 0), (1e-5, 4e-8), (1e-5, 0), (5e-6, 1.2e-7), (2e-6, 1e-8)])
    frame = gpd.GeoDataFrame({"id": [1]}, geometry=[shapely.make_valid(needle.buffer(1e-8))])
    frame = frame.set_crs("EPSG:4326")
    rings = feature_collection(frame)["features"][0]["geometry"]["coordinates"]
    assert shapely.Polygon(rings[0], rings[1:]).is_valid


def test_a_polygon_that_cannot_be_brought_to_a_grid_is_repaired(monkeypatch) -> None:
    def gives_up(*_: object, **__: object) -> None:
        raise GEOSException("TopologyException: unable to assign free hole to a shell")

    monkeypatch.setattr(shapely, "set_precision", gives_up)
    # A side of the hole lies within the last digit of the shell: rounded, it lies on it.
    shell = [(0, 0), (8, 0), (8, 8), (0, 8)]
    hole = [(3, 0.00002), (5, 0.00003), (4, 3)]
    shape = shapely.Polygon(shell, [hole])
    assert shape.is_valid
    table = gpd.GeoDataFrame({"id": [1]}, geometry=[shape])
    geometry = feature_collection(table)["features"][0]["geometry"]
    found = shapely.from_geojson(json.dumps(geometry))
    assert found.is_valid
    assert abs(found.area - shape.area) < 0.01


def test_equal_tables_give_equal_bytes(tmp_path) -> None:
    for number in (1, 2):
        write_geopackage(tmp_path / f"{number}.gpkg", table(), LAYER, "Footprints.")
        write_geojson(tmp_path / f"{number}.geojson", table())
        time.sleep(1.1 * (number == 1))
    for ending in ("gpkg", "geojson"):
        one, two = ((tmp_path / f"{number}.{ending}").read_bytes() for number in (1, 2))
        assert one == two
    found = gpd.read_file(tmp_path / "1.gpkg", layer="footprints")
    assert found.geometry.geom_equals(table().geometry).all() and found.crs == "EPSG:32645"
