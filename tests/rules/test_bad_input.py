"""Bad input, line by line: one clear error before any expensive work, and nothing half-written.

Each fault goes through the command at which a user meets it first. The checks of raw files are
jobs of their own, which all reading of pixels waits for (`test_checks_come_first`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import yaml
from bench import REPOSITORY, Bench
from commands import BANDS, CLASSES, Commands, error_of, files, half_written, reflectance, write_tif

from nadir.cli.main import main
from nadir.config.document import load_config
from nadir.errors import ConfigError
from nadir.raster.cube import open_cube

Capture = pytest.CaptureFixture[str]
RAW = (reflectance() + 1000).astype(np.uint16)
NEW = {"bands": BANDS, "baseline": "05.10"}


@pytest.fixture
def fresh(tmp_path: Path) -> Commands:
    """Sound raw files, no results."""
    return Commands(tmp_path / "raw", tmp_path / "results").write()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """Everything from raw files to a submission, made by the commands."""
    folder = tmp_path_factory.mktemp("made")
    return (
        Commands(folder / "raw", folder / "results")
        .write()
        .run("check-images", "check-scene", "build-cube", "align-labels", "index-tiles")
        .run("split-tiles", "compute-statistics", "train-model", "predict-map", "pack-submission")
    )


# Raw images: found by headers and a sample of pixels, and again by whoever builds a cube by hand.


def missing(at: Commands) -> None:
    at.august.unlink()


def truncated(at: Commands) -> None:
    os.truncate(at.august, at.august.stat().st_size // 2)


def no_raster(at: Commands) -> None:
    at.august.write_text("hello " * 100)


def no_crs(at: Commands) -> None:
    write_tif(at.august, RAW, crs=None, **NEW)


def band_count(at: Commands) -> None:
    write_tif(at.august, RAW[:2], baseline="05.10")


def band_order(at: Commands) -> None:
    at.image = {"file_bands": BANDS}
    write_tif(at.august, RAW, bands=BANDS[::-1], baseline="05.10")


def other_grid(at: Commands) -> None:
    write_tif(at.august, RAW, 20.0, **NEW)


def other_size(at: Commands) -> None:
    write_tif(at.august, RAW[:, 1:], **NEW)


def no_data(at: Commands) -> None:
    write_tif(at.august, np.zeros_like(RAW), nodata=0, **NEW)


def constant(at: Commands) -> None:
    write_tif(at.august, np.concatenate([RAW[:2], np.full_like(RAW[:1], 1234)]), **NEW)


def nan(at: Commands) -> None:
    values = RAW / np.float32(1e4)
    values[1, 30, 40] = np.nan
    write_tif(at.august, values, bands=BANDS)


def infinite(at: Commands) -> None:
    values = RAW / np.float32(1e4)
    values[1, 30, 40] = np.inf
    write_tif(at.august, values, bands=BANDS)


IMAGES = [
    (missing, "there is no such file", "Check the path"),
    (truncated, "truncated", "Copy or download the file again"),
    (no_raster, "not a raster", "Give a GeoTIFF"),
    (no_crs, "no coordinate reference system", "grid"),
    (band_count, "2 bands where 3 are wanted", "file_bands"),
    (band_order, "the order is wrong", "order"),
    (other_grid, "another grid than", "onto one grid"),
    (other_size, "another grid than", "onto one grid"),
    (no_data, "nothing but no data", "nodata"),
    (constant, "B08 has the value 1234", "give the right file"),
    (nan, "NaN", "nodata: nan"),
    (infinite, "infinite", "repair"),
]


@pytest.mark.parametrize(("spoil", "problem", "remedy"), IMAGES)
def test_faulty_images_are_found_by_the_first_check(
    fresh: Commands,
    capsys: Capture,
    spoil: Callable[[Commands], None],
    problem: str,
    remedy: str,
) -> None:
    spoil(fresh)
    error = error_of(capsys, fresh.words("check-images"), fresh.out)
    assert error.startswith(f"{fresh.august}: ") and problem in error and remedy in error
    # Who runs the expensive command alone is told as well, and no store is left.
    assert str(fresh.august) in error_of(capsys, fresh.words("build-cube"), fresh.out)


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (-np.inf, "infinite")])
def test_one_stray_value_that_a_sample_misses_stops_the_cube(
    tmp_path: Path, capsys: Capture, value: float, what: str
) -> None:
    at = Commands(tmp_path / "raw", tmp_path / "results").write()
    wide = np.tile(RAW, (1, 16, 16)) / np.float32(1e4)
    wide[0, 100, 900] = value
    for path in (at.june, at.august):
        write_tif(path, wide, bands=BANDS)
    at.run("check-images")
    error = error_of(capsys, at.words("build-cube"), at.out)
    assert str(at.raw) in error and f"{what} in 1 of" in error and "nodata: nan" in error


def test_mixed_baselines_are_reconciled(made: Commands) -> None:
    """Equal ground under baselines 05.10 and 03.01 gives equal reflectance, everywhere."""
    facts = json.loads(made.path("check.json").read_text())
    assert facts["mixed_offsets"]
    cube = open_cube(made.path("cube.manifest.json"))
    assert cube.offset == {"june": -1000, "august": 0}
    raw, valid = cube.load()
    assert valid.all() and (raw[0] - raw[1] == 1000).all()
    june, august = (
        cube.scale[date] * (raw[number].astype(np.int64) + cube.offset[date])
        for number, date in enumerate(cube.dates)
    )
    np.testing.assert_array_equal(june, august)
    np.testing.assert_allclose(june, reflectance() * 1e-4, rtol=1e-12)
    statistics = json.loads(made.path("statistics.json").read_text())
    np.testing.assert_allclose(*statistics["mean"], rtol=1e-9)


# Masks and tile sizes: found against the images' grid.


def mask_missing(at: Commands) -> None:
    at.mask.unlink()


def mask_truncated(at: Commands) -> None:
    os.truncate(at.mask, at.mask.stat().st_size // 2)


def mask_no_raster(at: Commands) -> None:
    at.mask.write_text("hello " * 100)


def mask_no_crs(at: Commands) -> None:
    write_tif(at.mask, np.full((1, 640, 640), 10, np.uint8), 1.0, crs=None)


def mask_elsewhere(at: Commands) -> None:
    write_tif(at.mask, np.full((1, 640, 640), 10, np.uint8), 1.0, crs="EPSG:32640")


def mask_unknown_value(at: Commands) -> None:
    labels = np.full((1, 640, 640), 10, np.uint8)
    labels[0, 300, 400] = 99
    write_tif(at.mask, labels, 1.0)


MASKS = [
    (mask_missing, "there is no such file", "Check the path"),
    (mask_truncated, "truncated", "Copy or download the file again"),
    (mask_no_raster, "not a raster", "Give a GeoTIFF"),
    (mask_no_crs, "no coordinate reference system", "gdal_edit.py -a_srs"),
    (mask_elsewhere, "share no ground with the image", "check the CRS of both files"),
    (mask_unknown_value, "outside the class table: 99 (first at row 300", "class"),
]


@pytest.mark.parametrize(("spoil", "problem", "remedy"), MASKS)
def test_faulty_masks_are_found_by_the_check_of_the_scene(
    fresh: Commands,
    capsys: Capture,
    spoil: Callable[[Commands], None],
    problem: str,
    remedy: str,
) -> None:
    fresh.run("build-cube")
    spoil(fresh)
    error = error_of(capsys, fresh.words("check-scene"), fresh.out)
    assert error.startswith(f"{fresh.mask}: ") and problem in error and remedy in error
    assert str(fresh.mask) in error_of(capsys, fresh.words("align-labels"), fresh.out)


def test_a_tile_larger_than_the_scene(made: Commands, capsys: Capture) -> None:
    large = Commands(made.raw, made.out, sizes=[16, 65])
    expected = "a tile of 65 pixels is larger than the scene"
    error = error_of(capsys, large.words("check-scene"), made.out)
    assert error.startswith(f"{made.june}: {expected}") and "`tiles.sizes` to at most 64" in error
    assert expected in error_of(capsys, large.words("index-tiles"), made.out)


def test_checks_come_first() -> None:
    """Building a cube waits for the check of the images, aligning for that of the scene."""
    text = (REPOSITORY / "rules" / "scenes.smk").read_text()
    rules = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", text, re.M | re.S))
    inputs = {name: body.partition("    output:")[0] for name, body in rules.items()}
    assert "images.json" in inputs["build_cube"] and "images.json" in inputs["check_scene"]
    assert "check.json" in inputs["align_labels"] and "check.json" in inputs["prepare_mask"]


# Splits.


def test_a_split_that_leaves_a_set_empty(made: Commands, capsys: Capture) -> None:
    whole = Commands(made.raw, made.out, split={"method": "blocks", "block": 100})
    error = error_of(capsys, whole.words("split-tiles"), made.out)
    assert error.startswith("split: ") and "`split.block`" in error
    assert "the validation set is empty" in error and "the test set is empty" in error


def test_a_split_that_leaves_a_class_out(fresh: Commands, capsys: Capture) -> None:
    labels = np.full((1, 640, 640), 10, np.uint8)
    labels[0, :160, :160] = 20  # all of a class in one tile
    write_tif(fresh.mask, labels, 1.0)
    fresh.run("check-scene", "build-cube", "align-labels", "index-tiles")
    ids = pd.read_parquet(fresh.path("tiles.parquet"))["id"]
    table = pd.DataFrame({"id": ids, "split": ["test", *["train"] * (len(ids) - 1)]})
    table.to_csv(fresh.raw / "split.csv", index=False)
    fresh.split = {"method": "file", "file": str(fresh.raw / "split.csv"), "buffer": 0}
    error = error_of(capsys, fresh.words("split-tiles"), fresh.out)
    assert "class 'crops' is missing from the train set" in error
    assert "Put tiles of every class into the file's training set" in error


# Names and types: told while the configuration is read, and by the command run alone.

UNET = {"name": "unet", "encoder": "resnet18"}
SETTINGS = [
    ({"model": {"name": "unett"}}, "model.name: 'unett' is not known; did you mean 'unet'?"),
    (
        {"model": {**UNET, "encoder": "resnet81"}},
        "model.encoder: there is no encoder 'resnet81'; did you mean 'resnet18'? Common ones are",
    ),
    (
        {"model": {**UNET, "encoder": "tu-resnet18q"}},
        "model.encoder: there is no encoder 'tu-resnet18q'; did you mean 'tu-resnet18",
    ),
    (
        {"model": {**UNET, "weights": "imagnet"}},
        "model.weights: 'imagnet' is neither 'imagenet' nor a .safetensors file; did you mean",
    ),
    ({"model": {**UNET, "encodr": "x"}}, "model.encodr: unknown key; did you mean 'encoder'?"),
    (
        {"train": {"loss": {"name": "cross_entropi"}}},
        "train.loss.name: 'cross_entropi' is not known; did you mean 'cross_entropy'?",
    ),
    ({"train": {"epoch": 3}}, "train.epoch: unknown key; did you mean 'epochs'?"),
    ({"train": {"epochs": "three"}}, "train.epochs: must be a whole number (it is 'three')"),
    ({"train": {"batch_size": [4]}}, "train.batch_size: must be a whole number"),
]


@pytest.mark.parametrize(("section", "problem"), SETTINGS)
def test_unknown_names_and_wrong_types(
    fresh: Commands, capsys: Capture, section: dict, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(configuration(fresh, **section))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"landcover.experiments.u.{problem}")
    # The command, run alone, tells the same before it looks at any file (there is none here).
    for key, value in section.items():
        setattr(fresh, key, value)
    error = error_of(capsys, fresh.words("train-model"), fresh.out)
    assert problem in error and "no such" not in error


def configuration(at: Commands, **experiment: object) -> dict:
    """Return a configuration of one scene and one experiment."""
    scene = {"dates": {"june": {"file": str(at.june)}}, "mask": {"file": str(at.mask)}}
    dataset = {"classes": CLASSES, "bands": BANDS, "scenes": {"s": scene}, "tiles": {"sizes": [16]}}
    experiments = {"u": {"datasets": ["d"], **experiment}}
    return {"landcover": {"datasets": {"d": dataset}, "experiments": experiments}}


@pytest.mark.rules
def test_the_graph_shows_all_faults_before_any_job(
    fresh: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All faults of a configuration at once; then files and the device; no job ran."""
    fine = configuration(fresh, model={"name": "unet_scratch"})
    faulty = configuration(
        fresh,
        model={**UNET, "encoder": "resnet81"},
        train={"loss": {"name": "cross_entropi"}},
    )
    faulty["landcover"]["datasets"]["d"]["tiles"]["sizes"] = "big"
    faulty["landcover"]["dataset"] = {}
    (tmp_path / "bench").mkdir()
    bench = Bench(tmp_path / "bench", faulty)

    def told_by(*arguments: str) -> str:
        bench.write_config()
        done = bench.snakemake(*arguments, check=False)
        assert done.returncode == 1
        return done.stdout + done.stderr

    told = told_by("-n")
    assert "the configuration has 4 problems:" in told and "Traceback" not in told
    for line in (
        "landcover.dataset: unknown key; did you mean 'datasets'?",
        "landcover.datasets.d.tiles.sizes: must be a list (it is 'big')",
        "landcover.experiments.u.model.encoder: there is no encoder 'resnet81'; did you mean",
        "landcover.experiments.u.train.loss.name: 'cross_entropi' is not known; did you mean",
    ):
        assert line in told, told

    absent = "there is no such file. Check the path in the configuration."
    weights = tmp_path / "encoder.safetensors"
    bench.config = configuration(fresh, model={**UNET, "weights": str(weights)})
    assert f"{weights}: {absent}" in told_by("-n")
    bench.config = fine
    fresh.mask.unlink()
    assert f"{fresh.mask}: {absent}" in told_by("-n")
    fresh.write()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    bench.config = fine | {"compute": {"device": "cuda"}}
    told = told_by()  # a dry run does not know where jobs will run
    assert "a GPU is asked for, and there is none here" in told
    assert not (bench.folder / "results").exists()


