"""Scores of footprints by split: whole footprints, fair at its border, and tiles of 256 px."""

from __future__ import annotations

import csv
import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from building_fakes import CLASSES, GridLabels

from nadir.errors import InputError
from nadir.provenance.atomic import write_json
from nadir.provenance.geopackage import write_geopackage
from nadir.raster.cog import MapWriter
from nadir.raster.features import LAYER
from nadir.raster.grid import Grid
from nadir.segmentation.footprint_pixels import count_pixels, tile_scores
from nadir.segmentation.footprint_scores import (
    FootprintScene,
    evaluate_footprints,
    read_footprints,
    write_scores,
)

GRID = Grid("EPSG:32645", (0.5, 0.0, 350_000.0, 0.0, -0.5, 3_057_000.0), 300, 600)


def frame(boxes, share=None):
    """Boxes in pixels (x0, y0, x1, y1) as a table in the grid's CRS."""
    a, _, c, _, e, f = GRID.transform
    shapes = [
        shapely.box(x0 * a + c, y0 * e + f, x1 * a + c, y1 * e + f) for x0, y0, x1, y1 in boxes
    ]
    columns = {"id": range(1, len(boxes) + 1)} | ({} if share is None else {"share": share})
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=GRID.crs)


def painted(boxes):
    ids = np.ones(GRID.shape, np.uint8)
    for x0, y0, x1, y1 in boxes:
        ids[y0:y1, x0:x1] = 2
    return ids


def scene(folder, predicted, true, *, unlabelled=None, share=None, **options):
    folder.mkdir(exist_ok=True)
    write_geopackage(folder / "footprints.gpkg", frame(predicted), LAYER, "")
    write_geopackage(folder / "truth.gpkg", frame(true, share), LAYER, "")
    with MapWriter(folder / "map.tif", GRID, table=CLASSES) as writer:
        writer.write(0, 0, painted(predicted))
    labels = painted(true)
    if unlabelled:
        x0, y0, x1, y1 = unlabelled
        labels[y0:y1, x0:x1] = 0
    return FootprintScene(
        folder.name,
        folder / "footprints.gpkg",
        folder / "truth.gpkg",
        folder / "map.tif",
        GridLabels(labels, GRID),
        **options,
    )


def halves(name="a"):
    """Left half training, right half test, cut at column 300."""
    return pd.DataFrame(
        [
            {"scene": name, "y": 0, "x": x, "size": 300, "split": split}
            for x, split in ((0, "train"), (300, "test"))
        ]
    )


def test_counts_on_the_ground_of_the_split_alone(tmp_path) -> None:
    true = [(10, 10, 40, 40), (320, 10, 350, 40), (400, 10, 440, 40), (500, 100, 540, 140)]
    predicted = [(60, 10, 90, 40), (321, 10, 350, 40), (450, 60, 470, 90), (500, 100, 540, 139)]
    found = evaluate_footprints(
        [scene(tmp_path / "a", predicted, true)], halves(), CLASSES, ("test",)
    )
    pooled = found["splits"]["test"]["pooled"]
    assert (pooled["predicted"], pooled["true"]) == (3, 3)
    assert np.isclose(pooled["precision"], 2 / 3) and np.isclose(pooled["recall"], 2 / 3)
    assert np.isclose(pooled["f1"], 2 / 3)
    assert np.isclose(pooled["mean_iou"], (29 / 30 + 39 / 40) / 2)
    assert pooled["count_error"] == 0
    area = [30 * 30, 40 * 30, 40 * 40]
    right = 29 * 30 + 40 * 39
    assert np.isclose(pooled["pixel_iou"], right / (sum(area) + 20 * 30))
    wrong = sum(area) - right + 20 * 30
    assert np.isclose(pooled["pixel_accuracy"], 1 - wrong / (300 * 300))
    assert 0 < pooled["boundary_error_px"] < 0.5
    assert np.isclose(pooled["boundary_error_m"], pooled["boundary_error_px"] / 2)


def test_a_footprint_on_the_border_of_the_split_counts_once_and_whole(tmp_path) -> None:
    # Middle of the truth in the test, middle of the prediction in the training: a hit for recall.
    true, predicted = [(281, 50, 321, 90)], [(277, 50, 317, 90)]
    one = scene(tmp_path / "a", predicted, true)
    found = evaluate_footprints([one], halves(), CLASSES, ("train", "test"))["splits"]
    test, train = found["test"]["pooled"], found["train"]["pooled"]
    assert (test["true"], test["predicted"], test["recall"]) == (1, 0, 1.0)
    assert (train["true"], train["predicted"], train["precision"]) == (0, 1, 1.0)
    assert np.isclose(test["mean_iou"], 36 / 44)


