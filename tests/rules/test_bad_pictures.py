"""Bad pictures and footprints: one clear error by the first command that meets them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from commands import error_of
from PIL import Image
from towns import SIDE, write_picture, write_town

from nadir.config.pictures import FOOTPRINTS, PICTURE

RGB = ["red", "green", "blue"]
Capture = pytest.CaptureFixture[str]


def picture(path: Path) -> Path:
    return path / "images/town1.tif"


def pixels(count: int = 3, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(1, 200, (count, SIDE, SIDE)).astype(dtype)


def words(verb: str, out: Path, cfg: dict, *more: object) -> list[str]:
    return [verb, "--out", str(out), "--cfg", json.dumps(cfg), *map(str, more)]


def images_cfg(path: Path) -> dict:
    return {"dates": {"dates": {"image": {"file": str(path), **PICTURE}}}, "bands": RGB}


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A folder with one picture and its mask."""
    write_town(tmp_path / "raw", "town1", 1)
    return tmp_path / "raw"


def no_picture(at: Path) -> None:
    picture(at).write_text("hello " * 200)


def truncated(at: Path) -> None:
    os.truncate(picture(at), picture(at).stat().st_size // 2)


def sixteen_bits(at: Path) -> None:
    write_picture(picture(at), pixels(dtype="uint16"))


def floats(at: Path) -> None:
    write_picture(picture(at), pixels(dtype="float32") / np.float32(255))


def one_band(at: Path) -> None:
    write_picture(picture(at), pixels(1))


def four_bands(at: Path) -> None:
    write_picture(picture(at), pixels(4), photometric="minisblack")


def no_place(at: Path) -> None:
    write_picture(picture(at), pixels(), crs=None, transform=None)


def all_black(at: Path) -> None:
    write_picture(picture(at), np.zeros((3, SIDE, SIDE), np.uint8))


PICTURES = [
    (no_picture, "not a raster", "Give a GeoTIFF"),
    (truncated, "truncated", "Copy or download the file again"),
    (sixteen_bits, "its values are uint16 where a picture of 8 bits", "range: [black, white]"),
    (floats, "its values are float32 where a picture of 8 bits", "range: [black, white]"),
    (one_band, "one band (shades of gray) where 3 are wanted", "natural colors"),
    (four_bands, "4 bands where 3 are wanted", "[red, green, blue, nir]"),
    (no_place, "no coordinate reference system", "grid:"),
    (all_black, "nothing but no data", "nodata"),
]


@pytest.mark.parametrize(("spoil", "problem", "remedy"), PICTURES)
def test_faulty_pictures_are_found_by_the_first_check(
    town: Path,
    capsys: Capture,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    problem: str,
    remedy: str,
) -> None:
    spoil(town)
    out = tmp_path / "results"
    given = words("check-images", out / "images.json", images_cfg(picture(town)), "--scene", "s")
    error = error_of(capsys, given, out)
    assert error.startswith(f"{picture(town)}: ") and problem in error and remedy in error


def test_a_torn_tile_is_named_and_leaves_no_picture(tmp_path: Path, capsys: Capture) -> None:
    for x in (5, 6):
        path = tmp_path / f"raw/4/{x}/7.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(np.moveaxis(pixels()[:, :64, :64], 0, -1)).save(path)
    os.truncate(path, path.stat().st_size // 2)
    tiles = {"tiles": {"folder": f"{tmp_path}/raw", "zoom": 4}, **PICTURE}
    cfg = {"dates": {"dates": {"image": tiles}}, "bands": RGB, "resolution": None}
    out = tmp_path / "results"
    error = error_of(capsys, words("mosaic-images", out / "image.tif", cfg, "--threads", 1), out)
    assert error.startswith(f"{path}: ")


def footprints(at: Path, name: str, frame: gpd.GeoDataFrame) -> str:
    frame.to_file(at / name)
    return str(at / name)


def no_crs(at: Path) -> str:
    return footprints(at, "f.gpkg", gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)]))


def lines(at: Path) -> str:
    line = shapely.LineString([(0, 0), (1, 1)])
    return footprints(at, "f.gpkg", gpd.GeoDataFrame(geometry=[line], crs="EPSG:32614"))


def no_vector(at: Path) -> str:
    (at / "f.geojson").write_text("{")
    return str(at / "f.geojson")


def elsewhere(at: Path) -> str:
    box = shapely.box(0, 0, 1, 1)
    return footprints(at, "f.gpkg", gpd.GeoDataFrame(geometry=[box], crs="EPSG:32614"))


VECTORS = [
    (no_crs, "no coordinate reference system", "save the layer with its CRS"),
    (lines, "it holds no polygons, but LineString features", "Give a layer with polygons"),
    (no_vector, "not a vector file", "Give a GeoPackage"),
    (elsewhere, "share no ground with the image", "Give the labels of this scene"),
]


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize(("make", "problem", "remedy"), VECTORS)
def test_faulty_footprints_are_found_by_the_check_of_the_scene(
    town: Path,
    capsys: Capture,
    tmp_path: Path,
    make: Callable[[Path], str],
    problem: str,
    remedy: str,
) -> None:
    path = make(town)
    scene = {**images_cfg(picture(town))["dates"], "mask": {"vector": path, **FOOTPRINTS}}
    classes = {
        "classes": [{"value": 0, "name": "background"}, {"value": 255, "name": "building"}],
        "nodata": [],
    }
    cfg = {"scene": scene, "bands": RGB, "classes": classes, "sizes": [16]}
    out = tmp_path / "results"
    error = error_of(capsys, words("check-scene", out / "check.json", cfg, "--scene", "s"), out)
    assert error.startswith(f"{path}: ") and problem in error and remedy in error


def test_a_mask_of_other_values_is_named_with_what_is_known(
    town: Path, capsys: Capture, tmp_path: Path
) -> None:
    path = town / "gt/town1.tif"
    write_picture(path, (pixels(1) > 100).astype(np.uint8), seed=1)
    scene = {**images_cfg(picture(town))["dates"], "mask": {"file": str(path)}}
    classes = {
        "classes": [{"value": 0, "name": "background"}, {"value": 255, "name": "building"}],
        "nodata": [],
    }
    cfg = {"scene": scene, "bands": RGB, "classes": classes, "sizes": [16]}
    out = tmp_path / "results"
    error = error_of(capsys, words("check-scene", out / "check.json", cfg, "--scene", "s"), out)
    assert "values outside the class table: 1" in error and "(known: 0, 255)" in error