# Models, weights and devices: told before data are opened.


@pytest.fixture
def no_data_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every reading of pixels fail the test."""

    def opened(*given: object, **named: object) -> None:
        raise AssertionError("data were opened before the fault was told")

    monkeypatch.setattr("nadir.raster.store.StoredArray.read", opened)
    monkeypatch.setattr("nadir.raster.store.StoredArray.read_index", opened)


@pytest.mark.usefixtures("no_data_is_opened")
@pytest.mark.parametrize("verb", ["train-model", "predict-map"])
def test_a_gpu_where_there_is_none(
    made: Commands,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    monkeypatch.setenv("NADIR_DEVICE", "cuda")
    monkeypatch.setattr("nadir.learn.devices.count_gpus", lambda: 0)
    error = error_of(capsys, made.words(verb, tmp_path / "results"), tmp_path)
    assert error.startswith("compute.device: a GPU is asked for, and there is none here")
    assert "Set compute.device to auto or cpu" in error


@pytest.mark.usefixtures("no_data_is_opened")
def test_imagenet_without_a_network(
    made: Commands,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nadir.learn import encoders

    plain = encoders.get_encoder

    def offline(name: str, weights: str | None = None, **options: object) -> object:
        if weights is not None:
            raise ConnectionError("no route")
        return plain(name, weights=None, **options)

    monkeypatch.setattr(encoders, "get_encoder", offline)
    at = Commands(made.raw, made.out, model={**UNET, "weights": "imagenet"})
    error = error_of(capsys, at.words("train-model", tmp_path / "results"), tmp_path)
    assert error.startswith("model.weights: the ImageNet weights of resnet18 cannot be fetched")
    assert "Set weights: null" in error and "FILE.safetensors" in error


@pytest.mark.usefixtures("no_data_is_opened")
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "it cannot be read (No such file"),
        (b"hello", "this is no safetensors file"),
        ({"conv1.weight": np.zeros((4, 3, 7, 7), np.float32)}, "the weights of another model"),
    ],
)
def test_encoder_weights_of_another_model(
    made: Commands,
    tmp_path: Path,
    capsys: Capture,
    content: bytes | dict | None,
    problem: str,
) -> None:
    path = tmp_path / "encoder.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        safetensors.numpy.save_file(content, path)
    at = Commands(made.raw, made.out, model={**UNET, "weights": str(path)})
    error = error_of(capsys, at.words("train-model", tmp_path / "results"), tmp_path)
    assert error.startswith(f"{path}: ") and problem in error


@pytest.mark.usefixtures("no_data_is_opened")
@pytest.mark.parametrize("described", [False, True])
def test_a_bundle_with_the_weights_of_another_model(
    made: Commands, tmp_path: Path, capsys: Capture, described: bool
) -> None:
    """Weights beside another model's description, also where the digest was made to agree."""
    from nadir.provenance.digest import sha

    folder = tmp_path / "made/landcover/d/u/model"
    folder.mkdir(parents=True)
    source = made.path("model/model.safetensors")
    weights = safetensors.numpy.load_file(source)
    name = next(name for name, array in weights.items() if array.ndim == 4)
    weights[name] = weights[name][:1]
    safetensors.numpy.save_file(weights, folder / source.name)
    facts = yaml.safe_load(source.with_name("model.yaml").read_text())
    if described:
        facts["weights_sha256"] = sha((folder / source.name).read_bytes())
    (folder / "model.yaml").write_text(yaml.safe_dump(facts))
    words = made.words("predict-map", tmp_path / "results")
    words[words.index("--model") + 1] = str(folder / source.name)
    error = error_of(capsys, words, tmp_path / "results")
    assert error.startswith(f"{folder / source.name}: ")
    assert ("the weights of another model: " + name if described else "not the weights") in error


