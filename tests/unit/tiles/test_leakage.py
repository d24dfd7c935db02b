"""The certificate: overlap and distance, exact, over scenes, systems and planes."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pyproj
import pytest

from nadir.errors import InputError
from nadir.tiles.ground import metres_per_unit, overlap_area, places
from nadir.tiles.leakage import certify

UTM = "EPSG:32631"


def _split(rows, grids, method="file", buffer=0):
    table = pd.DataFrame(rows, columns=["scene", "y", "x", "size", "split"])
    table.attrs = {
        "method": method,
        "buffer": buffer,
        "grids": {name: grid.to_dict() for name, grid in grids.items()},
    }
    return table


def _pair(proof, one="train", other="test"):
    return next(pair for pair in proof["pairs"] if pair["splits"] == [one, other])


def test_overlap_counts_each_pixel_of_the_unions_once():
    rng = np.random.default_rng(0)
    for _ in range(10):
        sets, masks = [], []
        for _ in range(2):
            corner = rng.integers(0, 60, (12, 2))
            boxes = np.concatenate([corner, corner + rng.integers(1, 25, (12, 1))], axis=1)
            mask = np.zeros((100, 100), bool)
            for x0, y0, x1, y1 in boxes:
                mask[y0:y1, x0:x1] = True
            sets.append(boxes.astype(float))
            masks.append(mask)
        assert overlap_area(*sets) == (masks[0] & masks[1]).sum()
    assert overlap_area(sets[0], np.zeros((0, 4))) == 0


def test_within_one_scene(grid):
    grids = {"a": grid(200, 200)}
    rows = [("a", 0, 0, 20, "train"), ("a", 0, 10, 20, "train"), ("a", 30, 34, 20, "test")]
    pair = _pair(certify(_split(rows, grids)))
    assert pair["overlap_px"] == 0
    assert pair["distance_px"] == pytest.approx(np.hypot(10, 4), abs=1e-3)
    assert pair["distance_m"] == pytest.approx(10 * np.hypot(10, 4), abs=1e-2)
    rows.append(("a", 15, 0, 20, "test"))
    proof = certify(_split(rows, grids, method="random"))
    assert _pair(proof)["overlap_px"] == 5 * 30 - 5 * 10  # columns 0..19 of rows 15..19
    assert _pair(proof)["distance_m"] == 0 and proof["verdict"] == "leaky"
    with pytest.raises(InputError, match=r"train and test share 100 pixels of ground \(in a\)"):
        certify(_split(rows, grids))


def test_touching_tiles_are_clean_at_distance_zero(grid):
    rows = [("a", 0, 0, 20, "train"), ("a", 0, 20, 20, "validation")]
    proof = certify(_split(rows, {"a": grid(40, 40)}))
    assert proof["verdict"] == "clean"
    assert _pair(proof, "train", "validation")["distance_m"] == 0
    with pytest.raises(InputError, match=r"0.00 pixels apart, less than the buffer of 5"):
        certify(_split(rows, {"a": grid(40, 40)}, "blocks", 5))


def test_scenes_of_one_system_and_other_resolution(grid):
    grids = {"a": grid(100, 100), "b": grid(100, 100, x=300500, pixel=20)}
    rows = [("a", 0, 40, 20, "train"), ("b", 0, 0, 10, "test")]  # x 400..600 m and 500..700 m
    proof = certify(_split(rows, grids, "random"))
    assert _pair(proof)["overlap_px"] == 5 * 10  # pixels of 20 m
    assert _pair(proof)["scenes"][0]["scenes"] == ["a", "b"]


def test_ground_seen_by_two_scenes_counts_once(grid):
    grids = {"a": grid(100, 100), "b": grid(100, 100)}
    rows = [("a", 0, 0, 20, "train"), ("b", 0, 0, 20, "train"), ("a", 10, 0, 20, "test")]
    pair = _pair(certify(_split(rows, grids, "random")))
    assert pair["overlap_px"] == 200
    assert [row["overlap_px"] for row in pair["scenes"]] == [200, 200]


def test_scenes_of_two_systems(grid):
    x, y = pyproj.Transformer.from_crs(UTM, "EPSG:32630", always_xy=True).transform(300000, 4600000)
    grids = {"a": grid(100, 100), "b": grid(100, 100, crs="EPSG:32630", x=x, y=y)}
    proof = certify(_split([("a", 0, 0, 50, "train"), ("b", 0, 0, 50, "test")], grids, "random"))
    # The same corner, turned by the convergence of the meridians (some 4 degrees here).
    assert 2200 < _pair(proof)["overlap_px"] < 2500
    proof = certify(_split([("a", 0, 0, 10, "train"), ("b", 0, 60, 10, "test")], grids))
    assert _pair(proof)["overlap_px"] == 0
    assert 450 < _pair(proof)["distance_m"] < 520


def test_geographic_scene_in_metres_on_the_ellipsoid(grid):
    grids = {"a": grid(400, 400, crs="EPSG:4326", x=2.0, y=60.0, pixel=1e-4)}
    rows = [("a", 0, 0, 100, "train"), ("a", 0, 200, 100, "test")]
    proof = certify(_split(rows, grids))
    line = pyproj.Geod(ellps="WGS84").inv(2.01, 59.99, 2.02, 59.99)[2]
    top = pyproj.Geod(ellps="WGS84").inv(2.01, 60.0, 2.02, 60.0)[2]
    assert min(line, top) - 0.5 <= _pair(proof)["distance_m"] <= max(line, top) + 0.5
    assert _pair(proof)["distance_px"] == 100
    assert metres_per_unit("EPSG:3857", 0, 8.4e6)[0] == pytest.approx(0.5, abs=0.01)
    assert metres_per_unit(UTM, 300000, 4600000) == (1.0, 1.0)


def test_far_and_unplaced_scenes(grid):
    grids = {"a": grid(50, 50), "b": grid(50, 50, x=400000)}
    rows = [("a", 0, 0, 50, "train"), ("b", 0, 0, 50, "test")]
    pair = _pair(certify(_split(rows, grids)))
    assert pair["overlap_px"] == 0 and pair["distance_px"] is None and pair["scenes"] == []
    assert pair["distance_m"] == pytest.approx(99500, rel=2e-3)
    local = {"a": grid(50, 50, crs="local"), "b": grid(50, 50, crs="local")}
    pair = _pair(certify(_split(rows, local)))
    assert pair["overlap_px"] == 0 and pair["distance_m"] is None
    assert len(places(local)) == 2


def test_scene_without_rows_is_test(grid):
    tile = {"scene": "b", "y": [0], "x": [0], "size": [20], "keep": [False], "label_y0": [3]}
    tiles = pd.DataFrame(tile)  # dropped from learning, scored all the same
    place = grid(40, 40)
    tiles.attrs = {"scene": "b", "grid": place.to_dict()}
    split = _split([("a", 0, 10, 20, "train")], {"a": place})
    with pytest.raises(InputError, match="train and test share 200 pixels"):
        certify(split, [tiles])


def test_a_hundred_thousand_tiles_are_quick(grid):
    side = 316
    y, x = (part.ravel() * 30 for part in np.mgrid[:side, :side])
    blocks = np.random.default_rng(0).choice(3, (80, 80), p=[0.64, 0.16, 0.2])
    names = np.array(["train", "validation", "test"])[blocks[y // 120, x // 120]]
    table = pd.DataFrame({"scene": "a", "y": y, "x": x, "size": 30, "split": names})
    table.attrs = {"method": "file", "grids": {"a": grid(side * 30, side * 30).to_dict()}}
    start = time.perf_counter()
    proof = certify(table)
    assert proof["verdict"] == "clean" and sum(proof["tiles"].values()) == side * side
    assert time.perf_counter() - start < 30  # a few seconds on two cores
