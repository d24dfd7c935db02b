"""Scores on the mosaic: each pixel once, left-out pixels counted by cause."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from nadir.config.classes import ClassTable
from nadir.config.experiments import EvaluateConfig
from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.segmentation.evaluate import MappedScene, evaluate_maps, model_facts, write_confusion

CLASSES = ClassTable.model_validate(
    {
        "classes": [
            {"value": 10, "name": "land", "color": "#00aa00"},
            {"value": 20, "name": "sea", "color": "#0000aa"},
            {"value": 30, "name": "ice", "color": "#dddddd"},
        ]
    }
)
TRANSFORM = (10.0, 0.0, 500_000.0, 0.0, -10.0, 4_600_000.0)


class FakeLabels:
    """Labels in memory."""

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = ids
        self.grid = Grid("EPSG:32631", TRANSFORM, *ids.shape)

    def hard(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        return self.ids[y : y + height, x : x + width]


def write_raster(path: Path, values: np.ndarray, **options: object) -> Path:
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "crs": "EPSG:32631",
        "transform": rasterio.Affine(*TRANSFORM),
    } | options
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(values, 1)
    return path


def tiles(*rows: tuple[str, int, int, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["scene", "y", "x", "size", "split"])


def scores(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Count pairs of ids, slowly."""
    matrix = np.zeros((3, 3), int)
    for t, m in zip(truth.ravel(), mapped.ravel(), strict=True):
        if t and m:
            matrix[t - 1, m - 1] += 1
    return matrix


@pytest.fixture
def world(tmp_path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, MappedScene]:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 4, (60, 1100), np.uint8)  # wider than a block
    mapped = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 4, truth.shape))
    mapped = mapped.astype(np.uint8)
    confidence = np.where(mapped > 0, rng.integers(20, 101, truth.shape), 255).astype(np.uint8)
    scene = MappedScene(
        "a",
        write_raster(tmp_path / "map.tif", mapped),
        FakeLabels(truth),
        confidence=write_raster(tmp_path / "confidence.tif", confidence),
    )
    return truth, mapped, confidence, scene


def test_each_pixel_of_a_split_counts_once(world: tuple) -> None:
    truth, mapped, _, scene = world
    split = tiles(
        ("a", 0, 0, 30, "train"),
        ("a", 0, 1000, 40, "test"),
        ("a", 20, 1010, 40, "test"),  # overlaps the one before, and a border between blocks
        ("a", 0, 600, 20, "none"),
        ("b", 0, 0, 60, "test"),  # another scene
    )
    metrics = evaluate_maps([scene], split, CLASSES, EvaluateConfig(), method="blocks")
    inside = np.zeros(truth.shape, bool)
    inside[0:40, 1000:1040] = inside[20:60, 1010:1050] = True
    test = metrics["splits"]["test"]
    expected = scores(truth[inside], mapped[inside])
    np.testing.assert_array_equal(test["confusion"], expected)
    assert test["pixels"] == expected.sum()
    assert test["left_out"] == {
        "unlabelled": int((truth[inside] == 0).sum()),
        "unmapped": int(((truth[inside] > 0) & (mapped[inside] == 0)).sum()),
        "unsure": 0,
    }
    assert test["pixels"] + sum(test["left_out"].values()) == inside.sum()
    assert "validation" not in metrics["splits"], "a split without pixels is left out"
    assert "train" not in metrics["splits"], "not asked for"
    inside[0:30, 0:30] = True
    assert metrics["unused_pixels"]["a"] == int(((truth > 0) & (mapped > 0) & ~inside).sum())


def test_scores_over_scenes_are_sums(world: tuple) -> None:
    truth, mapped, _, scene = world
    other = MappedScene("b", scene.map, FakeLabels(truth[::-1].copy()), all_test=True)
    split = tiles(("a", 0, 0, 30, "test"))
    metrics = evaluate_maps([scene, other], split, CLASSES, EvaluateConfig(), method="blocks")
    test = metrics["splits"]["test"]
    np.testing.assert_array_equal(test["scenes"]["b"]["confusion"], scores(truth[::-1], mapped))
    np.testing.assert_array_equal(
        test["confusion"],
        np.add(test["scenes"]["a"]["confusion"], test["scenes"]["b"]["confusion"]),
    )
    hit = np.diag(test["confusion"])
    union = np.sum(test["confusion"], 0) + np.sum(test["confusion"], 1) - hit
    assert test["miou"] == pytest.approx(float(np.mean(hit / union)))
    json.dumps(metrics)


