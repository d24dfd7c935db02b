"""Footprints, mask tiles and masks without a place, as masks of raw class values."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image

from nadir.config.classes import BUILDINGS
from nadir.config.pictures import FOOTPRINTS
from nadir.config.scenes import CubeConfig, LabelConfig, MaskSource
from nadir.config.slippy import SlippyTile
from nadir.errors import InputError
from nadir.raster.burn import burn_vector, prepare_mask
from nadir.raster.check import _check_mask
from nadir.raster.grid import Grid
from nadir.raster.labels import align_labels, open_labels
from nadir.raster.pieces import tile_grid
from nadir.raster.vectors import inspect_vector

LEFT, TOP, STEP = 400_000.0, 4_600_000.0, 0.3
IMAGE = Grid("EPSG:32631", (STEP, 0.0, LEFT, 0.0, -STEP, TOP), 120, 150)
NOTHING = BUILDINGS.unlabelled


def square(y0: float, x0: float, y1: float, x1: float) -> shapely.Polygon:
    """Return the ground of pixels y0 to y1 and x0 to x1 of the image."""
    return shapely.box(LEFT + x0 * STEP, TOP - y1 * STEP, LEFT + x1 * STEP, TOP - y0 * STEP)


def save(path: Path, shapes: list[shapely.Polygon], crs: str = "EPSG:32631") -> str:
    frame = gpd.GeoDataFrame({"id": range(len(shapes))}, geometry=shapes, crs="EPSG:32631")
    frame.to_crs(crs).to_file(path)
    return str(path)


def burnt(source: MaskSource, path: Path, image: Grid = IMAGE) -> np.ndarray:
    with rasterio.open(burn_vector(source, image, BUILDINGS, path)) as file:
        assert Grid.of(file).same_as(image)
        return file.read(1)


@pytest.mark.parametrize(("name", "crs"), [("a.gpkg", "EPSG:32631"), ("a.geojson", "EPSG:4326")])
def test_polygons_are_buildings_and_the_rest_is_background(
    tmp_path: Path, name: str, crs: str
) -> None:
    path = save(tmp_path / name, [square(10, 20, 40, 60), square(100, 140, 130, 200)], crs)
    values = burnt(MaskSource(vector=path, **FOOTPRINTS), tmp_path / "mask.tif")
    expected = np.zeros(IMAGE.shape, np.uint8)
    expected[10:40, 20:60] = 255
    expected[100:, 140:] = 255  # what reaches beyond the image is cut
    assert np.array_equal(values, expected)


def test_outside_of_what_was_looked_at_nothing_is_known(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gpkg", [square(10, 20, 40, 60), square(70, 70, 80, 80)])
    extent = save(tmp_path / "extent.gpkg", [square(0, 0, 60, 50)])
    source = MaskSource(vector=path, **{**FOOTPRINTS, "extent": extent})
    expected = np.full(IMAGE.shape, NOTHING, np.uint8)
    expected[:60, :50] = 0
    expected[10:40, 20:50] = 255
    assert np.array_equal(burnt(source, tmp_path / "mask.tif"), expected)


def test_an_image_without_buildings_is_all_background(tmp_path: Path) -> None:
    (tmp_path / "none.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    far = save(tmp_path / "far.gpkg", [square(500, 500, 510, 510)])
    for path in (str(tmp_path / "none.geojson"), far):
        assert not burnt(MaskSource(vector=path, **FOOTPRINTS), tmp_path / "mask.tif").any()


def test_footprints_are_burnt_on_the_grid_of_an_image_in_degrees(tmp_path: Path) -> None:
    image = Grid("EPSG:4326", (2e-6, 0.0, 2.0, 0.0, -2e-6, 41.5), 100, 120)
    shape = shapely.box(2.0 + 20e-6, 41.5 - 80e-6, 2.0 + 100e-6, 41.5 - 40e-6)
    frame = gpd.GeoDataFrame(geometry=[shape], crs="EPSG:4326")
    frame.to_crs("EPSG:32631").to_file(tmp_path / "a.gpkg")
    source = MaskSource(vector=str(tmp_path / "a.gpkg"), **FOOTPRINTS)
    expected = np.zeros(image.shape, np.uint8)
    expected[20:40, 10:50] = 255
    assert np.array_equal(burnt(source, tmp_path / "mask.tif", image), expected)


def test_a_finer_mask_of_the_whole_image(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gpkg", [square(10, 20, 40, 60)])
    source = MaskSource(vector=path, **{**FOOTPRINTS, "resolution": 0.1})
    with rasterio.open(burn_vector(source, IMAGE, BUILDINGS, tmp_path / "mask.tif")) as file:
        values = file.read(1)
    assert values.shape == (360, 450) and set(np.unique(values)) == {0, 255}


def test_labels_are_the_burnt_pixels(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gpkg", [square(10, 20, 40, 60)])
    extent = save(tmp_path / "extent.gpkg", [square(0, 0, 60, 50)])
    source = MaskSource(vector=path, **{**FOOTPRINTS, "extent": extent})
    mask = prepare_mask(source, IMAGE, BUILDINGS, tmp_path / "mask.tif")
    manifest = tmp_path / "labels.manifest.json"
    align_labels(mask, IMAGE, BUILDINGS, LabelConfig(), manifest, {}, CubeConfig(), workers=1)
    ids = open_labels(manifest).hard(0, 0, *IMAGE.shape)
    expected = np.zeros(IMAGE.shape, np.uint8)
    expected[:60, :50] = 1
    expected[10:40, 20:50] = 2
    assert np.array_equal(ids, expected)


def test_a_class_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gpkg", [square(10, 20, 40, 60)])
    source = MaskSource(vector=path, **{**FOOTPRINTS, "polygons": "bilding"})
    with pytest.raises(InputError, match="no class 'bilding'; did you mean 'building'"):
        inspect_vector(source, BUILDINGS)


def test_mask_tiles_become_one_mask(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tiles = {}
    for x, y in ((3, 7), (4, 8)):
        (tmp_path / f"m/5/{x}").mkdir(parents=True, exist_ok=True)
        tiles[x, y] = rng.choice(np.array([0, 255], np.uint8), (32, 32))
        Image.fromarray(tiles[x, y]).save(tmp_path / f"m/5/{x}/{y}.png")
    source = MaskSource(tiles={"folder": f"{tmp_path}/m", "zoom": 5})
    path = prepare_mask(source, IMAGE, BUILDINGS, tmp_path / "mask.tif")
    with rasterio.open(path) as file:
        values, grid = file.read(1), Grid.of(file)
    assert np.array_equal(values[:32, :32], tiles[3, 7])
    assert np.array_equal(values[32:, 32:], tiles[4, 8])
    assert (values[:32, 32:] == NOTHING).all() and file.nodata == NOTHING
    assert grid.same_as(tile_grid(SlippyTile(5, 3, 7), 32, 32).window(0, 0, 64, 64))
    facts = _check_mask(source, grid, BUILDINGS, "scene", [])
    assert facts["kind"] == "tiles"
    with pytest.raises(InputError, match="no ground with the image"):
        _check_mask(source, IMAGE, BUILDINGS, "scene", [])


def test_colored_mask_tiles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m/5/3").mkdir(parents=True)
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "m/5/3/7.png")
    source = MaskSource(tiles={"folder": f"{tmp_path}/m", "zoom": 5})
    with pytest.raises(InputError, match=r"7\.png: a mask has one band of class values"):
        prepare_mask(source, IMAGE, BUILDINGS, tmp_path / "mask.tif")


def test_a_mask_without_a_place_lies_where_it_is_declared(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (40, 60))
    Image.fromarray(labels).save(tmp_path / "m.png")
    grid = {"crs": "EPSG:32631", "origin": (LEFT, TOP), "resolution": STEP}
    path = prepare_mask(
        MaskSource(file=str(tmp_path / "m.png"), grid=grid), IMAGE, BUILDINGS, tmp_path / "mask.tif"
    )
    with rasterio.open(path) as file:
        assert Grid.of(file).same_as(IMAGE.window(0, 0, 40, 60))
        assert np.array_equal(file.read(1), labels)
