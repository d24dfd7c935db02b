"""Buildings in the graph: the whole chain from a folder in INRIA's layout, and what is rebuilt.

The tests share one bench and run in their order; each puts back what it changed.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import yaml
from bench import REPOSITORY, Bench
from towns import SIDE, roofs, write_town

from nadir.config.document import load_config

pytestmark = pytest.mark.rules

D = "buildings.d"
MADE = ("check_images", "build_cube")
LABELLED = ("check_scene", "align_labels", "index_tiles", "trace_outlines", "prepare_truth")
DRAWN = ("predict_probability", "threshold_map", "extract_footprints")


def chain(*scenes: str) -> set[str]:
    """Jobs from a scene's picture to its cube."""
    return {f"{rule}:{D}.{scene}" for rule in MADE for scene in scenes}


def drawn(*scenes: str) -> set[str]:
    """Jobs from a scene's cube to its footprints."""
    return {f"{rule}:{D}.u.{scene}" for rule in DRAWN for scene in scenes}


@pytest.fixture(scope="module")
def bench(rules_folder: Path) -> Bench:
    """A bench with one picture to learn from and one to predict, built once."""
    folder = rules_folder / "buildings"
    write_town(folder / "raw", "austin1", 1)
    write_town(folder / "raw", "austin2", 2, mask=False)
    source = {"kind": "inria", "folder": "raw"}
    config = {
        "buildings": {
            "datasets": {
                "d": {
                    "sources": {"inria": source},
                    "tiles": {"sizes": [16]},
                    "split": {"block": 1, "buffer": 0},
                }
            },
            "experiments": {
                "u": {
                    "datasets": ["d"],
                    "model": {"name": "unet_scratch", "width": 4, "depth": 2},
                    "train": {
                        "epochs": 4,
                        "loss": {"border_weight": 1.0},
                        "augment": {"dihedral": "random"},
                        "optimizer": {"learning_rate": 0.02},
                    },
                    "predict": {"window": 32, "overlap": 0.0},
                }
            },
        },
        "compute": {"device": "cpu"},
    }
    bench = Bench(folder, config)
    ran = bench.run()
    learned = {f"{rule}:{D}.austin1" for rule in LABELLED}
    assert chain("austin1", "austin2") | learned | drawn("austin1", "austin2") <= ran
    assert f"trace_outlines:{D}.austin2" not in ran and f"prepare_mask:{D}.austin1" not in ran
    return bench


def test_the_submission_has_the_form_of_the_benchmark(bench: Bench) -> None:
    with zipfile.ZipFile(bench.folder / "results/buildings/d/u/submission.zip") as archive:
        assert archive.namelist() == ["austin2.tif"]
        data = archive.read("austin2.tif")
    with rasterio.open(io.BytesIO(data)) as file:
        assert (file.count, file.dtypes, file.shape) == (1, ("uint8",), (SIDE, SIDE))
        mask = file.read(1)
    assert set(np.unique(mask)) <= {0, 255}
    inside, found = roofs(2), mask == 255
    assert (inside & found).sum() / (inside | found).sum() > 0.6  # it has seen bright roofs


def test_every_product_is_there_and_fits_the_others(bench: Bench) -> None:
    folder = bench.folder / "results/buildings/d"
    threshold = json.loads((folder / "u/threshold.json").read_text())
    assert threshold["split"] == "validation" and 0 < threshold["threshold"] < 1
    with rasterio.open(folder / "u/scenes/austin1/probability.tif") as file:
        probability = file.read(1)
        assert file.nodata == 255 and probability[probability < 255].max() <= 250
    with rasterio.open(folder / "u/scenes/austin1/map.tif") as file:
        assert np.array_equal(file.read(1) == 2, probability >= threshold["level"])
    truth = gpd.read_file(folder / "scenes/austin1/truth.gpkg", layer="footprints")
    assert truth.area.sum() == pytest.approx(roofs(1).sum() * 0.09, rel=0.02)
    geojson = gpd.read_file(folder / "u/scenes/austin1/footprints.geojson")
    package = gpd.read_file(folder / "u/scenes/austin1/footprints.gpkg")
    assert len(geojson) == len(package) > 0 and geojson.crs.to_epsg() == 4326
    scores = json.loads((folder / "u/footprints.json").read_text())
    assert scores
    (row,) = csv.DictReader((bench.folder / "results/buildings/comparison.csv").open())
    for split, found in scores["splits"].items():
        f1 = found["pooled"]["f1"]
        assert row[f"{split} F1"] == ("" if f1 is None else f"{f1:.6f}")
    names = ("weights", "exported.pt2", "model.onnx", "item.json", "sample.npz")
    assert all((folder / "u/model" / name).is_file() for name in names[1:])
    for name in ("threshold.png", "footprints.png", "confusion.png", "curves.png"):
        assert (folder / "u" / name).is_file()


