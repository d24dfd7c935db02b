"""Whole scenes and cities in one split; the same ground at several zooms in one split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nadir.config.slippy import SlippyTile
from nadir.config.tiling import SplitConfig, TileConfig
from nadir.errors import InputError
from nadir.raster.pieces import tile_grid
from nadir.tiles.index import index_tiles
from nadir.tiles.leakage import certify
from nadir.tiles.split import split_tiles
from nadir.tiles.split_groups import find_groups
from nadir.tiles.table import grid_of


@pytest.fixture(scope="module")
def cities(scene, classes):
    """Eight scenes of four cities, far apart."""
    tables = []
    for number in range(8):
        cube, labels = scene(80, 80, seed=number, x=300000 + 50000 * number)
        tables.append(index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, f"c{number}"))
    return tables


def splits_of(split):
    """Return scene -> the splits that its tiles are in."""
    used = split[split["split"] != "none"]
    return {name: set(part["split"]) for name, part in used.groupby("scene")}


def test_scenes_stay_whole(cities):
    split = split_tiles(cities, SplitConfig(method="groups"), seed=1)
    found = splits_of(split)
    assert all(len(names) == 1 for names in found.values())
    assert {name for names in found.values() for name in names} == {"train", "validation", "test"}
    assert certify(split, cities)["verdict"] == "clean"
    assert set(split["block"]) == {f"c{number}" for number in range(8)}


def test_cities_stay_whole(cities):
    groups = {f"c{number}": f"city{number // 2}" for number in range(8)}
    split = split_tiles(cities, SplitConfig(method="groups"), seed=1, groups=groups)
    found = splits_of(split)
    for city in range(4):
        assert found[f"c{2 * city}"] == found[f"c{2 * city + 1}"]
    assert set(split["block"]) == {f"city{number}" for number in range(4)}


def test_too_few_groups_are_told(cities):
    groups = {f"c{number}": "one" for number in range(8)}
    with pytest.raises(InputError, match=r"set is empty.*Add scenes of other groups"):
        split_tiles(cities, SplitConfig(method="groups"), seed=1, groups=groups)


def test_scenes_that_share_ground_are_one_group_and_neighbors_are_not(scene, classes):
    cfg = TileConfig(sizes=(20,))
    tables = []
    # b lies half on a; c touches b; d is far away.
    for name, x in (("a", 300000), ("b", 300400), ("c", 301200), ("d", 390000)):
        cube, labels = scene(80, 80, seed=1, x=x)
        tables.append(index_tiles(cube, labels, cfg, classes, name))
    table = pd.concat([pd.DataFrame({"scene": part["scene"]}) for part in tables])
    grids = {part.attrs["scene"]: grid_of(part) for part in tables}
    names, member = find_groups(table.reset_index(drop=True), grids, {})
    assert names == ["a+b", "c", "d"]
    assert [names[number] for number in member[::16]] == ["a+b", "a+b", "c", "d"]
    # Neighbors in different splits keep the buffer from each other.
    split = split_tiles(tables, SplitConfig(method="groups", buffer=10), seed=0)
    assert certify(split, tables)["verdict"] == "clean"


@pytest.fixture(scope="module")
def zooms(scene, classes, cube_type, labels_type):
    """The same ground at zooms 18 and 19 of the web map: 480 and 960 pixels a side."""
    tables = []
    for zoom, first, tiles in ((18, (1000, 2000), 8), (19, (2000, 4000), 16)):
        cube, labels = scene(60 * tiles, 60 * tiles, seed=3, patch=12)
        grid = tile_grid(SlippyTile(zoom, *first), 60, 60)
        grid = grid.window(0, 0, 60 * tiles, 60 * tiles)
        cube = cube_type(cube.data, cube.valid, grid)
        tables.append(index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, f"z{zoom}"))
    return tables


@pytest.mark.parametrize("method", ["blocks", "clusters"])
def test_two_zooms_of_one_ground_share_no_ground_across_splits(zooms, method):
    if method == "clusters":
        # All ground is labelled, so all of it hangs together: no split may tear it.
        with pytest.raises(InputError, match="set is empty"):
            split_tiles(zooms, SplitConfig(method=method, buffer=0), seed=2)
        return
    split = split_tiles(zooms, SplitConfig(method=method, block=4), seed=2)
    certificate = certify(split, zooms)
    assert certificate["verdict"] == "clean"
    assert all(pair["overlap_px"] == 0 for pair in certificate["pairs"])
    # Brute force: the pixels of zoom 19 that each split's tiles cover, of both zooms.
    cover = {}
    for name in ("train", "validation", "test"):
        cover[name] = np.zeros((960, 960), bool)
        for zoom, factor in (("z18", 2), ("z19", 1)):
            rows = split[(split["scene"] == zoom) & (split["split"] == name)]
            assert len(rows), f"{zoom} has no tile in {name}"
            for y, x, size in zip(rows["y"], rows["x"], rows["size"], strict=True):
                box = [factor * value for value in (y, y + size, x, x + size)]
                cover[name][box[0] : box[1], box[2] : box[3]] = True
    assert not (cover["train"] & cover["test"]).any()
    assert not (cover["train"] & cover["validation"]).any()
    assert not (cover["validation"] & cover["test"]).any()


def test_two_zooms_are_one_group_even_without_a_name(zooms, scene, classes):
    others = []
    for number in range(3):
        cube, labels = scene(80, 80, seed=number, x=300000 + 50000 * number)
        others.append(index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, f"c{number}"))
    split = split_tiles(
        [*zooms, *others], SplitConfig(method="groups", fractions=(0.5, 0.25, 0.25)), seed=0
    )
    found = splits_of(split)
    assert found["z18"] == found["z19"] and len(found["z18"]) == 1
