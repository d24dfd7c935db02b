"""Retrieval in the graph: what is made again when, and proposals that reach the localization.

The tests share one bench and run in their order; each puts back what it changed.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bench import Bench
from localization_cases import write_ground
from PIL import Image
from textures import ground as made_ground
from textures import shoot

from nadir.localization.conventions import Conventions
from nadir.localization.pose import Pose
from nadir.localization.poses import read_poses
from nadir.retrieval.places import read_images
from nadir.retrieval.rankings import read_rankings

pytestmark = pytest.mark.rules

SIDE, PHOTO = 256, 96
PLACES = "results/retrieval/places/net"
TILES = "results/retrieval/tiles/net"
FIGURES = ("rankings", "misses", "embedding", "places", "weathers", "saliency", "curves")


def write_place(folder: Path, number: int, images: int = 2) -> None:
    """Write a place of the drone and of the satellite: noisy views of one texture."""
    random = np.random.default_rng([7, number])
    texture = np.kron(random.integers(0, 255, (4, 4, 3)), np.ones((8, 8, 1)))
    name = f"{number:04}"

    def save(path: Path, tag: int) -> None:
        noise = np.random.default_rng([8, number, tag]).normal(0, 12, texture.shape)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((texture + noise).clip(0, 255).astype(np.uint8)).save(path)

    test = number >= 6
    drone = ("test/query_drone", "test/gallery_drone") if test else ("train/drone",)
    satellite = ("test/query_satellite", "test/gallery_satellite") if test else ("train/satellite",)
    for tag in range(images):
        for part in drone:
            save(folder / part / name / f"image-{tag:02}.png", tag)
    for part in satellite:
        save(folder / part / name / f"{name}.png", 99)


def write_case(raw: Path) -> None:
    """Write a substrate, photos of known place, and one to locate."""
    picture = made_ground(SIDE, 5)
    raw.mkdir(parents=True)
    write_ground(raw / "original.tiff", picture)
    for index, (x, y) in enumerate([(80, 90), (170, 80), (90, 170), (160, 165), (120, 130)]):
        split, name = "test" if index == 4 else "train", f"photo{index}"
        pose = Pose(x + 0.5, y, 40.0 * index)
        for kind in ("img", "json"):
            (raw / split / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(shoot(picture, pose, PHOTO, PHOTO)).save(raw / split / f"img/{name}.png")
        record = Conventions().to_record(pose, PHOTO, PHOTO)
        (raw / split / f"json/{name}.json").write_text(json.dumps(record))


@pytest.fixture(scope="module")
def bench(rules_folder: Path) -> Bench:
    """A bench with places in a folder and a case, built once."""
    folder = rules_folder / "retrieval"
    for number in range(10):
        write_place(folder / "raw", number)
    write_case(folder / "case")
    method = {
        "name": "localiser",
        "pool": False,
        "descriptor": {"steps": 0},
        "search": {"joint": False},
        "proposals": {"dataset": "tiles", "experiment": "net", "count": 3},
    }
    net = {
        "datasets": ["places", "tiles"],
        "model": {"name": "shared_encoder", "width": 4, "dimensions": 8, "size": 32},
        "train": {"epochs": 1, "batch_size": 4, "losses": {"terms": {"infonce": 1.0}}},
        "evaluate": {"resamples": 50},
    }
    config = {
        "localization": {
            "datasets": {"case": {"folder": "case", "validation": 0.25}},
            "experiments": {"proposed": {"datasets": ["case"], "method": method}},
        },
        "retrieval": {
            "datasets": {
                "places": {"folder": "raw", "validation": 0},
                "tiles": {"case": "case", "validation": 0},
            },
            "experiments": {"net": net},
        },
        "compute": {"device": "cpu"},
    }
    bench = Bench(folder, config)
    poses = "results/localization/case/proposed/poses.parquet"
    comparison = "results/retrieval/comparison.html"
    paths = [f"{PLACES}/{name}" for name in ("submission.zip", "rankings.png")]
    ran = bench.run(comparison, poses, *paths)
    both = ("train_retrieval", "extract_features", "evaluate_retrieval", "rank_places")
    assert ran == {
        *("check_case:case", "index_reference:case.substrate", "locate_photos:case.proposed"),
        *("index_places:places", "index_places:tiles", "compare_retrieval:all"),
        *(f"{rule}:{places}.net" for rule in both for places in ("places", "tiles")),
        *("pack_answer:places.net", "plot_retrieval:places.net"),
        "propose_places:tiles.net",
    }
    return bench


def test_products_are_right(bench: Bench) -> None:
    folder = bench.folder / PLACES
    metrics = json.loads((folder / "metrics.json").read_text())["directions"]
    assert metrics["drone to satellite"]["queries"] == 8
    assert metrics["satellite to drone"]["gallery"] == 8
    rankings = read_rankings(folder / "rankings.parquet")
    assert len(rankings) == 8 * 4 + 4 * 8
    with zipfile.ZipFile(folder / "submission.zip") as archive:
        lines = archive.read("answer.txt").decode().splitlines()
    names = {"0006", "0007", "0008", "0009"}
    assert len(lines) == 8 and all(set(line.split("\t")) == names for line in lines)
    for name in FIGURES:
        assert (folder / f"{name}.png").stat().st_size > 5000, name


def test_proposals_are_tiles_and_reach_the_localization(bench: Bench) -> None:
    images = read_images(bench.folder / "results/retrieval/tiles/images.parquet")
    tiles = images[images["split"] == "gallery"]
    proposals = pd.read_parquet(bench.folder / TILES / "proposals.parquet")
    assert set(proposals["photo"]) >= {"photo4"}
    assert len(proposals[proposals["photo"] == "photo4"]) == len(tiles)
    corners = tiles["place"].str.extract(r"r(\d+)_c(\d+)").astype(float) + PHOTO / 2
    assert set(zip(proposals["x"], proposals["y"], strict=True)) == set(
        zip(corners[1], corners[0], strict=True)
    )
    poses = read_poses(bench.folder / "results/localization/case/proposed/poses.parquet")
    row = poses.set_index("photo").loc["photo4"]
    assert np.hypot(row["x"] - 120.5, row["y"] - 130) < 2


def test_an_image_more_and_another_evaluation_retrain_nothing(bench: Bench) -> None:
    write_place(bench.folder / "raw", 9, images=3)
    evaluate = bench.config["retrieval"]["experiments"]["net"]["evaluate"]
    evaluate["resamples"] = 60
    bench.write_config()
    ran = bench.run(f"{PLACES}/metrics.json")
    assert ran == {
        *("index_places:places", "train_retrieval:places.net", "extract_features:places.net"),
        "evaluate_retrieval:places.net",
    }
    log = bench.log("train_retrieval:places.net")
    assert "delivered" in log and "epoch 1/1" not in log
    metrics = json.loads((bench.folder / PLACES / "metrics.json").read_text())
    assert metrics["directions"]["drone to satellite"]["queries"] == 9


def test_a_parameter_of_the_evaluation_makes_scores_alone(bench: Bench) -> None:
    evaluate = bench.config["retrieval"]["experiments"]["net"]["evaluate"]
    evaluate["whitening"] = True
    bench.write_config()
    done = bench.snakemake("-n", f"{PLACES}/metrics.json")
    assert "Scoring net on places" in done.stdout + done.stderr
    assert "Training" not in done.stdout + done.stderr
    assert "Describing" not in done.stdout + done.stderr
