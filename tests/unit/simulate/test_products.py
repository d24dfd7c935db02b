"""The files: the same whatever the blocks, complete or absent, and readable by others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from nadir.config.classes import CATALONIA
from nadir.config.worlds import WorldConfig
from nadir.raster.grid import Grid
from nadir.simulate import products
from nadir.simulate.cover import Cover
from nadir.simulate.products import simulate_world
from nadir.simulate.render import render_window
from nadir.simulate.world import World

FILES = ("april.tif", "august.tif", "mask.tif", "world.json")


@pytest.fixture(scope="module")
def folder(small_cfg: WorldConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world")
    assert simulate_world(small_cfg, path, workers=2) == path / "world.json"
    return path


def test_windows_agree_whatever_their_size(world: World) -> None:
    whole = render_window(world, 100, 60, 60, 80)
    for row, column, rows, columns in [(0, 0, 60, 22), (0, 22, 34, 58), (34, 22, 26, 58)]:
        piece = render_window(world, 100 + row, 60 + column, rows, columns)
        here = (slice(row, row + rows), slice(column, column + columns))
        assert np.array_equal(piece.numbers, whole.numbers[..., here[0], here[1]])
        fine = tuple(slice(10 * s.start, 10 * s.stop) for s in here)
        assert np.array_equal(piece.mask, whole.mask[fine])


def test_block_size_and_threads_change_nothing(
    small_cfg: WorldConfig, folder: Path, tmp_path: Path
) -> None:
    simulate_world(small_cfg, tmp_path, block=512, workers=1)
    for name in FILES[:3]:
        with rasterio.open(folder / name) as one, rasterio.open(tmp_path / name) as other:
            assert np.array_equal(one.read(), other.read()), name


def test_two_runs_give_equal_bytes(small_cfg: WorldConfig, folder: Path, tmp_path: Path) -> None:
    simulate_world(small_cfg, tmp_path, workers=1)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_scenes_declare_what_they_hold(folder: Path) -> None:
    for date in ("april", "august"):
        with rasterio.open(folder / f"{date}.tif") as scene:
            assert scene.descriptions == (
                "B02",
                "B03",
                "B04",
                "B05",
                "B06",
                "B07",
                "B08",
                "B8A",
                "B11",
                "B12",
            )
            assert scene.dtypes == ("uint16",) * 10 and scene.nodata == 0
            assert scene.shape == (260, 260) and scene.crs.to_epsg() == 32631
            assert scene.tags()["PROCESSING_BASELINE"] == "05.10"
            assert scene.tags()["BOA_ADD_OFFSET"] == "-1000"
            data = scene.read()
        valid = data[0] > 0
        assert (data[:, valid] > 0).all() and (data[:, ~valid] == 0).all()
        assert (valid.mean() == 1) if date == "april" else (0.95 < valid.mean() < 1)
        reflectance = (data[:, valid].astype(float) - 1000) / 10000
        assert 0 < np.median(reflectance) < 0.4 and (reflectance < -0.02).mean() == 0


def test_the_mask_lies_on_the_scene_grid(folder: Path) -> None:
    with rasterio.open(folder / "mask.tif") as mask, rasterio.open(folder / "april.tif") as scene:
        assert Grid.of(scene).factor_to(Grid.of(mask)) == (10, (0, 0))
        assert mask.dtypes == ("uint8",) and mask.nodata == 0
        colors, values = mask.colormap(1), mask.read(1)
    assert set(np.unique(values)) == set(range(13))
    for item in CATALONIA.classes:
        assert "#{:02x}{:02x}{:02x}".format(*colors[item.value][:3]) == item.color


def test_classes_are_those_of_the_class_table() -> None:
    assert [item.value for item in CATALONIA.classes] == [int(c) for c in Cover]


def test_the_manifest_describes_the_products(folder: Path) -> None:
    facts = json.loads((folder / "world.json").read_text())
    with rasterio.open(folder / "mask.tif") as mask:
        counts = np.bincount(mask.read(1).ravel(), minlength=13)
    assert facts["class_pixels"] == counts.tolist()
    assert sum(facts["class_share"].values()) == pytest.approx(1, abs=1e-3)
    assert set(facts["content"]) == {"april", "august", "mask"}
    assert facts["nodata_share"]["april"] == 0 < facts["nodata_share"]["august"] < 0.05


def test_a_failure_leaves_nothing_behind(
    small_cfg: WorldConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("stopped")

    (tmp_path / "world.json").write_text("{}")
    monkeypatch.setattr(products, "render_window", fail)
    with pytest.raises(RuntimeError, match="stopped"):
        simulate_world(small_cfg, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("block", [0, 100, -256])
def test_a_bad_block_is_refused(small_cfg: WorldConfig, tmp_path: Path, block: int) -> None:
    with pytest.raises(ValueError, match="multiple of 256"):
        simulate_world(small_cfg, tmp_path, block=block)
