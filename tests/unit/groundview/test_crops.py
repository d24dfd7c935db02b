"""Crops by coordinates: north up and true to scale on any raster, none beyond it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform

from nadir.config.groundview import CropsConfig
from nadir.config.scenes import CubeConfig, ImageSource
from nadir.errors import InputError
from nadir.groundview.crops import CubeCrops, RasterCrops
from nadir.raster.cube import build_cube
from nadir.raster.metric import GEOD
from nadir.raster.sources import open_source

_AT = (3.2, 45.1)


def _spots(crs: str, resolution: float, angle: float, size: int = 400) -> Affine:
    (x,), (y,) = transform("OGC:CRS84", crs, [_AT[0]], [_AT[1]])
    turn = Affine.translation(x, y) @ Affine.rotation(angle)
    return turn @ Affine.scale(resolution, -resolution) @ Affine.translation(-size / 2, -size / 2)


def _write(path: Path, crs: str | None, affine: Affine, pixels: np.ndarray, **more: object) -> str:
    count, height, width = pixels.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count,
        dtype=pixels.dtype, crs=crs, transform=affine, **more,
    ) as raster:  # fmt: skip
        raster.write(pixels)
    return str(path)


def _marked(crs: str, affine: Affine, bearing: float, metres: float, size: int = 400) -> np.ndarray:
    """Return a raster that is dark but for a spot at a bearing and distance from `_AT`."""
    east, north, _ = GEOD.fwd(*_AT, bearing, metres)
    (x,), (y,) = transform("OGC:CRS84", crs, [east], [north])
    column, row = ~affine @ (x, y)
    rows, columns = np.mgrid[:size, :size] + 0.5
    spot = 250 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 2.5**2))
    return np.repeat(spot[None].astype(np.uint8), 3, 0)


@pytest.mark.parametrize(
    ("crs", "resolution", "angle"),
    [
        ("EPSG:32631", 0.5, 0.0),
        ("EPSG:32631", 0.5, 30.0),
        ("EPSG:3857", 0.7, 0.0),
        ("EPSG:4326", 6e-6, 0.0),
        ("EPSG:2154", 0.5, -120.0),
    ],
)
@pytest.mark.parametrize("bearing", [0.0, 90.0, 215.0])
def test_what_lies_there_shows_there(
    tmp_path: Path, crs: str, resolution: float, angle: float, bearing: float
) -> None:
    affine = _spots(crs, resolution, angle)
    path = _write(tmp_path / "a.tif", crs, affine, _marked(crs, affine, bearing, 24.0))
    cfg = CropsConfig(source="substrate", substrate=path, size_px=80, resolution=1.0)
    crop = RasterCrops(cfg).crop({"longitude": _AT[0], "latitude": _AT[1]})
    assert crop is not None and crop.shape == (3, 80, 80)
    shown = crop[0].astype(float)
    rows, columns = np.mgrid[:80, :80] - 39.5
    east, north = (shown * columns).sum() / shown.sum(), -(shown * rows).sum() / shown.sum()
    assert east == pytest.approx(24 * np.sin(np.radians(bearing)), abs=0.5)
    assert north == pytest.approx(24 * np.cos(np.radians(bearing)), abs=0.5)


def test_a_finer_raster_is_averaged(tmp_path: Path) -> None:
    affine = _spots("EPSG:32631", 0.25, 0.0)
    checks = (np.indices((400, 400)).sum(0) % 2 * 255).astype(np.uint8)[None]
    path = _write(tmp_path / "a.tif", "EPSG:32631", affine, checks)
    cfg = CropsConfig(source="substrate", substrate=path, size_px=16, resolution=2.0)
    crop = RasterCrops(cfg).crop({"longitude": _AT[0], "latitude": _AT[1]})
    assert crop is not None and abs(crop.astype(int) - 127).max() < 30


def test_beyond_the_raster_there_is_no_crop(tmp_path: Path) -> None:
    affine = _spots("EPSG:32631", 0.5, 0.0)
    bright = np.full((3, 400, 400), 200, np.uint8)
    bright[:, :150] = 0
    path = _write(tmp_path / "a.tif", "EPSG:32631", affine, bright, nodata=0)
    here = {"longitude": _AT[0], "latitude": _AT[1]}
    small, large, wide = (
        RasterCrops(CropsConfig(source="substrate", substrate=path, size_px=px)).crop(here)
        for px in (40, 80, 256)
    )
    assert small is not None
    assert large is None  # it reaches into what is no data
    assert wide is None
    far = {"longitude": -100.0, "latitude": 10.0}
    cfg = CropsConfig(source="substrate", substrate=path, size_px=40)
    assert RasterCrops(cfg).crop(far) is None


def test_rasters_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    affine = _spots("EPSG:32631", 0.5, 0.0)
    local = _write(tmp_path / "a.tif", None, affine, np.zeros((3, 9, 9), np.uint8))
    deep = _write(tmp_path / "b.tif", "EPSG:32631", affine, np.zeros((3, 9, 9), np.uint16))
    for path, told in ((local, "no CRS"), (deep, "uint16"), (str(tmp_path / "c.tif"), "c.tif")):
        with pytest.raises(InputError, match=told):
            RasterCrops(CropsConfig(source="substrate", substrate=path))


def test_a_cube_shows_natural_color_stretched_alike(tmp_path: Path) -> None:
    affine = _spots("EPSG:32631", 10.0, 0.0, 96)
    rows, columns = np.mgrid[:96, :96]
    bands = np.stack([1000 + 10 * columns, 1000 + 10 * rows, 1500 + (rows + columns) % 2])
    path = _write(tmp_path / "a.tif", "EPSG:32631", affine, bands.astype(np.uint16))
    names = ("B02", "B03", "B04")
    source = open_source(ImageSource(file=path, baseline="02.08"), names)
    manifest = tmp_path / "cube.manifest.json"
    build_cube([("april", source)], None, manifest, CubeConfig(), {}, 1)
    cfg = CropsConfig(source="cube", scene="a", size_px=32, resolution=10.0)
    crops = CubeCrops(cfg, manifest)
    here = {"longitude": _AT[0], "latitude": _AT[1]}
    crop = crops.crop(here)
    assert crop is not None
    low, high = crops.facts()["stretch"]
    row, column = 48 - 16 + 5, 48 - 16 + 9  # a pixel of the cube under a pixel of the crop
    for band, value in ((2, 0.1 + 0.001 * column), (1, 0.1 + 0.001 * row), (0, 0.15)):
        expected = 255 * np.clip((value - low) / (high - low), 0, 1) ** 0.6
        assert crop[band, 5, 9] == pytest.approx(expected, abs=2.5)
    east, north, _ = GEOD.fwd(*_AT, 90.0, 400.0)
    assert crops.crop({"longitude": east, "latitude": north}) is None
    with pytest.raises(InputError, match="no date 1"):
        CubeCrops(cfg.model_copy(update={"date": 1}), manifest)