def test_unlabelled_ground_and_rests_at_the_border_count_nowhere(tmp_path) -> None:
    true = [(320, 0, 350, 4), (400, 50, 440, 90)]
    predicted = [(320, 0, 350, 3), (400, 50, 440, 90), (500, 200, 520, 220)]
    one = scene(tmp_path / "a", predicted, true, unlabelled=(480, 180, 600, 300), share=[0.1, 1.0])
    pooled = evaluate_footprints([one], halves(), CLASSES, ("test",))["splits"]["test"]["pooled"]
    assert (pooled["true"], pooled["predicted"], pooled["f1"]) == (1, 1, 1.0)


def test_between_scenes_pooled_is_not_the_mean(tmp_path) -> None:
    many = [(x, 10, x + 20, 30) for x in range(310, 590, 40)]
    scenes = [
        scene(tmp_path / "a", many, many),
        scene(tmp_path / "b", [(400, 100, 420, 120)], [(400, 200, 420, 220)], all_test=True),
        scene(tmp_path / "c", [], many[:1]),
    ]
    split = pd.concat([halves("a"), halves("c")])
    found = evaluate_footprints(scenes, split, CLASSES, ("validation", "test"))
    assert list(found["splits"]) == ["test"]
    test = found["splits"]["test"]
    assert list(test["scenes"]) == ["a", "b", "c"]
    assert test["median"]["f1"] == 0 and np.isclose(test["mean"]["f1"], 1 / 3)
    assert np.isclose(test["pooled"]["recall"], 7 / 9)
    assert test["scenes"]["c"]["precision"] is None
    write_scores(tmp_path / "scores.csv", found)
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert [row["scene"] for row in rows] == ["a", "b", "c", "(pooled)", "(median)", "(mean)"]
    assert float(rows[3]["recall"]) == pytest.approx(7 / 9, abs=1e-5)
    write_json(tmp_path / "scores.json", found)
    assert json.loads((tmp_path / "scores.json").read_text())["match_iou"] == 0.5


def test_no_ground_at_all_is_an_error(tmp_path) -> None:
    one = scene(tmp_path / "a", [], [])
    with pytest.raises(InputError, match="no split has a single pixel"):
        evaluate_footprints([one], halves("other"), CLASSES, ("test",))
    with pytest.raises(InputError, match="no layer of footprints"):
        read_footprints(one.map)


def test_tiles_of_256_are_those_of_brute_force(tmp_path) -> None:
    rng = np.random.default_rng(6)
    truth, mapped = (rng.integers(0, 3, GRID.shape, np.uint8) for _ in range(2))
    truth[:, 256:512] = np.minimum(truth[:, 256:512], 1)
    mapped[:, 256:512] = np.minimum(mapped[:, 256:512], 1)  # a tile without buildings
    with MapWriter(tmp_path / "map.tif", GRID, table=CLASSES) as writer:
        writer.write(0, 0, mapped)
    split = pd.DataFrame({"y": [0, 100], "x": [30, 300], "size": [290, 200]})
    counted = count_pixels(
        tmp_path / "map.tif", GridLabels(truth, GRID), 2, {"test": split, "all": None}
    )
    inside = np.zeros(GRID.shape, bool)
    inside[0:290, 30:320] = True
    inside[100:300, 300:500] = True
    for name, mask in (("test", inside), ("all", np.ones(GRID.shape, bool))):
        use = mask & (truth > 0) & (mapped > 0)
        both = (use & (truth == 2) & (mapped == 2)).sum()
        either = (use & ((truth == 2) | (mapped == 2))).sum()
        assert np.isclose(counted[name].iou, both / either)
        ious, accuracies = [], []
        for y in range(0, 300, 256):
            for x in range(0, 600, 256):
                here = np.s_[y : y + 256, x : x + 256]
                t, m = truth[here][use[here]] == 2, mapped[here][use[here]] == 2
                if len(t) >= 256 * 256 / 2:
                    accuracies.append((t == m).mean())
                    if (t | m).any():
                        ious.append((t & m).sum() / (t | m).sum())
        scores = tile_scores(counted[name].tiles)
        assert scores["tiles"] == len(accuracies) and scores["tiles_with_buildings"] == len(ious)
        for key, values in (("iou", ious), ("accuracy", accuracies)):
            expected = np.median(values) if values else None
            assert scores[f"median_{key}"] == (pytest.approx(expected) if values else None)
