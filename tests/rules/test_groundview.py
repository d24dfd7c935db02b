"""The ground view in the graph: what is made, what is made again when, and the review's csv.

The tests share one bench and run in their order; each puts back what it changed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bench import Bench
from PIL import Image

from nadir.groundview.pairs import open_pairs

pytestmark = pytest.mark.rules

SIDE = 32
ALBUM = "results/groundview/panels"
RAW = "panels"
TARGETS = (f"{ALBUM}/comparison.html", f"{ALBUM}/net/samples.png", f"{ALBUM}/review.html")
TRAINED = {"train_groundview:panels.net", "train_judge:panels", "train_closing:panels"}


def write_panels(folder: Path, place: int, view: int) -> Path:
    """Write a picture of a crop and of a view with a sky above the place's color."""
    random = np.random.default_rng([3, place, view])
    color = np.random.default_rng([4, place]).integers(30, 220, 3)
    crop = np.clip(color + random.normal(0, 25, (SIDE, SIDE, 3)), 0, 255)
    ground = crop.copy()
    sky = np.array([120, 160, 230])
    ground[: SIDE // 2] = np.clip(sky + random.normal(0, 20, (SIDE // 2, SIDE, 3)), 0, 255)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"place{place:02}.{view}.png"
    Image.fromarray(np.concatenate([crop, ground], axis=1).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def bench(rules_folder: Path) -> Bench:
    """A bench with panels of ten places, built once."""
    folder = rules_folder / "groundview"
    for place in range(10):
        for view in range(2):
            write_panels(folder / RAW, place, view)
    short = {"epochs": 1, "batch_size": 8}
    small = {
        "name": "conditional_gan",
        "crop_px": 16,
        "embedding": 4,
        "widths": [8, 8],
        "latent": 4,
    }
    net = {
        "datasets": ["panels"],
        "model": {**small, "discriminator_width": 4},
        "train": {**short, "passes": 1, "shown": 2},
        "generate": {"samples": 2, "walks": 1, "walk_steps": 3},
        "evaluate": {"resamples": 20, "groups": 2, "pairing": {"among": 2, "draws": 5}},
    }
    dataset = {
        "panels": {"folder": RAW, "place": r"(.+)\.\d\.png", "up": "heading"},
        "image_px": SIDE,
        "filters": {"sharpness": None, "night": None, "duplicates": None},
        "split": {"test": 0.4, "validation": 0.2},
    }
    config = {
        "groundview": {
            "datasets": {"panels": dataset},
            "judge": {**short, "size": 32, "width": 8, "features": 8, "max_seconds": None},
            "closing": {
                "model": {"name": "shared_encoder", "width": 4, "dimensions": 8, "size": 32},
                "train": {"epochs": 1, "batch_size": 4},
            },
            "experiments": {"net": net},
        },
        "compute": {"device": "cpu"},
    }
    bench = Bench(folder, config)
    ran = bench.run(*TARGETS)
    assert ran == {
        *("index_photos:panels", "filter_photos:panels", "review_sheet:panels"),
        *("build_pairs:panels", "generate_views:panels.net", "evaluate_groundview:panels.net"),
        *("plot_groundview:panels.net", "compare_groundview:panels", "export_photos:panels"),
        *("export_views:panels.net", "index_exported_photos:panels", "describe_photos:panels"),
        *("index_exported_views:panels.net", "describe_views:panels.net", "find_photos:panels"),
        "find_views:panels.net",
        *TRAINED,
    }
    return bench


def test_products_are_right(bench: Bench) -> None:
    pairs = open_pairs(bench.folder / ALBUM / "pairs.manifest.json")
    places = {split: set(pairs.of(split).table["place"]) for split in ("train", "test")}
    assert len(pairs.table) == 20 and places["train"] and places["test"]
    assert not places["train"] & places["test"]
    metrics = json.loads((bench.folder / ALBUM / "net/metrics.json").read_text())
    assert metrics["pairs"] == len(pairs.rows("test"))
    found = json.loads((bench.folder / ALBUM / "net/closing/metrics.json").read_text())
    assert found["directions"]["ground to satellite"]["gallery"] == len(pairs.rows("test"))
    table = pd.read_csv(bench.folder / ALBUM / "comparison.csv")
    assert table.set_index("measure").loc["R@1 of crop", "value"] >= 0


def test_nothing_is_made_again_when_nothing_changed(bench: Bench) -> None:
    assert bench.run(*TARGETS) == set()


def test_a_parameter_of_the_evaluation_scores_again(bench: Bench) -> None:
    pairing = bench.config["groundview"]["experiments"]["net"]["evaluate"]["pairing"]
    pairing["draws"] = 6
    bench.write_config()
    assert bench.run(*TARGETS) == {
        *("evaluate_groundview:panels.net", "plot_groundview:panels.net"),
        "compare_groundview:panels",
    }
    pairing["draws"] = 5
    bench.write_config()
    bench.run(*TARGETS)


def test_a_photo_dropped_by_hand_is_in_no_pair(bench: Bench) -> None:
    (bench.folder / "review.csv").write_text("photo,keep\nplace03.1,0\n")
    bench.config["groundview"]["datasets"]["panels"]["review"] = "review.csv"
    bench.write_config()
    ran = bench.run(f"{ALBUM}/pairs.manifest.json")
    assert ran == {"filter_photos:panels", "build_pairs:panels"}
    pairs = open_pairs(bench.folder / ALBUM / "pairs.manifest.json")
    assert len(pairs.table) == 19 and "place03.1" not in set(pairs.table["pair"])
