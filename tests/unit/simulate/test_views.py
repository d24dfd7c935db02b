"""Simulated photos from the ground: open spots, right EXIF, crops and truth that belong to them."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from pydantic import ValidationError
from rasterio.warp import transform

from nadir.cli.main import main
from nadir.config.views import NUISANCES, ViewsConfig
from nadir.config.worlds import WorldConfig
from nadir.simulate.aerial import render_aerial
from nadir.simulate.cover import Cover
from nadir.simulate.epochs import Epoch
from nadir.simulate.faults import blurred, indoors
from nadir.simulate.relief import relief_around
from nadir.simulate.standpoints import KINDS, choose_standpoint, map_spots
from nadir.simulate.sun import sun_position
from nadir.simulate.view_files import simulate_views
from nadir.simulate.views import CLASSES, GroundCamera, faults_of
from nadir.simulate.world import World

CFG = ViewsConfig(
    seed=1, n=8, image_px=40, crop_px=32, heading_up=True, unknown_heading=0.4, night=0.125,
    blurred=0.125, indoor=0.125, far=0.125, off_season=0.125, duplicate=0.125,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(small_cfg: WorldConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("views")
    assert simulate_views(small_cfg, CFG, path, workers=1) == path / "views.json"
    return path


def table(path: Path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


def test_layout(folder: Path) -> None:
    truth = table(folder / "truth.csv")
    photos = table(folder / "photos.csv")
    names = list(CFG.names)
    assert [row["file"] for row in photos] == [f"photos/{name}.jpg" for name in names]
    expected = {"views.json", "photos.csv", "truth.csv"}
    for name, row, photo in zip(names, truth, photos, strict=True):
        expected |= {f"photos/{name}.jpg", f"classes/{name}.png"}
        if row["far"] == "0":
            expected.add(f"crops/{name}.png")
            if photo["heading"]:
                expected.add(f"turned/{name}.png")
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == expected
    told = json.loads((folder / "views.json").read_text())
    assert told["faults"] == dict.fromkeys(NUISANCES, 1) and told["sound"] == 2
    assert sum(told["spots"].values()) == 8
    for name in NUISANCES[:-1]:
        assert sum(int(row[name]) for row in truth) == 1
    again = [row for row in truth if row["duplicate_of"]]
    assert len(again) == 1


def test_exif_agrees_with_the_tables(world: World, folder: Path) -> None:
    truth = {row["file"]: row for row in table(folder / "truth.csv")}
    unknown = 0
    for row in table(folder / "photos.csv"):
        with Image.open(folder / row["file"]) as image:
            exif = image.getexif()
            assert image.size == (40, 40) and image.mode == "RGB"
        gps, more = exif.get_ifd(IFD.GPSInfo), exif.get_ifd(IFD.Exif)
        at = []
        for key, ref in ((GPS.GPSLongitude, "W"), (GPS.GPSLatitude, "S")):
            degrees, minutes, seconds = (float(part) for part in gps[key])
            assert 0 <= minutes < 60 and 0 <= seconds < 60
            sign = -1 if gps[key - 1] == ref else 1
            at.append(sign * (degrees + minutes / 60 + seconds / 3600))
        assert at == pytest.approx([float(row["longitude"]), float(row["latitude"])], abs=1e-6)
        known = truth[row["file"]]
        if row["heading"]:
            assert float(gps[GPS.GPSImgDirection]) == pytest.approx(float(row["heading"]), abs=0.01)
            assert gps[GPS.GPSImgDirectionRef] == "T" and row["heading"] == known["heading"]
        else:
            assert GPS.GPSImgDirection not in gps
            unknown += 1
        time = datetime.strptime(more[Base.DateTimeOriginal], "%Y:%m:%d %H:%M:%S").replace(
            tzinfo=UTC
        )
        assert more[Base.OffsetTimeOriginal] == "+00:00"
        assert time.strftime("%Y-%m-%dT%H:%M:%SZ") == row["date"]
        left, bottom, right, top = world.bounds
        (x,), (y,) = transform("OGC:CRS84", world.cfg.crs, [at[0]], [at[1]])
        inside = left < x < right and bottom < y < top
        assert inside == (known["far"] == "0")
        if inside:
            assert (x, y) == pytest.approx((float(known["x"]), float(known["y"])), abs=0.2)
            azimuth, elevation = sun_position(*at, time)
            assert elevation == pytest.approx(float(known["sun_elevation"]), abs=0.1)
            assert azimuth == pytest.approx(float(known["sun_azimuth"]), abs=0.2)
            assert elevation < -10 if known["night"] == "1" else elevation > 10
        month = int(row["date"][5:7])
        assert (month == 4) == (known["season"] == "1")
    assert 0 < unknown < 8


def test_faults_look_like_what_they_are(folder: Path) -> None:
    pictures = {}
    for row in table(folder / "truth.csv"):
        with Image.open(folder / row["file"]) as image:
            pixels = np.asarray(image).astype(float)
        fault = next((name for name in NUISANCES[:-1] if row[name] == "1"), "sound")
        pictures[row["file"]] = pixels
        assert (pixels.mean() < 45) == (fault == "night"), row["file"]
    again = next(row for row in table(folder / "truth.csv") if row["duplicate_of"])
    source = pictures[f"photos/{again['duplicate_of']}.jpg"]
    assert np.corrcoef(pictures[again["file"]].ravel(), source.ravel())[0, 1] > 0.85


def test_blur_takes_detail_and_rooms_have_a_window() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (80, 80, 3), dtype=np.uint8)
    for seed in range(6):
        soft = blurred(sharp, np.random.default_rng(seed))
        assert soft.shape == sharp.shape and soft.std() < 0.45 * sharp.std()
        room = indoors(np.full((80, 80, 3), (0, 0, 255), np.uint8), np.random.default_rng(seed))
        outside = (room[..., 2] > 200) & (room[..., 0] < 60)
        assert 0.04 < outside.mean() < 0.25


def test_classes_and_shares(folder: Path) -> None:
    for name, row in zip(CFG.names, table(folder / "truth.csv"), strict=True):
        with Image.open(folder / f"classes/{name}.png") as image:
            cover = np.asarray(image)
        assert cover.shape == (40, 40) and cover.max() <= len(Cover)
        assert float(row["sky"]) == pytest.approx((cover == 0).mean(), abs=1e-4)
        for value, known in enumerate(CLASSES, 1):
            share = (cover == value).sum() / (cover > 0).sum()
            assert float(row[known]) == pytest.approx(share, abs=1e-4)
        assert sum(float(row[f"crop_{known}"]) for known in CLASSES) == pytest.approx(1, abs=1e-3)
        assert float(row["depth_m"]) > 2


def test_crops_are_of_the_place(world: World, folder: Path) -> None:
    left, top = world.cfg.origin
    for name, row in zip(CFG.names, table(folder / "truth.csv"), strict=True):
        if row["far"] == "1":
            continue
        x, y = float(row["x"]) - left, top - float(row["y"])
        epoch = Epoch(CFG.crop_season, CFG.crop_year)
        expected = render_aerial(world, epoch, x - 16, y - 16, 32, 32, 1.0).rgb
        with Image.open(folder / f"crops/{name}.png") as image:
            assert np.array_equal(np.asarray(image), expected)


def test_turned_crops_have_the_heading_upwards(world: World) -> None:
    camera = GroundCamera(world, CFG, map_spots(world))
    spot = choose_standpoint(world, Epoch("august"), camera.spots, 1, 0, 8)
    east = type(spot)(spot.x, spot.y, 90.0, spot.kind)
    plain, turned = camera.crop(east)[0], camera.crop(east, turned=True)[0]
    # East, to the right in the crop, lies upwards in the turned one.
    same = np.corrcoef(np.rot90(plain)[2:-2, 2:-2].ravel(), turned[2:-2, 2:-2].ravel())[0, 1]
    assert same > 0.97


def test_a_photo_is_of_its_index_alone(world: World, folder: Path) -> None:
    camera = GroundCamera(world, CFG, map_spots(world))
    photo = camera.take(5)
    with Image.open(folder / f"photos/{CFG.names[5]}.jpg") as image:
        assert np.abs(np.asarray(image).astype(int) - photo.rgb).mean() < 6


def test_observers_stand_in_the_open(world: World) -> None:
    spots, epoch = map_spots(world), Epoch("august")
    kinds = set()
    for index in range(12):
        spot = choose_standpoint(world, epoch, spots, 5, index, 12)
        here = relief_around(world, epoch, spot.x, spot.y, 4.0, 0.5)
        assert not here.roofed[5:11, 5:11].any() and not here.trunk[5:11, 5:11].any()
        assert here.crown[5:11, 5:11].max() == 0
        assert here.cover[8, 8] != Cover.WATER
        assert 0 <= spot.heading < 360
        kinds.add(spot.kind)
    assert len(kinds) >= 4 and kinds <= set(KINDS)


def test_faults_are_shared_out_exactly() -> None:
    cfg = ViewsConfig(n=200)
    faults = faults_of(cfg)
    assert {name: faults.count(name) for name in NUISANCES} == cfg.counts
    assert faults == faults_of(cfg) != faults_of(cfg.model_copy(update={"seed": 3}))


@pytest.mark.parametrize(
    ("place", "time", "expected"),
    [
        # Equinox at noon on the equator; both solstices at the tropics; the pole in summer.
        ((0.0, 0.0), datetime(2024, 3, 20, 12, 7, tzinfo=UTC), (None, 89.9)),
        ((0.0, 23.44), datetime(2024, 6, 20, 12, 2, tzinfo=UTC), (None, 89.9)),
        ((0.0, 50.0), datetime(2024, 12, 21, 11, 58, tzinfo=UTC), (180.0, 16.56)),
        ((0.0, 90.0), datetime(2024, 6, 20, 20, 51, tzinfo=UTC), (None, 23.44)),
        # Sunrise at the equinox: due east, on the horizon.
        ((90.0, 0.0), datetime(2024, 3, 20, 0, 7, 20, tzinfo=UTC), (90.0, 0.0)),
    ],
)
def test_sun(place: tuple, time: datetime, expected: tuple) -> None:
    azimuth, elevation = sun_position(*place, time)
    assert elevation == pytest.approx(expected[1], abs=0.15)
    if expected[0] is not None:
        assert azimuth == pytest.approx(expected[0], abs=0.3)


@pytest.mark.parametrize(
    "update",
    [{"n": 0}, {"night": 0.6, "far": 0.5}, {"clouds": (0.8, 0.2)}, {"visibility_m": (5, 9)}],
)
def test_settings_that_contradict_each_other(update: dict) -> None:
    with pytest.raises(ValidationError):
        ViewsConfig.model_validate(update)


def test_command(tmp_path: Path) -> None:
    views = {"n": 1, "image_px": 32, "crop_px": 16}
    cfg = {"world": {"seed": 3, "width_km": 2.6, "height_km": 2.6}, "views": views}
    out = tmp_path / "deep" / "views.json"
    words = ["simulate-ground-views", "--out", str(out), "--cfg", json.dumps(cfg), "--threads", "1"]
    assert main(words) == 0
    assert (tmp_path / "deep" / "photos" / "view_0001.jpg").is_file()
