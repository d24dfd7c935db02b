"""Scores against the fine mask itself: what plain counting over its pixels gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio

from nadir.config.classes import ClassTable
from nadir.config.experiments import EvaluateConfig
from nadir.config.scenes import LabelConfig
from nadir.raster.grid import Grid
from nadir.raster.labels import align_labels, open_labels
from nadir.raster.masks import ArrayMask
from nadir.segmentation.evaluate import MappedScene, evaluate_maps

CLASSES = ClassTable.model_validate(
    {
        "classes": [
            {"value": value, "name": name, "color": "#00aa00"}
            for value, name in ((1, "land"), (2, "sea"), (3, "ice"))
        ]
    }
)
CRS = "EPSG:32631"


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def case(folder, rng, factor, offset=0.0, shape=(12, 20)):
    """A fine mask of patches, a map of pixels of 10 m, and labels aligned by the nearest rule."""
    height, width = shape
    fine = np.kron(
        rng.integers(0, 4, (height * factor // 4, width * factor // 4)), np.ones((4, 4), int)
    ).astype(np.uint8)
    size = 10.0 / factor
    mask_grid = Grid(CRS, (size, 0, 500_000.0 - offset, 0, -size, 4_600_000.0), *fine.shape)
    grid = Grid(CRS, (10.0, 0, 500_000.0, 0, -10.0, 4_600_000.0), height, width)
    manifest = folder / "labels.manifest.json"
    rule = LabelConfig(rule="nearest")
    align_labels(ArrayMask(fine, mask_grid, "mask"), grid, CLASSES, rule, manifest, {}, workers=1)
    mapped = rng.integers(0, 4, shape).astype(np.uint8)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": CRS}
    with rasterio.open(
        folder / "map.tif",
        "w",
        height=height,
        width=width,
        transform=rasterio.Affine(*grid.transform),
        **profile,
    ) as dataset:
        dataset.write(mapped, 1)
    return fine, mapped, MappedScene("a", folder / "map.tif", open_labels(manifest))


def counted(fine, mapped, factor, inside):
    """Look each pixel of the mask up in the map, one by one."""
    found = np.zeros((3, 3))
    for y in range(fine.shape[0]):
        for x in range(fine.shape[1]):
            said = mapped[y // factor, x // factor]
            if fine[y, x] and said and inside[y // factor, x // factor]:
                found[fine[y, x] - 1, said - 1] += 1
    return found


def split():
    rows = [("a", 0, 0, 8, "test"), ("a", 0, 4, 8, "test"), ("a", 0, 12, 8, "validation")]
    return pd.DataFrame(rows, columns=["scene", "y", "x", "size", "split"])


def scored(scene, **cfg):
    given = EvaluateConfig(fine=True, **cfg)
    return evaluate_maps([scene], split(), CLASSES, given, method="blocks")["splits"]


def test_every_pixel_of_the_mask_counts_once(tmp_path, rng):
    fine, mapped, scene = case(tmp_path, rng, 10)
    found = scored(scene)["test"]["fine"]
    inside = np.zeros(mapped.shape, bool)
    inside[:8, :12] = True  # two tiles that overlap
    truth = counted(fine, mapped, 10, inside)
    np.testing.assert_allclose(np.array(found["confusion"]) * 100, truth, atol=0.01)
    assert found["accuracy"] == pytest.approx(np.trace(truth) / truth.sum())
    iou = np.diag(truth) / (truth.sum(0) + truth.sum(1) - np.diag(truth))
    assert found["miou"] == pytest.approx(iou.mean())
    assert found["class"]["iou"] == pytest.approx(iou.tolist())


def test_the_ceiling_is_the_best_map_of_such_pixels(tmp_path, rng):
    fine, mapped, scene = case(tmp_path, rng, 10)
    found = scored(scene)["test"]["fine"]
    right = total = 0
    for y in range(8):
        for x in range(12):
            here = fine[10 * y : 10 * y + 10, 10 * x : 10 * x + 10]
            counts = np.bincount(here.ravel(), minlength=4)[1:]
            if mapped[y, x]:
                right, total = right + counts.max(), total + counts.sum()
    assert found["ceiling"]["accuracy"] == pytest.approx(right / total)
    assert found["accuracy"] < found["ceiling"]["accuracy"] < 1


def test_a_mask_that_cuts_pixels_counts_by_area(tmp_path, rng):
    fine, mapped, scene = case(tmp_path, rng, 4, offset=1.25)  # by half a pixel of the mask
    found = np.array(scored(scene)["test"]["fine"]["confusion"])
    double = np.kron(fine, np.ones((2, 2), np.uint8))[:, 1:]  # halves, from the map's edge on
    inside = np.zeros(mapped.shape, bool)
    inside[:8, :12] = True
    truth = counted(double[:, : 8 * 20 - 8], mapped, 8, inside) / 64
    np.testing.assert_allclose(found, truth, atol=0.25)


def test_fine_scores_are_only_made_when_asked_for_and_leave_the_others_alone(tmp_path, rng):
    _, _, scene = case(tmp_path, rng, 10)
    plain = evaluate_maps([scene], split(), CLASSES, EvaluateConfig(), method="blocks")["splits"]
    both = scored(scene)
    assert "fine" not in plain["test"] and "fine" in both["test"]["scenes"]["a"]
    assert plain["test"]["confusion"] == both["test"]["confusion"]
