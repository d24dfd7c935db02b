"""Footprints on the map, and the ground that pixels are on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from localization_cases import PHOTO, SIDE, random_poses
from pyproj import Transformer

from nadir.localization.answer import answer_document
from nadir.localization.casefile import Case
from nadir.localization.footprints import footprint_table, write_geojson, write_geopackage
from nadir.localization.georeference import bearing, ground_distance, to_degrees, to_map
from nadir.localization.photos import SCHEMA
from nadir.localization.pose import CORNERS, Pose
from nadir.localization.poses import pose_table
from nadir.raster.grid import Grid

GRID = Grid("EPSG:32631", (0.5, 0.0, 450_000.0, 0.0, -0.5, 4_600_000.0), SIDE[1], SIDE[0])
LOCAL = Grid('LOCAL_CS["plan",UNIT["metre",1]]', GRID.transform, *GRID.shape)


def case_of(grid: Grid | None) -> Case:
    ground = {"path": "", "width": SIDE[0], "height": SIDE[1]}
    described = grid.to_dict() if grid else None
    return Case.from_dict({"substrate": {**ground, "grid": described}, "conventions": {}})


POSES = random_poses("t", 4, 1)


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    nan = float("nan")
    rows = [(name, "", "test", "2021", *PHOTO, nan, nan, nan, nan, "") for name in reversed(POSES)]
    answers = [
        {"photo": name, "x": one.x, "y": one.y, "angle": one.angle, "scale": 1.0, "sd_x": 0.25}
        | {"probability": 0.9, "resolved": True, "reference": "substrate", "stage": "search"}
        for name, one in POSES.items()
    ]
    return pose_table(answers), pd.DataFrame(rows, columns=SCHEMA.names)


def test_geopackage_lies_where_the_photos_do(tmp_path: Path) -> None:
    table = footprint_table(*tables(), case_of(GRID))
    write_geopackage(tmp_path / "footprints.gpkg", table)
    found = gpd.read_file(tmp_path / "footprints.gpkg", layer="footprints")
    assert found.crs == "EPSG:32631"
    assert found["photo"].tolist() == sorted(POSES)
    assert np.allclose(found.area, PHOTO[0] * PHOTO[1] * 0.25)
    for row in found.itertuples():
        pose = POSES[row.photo]
        center = row.geometry.centroid
        assert center.x == pytest.approx(450_000 + 0.5 * pose.x)
        assert center.y == pytest.approx(4_600_000 - 0.5 * pose.y)
        corner = shapely.Point(*to_map(GRID, pose.corners(*PHOTO)[0]))
        assert row.geometry.exterior.distance(corner) < 1e-6
        assert (row.angle, row.sd_x, row.probability) == (pose.angle, 0.25, 0.9)
        assert row.resolved and np.isnan(row.sd_y)


@pytest.mark.parametrize("grid", [GRID, LOCAL, None])
def test_files_are_byte_stable(tmp_path: Path, grid: Grid | None) -> None:
    case = case_of(grid)
    table = footprint_table(*tables(), case)
    for name in ("one", "two"):
        write_geopackage(tmp_path / f"{name}.gpkg", table)
        write_geojson(tmp_path / f"{name}.geojson", table, case)
        time.sleep(0.05)
    for ending in ("gpkg", "geojson"):
        one, two = (tmp_path / f"{name}.{ending}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
        assert len(gpd.read_file(one)) == 4


def test_geojson_is_as_rfc_7946_has_it(tmp_path: Path) -> None:
    case = case_of(GRID)
    write_geojson(tmp_path / "a.geojson", footprint_table(*tables(), case), case)
    document = json.loads((tmp_path / "a.geojson").read_text())
    assert set(document) == {"type", "features"}  # no `crs`
    back = Transformer.from_crs("EPSG:4326", "EPSG:32631", always_xy=True)
    for feature in document["features"]:
        ring = shapely.LinearRing(feature["geometry"]["coordinates"][0])
        assert ring.is_ccw and ring.is_closed
        assert feature["properties"]["sd_y"] is None
        assert feature["properties"]["resolved"] is True
        xy = np.stack(back.transform(*np.array(ring.coords).T), 1)
        corners = to_map(GRID, POSES[feature["id"]].corners(*PHOTO))
        gaps = np.linalg.norm(corners[:, None] - xy[None], axis=2).min(axis=1)
        assert gaps.max() < 0.01


def test_without_georeference_files_say_so(tmp_path: Path) -> None:
    case = case_of(None)
    table = footprint_table(*tables(), case)
    assert table.crs is None
    write_geojson(tmp_path / "a.geojson", table, case)
    document = json.loads((tmp_path / "a.geojson").read_text())
    assert "pixels" in document["coordinate_system"]
    ring = np.array(document["features"][0]["geometry"]["coordinates"][0])
    corners = POSES["t00"].corners(*PHOTO)
    assert np.abs(corners[:, None] - ring[None]).sum(axis=2).min(axis=1).max() < 1e-9
    case = case_of(LOCAL)
    write_geojson(tmp_path / "b.geojson", footprint_table(*tables(), case), case)
    assert "plan" in json.loads((tmp_path / "b.geojson").read_text())["coordinate_system"]


def test_no_photos_give_empty_files(tmp_path: Path) -> None:
    poses, photos = (frame[:0] for frame in tables())
    table = footprint_table(poses, photos, case_of(GRID))
    write_geopackage(tmp_path / "a.gpkg", table)
    write_geojson(tmp_path / "a.geojson", table, case_of(GRID))
    assert json.loads((tmp_path / "a.geojson").read_text())["features"] == []
    assert len(gpd.read_file(tmp_path / "a.gpkg")) == 0


def test_distances_are_those_on_the_ground() -> None:
    one, other = np.array([[10.0, 20.0]]), np.array([[13.0, 24.0]])
    assert ground_distance(GRID, one, other) == pytest.approx(2.5, rel=1e-3)
    assert ground_distance(LOCAL, one, other) == pytest.approx(2.5)
    assert np.isnan(ground_distance(None, one, other)).all()
    # At 60 degrees north a metre of Web Mercator is half a metre of ground.
    north = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform(5, 60)
    web = Grid("EPSG:3857", (1.0, 0.0, north[0], 0.0, -1.0, north[1]), 9, 9)
    assert ground_distance(web, one, other) == pytest.approx(2.5, rel=0.01)
    plain = Grid("EPSG:4326", (1e-5, 0.0, 5.0, 0.0, -1e-5, 0.0), 9, 9)
    assert ground_distance(plain, one[:, :] * [1, 0], other * [1, 0]) == pytest.approx(3.34, 0.01)


def test_bearing_is_where_the_upper_edge_points() -> None:
    assert bearing(GRID, 0) == pytest.approx(0)
    assert bearing(GRID, 90) == pytest.approx(90)
    east = Grid("EPSG:32631", (0.0, 0.5, 0.0, 0.5, 0.0, 0.0), 9, 9)  # rows run east
    assert bearing(east, 0) == pytest.approx(270)


def test_answer_speaks_in_pixels_and_on_the_map() -> None:
    pose = Pose(100.0, 80.0, 30.0, 1.5)
    plain = answer_document(pose, *PHOTO, None, {"probability": 0.5})
    assert plain["map"] is None and plain["probability"] == 0.5
    assert plain["pixels"]["center"] == [100.0, 80.0]
    assert (plain["pixels"]["angle"], plain["pixels"]["scale"]) == (30.0, 1.5)
    corners = [plain["pixels"]["corners"][key] for key in CORNERS]
    np.testing.assert_allclose(corners, pose.corners(*PHOTO))
    placed = answer_document(pose, *PHOTO, GRID)["map"]
    assert placed["center"] == [450_050.0, 4_599_960.0]
    assert (placed["crs"], placed["bearing"]) == ("EPSG:32631", pytest.approx(30))
    degrees = to_degrees(GRID, np.array([100.0, 80.0]))
    np.testing.assert_allclose(placed["longitude_latitude"]["center"], degrees, atol=1e-8)
    assert answer_document(pose, *PHOTO, LOCAL)["map"]["longitude_latitude"] is None
    json.dumps(plain | {"map": placed})