def test_a_model_for_other_images(made: Commands, tmp_path: Path, capsys: Capture) -> None:
    other = Commands(made.raw, tmp_path / "other").run("build-cube")
    manifest = other.path("cube.manifest.json")
    facts = json.loads(manifest.read_text())
    facts["content"]["bands"] = facts["content"]["bands"][::-1]
    manifest.write_text(json.dumps(facts))
    words = made.words("predict-map", tmp_path / "results")
    words[words.index("--cube") + 1] = str(manifest)
    error = error_of(capsys, words, tmp_path / "results")
    assert "the same bands in another order" in error and "Give an image like those" in error


# A full disk.

MADE = {
    "check-images": "images.json",
    "build-cube": "cube.manifest.json",
    "align-labels": "labels.manifest.json",
    "split-tiles": "split.parquet",
    "train-model": "model/model.safetensors",
    "predict-map": "map.tif",
    "pack-submission": "submission.zip",
}


@pytest.mark.parametrize(
    ("verb", "writer"),
    [
        ("check-images", "pathlib.Path.write_bytes"),
        ("build-cube", "nadir.raster.store.StoredArray.write"),
        ("align-labels", "nadir.raster.store.StoredArray.write"),
        ("split-tiles", "pandas.DataFrame.to_parquet"),
        ("train-model", "torch.save"),
        ("train-model", "nadir.learn.keeper.save_file"),
        ("predict-map", "os.pwrite"),
        ("predict-map", "nadir.raster.cog._reserve"),
        ("predict-map", "rasterio.shutil.copy"),
        ("pack-submission", "nadir.segmentation.submission.add_file"),
    ],
)
def test_a_full_disk(
    made: Commands,
    tmp_path: Path,
    capsys: Capture,
    verb: str,
    writer: str,
) -> None:
    out = tmp_path / "results"
    product = Commands(made.raw, out).path(MADE[verb])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, half_written(writer))
        error = error_of(capsys, made.words(verb, out), out)
    assert str(out) in error and "the disk is full" in error and "Free some space" in error
    assert not product.exists()
    # With space again, the same command makes the same thing.
    assert main(made.words(verb, out)) == 0
    assert product.read_bytes() == made.path(MADE[verb]).read_bytes()
    assert not [path for path in files(out) if ".partial" in path.name]


