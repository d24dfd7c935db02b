"""Simulated places: splits apart on the ground, the layout complete, every place for itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from nadir.cli.main import main
from nadir.config.places import PlacesConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.simulate.places import (
    choose_places,
    drone_epoch,
    flight_path,
    render_place,
    satellite_epoch,
    simulate_places,
)
from nadir.simulate.terrain import height_at
from nadir.simulate.world import World

CFG = PlacesConfig(
    seed=2, train=2, test=1, distractors=1, drone=2, image_px=32, satellite_px=40, block_m=320
)


@pytest.fixture(scope="module")
def folder(small_cfg: WorldConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("places")
    (path / "train" / "drone" / "9999").mkdir(parents=True)
    (path / "train" / "drone" / "9999" / "old.jpeg").write_bytes(b"of another run")
    assert simulate_places(small_cfg, CFG, path, workers=1) == path / "places.json"
    return path


def test_layout(folder: Path) -> None:
    drone, expected = ("image-01.jpeg", "image-02.jpeg"), {"places.json", "places.csv"}
    for root, names in {
        "train": ("0001", "0002"), "test/query": ("0003",), "test/gallery": ("0003", "0004"),
    }.items():  # fmt: skip
        link = "/" if root == "train" else "_"
        for name in names:
            expected |= {f"{root}{link}drone/{name}/{file}" for file in drone}
            expected.add(f"{root}{link}satellite/{name}/{name}.jpg")
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert found == expected
    with Image.open(folder / "train/drone/0001/image-01.jpeg") as image:
        assert image.size == (32, 32) and image.mode == "RGB"
    with Image.open(folder / "test/gallery_satellite/0004/0004.jpg") as image:
        assert image.size == (40, 40)
    query, gallery = (folder / f"test/{role}_drone/0003" for role in ("query", "gallery"))
    assert all((query / file).read_bytes() == (gallery / file).read_bytes() for file in drone)


def test_tables_tell_where_places_are(world: World, folder: Path) -> None:
    with open(folder / "places.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["place"] for row in rows] == ["0001", "0002", "0003", "0004"]
    assert [row["split"] for row in rows] == ["train", "train", "test", "distractor"]
    built = world.buildings(world.bounds)
    for row in rows:
        away = np.hypot(built["x"] - float(row["x"]), built["y"] - float(row["y"]))
        assert away.min() < 0.01
        assert -0.2 < float(row["longitude"]) < 0 and 43 < float(row["latitude"]) < 43.3
    told = json.loads((folder / "places.json").read_text())
    assert told["counts"] == {"train": 2, "test": 1, "distractor": 1}
    at = np.array([(float(row["x"]), float(row["y"])) for row in rows])
    between = np.linalg.norm(at[:2, None] - at[None, 2:], axis=-1).min()
    assert told["distance_m"]["train_test"] == pytest.approx(between, abs=0.01)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_splits_lie_apart(world: World, seed: int) -> None:
    cfg = PlacesConfig(seed=seed, train=8, test=4, distractors=4, block_m=320, gap_m=120)
    places = choose_places(world, cfg)
    assert places == choose_places(world, cfg)
    assert [place.split for place in places] == ["train"] * 8 + ["test"] * 4 + ["distractor"] * 4
    at = np.array([(place.x, place.y) for place in places])
    away = np.linalg.norm(at[:, None] - at[None], axis=-1) + 1e9 * np.eye(16)
    assert away.min() >= cfg.apart_m
    assert away[:8, 8:].min() >= cfg.gap_m
    blocks = [{tuple(block) for block in part // 320} for part in (at[:8], at[8:])]
    assert not blocks[0] & blocks[1]


def test_a_place_is_of_itself_alone(world: World, folder: Path) -> None:
    place = choose_places(world, CFG)[1]
    drone, satellite = render_place(world, CFG, place)
    assert drone.shape == (2, 32, 32, 3) and satellite.shape == (40, 40, 3)
    assert drone.std() > 15 and satellite.std() > 10
    with Image.open(folder / "train/satellite/0002/0002.jpg") as image:
        assert np.abs(np.asarray(image).astype(int) - satellite).mean() < 6
    with Image.open(folder / "train/drone/0002/image-02.jpeg") as image:
        assert np.abs(np.asarray(image).astype(int) - drone[1]).mean() < 6


def test_the_drone_looks_at_the_place_from_all_sides(world: World) -> None:
    cfg = CFG.model_copy(update={"drone": 40, "wander_m": 0.0})
    place = choose_places(world, cfg)[0]
    path = flight_path(world, cfg, place)
    ground = height_at(place.x, place.y, world.frame, world.seed)
    for camera in path:
        column, row, away = camera.project([place.x, place.y, ground + 0.5 * place.height])
        assert (column, row) == pytest.approx((16, 16), abs=1e-6)
        assert away > 45
    heights = np.array([camera.z for camera in path]) - ground
    assert heights[0] > 120 and heights[-1] < 60
    assert len({int(camera.heading // 45) for camera in path}) == 8


def test_dates_differ() -> None:
    one, other = drone_epoch(CFG), satellite_epoch(CFG)
    assert (one.season, one.year, one.azimuth) != (other.season, other.year, other.azimuth)
    assert one.season != other.season and one.year != other.year


@pytest.mark.parametrize("update", [{"train": 4000}, {"test": 4000}])
def test_a_world_too_small_is_refused(small_cfg: WorldConfig, tmp_path: Path, update: dict) -> None:
    with pytest.raises(InputError, match=r"the world has [0-9]+ places"):
        simulate_places(small_cfg, CFG.model_copy(update=update), tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "update",
    [
        {"train": 0, "test": 0},
        {"test": 0},
        {"heights_m": (90, 40)},
        {"gap_m": 10},
        {"block_m": 190},
    ],
)
def test_settings_that_contradict_each_other(update: dict) -> None:
    with pytest.raises(ValidationError):
        PlacesConfig.model_validate(update)


def test_command(tmp_path: Path) -> None:
    places = {"train": 1, "test": 0, "distractors": 0, "drone": 1, "image_px": 32}
    cfg = {"world": {"seed": 3, "width_km": 2.6, "height_km": 2.6}, "places": places}
    out = tmp_path / "deep" / "places.json"
    words = ["simulate-places", "--out", str(out), "--cfg", json.dumps(cfg), "--threads", "2"]
    assert main(words) == 0
    assert (tmp_path / "deep" / "train" / "drone" / "0001" / "image-01.jpeg").is_file()
