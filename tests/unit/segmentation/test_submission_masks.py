"""The archive of binary masks: values, names, compression, equal bytes."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import rasterio
from building_fakes import CLASSES

from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.segmentation.submission_masks import check_masks, pack_masks

GRID = Grid("EPSG:26914", (0.3, 0.0, 616_500.0, 0.0, -0.3, 3_345_000.0), 530, 70)


def write_map(path, ids, grid=GRID, **options):
    profile = dict(driver="GTiff", dtype="uint8", count=1, crs=grid.crs or None)
    profile |= dict(height=ids.shape[0], width=ids.shape[1], transform=grid.affine) | options
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(ids, 1)
    return path


@pytest.fixture
def ids():
    return np.random.default_rng(1).integers(0, 3, GRID.shape, np.uint8)


def test_one_binary_mask_a_scene_named_as_its_image(tmp_path, ids) -> None:
    maps = {"b": write_map(tmp_path / "b.tif", ids), "a": write_map(tmp_path / "a.tif", ids[::-1])}
    names = pack_masks(
        maps,
        dict.fromkeys(maps, GRID),
        CLASSES,
        tmp_path / "s.zip",
        names={"b": "images/austin1.tiff"},
    )
    assert names == ["a.tif", "austin1.tif"]
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == names
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with rasterio.open(f"/vsizip/{tmp_path}/s.zip/austin1.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), np.where(ids == 2, 255, 0))
        assert Grid.of(dataset).same_as(GRID)
        assert dataset.nodata is None and dataset.compression.name == "deflate"
        assert dataset.dtypes == ("uint8",) and dataset.count == 1


def test_equal_maps_give_equal_bytes(tmp_path, ids) -> None:
    packed = []
    for number, compress in enumerate(("deflate", "lzw")):
        maps = {"a": write_map(tmp_path / f"{number}.tif", ids, compress=compress)}
        pack_masks(maps, {"a": GRID}, CLASSES, tmp_path / f"{number}.zip")
        packed.append((tmp_path / f"{number}.zip").read_bytes())
    assert packed[0] == packed[1]


def test_pictures_without_georeference_are_fine(tmp_path, ids) -> None:
    bare = Grid.of_pixels(*GRID.shape)
    maps = {"a": write_map(tmp_path / "a.tif", ids, bare)}
    assert pack_masks(maps, {"a": bare}, CLASSES, tmp_path / "s.zip") == ["a.tif"]


def test_nothing_is_packed_that_is_not_right(tmp_path, ids) -> None:
    target = tmp_path / "s.zip"
    good = write_map(tmp_path / "a.tif", ids)
    with pytest.raises(InputError, match="there is no map"):
        pack_masks({}, {}, CLASSES, target)
    with pytest.raises(InputError, match=r"would both be x\.tif"):
        pack_masks({"a": good, "x": good}, {}, CLASSES, target, names={"a": "x.png"})
    with pytest.raises(InputError, match="lies elsewhere"):
        pack_masks({"a": good}, {"a": GRID.window(1, 0, *GRID.shape)}, CLASSES, target)
    with pytest.raises(InputError, match="class id 7"):
        pack_masks({"a": write_map(tmp_path / "b.tif", ids + 5)}, {"a": GRID}, CLASSES, target)
    assert not target.exists()


def test_a_spoilt_archive_is_found(tmp_path, ids) -> None:
    for name, values, compress in (("gray", ids, "deflate"), ("raw", 255 * (ids == 2), None)):
        path = write_map(tmp_path / "a.tif", values.astype(np.uint8), compress=compress)
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.write(path, "a.tif")
        problem = "other values" if name == "gray" else "no compressed"
        with pytest.raises(InputError, match=problem):
            check_masks(tmp_path / f"{name}.zip", {"a.tif": GRID})
    with pytest.raises(InputError, match="missing or damaged"):
        check_masks(tmp_path / "raw.zip", {"b.tif": GRID})