_ON_A_SMALL_DISK = """
import json, subprocess, sys
from pathlib import Path
from nadir.cli.main import main

disk, size = Path(sys.argv[1]), 65536
for room in (0, 4096):
    for words in json.loads(sys.argv[2]):
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(disk)]
        subprocess.run(mount, check=True)
        (disk / "filler").write_bytes(bytes(size - room))
        code = main(words)
        left = sum(".partial" in path.name for path in disk.rglob("*"))
        subprocess.run(["umount", str(disk)], check=True)
        print(room, words[0], code, left, sep=",", flush=True)
"""


@pytest.mark.slow
def test_a_disk_that_is_really_full(made: Commands, tmp_path: Path) -> None:
    """Every kind of product on a disk of 64 kB that has no room left, or one page."""
    alone = ["unshare", "--map-root-user", "--mount"]
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mount = [*alone, "mount", "-t", "tmpfs", "none", str(disk)]
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets no user mount a disk of their own")
    verbs = [verb for verb in MADE if verb != "check-images"]
    words = [made.words(verb, disk) for verb in verbs]
    done = subprocess.run(
        [*alone, sys.executable, "-c", _ON_A_SMALL_DISK, str(disk), json.dumps(words)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in done.stdout.splitlines()]
    assert rows == [[room, verb, "2", "0"] for room in ("0", "4096") for verb in verbs], done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("nadir: error: ")]
    assert len(errors) == len(rows) and "Traceback" not in done.stderr
    for line in errors:
        assert str(disk) in line and "the disk is full" in line and "Free some space" in line
        assert ".partial" not in line
