import io

import numpy as np
import pytest
import rasterio
from PIL import Image

from nadir.errors import InputError
from nadir.service import pyramid as module
from nadir.service.pyramid import TILE, Pyramid, encode_png


def write(path, pixels, **options):
    """Write pixels (h, w, bands) as a GeoTIFF."""
    height, width, bands = pixels.shape
    with rasterio.open(
        path, "w", width=width, height=height, count=bands, dtype=pixels.dtype.name,
        transform=rasterio.Affine(2, 0, 0, 0, -2, 0), **options,
    ) as dataset:  # fmt: skip
        dataset.write(np.moveaxis(pixels, 2, 0))
    return path


def mosaic(pyramid, level):
    """Return all tiles of a level as one picture, cut to the raster's size at that level."""
    factor = 1 << (pyramid.levels - level)
    rows, columns = -(-pyramid.height // (TILE * factor)), -(-pyramid.width // (TILE * factor))
    parts = [
        np.concatenate([pyramid.tile(level, x, y) for x in range(columns)], axis=1)
        for y in range(rows)
    ]
    whole = np.concatenate(parts, axis=0)
    high, wide = -(-pyramid.height // factor), -(-pyramid.width // factor)
    assert not whole[high:].any() and not whole[:, wide:].any()  # nothing beyond the raster
    return whole[:high, :wide]


def reduced(pixels, factor):
    """Return means over squares; those at the end over what there is."""
    height, width = pixels.shape[:2]
    out = np.zeros((-(-height // factor), -(-width // factor), 3))
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            y, x = row * factor, column * factor
            out[row, column] = pixels[y : y + factor, x : x + factor].mean(axis=(0, 1))
    return out


def test_deepest_tiles_are_the_pixels(substrate, picture):
    pyramid = Pyramid(substrate)
    assert pyramid.levels == 2
    whole = mosaic(pyramid, 2)
    np.testing.assert_array_equal(whole[..., :3], picture)
    assert (whole[..., 3] == 255).all()


@pytest.mark.parametrize("overview", [2048, 200])
def test_coarser_tiles_are_means(substrate, picture, overview, monkeypatch):
    monkeypatch.setattr(module, "OVERVIEW", overview)  # 200: cut from the overview in memory
    pyramid = Pyramid(substrate)
    for level in (0, 1):
        whole = mosaic(pyramid, level)
        want = reduced(picture, 1 << (2 - level))
        assert np.abs(whole[..., :3] - want).max() <= 1.51
        assert (whole[..., 3] == 255).all()


def test_preview_is_bounded_and_alike(substrate, picture):
    preview = Pyramid(substrate).preview(side=160)
    assert max(preview.shape[:2]) <= 160
    assert np.abs(preview[:-1, :-1, :3] - reduced(picture, 4)[:-1, :-1]).max() <= 1.51


def test_tiles_outside_are_not_held(substrate):
    pyramid = Pyramid(substrate)
    assert pyramid.holds(0, 0, 0) and pyramid.holds(2, 2, 1)
    for place in [(0, 1, 0), (3, 0, 0), (-1, 0, 0), (2, 3, 0), (2, 0, 2), (2, -1, 0)]:
        assert not pyramid.holds(*place)


def test_pixels_without_data_are_transparent(tmp_path):
    pixels = np.full((40, 50, 3), 90, np.uint8)
    pixels[:10] = 0
    pyramid = Pyramid(write(tmp_path / "holes.tif", pixels, nodata=0))
    tile = pyramid.tile(0, 0, 0)
    assert not tile[:10].any()
    assert (tile[10:40, :50] == (90, 90, 90, 255)).all()


def test_wide_values_are_stretched_alike_in_all_tiles(tmp_path):
    ramp = np.linspace(200, 3000, 600).astype(np.uint16)
    pixels = np.repeat(np.repeat(ramp[None, :, None], 40, axis=0), 3, axis=2)
    pyramid = Pyramid(write(tmp_path / "wide.tif", pixels))
    row = mosaic(pyramid, pyramid.levels)[0, :, 0].astype(int)
    assert row[0] == 0 and row[-1] == 255
    assert (np.diff(row) >= 0).all() and np.diff(row).max() <= 1


def test_gray_rasters_and_marked_bands(tmp_path):
    gray = np.random.default_rng(0).integers(0, 255, (30, 30, 1), dtype=np.uint8)
    tile = Pyramid(write(tmp_path / "gray.tif", gray)).tile(0, 0, 0)[:30, :30]
    np.testing.assert_array_equal(tile[..., :3], np.repeat(gray, 3, axis=2))
    colors = np.random.default_rng(1).integers(0, 255, (30, 30, 4), dtype=np.uint8)
    path = write(tmp_path / "bgr.tif", colors)
    with rasterio.open(path, "r+") as dataset:
        known = rasterio.enums.ColorInterp
        dataset.colorinterp = [known.blue, known.green, known.red, known.undefined]
    tile = Pyramid(path).tile(0, 0, 0)[:30, :30]
    np.testing.assert_array_equal(tile[..., :3], colors[..., 2::-1])


def test_large_rasters_need_overviews(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_FINEST_UNAIDED", 300)
    path = write(tmp_path / "long.tif", np.zeros((20, 400, 3), np.uint8))
    with pytest.raises(InputError, match="no overviews"):
        Pyramid(path)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2])
    Pyramid(path)


def test_damaged_rasters_are_refused(tmp_path):
    path = tmp_path / "torn.tif"
    path.write_bytes(b"II*\0 no raster")
    with pytest.raises(InputError):
        Pyramid(path)


def test_alpha_is_left_out_where_it_says_nothing():
    pixels = np.full((4, 5, 4), 255, np.uint8)
    assert Image.open(io.BytesIO(encode_png(pixels))).mode == "RGB"
    pixels[0, 0, 3] = 0
    assert Image.open(io.BytesIO(encode_png(pixels))).mode == "RGBA"
