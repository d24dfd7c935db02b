"""Localization in the graph: what is made again when, held against which jobs ran.

The tests share one bench and run in their order; each puts back what it changed.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from bench import Bench
from localization_cases import write_ground
from PIL import Image
from textures import ground as made_ground
from textures import shoot

from nadir.localization.conventions import Conventions
from nadir.localization.pose import Pose
from nadir.localization.poses import read_poses

pytestmark = pytest.mark.rules

SIDE, PHOTO = 512, 128
FOLDER = "results/localization/d"
TRIALS = ("trained", "plain")
SCORES = {f"{rule}:d.plain" for rule in ("locate_photos", "evaluate_poses")}


def metrics(*trials: str) -> list[str]:
    """Return the scores to ask for."""
    return [f"{FOLDER}/{trial}/metrics.json" for trial in trials]


def place(index: int) -> Pose:
    """Return where a photo lies: in a ring around the middle, turned by steps of 40 degrees."""
    turn = np.deg2rad(27.0 * index)
    return Pose(256 + 120 * np.cos(turn), 256 + 120 * np.sin(turn), (40.0 * index) % 360)


def write_photo(folder: Path, ground: np.ndarray, split: str, index: int) -> None:
    """Write a photo, and its position beside it."""
    for kind in ("img", "json"):
        (folder / split / kind).mkdir(parents=True, exist_ok=True)
    name, pose = f"photo{index:02}", place(index)
    pixels = shoot(ground, pose, PHOTO, PHOTO)
    Image.fromarray(pixels).save(folder / split / "img" / f"{name}.png")
    record = Conventions().to_record(pose, PHOTO, PHOTO)
    (folder / split / "json" / f"{name}.json").write_text(json.dumps(record))


@pytest.fixture(scope="module")
def ground() -> np.ndarray:
    """A substrate with detail at every scale."""
    return made_ground(SIDE, 5)


@pytest.fixture(scope="module")
def bench(rules_folder: Path, ground: np.ndarray) -> Bench:
    """A bench with a small case, built once."""
    folder = rules_folder / "localization"
    raw = folder / "raw"
    raw.mkdir(parents=True)
    write_ground(raw / "original.tiff", ground)
    for index in range(12):
        write_photo(raw, ground, "train" if index < 9 else "test", index)
    plain = {"name": "localiser", "pool": False, "descriptor": {"steps": 0}}
    trained = {
        "name": "localiser",
        "search": {"joint": False},
        "descriptor": {"steps": 1, "batch_size": 2, "channels": 4, "width": 8},
    }
    config = {
        "localization": {
            "datasets": {"d": {"folder": "raw"}},
            "experiments": {
                "plain": {"datasets": ["d"], "method": plain},
                "trained": {"datasets": ["d"], "method": trained},
            },
        },
        "compute": {"device": "cpu"},
    }
    bench = Bench(folder, config)
    products = ("photos.png", "footprints.gpkg", "located.tif", "submission.zip")
    paths = [f"{FOLDER}/trained/{name}" for name in products]
    ran = bench.run(f"{FOLDER}/comparison.html", *paths)
    once = ("plot_poses", "export_footprints", "mosaic_poses", "pack_poses", "train_descriptor")
    assert ran == {
        *("check_case:d", "compare_poses:d", "mosaic_photos:d.all"),
        *("index_reference:d.substrate", "index_reference:d.all"),
        *(f"{rule}:d.trained" for rule in once),
        *(f"{rule}:d.{trial}" for rule in ("locate_photos", "evaluate_poses") for trial in TRIALS),
    }
    return bench


def test_products_are_right(bench: Bench) -> None:
    folder = bench.folder / FOLDER / "trained"
    poses = read_poses(folder / "poses.parquet").set_index("photo")
    for index in (9, 10, 11):
        row, pose = poses.loc[f"photo{index:02}"], place(index)
        assert np.hypot(row["x"] - pose.x, row["y"] - pose.y) < 2
    with zipfile.ZipFile(folder / "submission.zip") as archive:
        assert archive.namelist() == [f"photo{index:02}.json" for index in (9, 10, 11)]
    assert len(gpd.read_file(folder / "footprints.gpkg")) == len(poses)
    with rasterio.open(folder / "located.tif") as located:
        sure = poses.loc[["photo09", "photo10", "photo11"], "resolved"].sum()
        assert (located.dataset_mask() > 0).sum() <= sure * PHOTO**2
        assert located.crs == "EPSG:32631" and located.shape == (SIDE, SIDE)


def test_touching_raw_files_rebuilds_nothing(bench: Bench) -> None:
    for name in ("original.tiff", "train/img/photo00.png", "train/json/photo00.json"):
        os.utime(bench.folder / "raw" / name)
    assert bench.run(f"{FOLDER}/comparison.html", f"{FOLDER}/trained/located.tif") == set()


def test_the_limit_of_precision_locates_again_where_it_is_used(bench: Bench) -> None:
    method = bench.config["localization"]["experiments"]["plain"]["method"]
    method["search"] = {"precision": 0.9}
    bench.write_config()
    assert bench.run(*metrics(*TRIALS)) == SCORES
    del method["search"]
    bench.write_config()


def test_a_new_photo_is_located_on_the_index_that_is_there(
    bench: Bench, ground: np.ndarray
) -> None:
    write_photo(bench.folder / "raw", ground, "test", 12)
    assert bench.run(*metrics("plain")) == SCORES | {"check_case:d"}
    assert "photo12" in set(read_poses(bench.folder / FOLDER / "plain/poses.parquet")["photo"])


def test_another_substrate_is_indexed_anew(bench: Bench, ground: np.ndarray) -> None:
    path = bench.folder / "raw/original.tiff"
    before = (bench.folder / FOLDER / "references/substrate.manifest.json").read_text()
    path.unlink()
    write_ground(path, np.ascontiguousarray(ground[::-1]))
    target = f"{FOLDER}/references/substrate.manifest.json"
    assert bench.run(target) == {"index_reference:d.substrate"}
    assert (bench.folder / target).read_text() != before
