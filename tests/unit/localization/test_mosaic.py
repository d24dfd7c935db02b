import argparse
import json
import warnings
from dataclasses import asdict

import cv2
import numpy as np
import pandas as pd
import pytest
import rasterio
from textures import ground, shoot

from nadir.cli.mosaic_photos import run
from nadir.errors import InputError
from nadir.localization.conventions import Conventions
from nadir.localization.mosaic import PlacedPhoto, placed_photos, write_mosaic
from nadir.localization.photos import write_photos
from nadir.localization.pose import Pose
from nadir.raster.grid import Grid

SIDE, PHOTO = 512, 192
GRID = Grid("EPSG:32631", (0.5, 0.0, 500000.0, 0.0, -0.5, 4700000.0), SIDE, SIDE)


def photograph(folder, picture, poses, spoil=None, size=(PHOTO, PHOTO)):
    """Write photos of a picture, and return them with their poses."""
    placed = []
    for index, pose in enumerate(poses):
        photo = shoot(picture, pose, *size)
        if spoil is not None:
            photo = spoil(index, photo)
        path = folder / f"photo{index:02d}.png"
        cv2.imwrite(str(path), photo[:, :, ::-1])
        placed.append(PlacedPhoto(path.stem, str(path), pose, *size))
    return placed


def lattice(step=96, seed=0, scale=1.0):
    """Return poses on a lattice, disturbed, at random angles, with parts of a pixel."""
    rng = np.random.default_rng(seed)
    return [
        Pose(*(float(at + rng.uniform(-9, 9)) for at in (x, y)), float(rng.uniform(0, 360)), scale)
        for y in range(step, SIDE, step)
        for x in range(step, SIDE, step)
    ]


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path) as dataset:
            return np.moveaxis(dataset.read(), 0, -1), dataset.dataset_mask() > 0


def shift_between(one, other, mask):
    """Return by how many pixels (x, y) `one` is shifted against `other`, by least squares."""
    first, second = (cv2.GaussianBlur(part.mean(2), (0, 0), 1.5) for part in (one, other))
    dy, dx = np.gradient(second)
    rows = np.stack([dx[mask], dy[mask], np.ones(mask.sum())], 1)
    return np.linalg.lstsq(rows, (second - first)[mask], rcond=None)[0][:2]


@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_mosaic_is_the_ground_to_a_tenth_of_a_pixel(tmp_path, scale):
    picture = ground(SIDE, 1)
    placed = photograph(tmp_path, picture, lattice(scale=scale))
    facts = write_mosaic(placed, GRID, tmp_path / "m.tif", 1)
    pixels, valid = read(tmp_path / "m.tif")
    inner = cv2.erode(valid.astype(np.uint8), np.ones((9, 9))) > 0
    assert np.abs(shift_between(pixels, picture, inner)).max() < 0.05
    for part in (np.s_[:256, :256], np.s_[:256, 256:], np.s_[256:, :256], np.s_[256:, 256:]):
        assert np.abs(shift_between(pixels[part], picture[part], inner[part])).max() < 0.1
    assert np.abs(pixels.astype(int) - picture)[inner].mean() < 2
    assert facts["coverage"] == pytest.approx(valid.mean(), abs=1e-5)
    assert facts["photos"] == [photo.name for photo in placed]


def test_a_shift_of_half_a_pixel_would_show(tmp_path):
    picture = ground(SIDE, 1)
    placed = photograph(tmp_path, picture, lattice())
    wrong = [
        PlacedPhoto(
            one.name, one.path, Pose(one.pose.x + 0.5, one.pose.y, one.pose.angle), PHOTO, PHOTO
        )
        for one in placed
    ]
    write_mosaic(wrong, GRID, tmp_path / "m.tif", 1)
    pixels, valid = read(tmp_path / "m.tif")
    inner = cv2.erode(valid.astype(np.uint8), np.ones((9, 9))) > 0
    assert shift_between(pixels, picture, inner) == pytest.approx([0.5, 0], abs=0.1)


def test_covered_is_what_photos_cover(tmp_path):
    pose = Pose(200.25, 250.5, 33.0)
    facts = write_mosaic(photograph(tmp_path, ground(SIDE, 2), [pose]), GRID, tmp_path / "m.tif")
    pixels, valid = read(tmp_path / "m.tif")
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    turn = np.deg2rad(pose.angle)
    u = np.cos(turn) * (columns - pose.x) + np.sin(turn) * (rows - pose.y)
    v = -np.sin(turn) * (columns - pose.x) + np.cos(turn) * (rows - pose.y)
    assert np.array_equal(valid, (np.abs(u) <= PHOTO / 2) & (np.abs(v) <= PHOTO / 2))
    assert not pixels[~valid].any()
    assert facts["mean_observations"] == 1
    assert json.loads((tmp_path / "m.json").read_text()) == facts


def test_clouds_give_way_to_clear_photos(tmp_path):
    picture = ground(SIDE, 3)
    poses = lattice(64, seed=3)

    def spoil(index, photo):
        if index % 3 == 0:
            alpha = np.zeros((PHOTO, PHOTO, 1))
            alpha[40:150, 30:160] = 1
            alpha = cv2.GaussianBlur(alpha, (0, 0), 10)[:, :, None]
            photo = np.round(photo * (1 - alpha) + 230 * alpha).astype(np.uint8)
        return photo

    write_mosaic(photograph(tmp_path, picture, poses, spoil), GRID, tmp_path / "m.tif", 1)
    pixels, _ = read(tmp_path / "m.tif")
    middle = np.s_[100:400, 100:400]
    error = np.abs(pixels[middle].astype(int) - picture[middle])
    assert error.mean() < 3
    assert np.quantile(error, 0.999) < 40


