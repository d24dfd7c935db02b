"""Splits: fractions, classes, borders, buffers, several scenes, files, faults."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import shapely

from nadir.config.tiling import SplitConfig, TileConfig
from nadir.errors import InputError
from nadir.tiles.index import footprints, index_tiles
from nadir.tiles.leakage import certify
from nadir.tiles.split import split_tiles
from nadir.tiles.split_clusters import find_clusters
from nadir.tiles.stratify import stratify
from nadir.tiles.table import grid_of, read_split, windows_of, write_split


@pytest.fixture(scope="module")
def tiles(scene, classes):
    """A 480 x 600 scene in 20-px tiles, one of whose classes lies in few places."""
    cube, labels = scene(480, 600, seed=1, patch=24)
    labels.ids[labels.ids == 3] = 2
    for y, x in ((20, 30), (250, 400), (400, 100), (60, 520), (300, 240)):
        labels.ids[y : y + 30, x : x + 30] = 3
    return index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, "a")


def _gap(rows: pd.DataFrame, one: str, other: str) -> float:
    """Brute-force least distance in pixels between tiles of two splits of one scene."""
    first, second = (windows_of(rows[rows["split"] == name]) for name in (one, other))
    dy = np.maximum(
        first[:, None, 0] - second[None, :, 0] - second[None, :, 2],
        second[None, :, 0] - first[:, None, 0] - first[:, None, 2],
    )
    dx = np.maximum(
        first[:, None, 1] - second[None, :, 1] - second[None, :, 3],
        second[None, :, 1] - first[:, None, 1] - first[:, None, 3],
    )
    overlap = (dy < 0) & (dx < 0)
    assert not overlap.any()
    return float(np.hypot(np.maximum(dy, 0), np.maximum(dx, 0)).min())


@pytest.mark.parametrize("buffer", [0, 7, 25])
def test_blocks_keep_their_distance_and_every_class(tiles, buffer):
    split = split_tiles([tiles], SplitConfig(block=3, buffer=buffer), seed=3)
    assert split["id"].tolist() == tiles.loc[tiles["keep"], "id"].tolist()
    for pair in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert _gap(split, *pair) >= buffer
    counts = tiles.set_index("id")[[f"class_{k}" for k in range(1, 5)]]
    for name in ("train", "validation", "test"):
        sums = counts.loc[split.loc[split["split"] == name, "id"]].sum()
        assert (sums > 0).all()
        assert split.attrs["pixels"][name] == sums.tolist()
    assert ((split["split"] == "none") == (split["reason"] != "")).all()
    assert abs((split["split"] == "test").mean() - 0.2) < 0.05
    # A block never serves two splits.
    inside = split[split["split"] != "none"]
    assert (inside.groupby("block")["split"].nunique() == 1).all()


def test_default_buffer_is_half_a_tile(tiles):
    split = split_tiles([tiles], SplitConfig(block=3), seed=3)
    assert split.attrs["buffer"] == 10 and _gap(split, "train", "test") >= 10


def test_equal_seeds_give_equal_bytes(tiles, tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_split(tmp_path / name, split_tiles([tiles], SplitConfig(block=3), seed))
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c
    back = read_split(tmp_path / "a")
    assert back.attrs["method"] == "blocks" and back.attrs["seed"] == 5


def test_overlapping_tiles_of_two_sizes_do_not_cross(scene, classes):
    cube, labels = scene(400, 410, seed=2, patch=10)
    cfg = TileConfig(sizes=(20, 33), overlap=0.5)
    tiles = index_tiles(cube, labels, cfg, classes, "a")
    split = split_tiles([tiles], SplitConfig(block=2, buffer=4), seed=0)
    for pair in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert _gap(split, *pair) >= 4
    assert any(reason.startswith("reaches into a") for reason in split["reason"])
    assert certify(split, [tiles])["verdict"] == "clean"


def test_overlapping_scenes_share_blocks(scene, classes):
    tables = []
    for name, seed, x in (("a", 1, 300000), ("b", 2, 300000 + 1600)):  # 160 of 320 pixels shared
        cube, labels = scene(320, 320, seed=seed, patch=10, x=x)
        tables.append(index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, name))
    split = split_tiles(tables, SplitConfig(block=2, buffer=0), seed=0)
    where = split.assign(ground=split["x"] + np.where(split["scene"] == "b", 160, 0))
    shared = where.groupby(["y", "ground"])["block"].nunique()
    assert (shared == 1).all()
    proof = certify(split, tables)
    assert proof["verdict"] == "clean"
    assert any(row["scenes"] == ["a", "b"] for pair in proof["pairs"] for row in pair["scenes"])


def test_scenes_of_two_systems_keep_apart(scene, classes):
    """The same ground in UTM 31 and UTM 30: blocks differ, footprints decide."""
    import pyproj

    across = pyproj.Transformer.from_crs("EPSG:32631", "EPSG:32630", always_xy=True)
    there = across.transform(300000, 4600000)
    tables = []
    for name, crs, (x, y) in (
        ("a", "EPSG:32631", (300000, 4600000)),
        ("b", "EPSG:32630", there),
    ):
        cube, labels = scene(200, 200, seed=4, patch=10, crs=crs, x=x, y=y)
        tables.append(index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, name))
    split = split_tiles(tables, SplitConfig(block=2, buffer=3), seed=0)
    proof = certify(split, tables)
    assert proof["verdict"] == "clean"
    for pair in proof["pairs"]:
        assert pair["overlap_px"] == 0 and pair["distance_px"] >= 2.99
    ground = {
        name: shapely.union_all(
            tables[0].set_index("id").loc[rows["id"]].geometry.to_numpy()
            if name == "train"
            else tables[1].set_index("id").loc[rows["id"]].to_crs("EPSG:32631").geometry.to_numpy()
        )
        for name, rows in (
            ("train", split[(split["scene"] == "a") & (split["split"] == "train")]),
            ("test", split[(split["scene"] == "b") & (split["split"] == "test")]),
        )
    }
    assert ground["train"].distance(ground["test"]) >= 29


def test_learning_tiles_keep_off_test_scenes(scene, classes):
    tables = []
    for name, x in (("a", 300000), ("b", 300000 + 2500)):
        cube, labels = scene(300, 300, seed=5, patch=10, x=x)
        tables.append(index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, name))
    cfg = SplitConfig(block=2, buffer=5, fractions=(0.8, 0.2, 0.0))
    split = split_tiles(tables[:1], cfg, seed=0, test_scenes=tables[1:])
    assert set(split.loc[split["scene"] == "b", "split"]) == {"test"}
    lost = split[(split["scene"] == "a") & (split["x"] + 20 > 245)]
    assert set(lost["split"]) == {"none"}
    assert certify(split, tables)["verdict"] == "clean"
    careless = split_tiles(tables[:1], cfg, seed=0)
    with pytest.raises(InputError, match=r"share .* pixels of ground"):
        certify(careless, tables)
    tables[1]["keep"] = False  # dropped tiles of a test scene are scored all the same
    with pytest.raises(InputError, match=r"share .* pixels of ground"):
        certify(careless, tables)


def test_random_takes_fractions_and_is_named(tiles):
    split = split_tiles([tiles], SplitConfig(method="random", fractions=(0.8, 0.0, 0.2)), seed=0)
    share = split["split"].value_counts(normalize=True)
    assert share["train"] == pytest.approx(0.8, abs=0.002) and "validation" not in share
    assert certify(split, [tiles])["verdict"] == "leaky"


def test_clusters_hold_polygons_together(cube_type, labels_type, grid, classes):
    ids = np.zeros((400, 400), np.uint8)
    rng = np.random.default_rng(0)
    for number in range(16):  # polygons of 30 px around crossings of 20-px tiles, 100 px apart
        y, x = 25 + 100 * (number // 4), 25 + 100 * (number % 4)
        ids[y : y + 30, x : x + 30] = 1 + number % 4
    data = rng.integers(1, 5000, (2, 10, 400, 400), dtype=np.uint16)
    cube = cube_type(data, np.ones((2, 400, 400), bool), grid(400, 400))
    cfg = TileConfig(sizes=(20,), drop_water_only=False)
    tiles = index_tiles(cube, labels_type(ids), cfg, classes, "a")
    kept = pd.DataFrame(tiles[tiles["keep"]].drop(columns="geometry"))
    assert len(np.unique(find_clusters(kept, {"a": cube.grid}, 0))) == 16
    assert len(np.unique(find_clusters(kept, {"a": cube.grid}, 60))) == 16
    assert len(np.unique(find_clusters(kept, {"a": cube.grid}, 61))) == 1
    cfg = SplitConfig(method="clusters", fractions=(0.5, 0.25, 0.25), buffer=10)
    split = split_tiles([tiles], cfg, seed=0)
    assert split.groupby("block")["split"].nunique().max() == 1
    assert split["block"].nunique() == 16
    assert split["split"].value_counts().to_dict() == pytest.approx(
        {"train": len(kept) / 2, "validation": len(kept) / 4, "test": len(kept) / 4}
    )
    assert _gap(split, "train", "test") >= 10


def test_neighbours_with_separate_labels_are_separate_clusters(
    cube_type, labels_type, grid, classes
):
    ids = np.zeros((20, 60), np.uint8)
    ids[5:10, 5:10] = ids[5:10, 30:35] = 1  # two polygons in neighbouring tiles
    ids[5:10, 38:45] = 2  # one across the border of the second and third
    cube = cube_type(np.ones((2, 10, 20, 60), np.uint16), np.ones((2, 20, 60), bool), grid(20, 60))
    tiles = index_tiles(cube, labels_type(ids), TileConfig(sizes=(20,)), classes, "a")
    kept = pd.DataFrame(tiles.drop(columns="geometry"))
    assert find_clusters(kept, {"a": cube.grid}, 0).tolist() == [0, 1, 1]


def test_table_of_ids(tiles, tmp_path):
    kept = tiles.loc[tiles["keep"], "id"]
    rows = pd.DataFrame({"id": kept, "split": ["train", "val", "test"] * (len(kept) // 3)})
    rows.iloc[:-5].to_csv(tmp_path / "split.csv", index=False)
    cfg = SplitConfig(method="file", file=str(tmp_path / "split.csv"), buffer=0)
    split = split_tiles([tiles], cfg, seed=0)
    assert split["split"].tolist()[:3] == ["train", "validation", "test"]
    assert split["reason"].tolist()[-5:] == ["not listed in the file"] * 5
    assert certify(split, [tiles])["verdict"] == "clean"  # neighbours touch, no more


def test_polygons_in_another_system(tiles, tmp_path):
    import geopandas as gpd

    grid = grid_of(tiles)
    halves = footprints(grid, np.array([[0, 0, 480, 300], [0, 310, 480, 290]]))
    frame = gpd.GeoDataFrame({"split": ["train", "test"]}, geometry=halves, crs=grid.crs)
    frame.to_crs("EPSG:3857").to_file(tmp_path / "split.gpkg")
    cfg = SplitConfig(method="file", file=str(tmp_path / "split.gpkg"), buffer=0)
    split = split_tiles([tiles], cfg, seed=0)
    # A straight edge in Mercator is not quite one in UTM: only the outermost tiles may differ.
    inner = split[(split["y"] > 0) & (split["y"] < 460) & (split["x"] > 0) & (split["x"] < 580)]
    assert set(inner.loc[inner["x"] + 20 < 300, "split"]) == {"train"}
    assert set(inner.loc[inner["x"] > 330, "split"]) == {"test"}
    assert set(inner.loc[inner["x"] == 300, "split"]) == {"none"}
    assert certify(split, [tiles])["pairs"][0]["distance_m"] > 99


def test_polygons_along_tile_borders_hold_the_tiles(tiles, tmp_path):
    import geopandas as gpd

    grid = grid_of(tiles)
    halves = footprints(grid, np.array([[0, 0, 480, 300], [0, 300, 480, 300]]))
    frame = gpd.GeoDataFrame({"split": ["train", "test"]}, geometry=halves, crs=grid.crs)
    frame.to_file(tmp_path / "split.geojson")  # GeoJSON rounds coordinates
    cfg = SplitConfig(method="file", file=str(tmp_path / "split.geojson"), buffer=0)
    split = split_tiles([tiles], cfg, seed=0)
    assert set(split["split"]) == {"train", "test"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,split\na/20/0/0,trian\n", "unknown split 'trian'; did you mean 'train'"),
        ("id,split\nz/1/1/1,train\n", "none of its 1 ids is a tile"),
        ("id,split\na/20/0/20,train\na/20/0/20,test\n", "a/20/0/20 twice"),
        ("name,split\na/20/0/0,train\n", "no column id"),
        (None, "no such file"),
    ],
)
def test_faulty_files(tiles, tmp_path, text, message):
    if text is not None:
        (tmp_path / "split.csv").write_text(text)
    cfg = SplitConfig(method="file", file=str(tmp_path / "split.csv"))
    with pytest.raises(InputError, match=message):
        split_tiles([tiles], cfg, seed=0)


def test_file_that_overlaps_is_refused(scene, classes, tmp_path):
    cube, labels = scene(60, 60)
    tiles = index_tiles(cube, labels, TileConfig(sizes=(20,), overlap=0.5), classes, "a")
    names = np.resize(["train", "test"], len(tiles))
    pd.DataFrame({"id": tiles["id"], "split": names}).to_csv(tmp_path / "s.csv", index=False)
    cfg = SplitConfig(method="file", file=str(tmp_path / "s.csv"), buffer=0)
    split = split_tiles([tiles], cfg, seed=0)
    with pytest.raises(InputError, match=r"train and test share .* pixels of ground"):
        certify(split, [tiles])
    assert certify(split, [tiles], enforce=False)["verdict"] == "leaky"


def test_empty_sets_and_missing_classes_are_named(scene, classes, tmp_path):
    cube, labels = scene(40, 40, patch=40)
    labels.ids[:] = 1
    tiles = index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, "a")
    with pytest.raises(InputError, match=r"set is empty.*split.block"):
        split_tiles([tiles], SplitConfig(block=4), seed=0)
    labels.ids[20:, 20:] = 2
    tiles = index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, "a")
    rows = pd.DataFrame({"id": tiles["id"], "split": ["train", "train", "validation", "test"]})
    rows.to_csv(tmp_path / "s.csv", index=False)
    cfg = SplitConfig(method="file", file=str(tmp_path / "s.csv"), buffer=0)
    with pytest.raises(InputError, match="class 'forest' is missing from the train set"):
        split_tiles([tiles], cfg, seed=0)
    tiles["keep"] = False
    with pytest.raises(InputError, match="a: no tile is kept"):
        split_tiles([tiles], SplitConfig(), seed=0)


def test_class_in_few_blocks_is_a_warning(scene, classes):
    cube, labels = scene(240, 240, seed=6, patch=8)
    labels.ids[labels.ids == 3] = 2
    labels.ids[45:60, 45:60] = 3  # within one block
    tiles = index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, "a")
    split = split_tiles([tiles], SplitConfig(block=2, buffer=0), seed=0)
    assert split.attrs["pixels"]["train"][2] == 225
    warnings = split.attrs["warnings"]
    assert len(warnings) == 2 and all("'urban' is missing" in text for text in warnings)
    assert certify(split, [tiles])["warnings"] == warnings


def test_stratify_places_rare_classes_everywhere():
    rng = np.random.default_rng(0)
    for seed in range(5):
        counts = rng.integers(0, 100, (30, 6)) * (rng.random((30, 6)) < 0.5)
        counts[:, 5] = 0
        counts[rng.permutation(30)[:3], 5] = 10  # in three groups only
        split = stratify(counts, (0.64, 0.16, 0.2), seed)
        sums = np.stack([counts[split == number].sum(0) for number in range(3)])
        assert (sums > 0).all()
        shares = (sums / sums.sum(0))[:, :5]
        assert np.abs(shares - np.array([[0.64], [0.16], [0.2]])).max() < 0.08
    assert (stratify(counts, (1.0, 0.0, 0.0), 0) == 0).all()
