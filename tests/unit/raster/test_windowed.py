"""Rasters in parts: windows are right, and cost what they must."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from parts import Sparse, write

from nadir.errors import InputError
from nadir.raster.windowed import WindowedRaster

SIDE = 700
DATA = np.random.default_rng(2).integers(1, 60000, (SIDE, SIDE + 50), np.uint16)
DATA[10:30, 40:60] = 0


FORMS = {
    "cog": {"driver": "COG", "blocksize": 128, "compress": "deflate", "predictor": 2},
    "tiled": {"tiled": True, "blockxsize": 128, "blockysize": 256},
    "big": {"tiled": True, "blockxsize": 128, "blockysize": 128, "bigtiff": "yes"},
    "strips": {"compress": "lzw"},
    "planes": {
        "count": 3,
        "interleave": "band",
        "tiled": True,
        "blockxsize": 128,
        "blockysize": 128,
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_windows_are_what_the_whole_file_holds(form, tmp_path):
    part = Sparse(write(tmp_path / "a.tif", DATA, **FORMS[form]), tmp_path / "b.tif")
    raster = WindowedRaster(part)
    before = part.loaded.mean()
    assert before < 0.2
    for y, x, height, width in ((5, 35, 40, 40), (600, 500, 100, 250), (0, 0, 1, 1)):
        raw, valid = raster.read(y, x, height, width)
        expected = DATA[y : y + height, x : x + width]
        assert np.array_equal(raw[0], expected)
        assert np.array_equal(valid, expected != 0)
    assert part.loaded.mean() < 0.75
    raw, _ = raster.read(0, 0, *raster.grid.shape)
    assert np.array_equal(raw[0], DATA)


def test_a_small_window_costs_few_blocks(tmp_path):
    part = Sparse(write(tmp_path / "a.tif", DATA, **FORMS["cog"]), tmp_path / "b.tif")
    raster = WindowedRaster(part)
    part.loaded[:] = False
    raster.read(130, 130, 100, 100)
    assert part.loaded.sum() < 1.2 * 128 * 128 * 2


def test_other_formats_are_loaded_whole(tmp_path):
    path = tmp_path / "a.png"
    write(path, (DATA[:64, :64] % 255).astype(np.uint8), driver="PNG")
    part = Sparse(path, tmp_path / "b.png")
    (tmp_path / "b.png.aux.xml").write_bytes((tmp_path / "a.png.aux.xml").read_bytes())
    raw, _ = WindowedRaster(part).read(3, 4, 5, 6)
    assert np.array_equal(raw[0], DATA[3:8, 4:10] % 255)
    assert part.loaded.all()


def test_masks_inside_the_file_count(tmp_path):
    path = write(tmp_path / "a.tif", np.maximum(DATA, 1), **FORMS["tiled"])
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.arange(SIDE)[:, None] % 2 == np.zeros(SIDE + 50)[None])
    _, valid = WindowedRaster(Sparse(path, tmp_path / "b.tif")).read(301, 7, 4, 3)
    assert valid.tolist() == [[False] * 3, [True] * 3, [False] * 3, [True] * 3]


def test_a_truncated_file_is_told_before_pixels_are_loaded(tmp_path):
    path = write(tmp_path / "a.tif", DATA, **FORMS["cog"])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    part = Sparse(path, tmp_path / "b.tif")
    with pytest.raises(InputError, match=r"http://there/a.tif: the TIFF is truncated"):
        WindowedRaster(part)
    assert part.loaded.mean() < 0.2


def test_damaged_blocks_are_told_by_address_and_forgotten(tmp_path):
    part = Sparse(write(tmp_path / "a.tif", DATA, **FORMS["cog"]), tmp_path / "b.tif")
    half = len(part.content) // 2
    part.content = part.content[:half] + bytes(len(part.content) - half)
    raster = WindowedRaster(part)
    with pytest.raises(InputError, match=r"http://there/a.tif: its pixels cannot be read"):
        raster.read(0, 0, *raster.grid.shape)
    assert part.forgotten


def test_what_is_no_raster(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"hello" * 50)
    with pytest.raises(InputError, match=r"http://there/a.tif"):
        WindowedRaster(Sparse(path, tmp_path / "b.tif"))
    path.write_bytes(b"II*\0" + b"\xff" * 50)
    with pytest.raises(InputError, match=r"http://there/a.tif: the TIFF is"):
        WindowedRaster(Sparse(path, tmp_path / "b.tif"))
