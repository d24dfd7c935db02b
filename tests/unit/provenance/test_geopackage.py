"""GeoPackages: equal content, equal bytes; nothing half-written."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
import shapely

from nadir.errors import OutputError
from nadir.provenance.geopackage import write_geopackage


@pytest.fixture
def table() -> gpd.GeoDataFrame:
    shapes = [shapely.box(0, 0, 2, 3), shapely.box(0, 0, 9, 9) - shapely.box(3, 3, 6, 6)]
    return gpd.GeoDataFrame({"id": [7, 8], "roof": ["tile", "grey"]}, geometry=shapes, crs=32631)


def test_round_trip_and_bytes(tmp_path: Path, table: gpd.GeoDataFrame) -> None:
    for name in ("a.gpkg", "b.gpkg"):
        write_geopackage(tmp_path / name, table, "footprints", "Two shapes.")
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()
    back = gpd.read_file(tmp_path / "a.gpkg", layer="footprints")
    assert back[["id", "roof"]].equals(table[["id", "roof"]].astype(back[["id", "roof"]].dtypes))
    assert back.geom_equals(table.geometry).all() and back.crs == table.crs
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_an_empty_table_has_its_layer(tmp_path: Path, table: gpd.GeoDataFrame) -> None:
    write_geopackage(tmp_path / "none.gpkg", table.iloc[:0], "footprints", "Nothing.")
    assert len(gpd.read_file(tmp_path / "none.gpkg", layer="footprints")) == 0


def test_a_read_only_folder_is_said(
    tmp_path: Path, table: gpd.GeoDataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pyogrio, "write_dataframe", full)
    with pytest.raises(OutputError, match="full"):
        write_geopackage(tmp_path / "x.gpkg", table, "footprints", "Two shapes.")
    assert not any(tmp_path.iterdir())
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_a_file_without_all_of_its_index_is_refused(
    tmp_path: Path, table: gpd.GeoDataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As GDAL leaves it, without a word, when the disk is full at the end."""
    write = pyogrio.write_dataframe

    def without(*given, layer_options, **named):
        write(*given, layer_options={**layer_options, "SPATIAL_INDEX": "NO"}, **named)

    monkeypatch.setattr(pyogrio, "write_dataframe", without)
    with pytest.raises(OutputError, match="no spatial index"):
        write_geopackage(tmp_path / "x.gpkg", table, "footprints", "Two shapes.")
    assert not any(tmp_path.iterdir())
