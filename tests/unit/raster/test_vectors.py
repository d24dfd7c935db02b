"""Labels from polygons and arrays: which pixel belongs to which, on which grid, equal bytes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from nadir.config.classes import ClassTable
from nadir.config.scenes import ArraySource, MaskSource
from nadir.errors import InputError, OutputError
from nadir.raster import burn
from nadir.raster.burn import burn_vector, export_mask, is_metric, prepare_mask
from nadir.raster.cog import read_class_names
from nadir.raster.grid import Grid
from nadir.raster.label_files import LabelArray
from nadir.raster.layers import LOCAL_CRS
from nadir.raster.masks import MaskReader, RasterMask
from nadir.raster.vectors import inspect_vector

LEFT, TOP = 400_000.0, 4_600_000.0
IMAGE = Grid("EPSG:32631", (10.0, 0.0, LEFT, 0.0, -10.0, TOP), 60, 80)


def table(nodata: tuple[int, ...] = (0,)) -> ClassTable:
    names = {3: "crop", 7: "water", 9: "wood"}
    return ClassTable.model_validate(
        {
            "classes": [
                {"value": value, "name": name, "color": f"#{value:02x}8040"}
                for value, name in names.items()
            ],
            "nodata": nodata,
        }
    )


def shapes() -> list[shapely.Polygon]:
    """Five rough polygons over the middle of the image; some overlap."""
    rng = np.random.default_rng(4)
    centers = np.array([LEFT, TOP]) + np.array([[200, -150], [260, -200], [500, -300], [640, -90]])
    found = []
    for center in centers:
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radii = rng.uniform(30, 80, 9)
        points = center + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
        found.append(shapely.Polygon(points))
    return [*found, shapely.box(LEFT + 480, TOP - 320, LEFT + 520, TOP - 280)]


CLASSES = ["crop", "water", "wood", "crop", "water"]


def save(path: Path, geometries: list, crs: str = "EPSG:32631", **columns: list) -> str:
    columns = columns or {"class": CLASSES}
    frame = gpd.GeoDataFrame(columns, geometry=geometries, crs="EPSG:32631").to_crs(crs)
    frame.to_file(path)
    return str(path)


def read(path: Path | str) -> tuple[np.ndarray, Grid]:
    with rasterio.open(path) as dataset:
        return dataset.read(1), Grid.of(dataset)


def brute_force(geometries: list, values: list[int], grid: Grid) -> np.ndarray:
    """The class of each pixel's center; the last polygon wins."""
    rows, columns = np.mgrid[: grid.height, : grid.width] + 0.5
    x, y = grid.affine @ (columns.ravel(), rows.ravel())
    result = np.zeros(grid.height * grid.width, np.uint8)
    for geometry, value in zip(geometries, values, strict=True):
        result[shapely.contains_xy(geometry, x, y)] = value
    return result.reshape(grid.shape)


def test_burning_is_by_pixel_centers_and_the_last_polygon_wins(tmp_path: Path) -> None:
    path = save(tmp_path / "labels.gpkg", shapes())
    burn_vector(MaskSource(vector=path, resolution=1), IMAGE, table(), tmp_path / "mask.tif")
    values, grid = read(tmp_path / "mask.tif")
    expected = brute_force(shapes(), [3, 7, 9, 3, 7], grid)
    assert np.array_equal(values, expected)
    assert set(np.unique(values)) == {0, 3, 7, 9}
    # It nests in the image by whole pixels and covers the labels only.
    factor, (y0, x0) = IMAGE.factor_to(grid)
    assert factor == 10 and y0 <= 0 and x0 <= 0 and y0 % 10 == 0 and x0 % 10 == 0
    assert grid.height < 600 and grid.width < 800


def test_file_holds_palette_and_names(tmp_path: Path) -> None:
    path = save(tmp_path / "labels.gpkg", shapes())
    burn_vector(MaskSource(vector=path), IMAGE, table(), tmp_path / "mask.tif")
    with rasterio.open(tmp_path / "mask.tif") as dataset:
        assert dataset.colormap(1)[7] == (7, 0x80, 0x40, 255)
        assert dataset.nodata == 0 and dataset.profile["tiled"]
    assert read_class_names(tmp_path / "mask.tif") == {3: "crop", 7: "water", 9: "wood"}


@pytest.mark.parametrize("ending", [".gpkg", ".shp", ".geojson"])
@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:4326", "EPSG:25831"])
def test_format_and_crs_of_the_labels_do_not_matter(tmp_path: Path, ending: str, crs: str) -> None:
    path = save(tmp_path / f"labels{ending}", shapes(), crs)
    burn_vector(MaskSource(vector=path), IMAGE, table(), tmp_path / "mask.tif")
    values, grid = read(tmp_path / "mask.tif")
    expected = brute_force(shapes(), [3, 7, 9, 3, 7], grid)
    assert (values != expected).sum() <= 20  # coordinates are rounded to about a centimetre


