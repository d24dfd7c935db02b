"""The files of simulated aerial tiles: complete or without a summary, each tile for itself."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize

from nadir.cli.main import main
from nadir.config.aerial import AerialConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.simulate import aerial_tiles
from nadir.simulate.aerial_tiles import draw_mask, render_tile, simulate_aerial
from nadir.simulate.look import expose, tone_of_city
from nadir.simulate.towns import flight, place_tiles
from nadir.simulate.world import World

CFG = AerialConfig(seed=4, size_px=300, cities=2, tiles_per_city=2, merge=0.3)


@pytest.fixture(scope="module")
def folder(small_cfg: WorldConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiles")
    (path / "images").mkdir()
    (path / "images" / "old.tif").write_bytes(b"from another run")
    assert simulate_aerial(small_cfg, CFG, path, workers=2) == path / "aerial.json"
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_layout(folder: Path) -> None:
    expected = {"aerial.json"}
    for name in CFG.tile_names:
        expected |= {f"images/{name}.tif", f"gt/{name}.tif", f"footprints/{name}.gpkg"}
        expected |= {f"labels/{name}.geojson"}
    assert set(files(folder)) == expected
    assert len(expected) == 17


def test_names_are_known_beforehand() -> None:
    names = AerialConfig(cities=300, tiles_per_city=3).tile_names
    assert len(set(names)) == 900
    assert all(name.rstrip("0123456789").isalpha() and name[-1].isdigit() for name in names)
    assert CFG.tile_names[:3] == tuple(f"{CFG.city_names[k // 2]}{k % 2 + 1}" for k in range(3))


def test_threads_change_no_byte(small_cfg: WorldConfig, folder: Path, tmp_path: Path) -> None:
    simulate_aerial(small_cfg, CFG, tmp_path, workers=1)
    assert files(folder) == files(tmp_path)


def test_rasters_share_a_grid_and_masks_are_the_labels(
    world: World, small_cfg: WorldConfig, folder: Path
) -> None:
    for tile in place_tiles(world, CFG):
        with (
            rasterio.open(folder / "images" / f"{tile.name}.tif") as image,
            rasterio.open(folder / "gt" / f"{tile.name}.tif") as mask,
        ):
            assert image.crs == mask.crs and image.crs.to_string() == small_cfg.crs
            assert image.transform == mask.transform and image.shape == mask.shape == (300, 300)
            assert image.res == (0.3, 0.3) and image.dtypes == ("uint8",) * 3
            assert image.block_shapes[0] == (256, 256)
            assert np.allclose(image.bounds, tile.bounds(world))
            pixels, drawn = image.read(), mask.read(1)
        assert pixels.min() >= 1 and pixels.std() > 15
        assert set(np.unique(drawn)) == {0, 255}
        labels = gpd.read_file(folder / "labels" / f"{tile.name}.geojson").to_crs(small_cfg.crs)
        again = draw_mask(labels, 300, image.transform)
        assert (again != drawn).mean() < 1e-4
        truth = gpd.read_file(folder / "footprints" / f"{tile.name}.gpkg", layer="footprints")
        assert {"building", "height", "roof"} <= set(truth.columns)
        assert truth.crs.to_string() == small_cfg.crs
        true = rasterize(truth.geometry, out_shape=(300, 300), transform=image.transform) > 0
        assert 0.3 < (true & (drawn > 0)).sum() / (true | (drawn > 0)).sum() < 1
        assert true.mean() >= CFG.built_share - 0.002


def test_summary(world: World, folder: Path) -> None:
    summary = json.loads((folder / "aerial.json").read_text())
    assert list(summary["cities"]) == sorted(CFG.city_names)
    named = [name for names in summary["cities"].values() for name in names]
    assert sorted(named) == sorted(CFG.tile_names) == sorted(summary["tiles"])
    for tile in place_tiles(world, CFG):
        told = summary["tiles"][tile.name]
        assert told["bounds"] == list(tile.bounds(world))
        assert told["buildings"] >= CFG.buildings
        assert told["built_share"] >= CFG.built_share - 0.002
        assert 0 < told["labels"]["iou"] <= 1


def test_a_tile_depends_on_itself_alone(world: World, folder: Path) -> None:
    tile = place_tiles(world, CFG)[2]
    with rasterio.open(folder / "images" / f"{tile.name}.tif") as file:
        image = np.moveaxis(file.read(), 0, 2)
    assert np.array_equal(render_tile(world, CFG, tile, 0, 0, 300, 300), image)
    more = place_tiles(world, CFG.model_copy(update={"cities": 1}))
    assert more == place_tiles(world, CFG)[:2]


def test_tiles_lie_apart_in_the_world_near_their_town(world: World) -> None:
    tiles = place_tiles(world, CFG)
    side = CFG.size_px * CFG.resolution
    corners = {(tile.x, tile.y) for tile in tiles}
    assert len(corners) == len(tiles)
    for tile in tiles:
        assert tile.x % side == pytest.approx(0, abs=1e-6) or tile.x % side == pytest.approx(side)
        assert 0 <= tile.x <= 2600 - side and 0 <= tile.y <= 2600 - side
    assert [tile.name for tile in tiles] == list(CFG.tile_names)
    assert len({tile.town for tile in tiles}) == 2
    assert place_tiles(world, CFG.model_copy(update={"seed": 9})) != tiles


def test_cities_look_different_unless_told_not_to(world: World) -> None:
    towns = [tile.town for tile in place_tiles(world, CFG)[::2]]
    one, other = (tone_of_city(CFG.seed, town, 1.0) for town in towns)
    assert (one != other).any() and one.min() >= 1
    assert np.all(np.diff(one.astype(int), axis=0) >= 0)
    assert flight(CFG, towns[0]).azimuth != flight(CFG, towns[1]).azimuth
    plain = CFG.model_copy(update={"light": 0.0})
    assert flight(plain, towns[0]) == flight(plain, towns[1])
    level = np.arange(1, 256)
    assert np.array_equal(tone_of_city(3, (0, 0), 0.0)[1:], np.repeat(level[:, None], 3, axis=1))


def test_noise_is_of_the_tile() -> None:
    flat = np.full((64, 64, 3), 128, np.uint8)
    tone = tone_of_city(0, (0, 0), 0.0)
    one, again, other = (expose(flat, tone, 0, (1, k)) for k in (2, 2, 3))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert one.astype(float).std() == pytest.approx(1.6, rel=0.1)
    assert one.astype(float).mean() == pytest.approx(128, abs=0.2)


def test_a_killed_run_leaves_no_summary(
    small_cfg: WorldConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aerial.json").write_text("{}")
    real = aerial_tiles.write_geopackage
    calls = []

    def stop(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(aerial_tiles, "write_geopackage", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate_aerial(small_cfg, CFG, tmp_path, workers=1)
    assert not (tmp_path / "aerial.json").exists()
    assert not list(tmp_path.rglob("*.partial*"))


@pytest.mark.parametrize("update", [{"cities": 40}, {"built_share": 0.85}, {"size_px": 8000}])
def test_a_world_too_small_is_refused(small_cfg: WorldConfig, tmp_path: Path, update: dict) -> None:
    with pytest.raises(InputError, match=r"aerial\.cities: the world has [0-9]+ towns"):
        simulate_aerial(small_cfg, CFG.model_copy(update=update), tmp_path)
    assert not any(tmp_path.iterdir())


def test_command(tmp_path: Path) -> None:
    cfg = {
        "world": {"seed": 3, "width_km": 2.6, "height_km": 2.6},
        "aerial": {"size_px": 128, "cities": 1, "tiles_per_city": 1, "buildings": 1},
    }
    out = tmp_path / "deep" / "aerial.json"
    words = ["simulate-aerial", "--out", str(out), "--cfg", json.dumps(cfg), "--threads", "1"]
    assert main(words) == 0
    assert len(json.loads(out.read_text())["tiles"]) == 1
