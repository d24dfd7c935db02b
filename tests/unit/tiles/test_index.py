"""Tile index: positions, counts against brute force, filters by cause, bytes."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.config.tiling import TileConfig
from nadir.errors import InputError
from nadir.tiles import cells
from nadir.tiles.filters import CAUSES, count_causes
from nadir.tiles.index import footprints, index_tiles, tile_starts, tile_windows
from nadir.tiles.table import grid_of, read_tiles, write_tiles


@pytest.mark.parametrize("length", [10, 11, 29, 30, 31, 100])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
def test_starts_cover_the_axis_once_each(length, overlap):
    starts = tile_starts(length, 10, overlap)
    assert starts[0] == 0 and starts[-1] == length - 10
    assert len(set(starts)) == len(starts)
    covered = np.zeros(length, int)
    for start in starts:
        covered[start : start + 10] += 1
    assert covered.min() >= 1
    stride = max(1, round(10 * (1 - overlap)))
    assert (np.diff(starts)[:-1] == stride).all()
    assert len(starts) == -(-(length - 10) // stride) + 1


def test_several_sizes_and_unique_ids(scene, classes):
    cube, labels = scene(70, 50)
    tiles = index_tiles(cube, labels, TileConfig(sizes=(20, 16, 20), overlap=0.5), classes, "a")
    assert tiles["id"].is_unique
    assert set(tiles["size"]) == {16, 20}
    assert tiles["id"].iloc[0] == "a/16/0/0"
    assert tiles["y"].dtype == np.int32 and tiles["class_2"].dtype == np.int64


@pytest.mark.parametrize("side", [16, 37, 1024])
def test_counts_equal_brute_force_whatever_the_block(scene, classes, monkeypatch, side):
    monkeypatch.setattr(cells.scene_blocks, "__defaults__", (side,))
    cube, labels = scene(83, 61, seed=3)
    cfg = TileConfig(sizes=(13, 30), overlap=0.4)
    tiles = index_tiles(cube, labels, cfg, classes, "a", workers=3)
    assert cube.reads.min() == cube.reads.max() == 1  # overlapping tiles never re-read
    for row in tiles.itertuples():
        window = np.s_[row.y : row.y + row.size, row.x : row.x + row.size]
        ids, valid = labels.ids[window], cube.valid[(slice(None), *window)]
        expected = np.bincount(ids.ravel(), minlength=5)
        assert [getattr(row, f"class_{k}") for k in range(5)] == expected.tolist()
        assert row.image_valid == valid.all(0).mean()
        assert row.valid == (valid.all(0) & (ids != 0)).mean()
        ys, xs = np.nonzero(ids)
        box = (row.label_y0, row.label_x0, row.label_y1, row.label_x1)
        assert box == (
            (row.y + ys.min(), row.x + xs.min(), row.y + ys.max() + 1, row.x + xs.max() + 1)
            if len(ys)
            else (-1, -1, -1, -1)
        )


def test_surface_shares_are_the_worst_date(cube_type, grid, classes):
    bright, soil = 5000, 1200
    data = np.full((2, 10, 40, 40), soil + 1000, np.uint16)
    data[1, :, :10] = bright + 1000  # white in every band: cloud on a quarter of the second date
    snow = [9000, 9000, 9000, 9000, 9000, 9000, 8500, 8500, 900, 700]
    data[0, :, 20:] = np.array(snow)[:, None, None] + 1000
    valid = np.ones((2, 40, 40), bool)
    valid[1, 20:] = False  # shares are of valid pixels
    cube = cube_type(data, valid, grid(40, 40))
    tiles = index_tiles(cube, None, TileConfig(sizes=(40,)), None, "a")
    assert tiles["cloud"].iloc[0] == pytest.approx(0.5)
    assert tiles["snow"].iloc[0] == pytest.approx(0.5)
    assert tiles["water"].iloc[0] == 0
    assert "class_1" not in tiles and tiles["valid"].iloc[0] == 0.5
    blind = cube_type(data[:, :3], valid, grid(40, 40), bands=("B02", "B03", "B04"))
    assert index_tiles(blind, None, TileConfig(sizes=(40,)), None, "a")["cloud"].isna().all()


def test_a_date_that_the_scene_lacks_makes_no_pixel_invalid(scene, classes):
    cube, labels = scene(60, 60)
    whole = index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, "a")
    cube.valid[0] = False
    lacking = index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, "a")
    cube.valid[1, :20, :20] = False
    assert (lacking["valid"] >= whole["valid"]).all() and lacking["valid"].max() > 0
    cut = index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, "a")
    assert cut["image_valid"].iloc[0] == 0


def test_filters_count_every_dropped_tile_once(cube_type, labels_type, grid, classes):
    ids = np.full((40, 50), 2, np.uint8)
    ids[:10, :20] = 0  # two tiles without labels
    ids[10:20, :10] = 4  # one tile of water
    ids[20:30, :10] = 0
    ids[20, 0] = 1  # a single labelled pixel
    data = np.full((2, 10, 40, 50), 2200, np.uint16)
    data[:, :, 30:, :10] = 6000  # cloud, on two dates
    cube = cube_type(data, np.ones((2, 40, 50), bool), grid(40, 50))
    cfg = TileConfig(sizes=(10,), max_cloud=0.5, min_valid=0.1)
    tiles = index_tiles(cube, labels_type(ids), cfg, classes, "a")
    assert count_causes(tiles) == {
        "kept": 15, "no data": 2, "water only": 1, "cloud": 1, "snow": 0, "few valid pixels": 1,
    }  # fmt: skip
    assert set(tiles["reason"]) <= {"", *CAUSES}
    assert (tiles["keep"] == (tiles["reason"] == "")).all()
    loose = TileConfig(sizes=(10,), drop_empty=False, drop_water_only=False)
    assert index_tiles(cube, labels_type(ids), loose, classes, "a")["keep"].all()


def test_too_large_tile_is_refused_by_name(scene, classes):
    cube, labels = scene(30, 50)
    with pytest.raises(InputError, match=r"harbor.*31 pixels is larger.*30 x 50.*at most 30"):
        index_tiles(cube, labels, TileConfig(sizes=(31,)), classes, "harbor")


def test_geometry_is_on_the_ground(grid):
    place = grid(100, 80)
    shape = footprints(place, tile_windows(place, (30,), 0.0, "a"))[1]
    assert shape.bounds == (300300, 4599700, 300600, 4600000)
    assert shape.equals(place.footprint(0, 30, 30, 30))


def test_file_keeps_everything_and_is_equal_byte_by_byte(scene, classes, tmp_path):
    cube, labels = scene(60, 60)
    for name in ("a.parquet", "b.parquet"):
        tiles = index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, "a")
        write_tiles(tmp_path / name, tiles)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    back = read_tiles(tmp_path / "a.parquet")
    assert grid_of(back) == cube.grid and back.crs.to_epsg() == 32631
    assert back.drop(columns="geometry").equals(tiles.drop(columns="geometry"))
    with pytest.raises(InputError, match="no such tile table"):
        read_tiles(tmp_path / "c.parquet")
    (tmp_path / "d.parquet").write_bytes(b"junk")
    with pytest.raises(InputError, match="this is no tile table"):
        read_tiles(tmp_path / "d.parquet")
