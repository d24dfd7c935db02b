"""Tiles of a substrate: they cover it, and know where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from nadir.errors import InputError
from nadir.raster.pictures import read_picture
from nadir.retrieval.gallery_tiles import cut_tiles

PIXELS = np.random.default_rng(0).integers(1, 256, (3, 70, 100), np.uint8)
AFFINE = Affine(0.5, 0, 1000, 0, -0.5, 5000)


def write_substrate(path: Path, pixels: np.ndarray, **options: object) -> Path:
    count, height, width = pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=pixels.dtype,
        crs="EPSG:32631",
        transform=AFFINE,
        **options,
    ) as dataset:
        dataset.write(pixels)
    return path


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_tiles_cover_the_substrate_and_lie_where_they_say(tmp_path: Path, overlap: float) -> None:
    substrate = write_substrate(tmp_path / "s.tif", PIXELS)
    listed = cut_tiles(substrate, tmp_path / "tiles", 32, overlap)
    covered = np.zeros((70, 100), int)
    for one in listed:
        column, row = ~AFFINE @ (one.x, one.y)
        y, x = round(row - 16), round(column - 16)
        assert one.place == f"r{y:06d}_c{x:06d}" and one.split == "gallery"
        part = PIXELS[:, y : y + 32, x : x + 32].transpose(1, 2, 0)
        np.testing.assert_array_equal(read_picture(one.path), part)
        covered[y : y + 32, x : x + 32] += 1
    assert covered.min() >= 1
    assert len(listed) == len(list((tmp_path / "tiles").iterdir())) == {0.0: 12, 0.5: 24}[overlap]


def test_empty_ground_makes_no_tiles(tmp_path: Path) -> None:
    pixels = PIXELS.copy()
    pixels[:, :, :50] = 0
    substrate = write_substrate(tmp_path / "s.tif", pixels, nodata=0)
    listed = cut_tiles(substrate, tmp_path / "tiles", 25, 0.0)
    assert {one.place[-6:] for one in listed} == {"000050", "000075"}


@pytest.mark.parametrize(
    ("pixels", "size", "problem"),
    [
        (PIXELS, 71, "less than a tile of 71"),
        (PIXELS.astype(np.uint16), 32, "uint16, not 8-bit"),
        (np.zeros_like(PIXELS), 32, "none of its tiles"),
    ],
)
def test_refuses(tmp_path: Path, pixels: np.ndarray, size: int, problem: str) -> None:
    substrate = write_substrate(tmp_path / "s.tif", pixels, nodata=0)
    with pytest.raises(InputError, match=problem):
        cut_tiles(substrate, tmp_path / "tiles", size)
    assert not (tmp_path / "tiles").exists()
