"""The archive to hand in: raw values, checked, byte-stable."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.segmentation.submission import pack_landcover

CLASSES = ClassTable.model_validate(
    {
        "classes": [
            {"value": 10, "name": "land", "color": "#00aa00"},
            {"value": 20, "name": "sea", "color": "#0000aa"},
        ],
        "nodata": [7],
    }
)
GRID = Grid("EPSG:32631", (10.0, 0.0, 5e5, 0.0, -10.0, 4.6e6), 530, 40)
RAW = np.array([7, 10, 20], np.uint8)


def write_map(path: Path, ids: np.ndarray, grid: Grid = GRID, **options: object) -> Path:
    profile = {
        "driver": "GTiff",
        "dtype": ids.dtype.name,
        "count": 1,
        "height": ids.shape[0],
        "width": ids.shape[1],
        "crs": grid.crs,
        "transform": grid.affine,
    } | options
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(ids, 1)
    return path


@pytest.fixture
def ids() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 3, GRID.shape, np.uint8)


def test_one_file_a_scene_with_raw_values(tmp_path: Path, ids: np.ndarray) -> None:
    maps = {"b": write_map(tmp_path / "b.tif", ids), "a": write_map(tmp_path / "a.tif", ids[::-1])}
    names = pack_landcover(maps, dict.fromkeys(maps, GRID), CLASSES, tmp_path / "submission.zip")
    assert names == ["a.tif", "b.tif"]
    with zipfile.ZipFile(tmp_path / "submission.zip") as archive:
        assert archive.namelist() == names
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        archive.extractall(tmp_path / "out")
    with rasterio.open(tmp_path / "out" / "b.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), RAW[ids])
        assert Grid.of(dataset).same_as(GRID)
        assert dataset.nodata == 7
        assert dataset.colormap(1)[20][:3] == (0, 0, 0xAA)


def test_tiles_cover_the_scene_in_place(tmp_path: Path, ids: np.ndarray) -> None:
    maps = {"a": write_map(tmp_path / "a.tif", ids)}
    names = pack_landcover(maps, {"a": GRID}, CLASSES, tmp_path / "s.zip", tile=300)
    assert names == ["a_0_0.tif", "a_300_0.tif"]
    with rasterio.open(f"/vsizip/{tmp_path}/s.zip/a_300_0.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), RAW[ids[300:]])
        assert Grid.of(dataset).same_as(GRID.window(300, 0, 230, 40))


def test_equal_maps_give_equal_bytes(tmp_path: Path, ids: np.ndarray) -> None:
    packed = []
    for number, compress in enumerate(("deflate", "lzw")):
        maps = {"a": write_map(tmp_path / f"{number}.tif", ids, compress=compress)}
        pack_landcover(maps, {"a": GRID}, CLASSES, tmp_path / f"{number}.zip")
        packed.append((tmp_path / f"{number}.zip").read_bytes())
    assert packed[0] == packed[1]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"ids": 3}, "class id 3"),
        ({"crs": None}, "no coordinate reference system"),
        ({"crs": "EPSG:32630"}, "lies elsewhere"),
        ({"transform": rasterio.Affine(10, 0, 0, 0, -10, 0)}, "lies elsewhere"),
        ({"rows": 100}, "40 x 100 pixels, its image 40 x 530"),
        ({"dtype": "int16"}, "no map of class ids"),
    ],
)
def test_faulty_maps_leave_no_archive(
    tmp_path: Path, ids: np.ndarray, change: dict, problem: str
) -> None:
    ids[5, 5] = change.pop("ids", 0)
    ids = ids[: change.pop("rows", None)].astype(change.get("dtype", "uint8"))
    good = write_map(tmp_path / "good.tif", np.ones(GRID.shape, np.uint8))
    maps = {"a": good, "b": write_map(tmp_path / "bad.tif", ids, **change)}
    with pytest.raises(InputError, match=problem):
        pack_landcover(maps, dict.fromkeys(maps, GRID), CLASSES, tmp_path / "o" / "s.zip")
    assert not (tmp_path / "o").exists() or not list((tmp_path / "o").iterdir())


def test_nothing_to_hand_in(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no map"):
        pack_landcover({}, {}, CLASSES, tmp_path / "s.zip")
