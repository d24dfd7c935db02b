"""Rasters side by side: places by number and by georeference, and what does not fit."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from pyproj import Transformer
from rasterio.warp import transform_bounds

from nadir.config.slippy import SlippyTile, TileFolder
from nadir.errors import InputError
from nadir.raster.pieces import open_pieces, tile_grid

SIDE = 32


def picture(seed: int, side: int = SIDE) -> np.ndarray:
    """Return a (side, side, 3) uint8 picture without black."""
    return np.random.default_rng(seed).integers(1, 256, (side, side, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_a_map_tile_lies_where_the_map_has_it() -> None:
    # Longitude and latitude of a tile's corner, by the formula of the web map.
    zoom, x, y = 19, 386693, 220243
    grid = tile_grid(SlippyTile(zoom, x, y), 512, 512)
    left, bottom, right, top = grid.bounds
    to_degrees = Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(left, top)
    assert longitude == pytest.approx(x / 2**zoom * 360 - 180, abs=1e-9)
    n = np.pi * (1 - 2 * y / 2**zoom)
    assert latitude == pytest.approx(np.degrees(np.arctan(np.sinh(n))), abs=1e-9)
    assert right - left == pytest.approx(2 * np.pi * 6378137 / 2**zoom)
    assert top - bottom == pytest.approx(right - left)


def test_tiles_are_put_together_by_their_numbers(tmp_path: Path) -> None:
    tiles = {
        (x, y): save(tmp_path / f"5/{x}/{y}.png", picture(10 * x + y))
        for x, y in ((3, 7), (4, 7), (4, 8))
    }
    pieces = open_pieces(None, TileFolder(folder=str(tmp_path), zoom=5))
    assert pieces.grid.shape == (2 * SIDE, 2 * SIDE)
    assert pieces.grid.same_as(tile_grid(SlippyTile(5, 3, 7), SIDE, SIDE).window(0, 0, 64, 64))
    raw, there = pieces.read([0, 1, 2], 0, 0, 64, 64)
    for (x, y), pixels in tiles.items():
        part = np.s_[(y - 7) * SIDE : (y - 6) * SIDE, (x - 3) * SIDE : (x - 2) * SIDE]
        assert np.array_equal(np.moveaxis(raw[(slice(None), *part)], 0, -1), pixels)
        assert there[part].all()
    assert not there[SIDE:, :SIDE].any() and not raw[:, SIDE:, :SIDE].any()
    # Any window is that part of the whole.
    some, seen = pieces.read([2, 0], 13, 21, 30, 25)
    assert np.array_equal(some, raw[[2, 0], 13:43, 21:46])
    assert np.array_equal(seen, there[13:43, 21:46])


def test_rows_from_the_south(tmp_path: Path) -> None:
    north, south = (save(tmp_path / f"5/3/{y}.png", picture(y)) for y in (8, 7))
    pieces = open_pieces(None, TileFolder(folder=str(tmp_path), zoom=5, scheme="tms"))
    raw, _ = pieces.read([0, 1, 2], 0, 0, 64, 32)
    assert np.array_equal(np.moveaxis(raw, 0, -1), np.concatenate([north, south]))
    assert pieces.grid.bounds[3] == pytest.approx(
        tile_grid(SlippyTile(5, 3, 31 - 8), SIDE, SIDE).bounds[3]
    )


def test_transparency_and_palettes(tmp_path: Path) -> None:
    clear = np.full((SIDE, SIDE), 255, np.uint8)
    clear[:5] = 0
    pixels = picture(1)
    save(tmp_path / "a/5/3/7.png", np.dstack([pixels, clear]))
    raw, there = open_pieces(None, TileFolder(folder=f"{tmp_path}/a", zoom=5)).read(
        [0, 1, 2], 0, 0, SIDE, SIDE
    )
    assert np.array_equal(there, clear > 0)
    assert np.array_equal(np.moveaxis(raw, 0, -1)[5:], pixels[5:])
    flat = np.repeat(np.repeat(picture(2, 2), 16, 0), 16, 1)  # four colors: a palette keeps them
    (tmp_path / "b/5/3").mkdir(parents=True)
    Image.fromarray(flat).convert("P", palette=Image.Palette.ADAPTIVE).save(
        tmp_path / "b/5/3/7.png"
    )
    raw, there = open_pieces(None, TileFolder(folder=f"{tmp_path}/b", zoom=5)).read(
        [0, 1, 2], 0, 0, SIDE, SIDE
    )
    assert np.abs(np.moveaxis(raw, 0, -1).astype(int) - flat).max() <= 8 and there.all()


def test_sheets_lie_where_they_say(raw, tmp_path: Path) -> None:
    one, two = raw.noise(3, 20, 30, 1, "uint8"), raw.noise(3, 20, 30, 2, "uint8")
    raw.tif("one.tif", one, origin=(1000, 500))
    raw.tif("two.tif", two, origin=(1300, 400))
    pieces = open_pieces(None, TileFolder(folder=str(tmp_path)))
    assert pieces.grid.bounds == (1000, 200, 1600, 500)
    read, there = pieces.read([0, 1, 2], 0, 0, 30, 60)
    assert np.array_equal(read[:, :20, :30], one) and np.array_equal(read[:, 10:, 30:], two)
    assert there.sum() == 2 * 20 * 30


def other_size(tmp_path: Path) -> None:
    save(tmp_path / "5/3/9.png", picture(3, 16))


def gray(tmp_path: Path) -> None:
    save(tmp_path / "5/3/9.png", picture(3)[..., 0])


def no_picture(tmp_path: Path) -> None:
    (tmp_path / "5/3/9.png").write_text("hello " * 50)


def torn(tmp_path: Path) -> None:
    path = tmp_path / "5/3/9.tif"
    with rasterio.open(path, "w", driver="GTiff", width=32, height=32, count=3, dtype="uint8") as f:
        f.write(np.moveaxis(picture(4), -1, 0))
    os.truncate(path, path.stat().st_size // 2)


def twice(tmp_path: Path) -> None:
    save(tmp_path / "copy/5/3/7.png", picture(1))


FAULTS = [
    (other_size, r"9\.png: it has 16 x 16 pixels where its neighbors have 32 x 32"),
    (gray, r"9\.png: it has 1 band of uint8 where .*7\.png has 3"),
    (no_picture, r"9\.png: this is not a raster"),
    (torn, r"9\.tif: the TIFF is truncated"),
    (twice, r"7\.png: it is the same tile \(5/3/7\) as .*7\.png"),
]


@pytest.mark.parametrize(("spoil", "problem"), FAULTS)
def test_a_tile_that_does_not_fit_is_named(tmp_path: Path, spoil, problem: str) -> None:
    save(tmp_path / "5/3/7.png", picture(1))
    spoil(tmp_path)
    with pytest.raises(InputError, match=problem):
        open_pieces(None, TileFolder(folder=str(tmp_path), zoom=5)).read([0], 0, 0, 96, 32)


def test_sheets_that_miss_a_common_grid_are_named(raw, tmp_path: Path) -> None:
    raw.tif("one.tif", raw.noise(3, 20, 30, 1, "uint8"), origin=(1000, 500))
    raw.tif("two.tif", raw.noise(3, 20, 30, 2, "uint8"), origin=(1304, 500))
    with pytest.raises(InputError, match=r"two\.tif: its pixels miss those of .*one\.tif by 0\.4"):
        open_pieces(None, TileFolder(folder=str(tmp_path)))
    raw.tif("two.tif", raw.noise(3, 20, 30, 2, "uint8"), crs="EPSG:32630")
    with pytest.raises(InputError, match=r"two\.tif: its CRS is another than"):
        open_pieces(None, TileFolder(folder=str(tmp_path)))


def test_real_tiles_lie_where_they_say_themselves(real_data: Path) -> None:
    folder = real_data / "buildings/fair_models/data/sample/train/oam"
    pieces = open_pieces(None, TileFolder(folder=str(folder), zoom=19))
    assert pieces.grid.shape == (8 * 512, 6 * 512)
    for piece in pieces.pieces[::7]:
        with rasterio.open(piece.path) as file:
            # Their own georeference is in degrees, and linear; over a tile that is nearly so.
            own = transform_bounds(file.crs, "EPSG:3857", *file.bounds)
        placed = pieces.grid.window(piece.y, piece.x, 512, 512).bounds
        assert np.allclose(own, placed, atol=0.01), re.sub(r".*/", "", piece.path)