def test_unsure_pixels_are_left_out_and_counted(world: tuple) -> None:
    truth, mapped, confidence, scene = world
    split = tiles(("a", 0, 0, 60, "test"))
    cfg = EvaluateConfig(min_confidence=0.5)
    test = evaluate_maps([scene], split, CLASSES, cfg, method="blocks")["splits"]["test"]
    part = np.s_[:60, :60]
    usable = (truth[part] > 0) & (mapped[part] > 0)
    unsure = usable & (confidence[part] < 50)
    assert test["left_out"]["unsure"] == unsure.sum() > 0
    assert test["pixels"] == usable.sum() - unsure.sum()


@pytest.mark.parametrize(
    ("method", "verdict", "leaky"),
    [("blocks", "clean", False), ("random", "clean", True), ("file", "leaky", True)],
)
def test_leaky_splits_are_named(world: tuple, method: str, verdict: str, leaky: bool) -> None:
    split = tiles(("a", 0, 0, 60, "test"))
    leakage = {
        "verdict": verdict,
        "tiles": {"train": 3, "validation": 0, "test": 1},
        "pairs": [{"splits": ["train", "test"], "distance_m": 300.0}],
    }
    metrics = evaluate_maps(
        [world[3]], split, CLASSES, EvaluateConfig(), method=method, leakage=leakage
    )
    assert metrics["split"] == {
        "method": method,
        "leaky": leaky,
        "tiles": leakage["tiles"],
        "train_to_test_m": 300.0,
    }


def test_faults_name_the_map(world: tuple, tmp_path: Path) -> None:
    truth, _, _, scene = world
    split, cfg = tiles(("a", 0, 0, 60, "test")), EvaluateConfig()

    def score(path: Path, labels: FakeLabels = scene.labels) -> None:
        evaluate_maps([MappedScene("a", path, labels)], split, CLASSES, cfg, method="blocks")

    small = write_raster(tmp_path / "small.tif", truth[:, :50])
    with pytest.raises(InputError, match=r"small\.tif: it is 50 x 60 pixels, the labels 1100 x 60"):
        score(small)
    moved = write_raster(
        tmp_path / "moved.tif", truth, transform=rasterio.Affine(10, 0, 0, 0, -10, 0)
    )
    with pytest.raises(InputError, match=r"moved\.tif: it lies elsewhere"):
        score(moved)
    foreign = write_raster(tmp_path / "foreign.tif", np.full_like(truth, 9))
    with pytest.raises(InputError, match=r"foreign\.tif: it holds class id 9"):
        score(foreign)
    with pytest.raises(InputError, match="no split has a single pixel"):
        score(scene.map, FakeLabels(np.zeros_like(truth)))
    with pytest.raises(InputError, match="confidence"):
        plain = MappedScene("a", scene.map, scene.labels)
        unsure = EvaluateConfig(min_confidence=0.9)
        evaluate_maps([plain], split, CLASSES, unsure, method="blocks")


def test_confusion_table_holds_counts_and_percent(world: tuple, tmp_path: Path) -> None:
    split = tiles(("a", 0, 0, 60, "test"))
    metrics = evaluate_maps([world[3]], split, CLASSES, EvaluateConfig(), method="blocks")
    write_confusion(tmp_path / "confusion.csv", metrics)
    rows = list(csv.reader((tmp_path / "confusion.csv").open()))
    assert rows[0] == [
        "true class", "land", "sea", "ice", "pixels", "land (%)", "sea (%)", "ice (%)",
    ]  # fmt: skip
    counts = np.array([row[1:4] for row in rows[1:]], int)
    np.testing.assert_array_equal(counts, metrics["splits"]["test"]["confusion"])
    percent = np.array([row[5:] for row in rows[1:]], float)
    np.testing.assert_allclose(percent.sum(1), 100, atol=0.01)


def test_models_are_told_by_what_does_not_vary() -> None:
    card = {
        "configuration": {"model": {"name": "unet", "encoder": "resnet18"}},
        "result": {"parameters": 12, "epochs": 3, "data": "resident"},
        "seconds": 12.3,
        "versions": {"torch": "2"},
    }
    assert model_facts(card) == {"name": "unet (resnet18)", "parameters": 12, "epochs": 3}
    assert model_facts({}) == {"name": "unknown", "parameters": None}
