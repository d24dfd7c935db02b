"""What is rebuilt when: the promises of docs/rebuild.md, held against which jobs ran.

The tests share one bench and run in their order; each puts back what it changed.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import rasterio
from bench import Bench
from raw import BANDS, CLASSES, write_image, write_scene

pytestmark = pytest.mark.rules

D = "landcover.d"
LEARN = {f"{rule}:{D}" for rule in ("split_tiles", "compute_statistics", "plot_split")}
CERTIFY = {f"certify_split:{D}"}
TRAIN = {f"{rule}:{D}.u" for rule in ("train_model", "plot_curves", "export_bundle")}
SCORES = {f"evaluate_map:{D}.u", f"plot_confusion:{D}.u", "compare_experiments:landcover"}
SUBMISSION = {f"pack_submission:{D}.u"}


def chain(scene: str) -> set[str]:
    """Jobs from a scene's raw files to its tiles."""
    return {
        f"{rule}:{D}.{scene}"
        for rule in ("check_images", "check_scene", "build_cube", "align_labels", "index_tiles")
    }


def mapped(*scenes: str) -> set[str]:
    """Jobs that map scenes and draw the maps."""
    return {f"{rule}:{D}.u.{scene}" for rule in ("predict_map", "plot_map") for scene in scenes}


