"""Statistics: equal to NumPy on the same pixels, mergeable, each pixel once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nadir.errors import InputError
from nadir.tiles import cells
from nadir.tiles.statistics import compute_statistics

NAMES = ["no data", "crops", "forest", "urban", "water"]


def _split(rows: list[tuple[str, int, int, int, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["scene", "y", "x", "size", "split"])


ROWS = [
    ("a", 0, 0, 30, "train"), ("a", 15, 10, 30, "train"), ("a", 50, 40, 20, "train"),
    ("a", 0, 45, 15, "test"), ("b", 20, 20, 25, "train"), ("b", 0, 0, 20, "none"),
]  # fmt: skip


@pytest.mark.parametrize("side", [16, 1024])
def test_equal_to_numpy_over_the_union_of_training_tiles(scene, monkeypatch, side):
    monkeypatch.setattr(cells.scene_blocks, "__defaults__", (side,))
    scenes = {name: scene(80, 70, seed=seed) for name, seed in (("a", 1), ("b", 2))}
    cube_b = scenes["b"][0]
    cube_b.scale, cube_b.offset = {"april": 2e-4, "august": 1e-4}, {"april": 0.0, "august": -1e3}
    cubes, labels = zip(*scenes.values(), strict=True)
    found = compute_statistics(cubes, labels, ["a", "b"], _split(ROWS), NAMES, workers=3)
    classes = np.zeros(5, int)
    values = [[[] for _ in range(10)] for _ in range(2)]
    for name, (cube, label) in scenes.items():
        union = np.zeros((80, 70), bool)
        for scene_name, y, x, size, split in ROWS:
            if scene_name == name and split == "train":
                union[y : y + size, x : x + size] = True
        classes += np.bincount(label.ids[union & cube.valid.any(0)], minlength=5)
        for d, date in enumerate(cube.dates):
            for b in range(10):
                raw = cube.data[d, b][union & cube.valid[d]].astype(float)
                values[d][b].append((raw + cube.offset[date]) * cube.scale[date])
    for d in range(2):
        for b in range(10):
            all_values = np.concatenate(values[d][b])
            assert found["pixels"][d] == len(all_values)
            assert found["mean"][d][b] == pytest.approx(all_values.mean(), rel=1e-12)
            assert found["std"][d][b] == pytest.approx(all_values.std(), rel=1e-12)
            assert found["min"][d][b] == all_values.min()
            for level, by_date in found["percentiles"].items():
                expected = np.percentile(all_values, int(level))
                assert by_date[d][b] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert [found["unlabelled"], *found["classes"].values()] == classes.tolist()
    assert found["tiles"] == 4 and found["scenes"] == ["a", "b"]


def test_blocks_without_training_are_not_read(scene, monkeypatch):
    monkeypatch.setattr(cells.scene_blocks, "__defaults__", (20,))
    cube, labels = scene(80, 80)
    compute_statistics([cube], [labels], ["a"], _split([("a", 10, 10, 15, "train")]), NAMES)
    assert cube.reads[10:25, 10:25].min() == cube.reads.max() == 1
    assert cube.reads.sum() == 15 * 15


def test_band_that_is_constant_in_training_is_named(scene):
    cube, labels = scene(40, 40)
    cube.data[1, 3, :20, :20] = 1234
    with pytest.raises(InputError, match="a: band B05 of date 'august' has the same value"):
        compute_statistics([cube], [labels], ["a"], _split([("a", 0, 0, 20, "train")]), NAMES)


def test_date_without_training_pixels_is_named(scene):
    cube, labels = scene(40, 40)
    cube.valid[0, :20] = False
    with pytest.raises(InputError, match="no training tile has a valid pixel on date 'april'"):
        compute_statistics([cube], [labels], ["a"], _split([("a", 0, 0, 20, "train")]), NAMES)


def test_scenes_must_agree(scene):
    (one, labels), (other, _) = scene(40, 40), scene(40, 40)
    other.dates = ["august", "april"]
    split = _split([("a", 0, 0, 20, "train"), ("b", 0, 0, 20, "train")])
    with pytest.raises(InputError, match=r"b: dates .* do not fit"):
        compute_statistics([one, other], [labels, labels], ["a", "b"], split, NAMES)
    other.dates = ["may", "july"]
    other.scale = other.offset = {"may": 1.0, "july": 1.0}
    both = compute_statistics([one, other], [labels, labels], ["a", "b"], split, NAMES)
    assert both["dates"] == ["april", "august"]
