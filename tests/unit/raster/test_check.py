"""Checking a scene before any expensive work: facts, warnings, and each fault by name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from nadir.config.classes import ClassTable
from nadir.config.scenes import ArraySource, DeclaredGrid, ImageSource, MaskSource, SceneConfig
from nadir.errors import InputError
from nadir.provenance.atomic import write_json
from nadir.raster.check import check_scene
from nadir.raster.geotiff import check_complete

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

BANDS = ("B02", "B03", "B04")
LEFT, TOP = 400_000.0, 4_600_000.0
TABLE = ClassTable.model_validate(
    {
        "classes": [
            {"value": 1, "name": "crop", "color": "#00ff00"},
            {"value": 4, "name": "water", "color": "#0000ff"},
        ]
    }
)


class Builder:
    """A sound scene, of which each test spoils one thing."""

    def __init__(self, raw) -> None:
        self.raw = raw
        self.april = raw.tif("april.tif", raw.noise(3, 60, 80), bands=BANDS)
        self.august = raw.tif("august.tif", raw.noise(3, 60, 80, seed=1), bands=BANDS)
        labels = np.random.default_rng(0).choice([0, 1, 4], (600, 800)).astype("uint8")
        self.mask = raw.tif("mask.tif", labels, resolution=1.0)
        self.image = {"baseline": "05.10"}
        self.labels: dict = {}
        self.role = "learn"
        self.sizes = (32, 60)

    def check(self) -> dict:
        """Check the scene."""
        scene = SceneConfig(
            dates={
                "april": ImageSource(file=self.april, **self.image),
                "august": ImageSource(file=self.august, **self.image),
            },
            mask=MaskSource(**(self.labels or {"file": self.mask})),
            role=self.role,
        )
        return check_scene("here", scene, BANDS, TABLE, self.sizes)


@pytest.fixture
def scene(raw) -> Builder:
    return Builder(raw)


def polygons(path: str, crs: str | None = "EPSG:32631", **columns: list) -> str:
    """Write squares of 100 m along the diagonal, one for each row of the columns."""
    columns = columns or {"class": ["crop", "water"]}
    count = len(next(iter(columns.values())))
    squares = [
        shapely.box(LEFT + 100 * i, TOP - 100 * i - 100, LEFT + 100 * i + 100, TOP - 100 * i)
        for i in range(count)
    ]
    gpd.GeoDataFrame(columns, geometry=squares, crs=crs).to_file(path)
    return path


def test_facts_of_a_sound_scene(scene: Builder, tmp_path: Path) -> None:
    facts = scene.check()
    assert facts["warnings"] == []
    assert facts["grid"]["height"] == 60 and facts["grid"]["crs"] == "EPSG:32631"
    assert facts["bands"] == list(BANDS)
    assert facts["dates"]["april"] == {
        "files": [scene.april],
        "dtype": "uint16",
        "nodata": 0.0,
        "baseline": "05.10",
        "scale": 1e-4,
        "offset": -1000.0,
        "valid_share": 1.0,
    }
    assert facts["mask"]["kind"] == "raster" and facts["mask"]["grid"]["width"] == 800
    assert not facts["mixed_offsets"]
    write_json(tmp_path / "check.json", facts)
    assert json.loads((tmp_path / "check.json").read_text()) == facts


def test_vector_and_array_masks_have_facts(scene: Builder) -> None:
    scene.labels = {"vector": polygons(scene.raw.path("labels.gpkg"))}
    facts = scene.check()
    assert facts["mask"]["features_by_value"] == {"1": 1, "4": 1}
    labels = np.random.default_rng(0).choice([0, 1, 4], (60, 80, 1)).astype("uint8")
    np.savez(scene.raw.path("labels.npz"), msk=labels)
    scene.labels = {"array": ArraySource(file=scene.raw.path("labels.npz"), key="msk", axes="yx")}
    assert scene.check()["mask"]["kind"] == "array"


def test_dates_of_different_baselines_keep_their_own_offset(scene: Builder) -> None:
    scene.image = {}
    scene.april = scene.raw.tif("a.tif", scene.raw.noise(3, 60, 80), tags={"BASELINE": "03.01"})
    scene.august = scene.raw.tif("b.tif", scene.raw.noise(3, 60, 80), tags={"BASELINE": "05.10"})
    facts = scene.check()
    assert [date["offset"] for date in facts["dates"].values()] == [0, -1000]
    assert facts["mixed_offsets"]


def test_warnings_name_scene_and_file(scene: Builder, caplog: pytest.LogCaptureFixture) -> None:
    scene.image = {}
    scene.mask = scene.raw.tif("coarse.tif", np.ones((20, 27), "uint8"), resolution=30.0)
    facts = scene.check()
    assert any("scene here, date april: " in text for text in facts["warnings"])
    assert any(
        "april.tif" in text and "nothing tells its Sentinel-2 processing baseline" in text
        for text in facts["warnings"]
    )
    assert any("coarse.tif" in text and "3.0 times coarser" in text for text in facts["warnings"])
    assert any("may be missing" in text for text in facts["warnings"])
    assert "coarse.tif" in caplog.text


def test_sparse_data_are_found_by_a_closer_look(scene: Builder) -> None:
    """One block of a big, empty scene holds data, away from the windows first looked at."""
    data = np.zeros((3, 1200, 1200), "uint16")
    data[:, 420:560, 420:560] = scene.raw.noise(3, 140, 140)
    scene.april = scene.raw.tif("a.tif", data, compress="deflate")
    scene.august = scene.raw.tif("b.tif", data, compress="deflate")
    share = scene.check()["dates"]["april"]["valid_share"]
    assert 0 < share < 0.05


def test_a_scene_to_predict_may_be_smaller_than_a_tile(scene: Builder) -> None:
    scene.sizes, scene.role = (512,), "predict"
    assert scene.check()["scene"] == "here"


# Each function spoils a sound scene.


def missing(scene: Builder) -> None:
    os.remove(scene.august)


def truncated(scene: Builder) -> None:
    os.truncate(scene.august, os.path.getsize(scene.august) * 2 // 3)


def truncated_mask(scene: Builder) -> None:
    os.truncate(scene.mask, os.path.getsize(scene.mask) // 2)


def not_a_raster(scene: Builder) -> None:
    Path(scene.august).write_text("hello " * 100)


def no_crs(scene: Builder) -> None:
    scene.august = scene.raw.tif("august.tif", scene.raw.noise(3, 60, 80), crs=None)


def no_crs_mask(scene: Builder) -> None:
    scene.mask = scene.raw.tif("mask.tif", np.ones((60, 80), "uint8"), crs=None)


def no_overlap(scene: Builder) -> None:
    scene.mask = scene.raw.tif("mask.tif", np.ones((60, 80), "uint8"), origin=(LEFT + 9000, TOP))


def no_overlap_other_crs(scene: Builder) -> None:
    scene.mask = scene.raw.tif(
        "mask.tif", np.ones((60, 80), "uint8"), resolution=1e-4, origin=(8.0, 47.0), crs="EPSG:4326"
    )


def unrelated_crs(scene: Builder) -> None:
    array = np.moveaxis(scene.raw.noise(3, 60, 80), 0, -1)
    scene.april = scene.august = scene.raw.tif(
        "local.tif", np.moveaxis(array, -1, 0), crs='LOCAL_CS["here",UNIT["metre",1]]'
    )


def other_shape(scene: Builder) -> None:
    scene.august = scene.raw.tif("august.tif", scene.raw.noise(3, 60, 81))


def other_origin(scene: Builder) -> None:
    scene.august = scene.raw.tif("august.tif", scene.raw.noise(3, 60, 80), origin=(LEFT + 5, TOP))


def other_crs(scene: Builder) -> None:
    scene.august = scene.raw.tif("august.tif", scene.raw.noise(3, 60, 80), crs="EPSG:32630")


def band_count(scene: Builder) -> None:
    scene.august = scene.raw.tif("august.tif", scene.raw.noise(4, 60, 80))


def band_order(scene: Builder) -> None:
    scene.image |= {"file_bands": BANDS}
    scene.august = scene.raw.tif(
        "august.tif", scene.raw.noise(3, 60, 80), bands=("B04", "B03", "B02")
    )


def all_nodata(scene: Builder) -> None:
    scene.august = scene.raw.tif("august.tif", np.zeros((3, 60, 80), "uint16"))


def constant_band(scene: Builder) -> None:
    data = scene.raw.noise(3, 60, 80)
    data[1] = 1234
    scene.august = scene.raw.tif("august.tif", data)


def with_nan(scene: Builder) -> None:
    data = scene.raw.noise(3, 60, 80).astype("float32") / 1e4
    data[2, 5, 5] = np.nan
    scene.august = scene.raw.tif("august.tif", data)


def with_infinity(scene: Builder) -> None:
    scene.image |= {"nodata": "nan"}
    data = scene.raw.noise(3, 60, 80).astype("float32") / 1e4
    data[2, 5, 5] = -np.inf
    scene.august = scene.raw.tif("august.tif", data)


def large_tile(scene: Builder) -> None:
    scene.sizes = (32, 64)


def float_mask(scene: Builder) -> None:
    scene.mask = scene.raw.tif("mask.tif", np.ones((60, 80), "float32"))


def colored_mask(scene: Builder) -> None:
    scene.mask = scene.raw.tif("mask.tif", np.ones((3, 60, 80), "uint8"))


def unknown_value(scene: Builder) -> None:
    labels = np.ones((600, 800), "uint8")
    labels[300, 400] = 9
    scene.mask = scene.raw.tif("mask.tif", labels, resolution=1.0)


def negative_value(scene: Builder) -> None:
    labels = np.ones((600, 800), "int16")
    labels[300, 400] = -7
    scene.mask = scene.raw.tif("mask.tif", labels, resolution=1.0)


def vector_missing(scene: Builder) -> None:
    scene.labels = {"vector": scene.raw.path("labels.gpkg")}


def vector_text(scene: Builder) -> None:
    Path(scene.raw.path("labels.geojson")).write_text("{}")
    scene.labels = {"vector": scene.raw.path("labels.geojson")}


def vector_without_crs(scene: Builder) -> None:
    scene.labels = {"vector": polygons(scene.raw.path("labels.shp"), crs=None)}


def vector_field(scene: Builder) -> None:
    scene.labels = {"vector": polygons(scene.raw.path("labels.gpkg"), classname=["crop", "water"])}


def vector_class(scene: Builder) -> None:
    path = polygons(scene.raw.path("labels.gpkg"), **{"class": ["crop", "watr", "watr"]})
    scene.labels = {"vector": path}


def vector_value(scene: Builder) -> None:
    path = polygons(scene.raw.path("labels.gpkg"), **{"class": [1, 2]})
    scene.labels = {"vector": path}


def vector_points(scene: Builder) -> None:
    frame = gpd.GeoDataFrame({"class": ["crop"]}, geometry=[shapely.Point(0, 0)], crs="EPSG:32631")
    frame.to_file(scene.raw.path("labels.gpkg"))
    scene.labels = {"vector": scene.raw.path("labels.gpkg")}


def vector_empty(scene: Builder) -> None:
    frame = gpd.GeoDataFrame({"class": []}, geometry=[], crs="EPSG:32631")
    frame.to_file(scene.raw.path("labels.gpkg"))
    scene.labels = {"vector": scene.raw.path("labels.gpkg")}


def vector_elsewhere(scene: Builder) -> None:
    scene.labels = {"vector": polygons(scene.raw.path("labels.gpkg"), crs="EPSG:32640")}


def array_shape(scene: Builder) -> None:
    np.save(scene.raw.path("labels.npy"), np.ones((80, 60), "uint8"))
    scene.labels = {"array": ArraySource(file=scene.raw.path("labels.npy"), axes="yx")}


def array_dtype(scene: Builder) -> None:
    np.save(scene.raw.path("labels.npy"), np.ones((60, 80)))
    scene.labels = {"array": ArraySource(file=scene.raw.path("labels.npy"), axes="yx")}


def array_value(scene: Builder) -> None:
    np.save(scene.raw.path("labels.npy"), np.full((60, 80), 3))
    scene.labels = {"array": ArraySource(file=scene.raw.path("labels.npy"), axes="yx")}


@pytest.mark.parametrize(
    ("spoil", "file", "problem", "remedy"),
    [
        (missing, "august.tif", "no such file", "Check the path"),
        (truncated, "august.tif", "truncated", "again"),
        (truncated_mask, "mask.tif", "truncated", "again"),
        (not_a_raster, "august.tif", "not a raster", "GeoTIFF"),
        (no_crs, "august.tif", "no coordinate reference system", "grid"),
        (no_crs_mask, "mask.tif", "no coordinate reference system", "-a_srs"),
        (no_overlap, "mask.tif", "share no ground", "CRS of both"),
        (no_overlap_other_crs, "mask.tif", "share no ground", "CRS of both"),
        (unrelated_crs, "mask.tif", "cannot be related", "place on the ground"),
        (other_shape, "august.tif", "another grid than", "one grid"),
        (other_origin, "august.tif", "georeference (10.0, 0.0, 400005.0", "one grid"),
        (other_crs, "august.tif", "EPSG:32630 against EPSG:32631", "one grid"),
        (band_count, "august.tif", "4 bands where 3 are wanted", "file_bands"),
        (band_order, "august.tif", "the order is wrong", "order"),
        (all_nodata, "august.tif", "nothing but no data (value 0)", "nodata"),
        (constant_band, "august.tif", "band B03 has the value 1234", "bands"),
        (with_nan, "august.tif", "NaN in 1 of", "nodata: nan"),
        (with_infinity, "august.tif", "infinite in 1 of", "repair"),
        (large_tile, "april.tif", "tile of 64 pixels is larger than the scene of 80 x 60", "60"),
        (float_mask, "mask.tif", "float32, not integers", "integer class values"),
        (colored_mask, "mask.tif", "has 3", "single-band"),
        (unknown_value, "mask.tif", "outside the class table: 9 (first at row 300", "classes"),
        (negative_value, "mask.tif", "outside the class table: -7", "classes"),
        (vector_missing, "labels.gpkg", "no such file", "Check the path"),
        (vector_text, "labels.geojson", "not a vector file", "GeoPackage"),
        (vector_without_crs, "labels.shp", "no coordinate reference system", ".prj"),
        (vector_field, "labels.gpkg", "'class'; did you mean 'classname'?", "classname"),
        (vector_class, "labels.gpkg", "'watr' (2 features; did you mean 'water'?)", "1 crop"),
        (vector_value, "labels.gpkg", "outside the class table: '2'", "4 water"),
        (vector_points, "labels.gpkg", "no polygons, but Point", "polygons"),
        (vector_empty, "labels.gpkg", "no polygons", "polygons"),
        (vector_elsewhere, "labels.gpkg", "share no ground", "CRS of both"),
        (array_shape, "labels.npy", "shape (1, 80, 60)", "axes"),
        (array_dtype, "labels.npy", "float64, not integers", "integer"),
        (array_value, "labels.npy", "outside the class table: 3", "classes"),
    ],
)
def test_each_fault_is_named(
    scene: Builder, spoil: object, file: str, problem: str, remedy: str
) -> None:
    before = set(os.listdir(scene.raw.folder))
    spoil(scene)
    made = set(os.listdir(scene.raw.folder))
    with pytest.raises(InputError) as caught:
        scene.check()
    assert Path(caught.value.file).name == file
    assert problem in caught.value.problem, caught.value.problem
    assert remedy in caught.value.remedy, caught.value.remedy
    assert set(os.listdir(scene.raw.folder)) == made, before  # checking writes nothing


# Truncation, wherever it cuts.


def _layouts(raw) -> dict[str, str]:
    data = raw.noise(3, 300, 260)
    tiled = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    paths = {
        "strips": raw.tif("strips.tif", data),
        "tiles": raw.tif("tiles.tif", data, compress="deflate", **tiled),
        "bigtiff": raw.tif("big.tif", data, compress="lzw", bigtiff="yes", **tiled),
        "big endian": raw.tif("endian.tif", data, endianness="big"),
        "overviews": raw.tif("overviews.tif", data, **tiled),
    }
    with rasterio.open(paths["overviews"], "r+") as dataset:
        dataset.build_overviews([2, 4])
    rasterio.shutil.copy(paths["tiles"], raw.path("cog.tif"), driver="COG", blocksize=128)
    return paths | {"cog": raw.path("cog.tif")}


@pytest.mark.parametrize("layout", ["strips", "tiles", "bigtiff", "big endian", "overviews", "cog"])
def test_truncation_is_found_wherever_it_cuts(raw, layout: str) -> None:
    path = _layouts(raw)[layout]
    check_complete(path)
    whole = Path(path).read_bytes()
    for share in (0.001, 0.01, 0.1, 0.35, 0.6, 0.9, 0.97):
        Path(path).write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=r"truncated|damaged"):
            check_complete(path)
    Path(path).write_bytes(whole[:-20])
    with pytest.raises(InputError, match=r"truncated|damaged"):
        check_complete(path)


def test_sparse_tiles_are_no_truncation(raw) -> None:
    data = np.zeros((1, 512, 512), "uint16")
    data[0, :100, :100] = 7
    path = raw.tif("a.tif", data, tiled=True, blockxsize=128, blockysize=128, sparse_ok=True)
    check_complete(path)


def test_other_formats_are_not_judged_as_tiff(raw) -> None:
    np.save(raw.path("a.npy"), np.zeros(3))
    check_complete(raw.path("a.npy"))


# Real imagery.


def test_real_scene_passes(real_data: Path) -> None:
    folder = real_data / "landcover/ukis_csmask/tests/testfiles"
    bands = ("B02", "B03", "B04", "B08", "B11", "B12")
    table = ClassTable.model_validate(
        {
            "classes": [
                {"value": 0, "name": "shadow", "color": "#444444"},
                {"value": 1, "name": "water", "color": "#0000ff"},
                {"value": 3, "name": "land", "color": "#00aa00"},
                {"value": 4, "name": "cloud", "color": "#ffffff"},
            ],
            "nodata": [255],
        }
    )
    for name in ("sentinel2", "landsat5", "landsat7"):
        file = str(folder / f"{name}.npz")
        image = ImageSource(
            arrays=(ArraySource(file=file, key="img", bands=bands),), grid=DeclaredGrid()
        )
        mask = MaskSource(array=ArraySource(file=file, key="msk"))
        facts = check_scene(name, SceneConfig(dates={"d": image}, mask=mask), bands, table, (64,))
        assert facts["warnings"] == []