@pytest.mark.parametrize(
    "column",
    [
        [3, 7, 9, 3, 7],
        [3.0, 7.0, 9.0, 3.0, 7.0],
        ["3", "7", "9", "3", "7"],
        ["Crop", " water", "WOOD", "crop ", "water"],
    ],
)
def test_attributes_may_be_names_or_values(tmp_path: Path, column: list) -> None:
    config = MaskSource(vector=save(tmp_path / "a.gpkg", shapes(), kind=column), field="kind")
    assert inspect_vector(config, table()).counts == {3: 2, 7: 2, 9: 1}
    burn_vector(config, IMAGE, table(), tmp_path / "mask.tif")
    values, grid = read(tmp_path / "mask.tif")
    assert np.array_equal(values, brute_force(shapes(), [3, 7, 9, 3, 7], grid))


def test_features_without_class_or_area_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    geometries = [*shapes()[:3], None, shapely.box(0, 0, 0, 0)]
    column = ["crop", None, "wood", "crop", "crop"]
    path = save(tmp_path / "a.gpkg", geometries, **{"class": column})
    burn_vector(MaskSource(vector=path), IMAGE, table(), tmp_path / "mask.tif")
    values, grid = read(tmp_path / "mask.tif")
    assert np.array_equal(values, brute_force(shapes()[::2][:2], [3, 9], grid))
    assert "3 of 5 features" in caplog.text


def test_bow_ties_are_repaired(tmp_path: Path) -> None:
    x, y = LEFT + 100, TOP - 100
    bow_tie = shapely.Polygon([(x, y), (x + 40, y - 40), (x + 40, y), (x, y - 40)])
    path = save(tmp_path / "a.gpkg", [bow_tie], **{"class": ["crop"]})
    burn_vector(MaskSource(vector=path), IMAGE, table(), tmp_path / "mask.tif")
    values, _ = read(tmp_path / "mask.tif")
    assert abs((values == 3).sum() - 800) <= 40


def test_blocks_do_not_matter_and_bytes_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometries = [shapely.affinity.scale(item, 8, 8, origin=(LEFT, TOP)) for item in shapes()]
    image = IMAGE.window(0, 0, 480, 640)
    config = MaskSource(vector=save(tmp_path / "a.gpkg", geometries))
    for name in ("one.tif", "two.tif"):
        burn_vector(config, image, table(), tmp_path / name)
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()
    monkeypatch.setattr(burn, "STEP", burn.TILE)
    burn_vector(config, image, table(), tmp_path / "small.tif")
    assert np.array_equal(read(tmp_path / "one.tif")[0], read(tmp_path / "small.tif")[0])


def test_resolution_is_the_nearest_whole_part_of_a_pixel(tmp_path: Path) -> None:
    path = save(tmp_path / "labels.gpkg", shapes())
    for resolution, factor in [(1, 10), (3, 3), (2.5, 4), (30, 1)]:
        config = MaskSource(vector=path, resolution=resolution)
        burn_vector(config, IMAGE, table(), tmp_path / "mask.tif")
        assert IMAGE.factor_to(read(tmp_path / "mask.tif")[1])[0] == factor


@pytest.mark.parametrize(
    ("labels", "expected"), [("EPSG:25831", "EPSG:25831"), ("EPSG:4326", "EPSG:32631")]
)
def test_an_image_in_degrees_gets_a_mask_in_metres(
    tmp_path: Path, labels: str, expected: str
) -> None:
    left, _, _, top = IMAGE.bounds_in("EPSG:4326")
    image = Grid("EPSG:4326", (1e-4, 0.0, left, 0.0, -1e-4, top), 70, 110)
    path = save(tmp_path / "labels.gpkg", shapes(), labels)
    burn_vector(MaskSource(vector=path, resolution=2), image, table(), tmp_path / "mask.tif")
    values, grid = read(tmp_path / "mask.tif")
    assert grid.crs == expected and grid.resolution == (2, 2)
    assert grid.transform[2] % 2 == 0 and grid.transform[5] % 2 == 0
    expected_values = brute_force(shapes(), [3, 7, 9, 3, 7], grid)
    assert (values != expected_values).mean() < 0.001


def test_labels_that_reach_beyond_the_image_are_cut(tmp_path: Path) -> None:
    square = shapely.box(LEFT - 500, TOP - 100, LEFT + 50, TOP + 500)
    path = save(tmp_path / "labels.gpkg", [square], **{"class": ["wood"]})
    burn_vector(MaskSource(vector=path), IMAGE, table(), tmp_path / "mask.tif")
    values, grid = read(tmp_path / "mask.tif")
    assert grid.bounds == (LEFT, TOP - 100, LEFT + 50, TOP)
    assert (values == 9).all()