def test_seams_are_no_edges(tmp_path):
    # Flat ground seen with different exposures: whatever edge is left is a seam.
    flat = np.full((SIDE, SIDE, 3), 120, np.uint8)
    flat += np.random.default_rng(0).integers(-3, 4, flat.shape).astype(np.uint8)
    gains = np.random.default_rng(4).uniform(0.85, 1.15, 100)

    def spoil(index, photo):
        return np.round(photo * gains[index]).astype(np.uint8)

    write_mosaic(photograph(tmp_path, flat, lattice(64), spoil), GRID, tmp_path / "m.tif", 1)
    pixels, valid = read(tmp_path / "m.tif")
    inner = cv2.erode(valid.astype(np.uint8), np.ones((25, 25))) > 0
    gray = cv2.GaussianBlur(pixels.mean(2), (0, 0), 3)
    slope = np.hypot(*np.gradient(gray))
    assert slope[inner].max() < 0.8  # unmatched and hard, seams would be steps of some twenty
    assert gray[inner].std() < 3


def test_mosaic_does_not_depend_on_order_or_threads(tmp_path):
    placed = photograph(tmp_path, ground(SIDE, 5), lattice(128))
    write_mosaic(placed, GRID, tmp_path / "a.tif", 1)
    write_mosaic(placed[::-1], GRID, tmp_path / "b.tif", 3)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_blocks_do_not_show(tmp_path, monkeypatch):
    placed = photograph(tmp_path, ground(SIDE, 6), lattice(128))
    write_mosaic(placed, GRID, tmp_path / "a.tif", 1)
    monkeypatch.setattr("nadir.localization.mosaic._BLOCK", 128)
    monkeypatch.setattr("nadir.localization.mosaic._CACHE", 1)
    write_mosaic(placed, GRID, tmp_path / "b.tif", 1)
    one, other = read(tmp_path / "a.tif"), read(tmp_path / "b.tif")
    assert np.array_equal(one[1], other[1])
    # Interpolation rounds positions to a thirty-second of a pixel, relative to the window.
    assert np.abs(one[0].astype(int) - other[0]).mean() < 0.3


def test_finer_photos_are_averaged(tmp_path):
    picture = ground(SIDE * 3, 7)
    pose = Pose(256.0, 256.0, 20.0, 1 / 3)
    photo = shoot(picture, Pose(768.0, 768.0, 20.0), 600, 600)
    cv2.imwrite(str(tmp_path / "a.png"), photo[:, :, ::-1])
    placed = [PlacedPhoto("a", str(tmp_path / "a.png"), pose, 600, 600)]
    write_mosaic(placed, GRID, tmp_path / "m.tif", 1)
    pixels, valid = read(tmp_path / "m.tif")
    expected = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    inner = cv2.erode(valid.astype(np.uint8), np.ones((9, 9))) > 0
    assert np.abs(shift_between(pixels, expected, inner)).max() < 0.1
    assert np.abs(pixels.astype(int) - expected)[inner].mean() < 6


def test_bad_photos_are_named(tmp_path):
    placed = photograph(tmp_path, ground(SIDE, 8), [Pose(256.0, 256.0, 0.0)])[0]
    grown = PlacedPhoto(placed.name, placed.path, placed.pose, PHOTO + 1, PHOTO)
    with pytest.raises(InputError, match="the photo table says"):
        write_mosaic([grown], GRID, tmp_path / "m.tif", 1)
    away = PlacedPhoto(placed.name, placed.path, Pose(5000.0, 0.0, 0.0), PHOTO, PHOTO)
    with pytest.raises(InputError, match="none of 1 located photos"):
        write_mosaic([away], GRID, tmp_path / "m.tif", 1)
    assert not (tmp_path / "m.tif").exists()


def table(placed, splits, dates):
    rows = [
        {
            "photo": one.name,
            "path": one.path,
            "split": split,
            "date": date,
            "width": one.width,
            "height": one.height,
            "x": one.pose.x,
            "y": one.pose.y,
            "angle": one.pose.angle,
            "scale": one.pose.scale,
            "digest": "",
        }
        for one, split, date in zip(placed, splits, dates, strict=True)
    ]
    return pd.DataFrame(rows)


def test_command_takes_training_photos_of_a_date(tmp_path):
    poses = [Pose(100.0 + 60 * index, 200.0, 10.0 * index) for index in range(4)]
    placed = photograph(tmp_path, ground(SIDE, 9), poses)
    splits = ["train", "validation", "train", "train"]
    write_photos(tmp_path / "photos.parquet", table(placed, splits, ["a", "a", "b", "a"]))
    ground_facts = {"path": "", "grid": None, "width": SIDE, "height": SIDE, "digest": ""}
    case = {"substrate": ground_facts, "conventions": asdict(Conventions())}
    (tmp_path / "case.json").write_text(json.dumps(case))
    options = argparse.Namespace(
        case=tmp_path / "case.json",
        photos=tmp_path / "photos.parquet",
        date="a",
        out=tmp_path / "a.tif",
        threads=1,
    )
    run(options)
    assert json.loads((tmp_path / "a.json").read_text())["photos"] == ["photo00", "photo03"]
    assert read(tmp_path / "a.tif")[0].shape == (SIDE, SIDE, 3)
    options.date = "c"
    with pytest.raises(InputError, match="Dates of training photos: a, b"):
        run(options)


def test_photos_without_pose_are_left_out(tmp_path):
    placed = photograph(tmp_path, ground(SIDE, 10), [Pose(200.0, 200.0, 0.0)] * 2)
    rows = table(placed, ["test", "test"], ["a", "a"])
    rows.loc[0, "angle"] = np.nan
    assert [one.name for one in placed_photos(rows)] == ["photo01"]
