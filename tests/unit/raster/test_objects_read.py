"""Rasters, vectors and arrays of an object store: the values of the file, or an error."""

import io
from concurrent.futures import ThreadPoolExecutor

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.io import MemoryFile

from nadir.config.classes import ClassTable, LandClass
from nadir.config.scenes import ArraySource, ImageSource, MaskSource
from nadir.errors import InputError
from nadir.provenance.raw import forget_objects
from nadir.raster.arrays import ArrayFile
from nadir.raster.burn import copy_mask
from nadir.raster.geotiff import check_complete, open_raster
from nadir.raster.layers import RasterLayer
from nadir.raster.sentinel2 import detect_baseline
from nadir.raster.sources import open_source
from nadir.raster.vectors import read_polygons

VALUES = np.random.default_rng(0).integers(1, 4000, (2, 600, 500)).astype(np.uint16)
PLACE = rasterio.Affine(10, 0, 500000, 0, -10, 4600000)
KEY = "GET /data/in/x.tif$"


def tiff(values=VALUES, **options):
    """Return the bytes of a GeoTIFF."""
    form = {"tiled": True, "blockxsize": 128, "blockysize": 128, "crs": "EPSG:32631"}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=values.shape[0],
            height=values.shape[1],
            width=values.shape[2],
            dtype=values.dtype,
            transform=PLACE,
            **{**form, **options},
        ) as dataset:
            dataset.write(values)
        return memory.read()


def read(address):
    layer = RasterLayer(address, None)
    values, _ = layer.read([0, 1], 0, 0, 600, 500)
    layer.close()
    return values


def test_values_are_those_of_the_file(store):
    address = store.put("in/x.tif", tiff())
    check_complete(address)
    assert np.array_equal(read(address), VALUES)
    store.requests()
    assert np.array_equal(read(address), VALUES)
    assert store.requests() == []  # the copy is there


def test_a_scene_reads_from_a_store_in_threads(store):
    address = store.put("in/x.tif", tiff())
    source = open_source(ImageSource(file=address, baseline="none"), ("B02", "B03"))
    windows = [(y, x, 100, 100) for y in range(0, 600, 100) for x in range(0, 500, 100)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda window: source.read(*window), windows))
        for (y, x, *_), (raw, _) in zip(windows, answers, strict=True):
            assert np.array_equal(raw, VALUES[:, y : y + 100, x : x + 100])
    source.close()


def test_what_stands_beside_counts(store):
    address = store.put("in/x.tif", tiff(crs=None))
    note = (
        b'<PAMDataset><SRS>EPSG:32631</SRS><Metadata><MDI key="K">v</MDI></Metadata></PAMDataset>'
    )
    store.put("in/x.tif.aux.xml", note)
    store.put("in/x.json", b'{"properties": {"s2:processing_baseline": "05.10"}}')
    with open_raster(address) as dataset:
        assert dataset.crs.to_epsg() == 32631
        assert dataset.tags()["K"] == "v"
    assert detect_baseline(address) == "05.10"


@pytest.mark.parametrize("keep", [0, 100, 300, 5000])
def test_answers_that_are_cut_off_once_do_no_harm(store, keep):
    address = store.put("in/x.tif", tiff())
    store.fail(KEY, keep=keep)
    store.fail(KEY, keep=keep)
    assert np.array_equal(read(address), VALUES)


def test_a_store_that_is_overloaded_for_a_moment(store):
    address = store.put("in/x.tif", tiff())
    store.fail(KEY, status=503, code="SlowDown", times=2)
    assert np.array_equal(read(address), VALUES)


def test_answers_that_are_always_cut_off_are_an_error(store):
    address = store.put("in/x.tif", tiff())
    store.fail(KEY, keep=300, times=99)
    with pytest.raises(InputError, match="cut off"):
        check_complete(address)
    with pytest.raises(InputError, match="cut off"):
        read(address)


def test_an_object_that_is_truncated_in_the_store(store):
    address = store.put("in/x.tif", tiff()[:-2000])
    with pytest.raises(InputError, match="truncated: it holds"):
        check_complete(address)
    forget_objects()
    store.put("in/x.tif", b"")
    with pytest.raises(InputError, match="empty"):
        check_complete(address)


def test_what_is_not_there_and_what_is_no_raster(store):
    with pytest.raises(InputError, match="no such object"):
        open_raster("s3://data/in/absent.tif")
    address = store.put("in/x.tif", b"no raster at all")
    with pytest.raises(InputError, match="not a raster"):
        open_raster(address)


def test_a_mask_is_copied_with_its_place(store, tmp_path):
    values = (VALUES[:1] % 5).astype(np.uint8)
    address = store.put("mask.tif", tiff(values, nodata=0, tiled=False))
    made = copy_mask(address, tmp_path / "mask.tif")
    with rasterio.open(made) as dataset:
        assert np.array_equal(dataset.read(), values)
        assert (dataset.nodata, dataset.transform) == (0, PLACE)
    address = store.put("other.tif", tiff(values))
    store.fail("GET /data/other.tif$", keep=1000, times=99)
    with pytest.raises(InputError, match="cut off"):
        copy_mask(address, tmp_path / "again.tif")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tif"] == ["mask.tif"]


def test_arrays(store):
    buffer = io.BytesIO()
    np.savez(buffer, image=VALUES)
    source = ArraySource(file=store.put("x.npz", buffer.getvalue()), key="image", axes="byx")
    assert np.array_equal(ArrayFile(source).read(10, 20, 30, 40), VALUES[:, 10:40, 20:60])


@pytest.mark.parametrize("ending", ["gpkg", "shp"])
def test_polygons(store, tmp_path, ending):
    table = ClassTable(classes=(LandClass(value=1, name="roof"), LandClass(value=2, name="road")))
    frame = gpd.GeoDataFrame(
        {"class": [1, 1]}, geometry=[shapely.box(0, 0, 5, 5), shapely.box(9, 9, 12, 12)], crs=32631
    )
    frame.to_file(tmp_path / f"roofs.{ending}")
    for path in tmp_path.glob("roofs.*"):
        store.put(f"in/{path.name}", path.read_bytes())
    mask = MaskSource(vector=f"s3://data/in/roofs.{ending}")
    shapes, values = read_polygons(mask, table, "EPSG:32631")
    assert [shape.area for shape in shapes] == [25, 9]
    assert values.tolist() == [1, 1]