def digest(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def bench(rules_folder: Path) -> Bench:
    """A bench with a learning scene and a test scene, built once."""
    folder = rules_folder / "rebuild"
    folder.mkdir()
    scenes = {
        name: write_scene(folder / "raw" / name, seed, 300000 + 20000 * seed)
        for seed, name in enumerate("ac")
    }
    scenes["c"]["role"] = "test"
    config = {
        "landcover": {
            "datasets": {
                "d": {
                    "classes": CLASSES,
                    "bands": BANDS,
                    "scenes": scenes,
                    "tiles": {"sizes": [16]},
                    "split": {"method": "blocks", "block": 2},
                }
            },
            "experiments": {
                "u": {
                    "datasets": ["d"],
                    "model": {"name": "unet_scratch", "width": 4, "depth": 2},
                    "train": {"epochs": 2, "augment": {"dihedral": "random"}},
                }
            },
        },
        "compute": {"device": "cpu"},
    }
    bench = Bench(folder, config)
    ran = bench.run()
    everything = (
        chain("a") | chain("c") | LEARN | CERTIFY | TRAIN | SCORES | SUBMISSION | mapped("a", "c")
    )
    assert ran == everything
    return bench


def test_second_run_does_nothing(bench: Bench) -> None:
    start = time.time()
    done = bench.snakemake()
    assert not bench.jobs_since(start)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_touching_a_raw_file_rebuilds_nothing(bench: Bench) -> None:
    for path in ("raw/a/image.tif", "raw/c/mask.tif"):
        os.utime(bench.folder / path)
    assert bench.run() == set()


def test_recompressing_a_raw_file_retrains_nothing(bench: Bench) -> None:
    model = bench.folder / "results/landcover/d/u/model/model.safetensors"
    before = digest(model)
    path = bench.folder / "raw/a/image.tif"
    with rasterio.open(path) as file:
        pixels, east = file.read(), file.bounds.left
    write_image(path, pixels, east, compress="lzw")
    ran = bench.run()
    assert chain("a") <= ran
    assert not ran & chain("c")
    assert "INFO epoch" not in bench.log(f"train_model:{D}.u")
    assert "delivered" in bench.log(f"train_model:{D}.u")
    assert digest(model) == before


def test_changing_a_test_scene_trains_nothing(bench: Bench) -> None:
    write_scene(bench.folder / "raw/c", 77, 320000)
    ran = bench.run()
    assert ran == chain("c") | CERTIFY | mapped("c") | SCORES | SUBMISSION


def test_changing_a_mask_keeps_the_cube(bench: Bench) -> None:
    path = bench.folder / "raw/c/mask.tif"
    with rasterio.open(path, "r+") as file:
        labels = file.read(1)
        labels[:200, :200] = 10
        file.write(labels, 1)
    ran = bench.run()
    rules = {f"check_scene:{D}.c", f"align_labels:{D}.c", f"index_tiles:{D}.c", f"plot_map:{D}.u.c"}
    assert ran == rules | CERTIFY | SCORES


def test_adding_a_scene_builds_that_scene_alone(bench: Bench) -> None:
    scenes = bench.config["landcover"]["datasets"]["d"]["scenes"]
    scenes["e"] = {**write_scene(bench.folder / "raw/e", 5, 500000), "role": "test"}
    bench.write_config()
    assert bench.run() == chain("e") | CERTIFY | mapped("e") | SCORES | SUBMISSION
    del scenes["e"]
    bench.write_config()
    assert bench.run() == CERTIFY | SCORES | SUBMISSION


def test_a_parameter_of_evaluation_scores_again_and_no_more(bench: Bench) -> None:
    experiment = bench.config["landcover"]["experiments"]["u"]
    experiment["evaluate"] = {"min_confidence": 0.3}
    bench.write_config()
    assert bench.run() == SCORES
    del experiment["evaluate"]
    bench.write_config()
    assert bench.run() == SCORES


def test_a_parameter_of_training_set_back_reuses_the_training(bench: Bench) -> None:
    model = bench.folder / "results/landcover/d/u/model/model.safetensors"
    before = digest(model)
    train = bench.config["landcover"]["experiments"]["u"]["train"]
    train["epochs"] = 3
    bench.write_config()
    ran = bench.run()
    assert ran == TRAIN | mapped("a", "c") | SCORES | SUBMISSION
    assert "INFO epoch 3/3" in bench.log(f"train_model:{D}.u")
    assert digest(model) != before
    train["epochs"] = 2
    bench.write_config()
    assert bench.run() == ran
    assert "INFO epoch" not in bench.log(f"train_model:{D}.u")
    assert digest(model) == before


def test_a_color_redraws_and_retrains_nothing(bench: Bench) -> None:
    bench.config["landcover"]["datasets"]["d"]["classes"]["classes"][0]["color"] = "#00ff00"
    bench.write_config()
    ran = bench.run()
    pictures = {f"plot_split:{D}", f"plot_curves:{D}.u", f"plot_confusion:{D}.u"}
    assert ran == pictures | mapped("a", "c") | SCORES | SUBMISSION


def test_where_the_work_is_done_rebuilds_nothing(bench: Bench) -> None:
    bench.config["compute"]["device"] = "auto"
    bench.write_config()
    assert bench.run() == set()


def test_a_comment_or_docstring_rebuilds_nothing(bench: Bench) -> None:
    bench.edit("workflow/nadir/segmentation/losses.py", '"""', '"""Edited. ')
    bench.edit("workflow/nadir/raster/labels.py", "from __future__", "# a comment\nfrom __future__")
    assert bench.run() == set()


def test_editing_behaviour_rebuilds_what_calls_it(bench: Bench) -> None:
    path = "workflow/nadir/segmentation/figures_curves.py"
    with (bench.folder / path).open("a") as file:
        file.write("\n_EDITED = True\n")
    assert bench.run() == {f"plot_curves:{D}.u"}
    path = "workflow/nadir/segmentation/submission.py"
    with (bench.folder / path).open("a") as file:
        file.write("\n_EDITED = True\n")
    assert bench.run() == SUBMISSION


def test_a_killed_training_is_resumed_and_ends_equal(bench: Bench) -> None:
    model = bench.folder / "results/landcover/d/u/model/model.safetensors"
    train = bench.config["landcover"]["experiments"]["u"]["train"]
    train["epochs"] = 8
    bench.write_config()
    log = bench.folder / f"results/logs/train_model/{D}.u.log"
    log.unlink()
    process = subprocess.Popen(
        bench.command("--until", "train_model"),
        cwd=bench.folder,
        env=bench.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.time() + 300
    while not (log.exists() and "INFO epoch 2/8" in log.read_text()):
        assert process.poll() is None and time.time() < deadline, "it ended before it was killed"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed = log.read_text()
    assert "INFO epoch 8/8" not in killed
    bench.snakemake("--unlock")
    bench.run("--until", "train_model")
    resumed = bench.log(f"train_model:{D}.u")
    assert "INFO epoch 1/8" not in resumed and "INFO epoch 8/8" in resumed
    after_kill = digest(model)
    for folder in (bench.folder / "results/.cache/train").iterdir():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    model.unlink()
    bench.run("--until", "train_model")
    assert "INFO epoch 1/8" in bench.log(f"train_model:{D}.u")
    assert digest(model) == after_kill


def test_a_half_written_store_is_never_taken_for_a_whole_one(bench: Bench) -> None:
    bench.config["landcover"]["experiments"]["u"]["train"]["epochs"] = 2
    bench.write_config()
    bench.run()
    cube = bench.folder / "results/landcover/d/scenes/a"
    before = digest(cube / "cube.manifest.json")
    # As after a kill in the middle: part of a store under its own name, no manifest, and
    # Snakemake's own records lost.
    (cube / "cube.manifest.json").unlink()
    next(path for path in (cube / "cube.zarr/reflectance").rglob("*") if path.is_file()).unlink()
    for path in sorted((bench.folder / ".snakemake").rglob("*"), reverse=True):
        path.unlink() if path.is_file() or path.is_symlink() else path.rmdir()
    ran = bench.run()
    assert f"build_cube:{D}.a" in ran
    assert digest(cube / "cube.manifest.json") == before
