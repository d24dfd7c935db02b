"""How far maps may be trusted, in the graph: calibration, an ensemble, pages, polygons, changes.

The tests share one bench, on which everything is made once.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from bench import Bench
from raw import BANDS, CLASSES, SIDE, write_scene
from scipy import ndimage

from nadir.cli.main import main
from nadir.raster.cube import open_cube

pytestmark = pytest.mark.rules

D = "landcover.d"
TILE, CROP, BLOCK = 16, 32, 2
PREDICT = {
    "window": 2 * TILE,
    "overlap": 0.0,
    "scales": [1.0, 1.5],
    "generalize": {"smooth": 1, "min_area": 500},
}
SEEDS = ("u_0", "u_4")
EXPERIMENTS = ("forest", *SEEDS, "both")


class MadeOnce(Bench):
    """A bench that remembers which jobs made everything."""

    ran: set[str]


@pytest.fixture(scope="module")
def bench(rules_folder: Path) -> MadeOnce:
    """A bench with a scene to learn from and one that is all test, everything made once."""
    folder = rules_folder / "quality"
    scenes = {
        scene: write_scene(folder / "raw" / scene, seed, 300000 + 20000 * seed)
        for seed, scene in enumerate("ac")
    }
    scenes["c"]["role"] = "test"
    for scene, given in scenes.items():  # one of the two scenes lacks the first date
        given["dates"] = {"may": given["dates"]["june"] if scene == "a" else None, **given["dates"]}
    network = {
        "datasets": ["d"],
        "model": {"name": "unet_scratch", "width": 4, "depth": 2},
        # Crops of another side than tiles: squares of experiments must not differ by that.
        "train": {"epochs": 1, "batch_size": 4, "augment": {"crops": 32, "crop": CROP}},
        "predict": PREDICT,
        "seeds": [0, 4],
    }
    ensemble = {
        "datasets": ["d"],
        "ensemble": {"members": ["forest", "u"]},
        "predict": {
            "window": 2 * TILE,
            "overlap": 0.0,
            "calibrate": True,
            "polygons": {"simplify": 1.0},
        },
    }
    forest = {"datasets": ["d"], "model": {"name": "random_forest", "trees": 5, "pixels": 2000}}
    dataset = {
        "classes": CLASSES,
        "bands": BANDS,
        "scenes": scenes,
        "tiles": {"sizes": [TILE]},
        "split": {"method": "blocks", "block": BLOCK},
    }
    bench = MadeOnce(
        folder,
        {
            "landcover": {
                "datasets": {"d": dataset},
                "experiments": {"forest": forest, "u": network, "both": ensemble},
                "changes": {
                    "years": {
                        "before": {"dataset": "d", "experiment": "u_4", "scene": "c"},
                        "after": {"dataset": "d", "experiment": "both", "scene": "c"},
                    }
                },
            },
            "compute": {"device": "cpu"},
        },
    )
    there = "results/landcover/d/both"
    bench.ran = bench.run(
        "quality",
        f"{there}/model/card.json",
        f"{there}/scenes/c/polygons.gpkg",
        f"{there}/scenes/c/changes_from_u_0.json",
        "results/landcover/d/u_0/rate.png",
    )
    return bench


def made(bench: MadeOnce, name: str) -> Path:
    """A product of the data set; it must be there."""
    path = bench.folder / "results/landcover/d" / name
    assert path.is_file(), name
    return path


def facts(bench: MadeOnce, name: str) -> Any:
    """What a JSON product holds."""
    return json.loads(made(bench, name).read_text())


def band(bench: MadeOnce, name: str) -> np.ndarray:
    """The only band of a raster."""
    with rasterio.open(made(bench, name)) as dataset:
        return dataset.read(1)


def test_each_experiment_is_judged_and_only_what_is_asked_for_is_made(bench: MadeOnce) -> None:
    for rule in ("calibrate_model", "evaluate_quality", "plot_quality"):
        assert {job for job in bench.ran if job.startswith(f"{rule}:")} == {
            f"{rule}:{D}.{name}" for name in EXPERIMENTS
        }
    for job in ("present_maps", "compare_pairs"):
        assert f"{job}:{D}" in bench.ran
    assert {f"plot_curves:{D}.{name}" for name in SEEDS} <= bench.ran
    assert "map_changes:years" in bench.ran
    assert not any(job.startswith(("evaluate_map", "pack", "export_b")) for job in bench.ran)
    assert bench.run("quality") == set()


def test_a_scene_that_is_all_test_is_judged_as_a_whole(bench: MadeOnce) -> None:
    for name in EXPERIMENTS:
        found, table = (
            facts(bench, f"{name}/quality.json"),
            pd.read_parquet(made(bench, f"{name}/blocks.parquet")),
        )
        assert found["split"] == "test" and found["fitted_here"] is False
        assert set(found["areas"]) == {"a", "c"}
        mine = table[table["scene"] == "c"]
        mapped = band(bench, f"{name}/scenes/c/map.tif")
        assert mine["pixels"].sum() == (mapped > 0).sum() == SIDE * SIDE
        assert (table["size"] == TILE).all()
        squares = mine.drop_duplicates(["y", "x"])
        assert len(squares) == (SIDE // TILE) ** 2
        assert (
            squares.groupby("block").size().tolist() == [BLOCK**2] * (SIDE // (BLOCK * TILE)) ** 2
        )
        split = pd.read_parquet(made(bench, "split.parquet"))
        tested = split[split["split"] == "test"]
        assert set(table[table["scene"] == "a"]["block"]) == set(tested["block"])
        draws = tested["block"].nunique() + squares["block"].nunique()
        assert found["draws"] == found["probability"]["sets"]["draws"] == draws
        assert found["probability"]["after"]["pixels"] == table["pixels"].sum()


def test_a_scene_that_lacks_a_date_is_mapped_and_judged_all_the_same(bench: MadeOnce) -> None:
    cube = open_cube(made(bench, "scenes/c/cube.manifest.json"))
    raw, valid = cube.load()
    assert cube.dates == ("may", "june") and cube.present == (1,)
    assert not valid[0].any() and not raw[0].any() and valid[1].all()
    assert (band(bench, "u_0/scenes/c/map.tif") > 0).all()
    check = json.loads(made(bench, "scenes/c/check.json").read_text())
    assert list(check["dates"]) == ["june"]


def test_all_experiments_are_compared_on_the_same_ground(bench: MadeOnce) -> None:
    draws = facts(bench, "u_0/quality.json")["draws"]
    with made(bench, "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    pairs = {frozenset((row["better"], row["worse"])) for row in rows}
    assert pairs == {frozenset(p) for p in (("forest", "u"), ("forest", "both"), ("u", "both"))}
    scores = {name: facts(bench, f"{name}/quality.json")["scores"]["miou"] for name in EXPERIMENTS}
    scores["u"] = np.mean([scores[name] for name in SEEDS])
    for row in rows:
        assert int(row["blocks"]) == draws
        assert int(row["seeds better"]) == (2 if row["better"] == "u" else 1)
        assert int(row["seeds worse"]) == (2 if row["worse"] == "u" else 1)
        gain = scores[row["better"]] - scores[row["worse"]]
        assert float(row["miou"]) == pytest.approx(gain, abs=1e-5) and gain >= 0
    assert "Is it better" in made(bench, "pairs.html").read_text()


def test_calibration_and_the_layers_that_follow(bench: MadeOnce) -> None:
    for name in EXPERIMENTS:
        found = facts(bench, f"{name}/calibration.json")
        assert found["conformal"]["block"] == TILE
        assert found["after"]["nll"] <= found["before"]["nll"] + 1e-6
    sets, ids = (band(bench, f"both/scenes/a/{name}.tif") for name in ("sets", "map"))
    assert (sets[ids > 0] >> (ids[ids > 0] - 1) & 1).all()
    assert not (bench.folder / "results/landcover/d/u_0/scenes/a/sets.tif").exists()


def test_the_page_shows_curves_of_networks_alone(bench: MadeOnce) -> None:
    page = made(bench, "maps.html").read_text()
    assert page.count("<summary>Training curves</summary>") == len(SEEDS)
    assert page.count("<summary>The worst held-out blocks</summary>") == len(EXPERIMENTS)
    assert "There is no test ground" not in page
    assert 'id="swipe-a"' in page and 'id="swipe-c"' in page
    for name in EXPERIMENTS:
        for figure in ("quality.png", "areas.png", "blocks.png", "worst.png"):
            assert made(bench, f"{name}/{figure}").stat().st_size > 5000


def test_ensemble_polygons_changes_and_rate(bench: MadeOnce) -> None:
    card = facts(bench, "both/model/card.json")
    assert "random_forest" in json.dumps(card) and "unet_scratch" in json.dumps(card)
    ids, before = band(bench, "both/scenes/c/map.tif"), band(bench, "u_0/scenes/c/map.tif")
    found = gpd.read_file(made(bench, "both/scenes/c/polygons.gpkg"))
    assert found["area_m2"].sum() == pytest.approx(100 * (ids > 0).sum())
    changes = facts(bench, "both/scenes/c/changes_from_u_0.json")
    assert changes["changed"] == pytest.approx((ids != before).mean())
    assert ((band(bench, "both/scenes/c/changes_from_u_0.tif") > 1) == (ids != before)).all()
    made(bench, "both/scenes/c/changes_from_u_0.png")
    made(bench, "u_0/rate.png")
    assert len(facts(bench, "u_0/rate.json")) > 0


def test_two_maps_of_one_ground_that_the_configuration_names_are_compared(bench: MadeOnce) -> None:
    folder = bench.folder / "results/landcover/changes"
    ids, before = band(bench, "both/scenes/c/map.tif"), band(bench, "u_4/scenes/c/map.tif")
    found = json.loads((folder / "years.json").read_text())
    assert found["changed"] == pytest.approx((ids != before).mean())
    with rasterio.open(folder / "years.tif") as file:
        changes = file.read(1)
    moved = ids != before
    assert (changes[moved] == 256 * before[moved].astype(int) + ids[moved]).all()
    assert (folder / "years.png").stat().st_size > 5000


def test_seeds_are_experiments_of_their_own(bench: MadeOnce) -> None:
    weights = {made(bench, f"{name}/model/model.safetensors").read_bytes() for name in SEEDS}
    assert len(weights) == 2 and not (bench.folder / "results/landcover/d/u").exists()
    assert facts(bench, "both/model/card.json") and len(EXPERIMENTS) == 4


def test_patches_below_the_minimum_are_gone(bench: MadeOnce) -> None:
    for name in SEEDS:
        ids = band(bench, f"{name}/scenes/a/map.tif")
        for class_id in np.unique(ids[ids > 0]):
            numbers, _ = ndimage.label(ids == class_id)
            assert np.bincount(numbers.ravel())[1:].min() >= 5  # 500 m2


def test_scales_are_those_of_the_configuration(bench: MadeOnce, tmp_path: Path) -> None:
    confidence = {}
    for name, scales in (("same", PREDICT["scales"]), ("one", [1.0])):
        cfg = {"predict": {**PREDICT, "scales": scales}, "classes": CLASSES}
        words = [
            *("--model", made(bench, "u_0/model/model.safetensors")),
            *("--cube", made(bench, "scenes/c/cube.manifest.json")),
            *("--out", tmp_path / name / "map.tif", "--cfg", json.dumps(cfg), "--threads", 1),
        ]
        (tmp_path / name).mkdir()
        assert main(["predict-map", *map(str, words)]) == 0
        with rasterio.open(tmp_path / name / "confidence.tif") as file:
            confidence[name] = file.read(1)
    expected = band(bench, "u_0/scenes/c/confidence.tif")
    assert (confidence["same"] == expected).mean() > 0.99
    assert (confidence["one"] != expected).any()


def test_without_test_ground_the_validation_is_named_as_fitted_on(
    bench: MadeOnce, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    split = pd.read_parquet(made(bench, "split.parquet"))
    split.loc[split["split"] == "test", "split"] = "none"
    split.to_parquet(tmp_path / "split.parquet")
    cfg = {
        "predict": {},
        "evaluate": {},
        "classes": CLASSES,
        "seed": 0,
        "tile": TILE,
        "roles": {"a": "learn"},
        "test_block": BLOCK * TILE,
    }
    words = [
        *("--model", made(bench, "forest/model/model.safetensors")),
        *("--cubes", made(bench, "scenes/a/cube.manifest.json")),
        *("--labels", made(bench, "scenes/a/labels.manifest.json")),
        *("--maps", made(bench, "forest/scenes/a/map.tif")),
        *("--split", tmp_path / "split.parquet"),
        *("--calibration", made(bench, "forest/calibration.json")),
        *("--out", tmp_path / "quality.json", "--blocks", tmp_path / "blocks.parquet"),
        *("--cfg", json.dumps(cfg), "--threads", 1),
    ]
    assert main(["evaluate-quality", *map(str, words)]) == 0
    found = json.loads((tmp_path / "quality.json").read_text())
    assert (found["split"], found["fitted_here"]) == ("validation", True)
    assert set(found["areas"]) == {"a"}
    assert "there is no test ground" in caplog.text
