"""Labels over an area."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from parts import Sparse, write
from rasterio.warp import transform_bounds

from nadir.errors import InputError
from nadir.raster import clip
from nadir.raster.clip import clip_labels
from nadir.raster.windowed import WindowedRaster

CLASSES = np.random.default_rng(8).integers(0, 42, (600, 500), np.uint8)
AREA = tuple(transform_bounds("EPSG:32631", "EPSG:4326", 400100.0, 4599600.0, 400300.0, 4599800.0))


def raster(folder, name="a", data=CLASSES, **options):
    place = {"transform": rasterio.transform.from_origin(400000, 4600000, 1, 1), **options}
    path = write(folder / f"{name}.tif", data, tiled=True, blockxsize=128, blockysize=128, **place)
    return WindowedRaster(Sparse(path, folder / f"{name}_part.tif"))


def expected_of(file, data=CLASSES):
    """Return the part of the labels that a file should hold, read by its georeference."""
    x, y = round(file.transform.c - 400000), round(4600000 - file.transform.f)
    return data[y : y + file.height, x : x + file.width]


@pytest.mark.parametrize("step", [2048, 128])
def test_the_part_over_the_area_is_cut_out(tmp_path, monkeypatch, step):
    monkeypatch.setattr(clip, "STEP", step)
    source = raster(tmp_path)
    source.part.loaded[:] = False
    count = clip_labels([source], AREA, {}, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        found = file.read(1)
        assert np.array_equal(found, expected_of(file))
        left, bottom, right, top = file.bounds
        assert left <= 400100 and right >= 400300 and bottom <= 4599600 and top >= 4599800
        assert right - left < 230
    assert count == np.count_nonzero(found)
    assert source.part.loaded.mean() < 0.7


def test_values_are_renamed_and_others_are_no_label(tmp_path):
    clip_labels([raster(tmp_path)], AREA, {1: 7, 2: 7, 41: 12}, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        table = np.zeros(42, np.uint8)
        table[[1, 2, 41]] = [7, 7, 12]
        assert np.array_equal(file.read(1), table[expected_of(file)])


def test_several_rasters_are_put_together(tmp_path):
    west = CLASSES[:, :200]
    east = CLASSES[:, 150:]
    place = rasterio.transform.from_origin(400150, 4600000, 1, 1)
    both = [raster(tmp_path, "w", west), raster(tmp_path, "e", east, transform=place)]
    clip_labels(both, AREA, {}, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert np.array_equal(file.read(1), expected_of(file))


def test_values_beyond_a_byte_need_names(tmp_path):
    source = raster(tmp_path, data=CLASSES.astype(np.uint16) + 300)
    with pytest.raises(InputError, match="holds the value 3"):
        clip_labels([source], AREA, {}, tmp_path / "out.tif")
    clip_labels([source], AREA, {305: 5}, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert set(np.unique(file.read())) == {0, 5}


def test_what_holds_no_labels_of_the_area(tmp_path):
    with pytest.raises(InputError, match="no label over the area"):
        clip_labels([raster(tmp_path)], AREA, {200: 1}, tmp_path / "out.tif")
    with pytest.raises(InputError, match="does not touch"):
        clip_labels([raster(tmp_path)], (5.0, 41.0, 5.1, 41.1), {}, tmp_path / "out.tif")
    with pytest.raises(InputError, match="whole class numbers"):
        floats = raster(tmp_path, "f", CLASSES.astype(np.float32))
        clip_labels([floats], AREA, {}, tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()