def test_ground_between_polygons_is_no_data_whatever_the_table(tmp_path: Path) -> None:
    """Value 0 may be a class, and the table may have no value for unlabelled ground at all."""
    path = save(tmp_path / "labels.gpkg", shapes())
    for nodata, fill in [((), 255), ((200,), 200), ((5, 0), 5)]:
        burn_vector(MaskSource(vector=path), IMAGE, table(nodata), tmp_path / "mask.tif")
        values, grid = read(tmp_path / "mask.tif")
        assert set(np.unique(values)) == {fill, 3, 7, 9}
        reader = MaskReader(RasterMask(str(tmp_path / "mask.tif")), table(nodata))
        raw, ids = reader.read(0, 0, *grid.shape)
        assert set(np.unique(ids[raw])) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("crs", "metric"),
    [
        ("EPSG:32631", True),
        (LOCAL_CRS, True),
        ("EPSG:4326", False),
        ("EPSG:2263", False),  # feet
        ("EPSG:3857", True),
    ],
)
def test_which_systems_are_in_metres(crs: str, metric: bool) -> None:
    assert is_metric(crs) is metric


def test_polygons_off_the_image_are_named(tmp_path: Path) -> None:
    path = save(tmp_path / "labels.gpkg", shapes())
    far = Grid("EPSG:32631", (10.0, 0.0, 900_000.0, 0.0, -10.0, TOP), 60, 80)
    with pytest.raises(InputError, match=r"labels\.gpkg: none of its 5 polygons lies"):
        burn_vector(MaskSource(vector=path), far, table(), tmp_path / "mask.tif")
    assert not (tmp_path / "mask.tif").exists()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
def test_label_arrays_become_masks(tmp_path: Path, dtype: str) -> None:
    labels = np.random.default_rng(0).choice([0, 3, 7, 9], IMAGE.shape).astype(dtype)
    np.savez(tmp_path / "labels.npz", msk=labels[..., None])
    source = ArraySource(file=str(tmp_path / "labels.npz"), key="msk")
    path = prepare_mask(MaskSource(array=source), IMAGE, table(), tmp_path / "mask.tif")
    values, grid = read(path)
    assert np.array_equal(values, labels)
    assert grid.same_as(IMAGE)


def test_class_zero_is_a_class_where_the_table_says_so(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 2, IMAGE.shape).astype("uint8")
    np.save(tmp_path / "labels.npy", labels)
    classes = ClassTable.model_validate(
        {
            "classes": [
                {"value": 0, "name": "shadow", "color": "#000000"},
                {"value": 1, "name": "water", "color": "#0000ff"},
            ],
            "nodata": [255],
        }
    )
    source = ArraySource(file=str(tmp_path / "labels.npy"), axes="yx")
    path = export_mask(LabelArray(source, IMAGE), classes, tmp_path / "mask.tif")
    assert np.array_equal(read(path)[0], labels)
    raw, ids = MaskReader(RasterMask(str(path)), classes).read(0, 0, *IMAGE.shape)
    assert np.array_equal(ids[raw], labels + 1)


def test_a_raster_mask_is_taken_as_it_is(tmp_path: Path) -> None:
    config = MaskSource(file="somewhere/mask.tif")
    assert prepare_mask(config, IMAGE, table(), tmp_path / "x.tif") == Path("somewhere/mask.tif")
    assert os.listdir(tmp_path) == []


def test_a_stray_value_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    labels = np.full(IMAGE.shape, 3, "uint8")
    labels[50, 70] = 8
    np.save(tmp_path / "labels.npy", labels)
    source = ArraySource(file=str(tmp_path / "labels.npy"), axes="yx")
    with pytest.raises(InputError, match=r"labels\.npy: .* table: 8 \(first at row 50, column 70"):
        export_mask(LabelArray(source, IMAGE), table(), tmp_path / "mask.tif")
    assert os.listdir(tmp_path) == ["labels.npy"]


def test_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "labels.gpkg", shapes())

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OutputError, match=r"mask\.tif: the disk is full"):
        burn_vector(MaskSource(vector=path), IMAGE, table(), tmp_path / "mask.tif")
    assert os.listdir(tmp_path) == ["labels.gpkg"]


def test_real_polygons(real_data: Path, tmp_path: Path) -> None:
    vector = real_data / "landcover/opengeo_s2_rcr/data/rcr/rcr_landcover.shp"
    names = [
        "Forested Wetland",
        "Herbaceous",
        "Sand",
        "WetSand",
        "Subtidal Haline",
        "Emergent Wetland",
    ]
    classes = ClassTable.model_validate(
        {
            "classes": [
                {"value": value, "name": name, "color": "#000000"}
                for value, name in enumerate(names, start=1)
            ]
        }
    )
    image = Grid("EPSG:4326", (8.98e-05, 0.0, -76.716188, 0.0, -7.39e-05, 34.730144), 2201, 2629)
    config = MaskSource(vector=str(vector), field="Classname")
    assert list(inspect_vector(config, classes).counts.values()) == [5, 7, 4, 2, 1, 4]
    burn_vector(config, image, classes, tmp_path / "mask.tif")
    values, grid = read(tmp_path / "mask.tif")
    assert grid.crs == "EPSG:32618" and grid.resolution == (1, 1)
    frame = gpd.read_file(vector)
    areas = frame.area.groupby(frame["Classname"]).sum()
    for value, name in enumerate(names, start=1):
        assert abs((values == value).sum() / areas[name] - 1) < 0.01
