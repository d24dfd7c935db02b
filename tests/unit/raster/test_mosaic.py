"""The picture of a scene: pixel size on the ground, averages, 8 bits, what is empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from nadir.config.pictures import PICTURE
from nadir.config.scenes import ImageSource
from nadir.errors import InputError
from nadir.raster import mosaic
from nadir.raster.geotiff import GDAL_ERRORS
from nadir.raster.grid import Grid
from nadir.raster.mosaic import ground_grid, mosaic_images
from nadir.raster.resample import resample_window
from nadir.raster.sources import open_source

RGB = ("red", "green", "blue")


def source(path: str, **options) -> ImageSource:
    return ImageSource(file=path, **{**PICTURE, **options})


def test_a_whole_ratio_is_a_plain_mean(raw, tmp_path: Path) -> None:
    pixels = raw.noise(3, 60, 90, 1, "uint8")
    path = raw.tif("a.tif", pixels, resolution=0.5)
    grid = mosaic_images(source(path), RGB, 1.5, tmp_path / "image.tif", workers=1)
    assert grid.shape == (20, 30) and grid.resolution == (1.5, 1.5)
    means = pixels.reshape(3, 20, 3, 30, 3).mean((2, 4))
    with rasterio.open(tmp_path / "image.tif") as file:
        assert np.abs(file.read() - means).max() <= 0.5 + 1e-3
        assert file.descriptions == RGB and file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def brute_force(pixels: np.ndarray, valid: np.ndarray, step: float, shape: tuple[int, int]):
    """Return means by area over what each coarse pixel covers, and the share that is valid."""
    fine = 60  # samples a pixel: areas are whole numbers of them for the steps used here
    high, wide = (int(side * step * fine) for side in shape)
    cut = np.zeros((high, wide)), np.zeros((high, wide))
    big = np.kron(np.where(valid, pixels, 0), np.ones((fine, fine)))
    seen = np.kron(valid, np.ones((fine, fine)))
    rows, columns = min(high, big.shape[0]), min(wide, big.shape[1])
    cut[0][:rows, :columns], cut[1][:rows, :columns] = big[:rows, :columns], seen[:rows, :columns]
    side = int(step * fine)
    sums = [part.reshape(shape[0], side, shape[1], side).sum((1, 3)) for part in cut]
    return sums[0] / np.maximum(sums[1], 1), sums[1] / side**2


@pytest.mark.parametrize("step", [1.5, 2.4, 4.0])
def test_averages_are_those_of_areas(step: float) -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 255, (1, 24, 24)).astype(np.float32)
    valid = rng.random((24, 24)) > 0.3
    fine = Grid("EPSG:32631", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), 24, 24)
    side = int(24 / step)
    coarse = Grid("EPSG:32631", (step, 0.0, 0.0, 0.0, -step, 0.0), side, side)

    def read(y: int, x: int, height: int, width: int):
        part = np.s_[y : y + height, x : x + width]
        return pixels[(slice(None), *part)], valid[part]

    values, ok = resample_window(read, fine, coarse, (0, 0, side, side), "average")
    means, share = brute_force(pixels[0], valid, step, (side, side))
    inside = np.ones((side, side), bool)
    assert np.array_equal(ok, (share >= 0.5 - 1e-6) & inside)
    assert np.allclose(values[0][ok], means[ok], atol=1e-2)
    # A window is that part of the whole, bit for bit.
    part, seen = resample_window(read, fine, coarse, (2, 1, 3, 4), "average")
    assert np.array_equal(part, values[:, 2:5, 1:5]) and np.array_equal(seen, ok[2:5, 1:5])


def test_a_finer_pixel_is_interpolated(raw, tmp_path: Path) -> None:
    ramp = np.tile(np.arange(10, 210, 10, dtype=np.uint8), (3, 20, 1))
    path = raw.tif("a.tif", ramp, resolution=1.0)
    mosaic_images(source(path), RGB, 0.25, tmp_path / "image.tif", workers=1)
    with rasterio.open(tmp_path / "image.tif") as file:
        row = file.read(1)[40].astype(float)
    centers = (np.arange(80) + 0.5) * 0.25
    expected = np.interp(centers, np.arange(20) + 0.5, np.arange(10, 210, 10))
    assert np.abs(row - expected).max() <= 0.5 + 1e-3


def test_blocks_and_workers_make_no_difference(raw, tmp_path: Path, monkeypatch) -> None:
    path = raw.tif("a.tif", raw.noise(3, 700, 900, 1, "uint8"), resolution=0.2)
    mosaic_images(source(path), RGB, 0.33, tmp_path / "one.tif", workers=1)
    monkeypatch.setattr(mosaic, "STEP", 512)
    monkeypatch.setattr(mosaic, "BLOCK", 128)
    mosaic_images(source(path), RGB, 0.33, tmp_path / "two.tif", workers=3)
    with rasterio.open(tmp_path / "one.tif") as one, rasterio.open(tmp_path / "two.tif") as two:
        assert np.array_equal(one.read(), two.read())


def test_equal_pictures_are_equal_bytes(raw, tmp_path: Path) -> None:
    path = raw.tif("a.tif", raw.noise(3, 200, 300, 1, "uint8"), resolution=0.2)
    for name in ("one.tif", "two.tif"):
        mosaic_images(source(path), RGB, 0.5, tmp_path / name, workers=2)
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()
    assert not [item for item in tmp_path.iterdir() if ".partial" in item.name]


@pytest.mark.parametrize("crs", ["EPSG:32645", "EPSG:3857", "EPSG:4326"])
def test_pixels_have_their_size_on_the_ground(crs: str) -> None:
    from pyproj import Geod, Transformer

    forth = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = forth.transform(85.52, 27.63)
    unit = 1e-6 if crs == "EPSG:4326" else 0.1
    grid = ground_grid(Grid(crs, (unit, 0, x, 0, -unit, y), 4000, 3000), 0.5)
    back = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    row, column = grid.height // 2, grid.width // 2
    for step in ((100, 0), (0, 100)):
        ends = [
            back.transform(*(grid.affine @ (column + k * step[0], row + k * step[1])))
            for k in (0, 1)
        ]
        length = Geod(ellps="WGS84").inv(*ends[0], *ends[1])[2]
        assert length == pytest.approx(50, rel=6e-3)


def test_a_grid_of_that_size_stays() -> None:
    grid = Grid("EPSG:32631", (0.3, 0.0, 0.0, 0.0, -0.3, 0.0), 50, 50)
    assert ground_grid(grid, 0.3) is grid
    local = Grid("", (0.3, 0.0, 0.0, 0.0, -0.3, 0.0), 50, 50)
    assert ground_grid(local, 0.6).shape == (25, 25)


def test_a_scene_of_tiles_keeps_its_holes_and_its_black(tmp_path: Path, raw) -> None:
    rng = np.random.default_rng(0)
    for x, y in ((3, 7), (4, 8)):
        (tmp_path / f"t/5/{x}").mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(1, 256, (64, 64, 3), dtype=np.uint8)
        pixels[10:20, 10:20, 1] = 0  # black in one band alone is no hole
        Image.fromarray(pixels).save(tmp_path / f"t/5/{x}/{y}.png")
    tiles = ImageSource(tiles={"folder": f"{tmp_path}/t", "zoom": 5}, **PICTURE)
    mosaic_images(tiles, RGB, None, tmp_path / "image.tif", workers=1)
    found = open_source(source(str(tmp_path / "image.tif")), RGB)
    values, valid = found.read(0, 0, 128, 128)
    assert valid[:64, :64].all() and valid[64:, 64:].all() and valid.sum() == 2 * 64 * 64
    assert not values[1, 10:20, 10:20].any()


def test_more_than_8_bits_are_scaled_by_what_is_declared(raw, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(1, 4096, (3, 40, 40)).astype(np.uint16)
    path = raw.tif("deep.tif", pixels, nbits=12)
    mosaic_images(source(path, range="metadata"), RGB, None, tmp_path / "a.tif", workers=1)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert np.array_equal(file.read(), np.rint(pixels / 4095 * 255).astype(np.uint8))
    mosaic_images(source(path, range=(1000, 3000)), RGB, None, tmp_path / "b.tif", workers=1)
    with rasterio.open(tmp_path / "b.tif") as file:
        expected = np.clip(np.rint((pixels.astype(float) - 1000) / 2000 * 255), 0, 255)
        assert np.abs(file.read() - expected).max() <= 1
        assert file.dataset_mask().all()  # what becomes black is not empty


def depth(raw) -> tuple[str, dict]:
    return raw.tif("x.tif", raw.noise(3, 40, 40)), {}


def silent(raw) -> tuple[str, dict]:
    return raw.tif("x.tif", raw.noise(3, 40, 40)), {"range": "metadata"}


def floats(raw) -> tuple[str, dict]:
    return raw.tif("x.tif", raw.noise(3, 40, 40).astype("float32") / 65535), {}


def gray(raw) -> tuple[str, dict]:
    return raw.tif("x.tif", raw.noise(1, 40, 40, 0, "uint8")), {}


def four(raw) -> tuple[str, dict]:
    return raw.tif("x.tif", raw.noise(4, 40, 40, 0, "uint8"), photometric="minisblack"), {}


def empty(raw) -> tuple[str, dict]:
    return raw.tif("x.tif", np.zeros((3, 40, 40), "uint8")), {}


FAULTS = [
    (depth, "its values are uint16 where a picture of 8 bits is expected", "range: [black, white]"),
    (silent, "does not say which values of uint16 are black and white", "range: [black, white]"),
    (floats, "its values are float32 where a picture of 8 bits", "range: [black, white]"),
    (gray, "it has one band (shades of gray) where 3 are wanted", "natural colors"),
    (four, "it has 4 bands where 3 are wanted", "[red, green, blue, nir]"),
    (empty, "nothing but no data", "Give pictures"),
]


@pytest.mark.parametrize(("make", "problem", "remedy"), FAULTS)
def test_what_is_no_such_picture_is_refused(raw, tmp_path: Path, make, problem, remedy) -> None:
    path, options = make(raw)
    with pytest.raises(InputError) as caught:
        mosaic_images(source(path, **options), RGB, None, tmp_path / "image.tif", workers=1)
    assert caught.value.file == path
    assert problem in caught.value.problem and remedy in caught.value.remedy
    assert not (tmp_path / "image.tif").exists()
    # Read as it is, the same file is refused in the same words.
    if make not in (silent, empty):
        with pytest.raises(InputError) as again:
            open_source(source(path), RGB)
        assert (again.value.problem, again.value.file) == (caught.value.problem, path)


def test_four_named_bands_give_the_wanted_ones(raw, tmp_path: Path) -> None:
    pixels = raw.noise(4, 40, 40, 0, "uint8")
    path = raw.tif("x.tif", pixels, photometric="minisblack")
    named = source(path, file_bands=("nir", "red", "green", "blue"))
    mosaic_images(named, RGB, None, tmp_path / "image.tif", workers=1)
    with rasterio.open(tmp_path / "image.tif") as file:
        assert np.array_equal(file.read(), pixels[1:])
    assert np.array_equal(open_source(named, RGB).read(0, 0, 40, 40)[0], pixels[1:])


def test_a_torn_file_leaves_nothing(raw, tmp_path: Path, monkeypatch) -> None:
    path = raw.tif("a.tif", raw.noise(3, 200, 300, 1, "uint8"))

    def fails(*_: object, **__: object) -> None:
        raise GDAL_ERRORS[0]("no")

    monkeypatch.setattr(mosaic.rasterio.shutil, "copy", fails)
    with pytest.raises(Exception, match=r"image\.tif"):
        mosaic_images(source(path), RGB, None, tmp_path / "image.tif", workers=1)
    assert {item.name for item in tmp_path.iterdir()} == {"a.tif"}
