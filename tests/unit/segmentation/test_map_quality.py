"""Quality of maps on small scenes: borders, purity, blocks, areas, polygons, changes."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from scipy import ndimage
from segmentation_fakes import TABLE, MemoryLabels
from test_generalize import noisy

from nadir.config.quality import AreaConfig, PolygonConfig, QualityConfig
from nadir.errors import InputError
from nadir.provenance.geopackage import write_geopackage
from nadir.raster.cog import MapWriter
from nadir.raster.grid import Grid
from nadir.segmentation import map_polygons
from nadir.segmentation.changes import compare_maps
from nadir.segmentation.confusion import empty_confusion, update_confusion
from nadir.segmentation.figures_blocks import draw_blocks
from nadir.segmentation.figures_changes import draw_changes
from nadir.segmentation.figures_quality import draw_areas, draw_quality
from nadir.segmentation.map_polygons import polygons_of_map
from nadir.segmentation.map_quality import (
    JudgedScene,
    boundary_scores,
    drawn_blocks,
    judge_maps,
    matrices_of,
    near_border,
)
from nadir.segmentation.quality import judge_quality, sampled_accuracy, stratified_sample
from nadir.segmentation.regions import patches
from nadir.segmentation.split_ground import owners, with_test_scenes

SHAPE = (60, 72)
GRID = Grid("EPSG:32631", (10.0, 0.0, 5e5, 0.0, -10.0, 4e6), *SHAPE)


class SharedFakes(MemoryLabels):
    """Labels in memory with shares: pixels near a border of classes are mixed."""

    fraction_scale = 100
    grid = GRID

    def fraction(self, y, x, h, w):
        ids = self.hard(y, x, h, w)
        found = np.zeros((5, h, w), np.uint8)
        for k in range(5):
            found[k][ids == k] = 100
        mixed = near_border(self.hard(0, 0, *SHAPE), 1)[y : y + h, x : x + w]
        found[1:] = np.where(mixed & (found[1:] == 100), 60, found[1:])
        return found


def write_map(path, ids, table=TABLE, dtype="uint8"):
    with MapWriter(path, GRID, dtype, table=table) as writer:
        writer.write(0, 0, ids)
    return path


@pytest.fixture
def scene(tmp_path: Path) -> JudgedScene:
    truth = noisy(4, SHAPE)
    rng = np.random.default_rng(1)
    mapped = np.where(rng.random(SHAPE) < 0.2, rng.integers(1, 5, SHAPE), truth).astype(np.uint8)
    mapped[:3, :5] = 0
    tiles = pd.DataFrame({"y": [0, 20, 30], "x": [0, 16, 16], "size": [32, 24, 24]})
    path = write_map(tmp_path / "map.tif", mapped)
    return JudgedScene("home", str(path), SharedFakes(truth), tiles)


def parts_of(scene):
    with rasterio.open(scene.map) as dataset:
        mapped = dataset.read(1)
    truth = scene.labels.hard(0, 0, *SHAPE)
    asked = np.zeros(SHAPE, bool)
    for tile in scene.tiles.itertuples():
        asked[tile.y : tile.y + tile.size, tile.x : tile.x + tile.size] = True
    return mapped, truth, asked & (truth > 0) & (mapped > 0)


@pytest.mark.parametrize("reach", [1, 3])
def test_borders_against_brute_force(reach):
    ids = noisy(2, (21, 18))
    found = near_border(ids, reach)
    for (i, j), own in np.ndenumerate(ids):
        near = ids[max(0, i - reach) : i + reach + 1, max(0, j - reach) : j + reach + 1]
        assert found[i, j] == (own > 0 and bool(((near > 0) & (near != own)).any()))


@pytest.mark.parametrize("chunk", [16, 1024])
def test_counts_against_the_whole_scene(scene, chunk, monkeypatch):
    monkeypatch.setattr("nadir.segmentation.map_quality._CHUNK", chunk)
    mapped, truth, asked = parts_of(scene)
    cfg = QualityConfig(distances=(1, 3), purities=(0.5, 0.9), boundary=2)
    found = judge_maps([scene], TABLE, cfg, 16)
    whole = empty_confusion(4)
    update_confusion(whole, truth, mapped, asked)
    places, matrices = matrices_of(found.table(), 4)
    assert (matrices.sum(0) == whole).all()
    assert (found.distance.sum(0) == whole).all() and (found.purity.sum(0) == whole).all()
    near = near_border(truth, 1)
    first = empty_confusion(4)
    update_confusion(first, truth, mapped, asked & near)
    assert (found.distance[0] == first).all()
    assert (found.purity[1] == first).all() and not found.purity[0].any()
    row = places.index[(places["y"] == 16) & (places["x"] == 32)][0]
    here = np.s_[16:32, 32:48]
    block = empty_confusion(4)
    update_confusion(block, truth[here], mapped[here], asked[here])
    assert (matrices[row] == block).all()
    bands = []
    for k in range(1, 5):
        one = (truth == k) & near_border(truth, 2) & asked
        other = (mapped == k) & near_border(mapped, 2) & asked
        bands.append((one & other).sum() / (one | other).sum())
    assert boundary_scores(found.band) == pytest.approx(bands)
    assert found.mapped["home"].tolist() == [(mapped == k).sum() for k in range(1, 5)]


def test_a_perfect_map_has_perfect_borders(scene, tmp_path):
    truth = scene.labels.hard(0, 0, *SHAPE)
    perfect = JudgedScene(
        "home", str(write_map(tmp_path / "p.tif", truth)), scene.labels, scene.tiles
    )
    found = judge_maps([perfect], TABLE, QualityConfig(), 16)
    assert boundary_scores(found.band).tolist() == [1, 1, 1, 1]


def test_sample_is_stratified_and_seeded(scene):
    cfg = AreaConfig(design="pixels", sample=400, least=60)
    counts = stratified_sample(scene, 4, cfg, 3)
    mapped, truth, _ = parts_of(scene)
    sizes = np.array([((mapped == k) & (truth > 0)).sum() for k in range(1, 5)])
    wanted = np.minimum(np.maximum(np.rint(400 * sizes / sizes.sum()), 60), sizes)
    assert counts.sum(1).tolist() == wanted.tolist()
    assert (counts == stratified_sample(scene, 4, cfg, 3)).all()
    assert (counts != stratified_sample(scene, 4, cfg, 4)).any()
    everything = stratified_sample(scene, 4, AreaConfig(design="pixels", least=10_000), 0)
    whole = empty_confusion(4)
    update_confusion(whole, truth, mapped)
    assert (whole == everything.T).all()


@pytest.mark.parametrize("design", ["blocks", "pixels"])
def test_document_and_pictures(scene, design, tmp_path):
    cfg = QualityConfig(area=AreaConfig(design=design), worst=3)
    score = {
        "pixels": 10,
        "ece": 0.1,
        "brier": 0.3,
        "nll": 0.5,
        "bins": [{"low": 0.5, "high": 0.6, "count": 10, "confidence": 0.55, "accuracy": 0.4}],
    }
    sets = {
        "promised": 0.9,
        "coverage": 0.91,
        "block_coverage": 0.9,
        "size": 1.4,
        "sizes": [0, 6, 4, 0, 0],
        "class_coverage": [0.9, None, 1.0, 0.8],
    }
    probability = {"before": score, "after": score, "sets": sets}
    facts, table = judge_quality(
        [scene], TABLE, cfg, side=16, split="test", probability=probability
    )
    assert facts["scores"]["pixels"] == table["pixels"].sum() == parts_of(scene)[2].sum()
    assert [row["accuracy"] for row in facts["worst"]] == sorted(
        row["accuracy"] for row in facts["worst"]
    )
    areas = facts["areas"]["home"]
    assert areas["unit"] == "ha" and areas["design"] == design
    for row in areas["classes"].values():
        assert row["low"] <= row["area"] <= row["high"]
    total = sum(row["area"] for row in areas["classes"].values())
    assert total == pytest.approx(sum(row["mapped"] for row in areas["classes"].values()))
    assert ("accuracy" in areas) == (design == "pixels")
    if design == "pixels":
        found = areas["accuracy"]
        mapped, truth, _ = parts_of(scene)
        known = (mapped > 0) & (truth > 0)
        right = (mapped == truth)[known].mean()
        assert abs(found["overall"] - right) < 4 * found["overall_error"] + 0.01
        for number, name in enumerate(TABLE.names[1:], 1):
            own = (truth == number)[known & (mapped == number)].mean()
            row = found["classes"][name]
            assert abs(row["users"] - own) < 4 * row["users_error"] + 0.01
            assert 0 <= row["producers"] <= 1 and row["producers_error"] >= 0
    draw_quality(facts, TABLE, tmp_path / "q.png")
    draw_areas(facts["areas"], TABLE, tmp_path / "a.png")
    draw_blocks({"home": scene.map}, facts["places"], TABLE, tmp_path / "b.png")
    assert all((tmp_path / f"{name}.png").stat().st_size > 5000 for name in "qab")


def test_squares_of_one_block_of_the_split_are_one_draw():
    tiles = pd.DataFrame({"y": [0, 0], "x": [0, 64], "size": [32, 96], "block": ["a", "b"]})
    squares = [(0, 0, 16), (0, 16, 16), (0, 64, 16), (64, 64, 16)]
    names = owners(squares, tiles)
    assert names == ["a", "a", "b", "b"]
    assert owners([(0, 40, 16)], tiles) == ["a"] and owners([(0, 45, 16)], tiles) == ["b"]
    assert owners(squares, tiles.drop(columns="block")) == [""] * 4
    places = pd.DataFrame(squares, columns=["y", "x", "size"]).assign(scene="s", block=names)
    matrices = np.arange(4)[:, None, None] + np.ones((4, 2, 2), int)
    assert drawn_blocks(places, matrices)[:, 0, 0].tolist() == [1 + 2, 3 + 4]
    # Scenes that share ground share blocks; squares without a block are draws of their own.
    other = places.assign(scene=["s", "t", "s", "t"])
    assert drawn_blocks(other, matrices)[:, 0, 0].tolist() == [1 + 2, 3 + 4]
    assert sorted(drawn_blocks(other.assign(block=""), matrices)[:, 0, 0]) == [1, 2, 3, 4]


def test_blocks_of_the_split_stand_in_the_table(scene):
    tiles = scene.tiles.assign(block=["upper", "lower", "lower"])
    blocks = JudgedScene("home", scene.map, scene.labels, tiles)
    facts, table = judge_quality([blocks], TABLE, QualityConfig(), side=16, split="test")
    assert set(table["block"]) == {"upper", "lower"}
    assert (facts["blocks"], facts["draws"]) == (len(table.drop_duplicates(["y", "x"])), 2)
    assert facts["areas"]["home"]["degrees"] == 1 and facts["fitted_here"] is False
    alone, _ = judge_quality([scene], TABLE, QualityConfig(), side=16, split="test")
    assert alone["draws"] == alone["blocks"] == facts["blocks"]
    assert alone["scores"] == facts["scores"]


def test_a_scene_that_is_all_test_is_judged_as_a_whole(scene):
    split = pd.DataFrame(
        {
            "scene": ["home", "away"],
            "y": [0, 0],
            "x": [0, 0],
            "size": [32, 32],
            "split": ["train", "test"],
            "block": ["a", "b"],
        }
    )
    ground = with_test_scenes(split, {"home": GRID}, 48)
    assert ground[ground["scene"] == "away"]["block"].tolist() == ["b"]
    tiles = ground[(ground["scene"] == "home") & (ground["split"] == "test")]
    assert len(tiles) == (ground["scene"] == "home").sum() == 2 * 2
    whole = JudgedScene("home", scene.map, scene.labels, tiles)
    facts, table = judge_quality([whole], TABLE, QualityConfig(), side=16, split="test")
    mapped, truth, _ = parts_of(scene)
    assert table["pixels"].sum() == ((truth > 0) & (mapped > 0)).sum()
    assert facts["draws"] == 4 and (table.groupby(["y", "x"])["block"].nunique() == 1).all()
    kept = with_test_scenes(split.drop(columns="block"), {}, 48)
    assert kept["scene"].tolist() == ["home", "away"] and (kept["block"] == "").all()


def test_another_grid_is_refused(scene):
    class Elsewhere(SharedFakes):
        grid = Grid("EPSG:32631", (10.0, 0.0, 6e5, 0.0, -10.0, 4e6), *SHAPE)

    moved = JudgedScene("home", scene.map, Elsewhere(np.ones(SHAPE, np.uint8)), scene.tiles)
    with pytest.raises(InputError, match="elsewhere"):
        judge_maps([moved], TABLE, QualityConfig(), 16)


@pytest.mark.parametrize("tolerance", [0.0, 1.5])
def test_polygons_cover_the_map(scene, tolerance, tmp_path):
    mapped, _, _ = parts_of(scene)
    sure = np.where(mapped == 0, 255, 40 + 10 * mapped).astype(np.uint8)
    path = write_map(tmp_path / "sure.tif", sure, table=None)
    found = polygons_of_map(scene.map, path, TABLE, PolygonConfig(simplify=tolerance))
    assert found.geometry.is_valid.all() and (found.geometry.geom_type == "Polygon").all()
    assert found["area_m2"].sum() == pytest.approx(100 * (mapped > 0).sum())
    assert found["confidence"].to_numpy() == pytest.approx(0.4 + 0.1 * found["class_id"].to_numpy())
    assert set(found["class"]) == set(TABLE.names[1:])
    whole = shapely.union_all(found.geometry.to_numpy())
    assert found.geometry.area.sum() == pytest.approx(whole.area)  # no overlaps
    if not tolerance:
        assert found.geometry.area.to_numpy() == pytest.approx(found["area_m2"].to_numpy())
    write_geopackage(tmp_path / "p.gpkg", found, "landcover", "patches")
    assert len(gpd.read_file(tmp_path / "p.gpkg")) == len(found)
    few = polygons_of_map(scene.map, path, TABLE, PolygonConfig(min_area=1000))
    assert (few["area_m2"] >= 1000).all() and 0 < len(few) < len(found)


def test_accuracies_of_nothing_are_null():
    nothing = sampled_accuracy(np.zeros((2, 2), int), np.array([5.0, 5.0]), ["a", "b"])
    assert nothing == {"overall": None, "overall_error": None, "classes": {}}
    one = sampled_accuracy(np.array([[9, 1], [0, 0]]), np.array([5.0, 5.0]), ["a", "b"])
    assert one["classes"]["a"]["users"] == 0.9 and one["classes"]["b"]["users"] is None


HARD = {
    "noise": lambda rng: rng.integers(0, 4, (48, 48)),
    "checkers": lambda rng: np.indices((30, 30)).sum(axis=0) % 2 + 1,
    "straits": lambda rng: np.digitize(
        ndimage.gaussian_filter(rng.normal(size=(90, 90)), 2), [-0.05, 0.0, 0.05]
    ),
    "rings": lambda rng: 1 + np.hypot(*(np.indices((48, 48)) - 24)).astype(int) // 2 % 3,
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("tolerance", [0.3, 1.0, 3.0, 10.0])
def test_simplified_polygons_share_their_borders(name, tolerance):
    ids = HARD[name](np.random.default_rng(3)).astype(np.uint8)
    labels = np.empty(ids.shape, np.int32)
    count = patches(ids, labels)
    shapes = map_polygons._shapes(labels, count, tolerance)
    assert len(shapes) == count and (shapely.get_type_id(shapes) == 3).all()
    assert shapely.is_valid(shapes).all() and not shapely.is_empty(shapes).any()
    assert shapely.coverage_is_valid(shapes)
    before = shapely.get_num_coordinates(map_polygons._shapes(labels, count, 0.0)).sum()
    if tolerance > 1 and name != "checkers":
        assert shapely.get_num_coordinates(shapes).sum() < before


@pytest.mark.parametrize(("bearable", "simpler"), [(0.8, True), (0.0, False)])
def test_all_polygons_are_simplified_less_where_one_breaks(monkeypatch, bearable, simpler):
    ids = HARD["rings"](None).astype(np.uint8)
    labels = np.empty(ids.shape, np.int32)
    count = patches(ids, labels)
    simplify = shapely.coverage_simplify
    asked = []

    def breaking(shapes, tolerance):
        asked.append(tolerance)
        simple = simplify(shapes, tolerance)
        if tolerance > bearable:  # a bow tie
            simple[0] = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
        return simple

    monkeypatch.setattr(map_polygons.shapely, "coverage_simplify", breaking)
    shapes = map_polygons._shapes(labels, count, 3.0)
    assert asked[:3] == [3.0, 1.5, 0.75] and (len(asked) == 3) == simpler
    assert shapely.is_valid(shapes).all() and shapely.coverage_is_valid(shapes)
    if not simpler:
        assert shapely.area(shapes).sum() == (ids > 0).sum()


def test_changes_are_counted_and_mapped(scene, tmp_path):
    mapped, truth, _ = parts_of(scene)
    before = write_map(tmp_path / "before.tif", truth)
    facts = compare_maps(before, scene.map, TABLE, tmp_path / "change.tif")
    want = empty_confusion(4)
    update_confusion(want, truth, mapped)
    assert facts["pixels"] == want.tolist()
    assert np.array(facts["transitions"]) == pytest.approx(want / 100)  # hectares
    assert facts["changed"] == pytest.approx(1 - np.trace(want) / want.sum())
    assert np.array(facts["gain"]) - facts["loss"] == pytest.approx(facts["net"])
    with rasterio.open(tmp_path / "change.tif") as dataset:
        codes = dataset.read(1)
    changed = codes > 1
    assert (codes[changed] // 256 == truth[changed]).all()
    assert (codes[changed] % 256 == mapped[changed]).all()
    assert ((codes == 1) == ((truth == mapped) & (truth > 0))).all()
    draw_changes(before, scene.map, facts, TABLE, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5000
