"""The threshold of greatest IoU against brute force, and the map it makes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio
from building_fakes import CLASSES, UTM, GridLabels

from nadir.config.classes import CATALONIA, ClassTable
from nadir.errors import InputError
from nadir.raster.cog import MapWriter, read_class_names
from nadir.raster.grid import Grid
from nadir.segmentation.figures_threshold import draw_threshold
from nadir.segmentation.threshold import (
    ProbableScene,
    choose_threshold,
    positive_id,
    read_level,
    threshold_map,
)


def probabilities(path, seed, grid=UTM):
    """Labels and a raster of probabilities that know something of them."""
    rng = np.random.default_rng([seed, 7])
    labels = rng.choice([0, 1, 2], grid.shape, p=[0.1, 0.6, 0.3]).astype(np.uint8)
    values = np.clip(rng.normal(90 + 60 * (labels == 2), 40), 0, 250).astype(np.uint8)
    values[rng.random(grid.shape) < 0.05] = 255
    with MapWriter(path, grid, nodata=255) as writer:
        writer.write(0, 0, values)
    return values, GridLabels(labels, grid), labels


@pytest.fixture
def two(tmp_path):
    """Two scenes and a split whose validation tiles overlap."""
    found = {name: probabilities(tmp_path / f"{name}.tif", seed) for seed, name in enumerate("ab")}
    places = [("a", 0, 0, "validation"), ("a", 30, 40, "validation"), ("b", 100, 64, "validation")]
    places += [("a", 128, 128, "train"), ("b", 0, 200, "test")]
    split = pd.DataFrame([dict(scene=s, y=y, x=x, size=96, split=kind) for s, y, x, kind in places])
    scenes = [ProbableScene(n, tmp_path / f"{n}.tif", found[n][1]) for n in "ab"]
    return found, split, scenes


def test_the_curve_is_that_of_brute_force_over_pixels_once_each(two) -> None:
    found, split, scenes = two
    facts = choose_threshold(scenes, split, CLASSES)
    values, truth = [], []
    for name, (raster, _, labels) in found.items():
        mask = np.zeros(UTM.shape, bool)
        for tile in split[(split.scene == name) & (split.split == "validation")].itertuples():
            mask[tile.y : tile.y + 96, tile.x : tile.x + 96] = True
        mask &= (labels > 0) & (raster < 255)
        values.append(raster[mask])
        truth.append(labels[mask] == 2)
    value, true = np.concatenate(values), np.concatenate(truth)
    assert facts["pixels"] == len(value)
    ious = []
    for row in facts["curve"]:
        guess = value >= row["level"]
        ious.append((guess & true).sum() / (guess | true).sum())
        assert row["iou"] == pytest.approx(ious[-1])
        assert row["recall"] == pytest.approx((guess & true).sum() / true.sum())
        if guess.any():
            assert row["precision"] == pytest.approx((guess & true).sum() / guess.sum())
    assert [row["level"] for row in facts["curve"]] == list(range(1, 251))
    assert facts["iou"] == pytest.approx(max(ious))
    assert facts["level"] == 1 + int(np.argmax(ious))
    assert facts["threshold"] == facts["level"] / 250


def test_among_equals_the_level_nearest_to_one_half(tmp_path) -> None:
    labels = np.ones(UTM.shape, np.uint8)
    labels[:50] = 2
    with MapWriter(tmp_path / "p.tif", UTM, nodata=255) as writer:
        writer.write(0, 0, np.where(labels == 2, 250, 0).astype(np.uint8))
    split = pd.DataFrame([dict(scene="a", y=0, x=0, size=256, split="validation")])
    one = ProbableScene("a", tmp_path / "p.tif", GridLabels(labels, UTM))
    facts = choose_threshold([one], split, CLASSES)
    assert facts["level"] == 125 and facts["iou"] == 1
    draw_threshold(facts, tmp_path / "1.png")
    draw_threshold(facts, tmp_path / "2.png")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


def test_bad_input_is_named(two, tmp_path) -> None:
    _, split, scenes = two
    with pytest.raises(InputError, match="no labelled pixel of a building"):
        choose_threshold(scenes, split[split["split"] != "validation"], CLASSES)
    elsewhere = GridLabels(np.ones(UTM.shape, np.uint8), UTM.window(3, 0, *UTM.shape))
    with pytest.raises(InputError, match="lies elsewhere"):
        choose_threshold([ProbableScene("a", scenes[0].probability, elsewhere)], split, CLASSES)
    with pytest.raises(InputError, match="no class is called 'building'"):
        positive_id(CATALONIA)
    for facts in ({}, {"level": 0}, {"level": 251}, {"level": True}, [], {"level": 12.5}):
        with pytest.raises(InputError, match="no level"):
            read_level(facts, "threshold.json")
    assert read_level({"level": 250}, "threshold.json") == 250


def test_the_map_and_its_confidence(tmp_path) -> None:
    grid = Grid(UTM.crs, UTM.transform, 16, 16)
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with MapWriter(tmp_path / "p.tif", grid, nodata=255) as writer:
        writer.write(0, 0, values)
    threshold_map(tmp_path / "p.tif", 100, CLASSES, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as dataset:
        ids = dataset.read(1)
        assert Grid.of(dataset).same_as(grid)
    with rasterio.open(tmp_path / "confidence.tif") as dataset:
        sure = dataset.read(1)
    flat = values.ravel().astype(int)
    np.testing.assert_array_equal(ids.ravel(), np.where(flat > 250, 0, np.where(flat >= 100, 2, 1)))
    share = np.where(flat >= 100, flat, 250 - flat) / 250
    np.testing.assert_array_equal(sure.ravel()[:251], np.rint(100 * share[:251]))
    assert (sure.ravel()[251:] == 255).all()
    assert read_class_names(tmp_path / "map.tif")[2] == "building"
    assert "building" in (tmp_path / "map.qml").read_text()


def test_the_last_of_two_classes_where_none_is_called_building() -> None:
    table = ClassTable.model_validate(
        {"classes": [{"value": 1, "name": "ground"}, {"value": 2, "name": "roof"}]}
    )
    assert positive_id(table) == 2