def test_second_run_does_nothing(bench: Bench) -> None:
    start = time.time()
    done = bench.snakemake()
    assert not bench.jobs_since(start)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_picture_put_into_the_folder_builds_its_chain_alone(bench: Bench) -> None:
    write_town(bench.folder / "raw", "austin3", 3, mask=False)
    packed = {f"pack_masks:{D}.u"}
    assert bench.run() == chain("austin3") | drawn("austin3") | packed
    (bench.folder / "raw/images/austin3.tif").unlink()
    assert bench.run() == packed


def test_a_parameter_of_footprints_draws_again_and_trains_nothing(bench: Bench) -> None:
    bench.config["buildings"]["experiments"]["u"]["footprints"] = {"min_area": 3.0}
    bench.write_config()
    extracted = {f"extract_footprints:{D}.u.{scene}" for scene in ("austin1", "austin2")}
    scored = {f"evaluate_footprints:{D}.u", f"plot_footprints:{D}.u"}
    scored |= {"compare_experiments:buildings"}
    assert bench.run() == extracted | scored
    del bench.config["buildings"]["experiments"]["u"]["footprints"]
    bench.write_config()
    assert bench.run() == extracted | scored


def test_another_pixel_size_makes_pictures_and_keeps_their_ground(bench: Bench) -> None:
    dataset = bench.config["buildings"]["datasets"]["d"]
    dataset["resolution"] = 0.6
    bench.write_config()
    path = "results/buildings/d/scenes/austin1/cube.manifest.json"
    assert f"mosaic_images:{D}.austin1" in bench.run(path)
    grid = json.loads((bench.folder / path).read_text())["grid"]
    assert (grid["height"], grid["width"]) == (SIDE // 2, SIDE // 2)
    assert grid["transform"][0] == pytest.approx(0.6)
    del dataset["resolution"]
    bench.write_config()


def test_faults_of_the_configuration_are_told_at_once_and_run_nothing(bench: Bench) -> None:
    sources = bench.config["buildings"]["datasets"]["d"]["sources"]
    sources["more"] = {"kind": "tiles", "folder": "rwa"}
    sources["inria"]["tset"] = ["austin1"]
    bench.write_config()
    start = time.time()
    done = bench.snakemake("-n", check=False)
    del sources["more"], sources["inria"]["tset"]
    bench.write_config()
    said = done.stdout + done.stderr
    assert done.returncode and not bench.jobs_since(start)
    assert "sources.more.folder: there is no folder rwa; did you mean 'raw'?" in said
    assert "sources.inria.tset: unknown key; did you mean 'test'?" in said


def test_the_benchmark_is_drawn_with_the_settings_of_its_project(tmp_path: Path) -> None:
    for number, name in enumerate(("austin1", "austin2", "chicago1", "vienna1")):
        write_town(tmp_path / "data/train", name, number)
    write_town(tmp_path / "data/test", "sfo1", 9, mask=False)
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "buildings"]
    places = ["--snakefile", REPOSITORY / "Snakefile", "--directory", tmp_path / "work"]
    overlay = REPOSITORY / "config" / "inria.yaml"
    package = {"PYTHONPATH": str(REPOSITORY / "workflow")}
    done = subprocess.run(
        [*command, *places, "--configfile", overlay],
        env={**os.environ, **package, "NADIR_INRIA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.M))
    # Two models on two data sets of five scenes, of which four have masks.
    assert (jobs["train_model"], jobs["split_tiles"]) == ("4", "2")
    assert (jobs["align_labels"], jobs["build_cube"], jobs["predict_probability"]) == (
        *("8", "10", "20"),
    )
    assert jobs["pack_masks"] == "4"
    given = yaml.safe_load(overlay.read_text().replace("${NADIR_INRIA}", str(tmp_path / "data")))
    config = load_config(given).buildings
    dataset, train = config.datasets["inria"], config.experiments["unet_small"].train
    assert (dataset.tiles.sizes, dataset.split.method) == ((256,), "random")
    learn, stop, test = dataset.split.fractions
    assert test == 0.15 and learn / stop == pytest.approx(80 / 20)
    assert (train.monitor, train.early_stopping) == ("validation_iou", 10)
