"""Maps: any order of writing, what the file holds, equal bytes, a full disk."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import tifffile
from rasterio._err import CPLE_AppDefinedError

from nadir.config.classes import CATALONIA
from nadir.errors import OutputError
from nadir.raster.cog import MapWriter, read_class_names, write_qml
from nadir.raster.grid import Grid
from nadir.raster.layers import LOCAL_CRS

GRID = Grid("EPSG:32631", (10.0, 0.0, 500000.0, 0.0, -10.0, 4600000.0), 1300, 1100)


def classes(seed: int = 0) -> np.ndarray:
    blobs = np.random.default_rng(seed).integers(0, 13, (26, 22))
    return np.kron(blobs, np.ones((50, 50))).astype("uint8")


def windows(size: int = 170) -> list[tuple[int, int]]:
    return [(y, x) for y in range(0, 1300, size) for x in range(0, 1100, size)]


def write_map(path: Path, values: np.ndarray, order: int = 0, **options: object) -> str:
    places = windows()
    np.random.default_rng(order).shuffle(places)
    with MapWriter(path, GRID, str(values.dtype), **options) as writer:
        for y, x in places:
            writer.write(y, x, values[y : y + 170, x : x + 170])
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_class_map_holds_everything(tmp_path: Path) -> None:
    values = classes()
    write_map(tmp_path / "map.tif", values, table=CATALONIA, tags={"NADIR_MODEL": "unet <1>"})
    assert os.listdir(tmp_path) == ["map.tif"]  # no sidecar, nothing temporary
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert np.array_equal(dataset.read(1), values)
        assert Grid.of(dataset) == GRID
        assert dataset.nodata == 0 and dataset.dtypes == ("uint8",)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.tags()["NADIR_MODEL"] == "unet <1>"
        assert dataset.profile["compress"] == "deflate" and dataset.block_shapes == [(512, 512)]
        assert dataset.overviews(1) == [2, 4]
        assert dataset.colorinterp[0].name == "palette"
        assert dataset.colormap(1)[3] == (0x1F, 0x6B, 0x35, 255)
        assert dataset.descriptions == ("class",)
    assert list(read_class_names(tmp_path / "map.tif").values()) == CATALONIA.names


def test_overviews_of_classes_are_classes_and_of_shares_means(tmp_path: Path) -> None:
    values = np.tile(np.array([[3, 3], [3, 9]], "uint8"), (650, 550))
    write_map(tmp_path / "map.tif", values, table=CATALONIA)
    with rasterio.open(tmp_path / "map.tif", OVERVIEW_LEVEL=0) as dataset:
        assert set(np.unique(dataset.read(1))) == {3}
    shares = np.tile(np.array([[0.1, 0.3], [0.5, 0.7]], "float32"), (650, 550))
    write_map(tmp_path / "share.tif", shares, nodata=None)
    with rasterio.open(tmp_path / "share.tif", OVERVIEW_LEVEL=0) as dataset:
        np.testing.assert_allclose(dataset.read(1), 0.4, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_equal_content_gives_equal_bytes(tmp_path: Path, dtype: str) -> None:
    values = classes().astype(dtype)
    digests = {write_map(tmp_path / f"{order}.tif", values, order) for order in range(3)}
    assert len(digests) == 1
    with rasterio.open(tmp_path / "0.tif") as dataset:
        assert np.array_equal(dataset.read(1), values)


def test_threads_may_write(tmp_path: Path) -> None:
    values = classes()
    one = write_map(tmp_path / "one.tif", values)
    places = windows()
    with MapWriter(tmp_path / "many.tif", GRID) as writer:

        def work(part: int) -> None:
            for y, x in places[part::4]:
                writer.write(y, x, values[y : y + 170, x : x + 170])

        threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert hashlib.sha256((tmp_path / "many.tif").read_bytes()).hexdigest() == one


@pytest.mark.parametrize("nodata", [0, 255, float("nan"), -1.5])
def test_what_is_not_written_is_no_data(tmp_path: Path, nodata: float) -> None:
    dtype = "uint8" if nodata in (0, 255) else "float32"
    with MapWriter(tmp_path / "map.tif", GRID, dtype, nodata=nodata) as writer:
        writer.write(100, 200, np.full((50, 60), 7, dtype))
    with rasterio.open(tmp_path / "map.tif") as dataset:
        values, mask = dataset.read(1), dataset.read_masks(1)
    assert (values[100:150, 200:260] == 7).all()
    assert (mask > 0).sum() == 50 * 60


def test_local_crs_and_rotated_grids_survive(tmp_path: Path) -> None:
    for crs, transform in [(LOCAL_CRS, (10, 0, 0, 0, -10, 0)), ("EPSG:32631", (8, 6, 0, 6, -8, 0))]:
        grid = Grid(crs, tuple(map(float, transform)), 64, 64)
        with MapWriter(tmp_path / "map.tif", grid) as writer:
            writer.write(0, 0, np.ones((64, 64), "uint8"))
        with rasterio.open(tmp_path / "map.tif") as dataset:
            assert Grid.of(dataset).same_as(grid)


def test_windows_and_dtypes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="leaves the map"),
        MapWriter(tmp_path / "map.tif", GRID) as writer,
    ):
        writer.write(1290, 0, np.zeros((20, 20), "uint8"))
    with (
        pytest.raises(ValueError, match="float32 values for a map of uint8"),
        MapWriter(tmp_path / "map.tif", GRID) as writer,
    ):
        writer.write(0, 0, np.zeros((20, 20), "float32"))
    assert os.listdir(tmp_path) == []


def test_an_error_leaves_the_old_map(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    digest = write_map(path, classes(1))
    with pytest.raises(KeyboardInterrupt), MapWriter(path, GRID) as writer:
        writer.write(0, 0, np.ones((100, 100), "uint8"))
        raise KeyboardInterrupt
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert os.listdir(tmp_path) == ["map.tif"]


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _gdal_fails(*_: object, **__: object) -> None:
    raise CPLE_AppDefinedError(1, 1, "_tiffWriteProc: No space left on device")


def _torn(_: str, target: str, **__: object) -> None:
    """Write half a file, as GDAL may do without a word when the disk runs full."""
    tifffile.imwrite(target, np.zeros((200, 200), "uint8"))
    os.truncate(target, 9000)


@pytest.mark.parametrize(
    ("module", "name", "fault"),
    [
        (os, "posix_fallocate", _no_room),
        (os, "pwrite", _no_room),
        (rasterio.shutil, "copy", _gdal_fails),
    ],
)
def test_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str, fault: object
) -> None:
    monkeypatch.setattr(module, name, fault)
    with pytest.raises(OutputError, match=r"map\.tif: the disk is full"):
        write_map(tmp_path / "results" / "map.tif", classes())
    assert os.listdir(tmp_path / "results") == []


def test_torn_output_is_not_taken_for_a_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rasterio.shutil, "copy", _torn)
    with pytest.raises(OutputError, match=r"map\.tif: GDAL cannot write it"):
        write_map(tmp_path / "map.tif", classes())
    assert os.listdir(tmp_path) == []


def test_leftovers_of_a_killed_run_go(tmp_path: Path) -> None:
    left = tmp_path / ".map.tif.0123456789ab.partial"
    left.mkdir()
    (left / "pixels.bin").write_bytes(b"0" * 100)
    write_map(tmp_path / "map.tif", classes())
    assert os.listdir(tmp_path) == ["map.tif"]


def test_qgis_style(tmp_path: Path) -> None:
    write_qml(tmp_path / "map.qml", CATALONIA)
    root = ElementTree.parse(tmp_path / "map.qml").getroot()
    renderer = root.find("pipe/rasterrenderer")
    assert renderer.attrib["type"] == "paletted" and renderer.attrib["band"] == "1"
    entries = {
        int(entry.attrib["value"]): (entry.attrib["label"], entry.attrib["color"])
        for entry in renderer.iter("paletteEntry")
    }
    assert entries == {
        number: (CATALONIA.names[number], CATALONIA.colors[number]) for number in range(1, 13)
    }
