import warnings

import numpy as np
import pytest
import rasterio

from nadir.raster.grid import Grid
from nadir.raster.picture_cog import new_picture

GRID = Grid("EPSG:32631", (0.5, 0.0, 500000.0, 0.0, -0.5, 4700000.0), 700, 1100)


def write(path, grid=GRID):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    valid = rng.random((300, 400)) > 0.3
    with new_picture(path, grid) as picture:
        picture.write(200, 600, rgb, valid)
    return rgb, valid


def test_picture_keeps_pixels_mask_and_place(tmp_path):
    rgb, valid = write(tmp_path / "deep" / "a.tif")
    with rasterio.open(tmp_path / "deep" / "a.tif") as dataset:
        assert Grid.of(dataset) == GRID
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1)
        assert [color.name for color in dataset.colorinterp] == ["red", "green", "blue"]
        pixels, mask = dataset.read(), dataset.dataset_mask()
    assert np.array_equal(np.moveaxis(pixels[:, 200:500, 600:1000], 0, -1), rgb)
    expected = np.zeros(GRID.shape, bool)
    expected[200:500, 600:1000] = valid
    assert np.array_equal(mask > 0, expected)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.tif"]


def test_picture_without_place(tmp_path):
    write(tmp_path / "a.tif", Grid("", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), 700, 1100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(tmp_path / "a.tif") as dataset:
            assert dataset.crs is None
            assert dataset.shape == (700, 1100)


def test_equal_content_gives_equal_bytes(tmp_path):
    write(tmp_path / "a.tif")
    write(tmp_path / "b.tif")
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), new_picture(tmp_path / "a.tif", GRID):
        raise RuntimeError("stop")
    assert not list(tmp_path.iterdir())
