"""True footprints from files and from masks."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from building_fakes import CLASSES, UTM, GridLabels, building, burnt, town
from shapely import affinity

from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.segmentation.footprint_truth import truth_of_labels, truth_of_vectors

LEFT, TOP = UTM.transform[2], UTM.transform[5]


def on_map(shape):
    return affinity.affine_transform(shape, (0.5, 0, 0, -0.5, LEFT, TOP))


@pytest.fixture
def vectors(tmp_path):
    """A file in degrees: whole, cut by the border, outside, a pair in one, a bow tie, no shape."""
    bow = shapely.Polygon([(200, 200), (220, 220), (220, 200), (200, 220)])
    pair = shapely.MultiPolygon([shapely.box(60, 60, 80, 80), shapely.box(90, 60, 100, 80)])
    shapes = [building(30, 20, 20, 150, 60), shapely.box(-30, 100, 10, 120)]
    shapes += [shapely.box(500, 500, 520, 520), pair, bow]
    placed = [*(on_map(shape) for shape in shapes), None]
    kinds = ["building", "building", "building", "200", "building", "background"]
    frame = gpd.GeoDataFrame({"kind": kinds}, geometry=placed, crs=UTM.crs).to_crs(4326)
    frame.to_file(tmp_path / "labels.geojson", driver="GeoJSON")
    return tmp_path / "labels.geojson", shapes


def test_vectors_are_laid_on_the_scene_and_cut_at_its_border(vectors) -> None:
    path, shapes = vectors
    truth = truth_of_vectors([path], UTM, CLASSES)
    assert truth["id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert truth.crs == UTM.crs and truth.geometry.is_valid.all()
    assert np.allclose(truth["share"], [1, 0.25, 1, 1, 1, 1], atol=1e-4)
    areas = np.array([600, 10 * 20, 400, 200, 100, 100]) / 4
    assert np.allclose(truth["area_m2"], areas, rtol=1e-3)
    first = on_map(shapes[0])
    assert truth.geometry[0].symmetric_difference(first).area < 0.01 * first.area
    twice = truth_of_vectors([path, path], UTM, CLASSES, "kind")
    assert len(twice) == 12


def test_only_features_of_the_class_are_taken(vectors, tmp_path) -> None:
    frame = gpd.read_file(vectors[0])
    frame.loc[0, "kind"] = "background"
    frame.to_file(tmp_path / "other.gpkg", driver="GPKG")
    assert len(truth_of_vectors([tmp_path / "other.gpkg"], UTM, CLASSES, "kind")) == 5
    assert len(truth_of_vectors([tmp_path / "other.gpkg"], UTM, CLASSES)) == 6


def test_bad_vectors_are_named(vectors, tmp_path) -> None:
    path, _ = vectors
    with pytest.raises(InputError, match="no attribute 'knd'; did you mean 'kind'"):
        truth_of_vectors([path], UTM, CLASSES, "knd")
    (tmp_path / "text.geojson").write_text("no vector")
    with pytest.raises(InputError, match="not a vector file"):
        truth_of_vectors([tmp_path / "text.geojson"], UTM, CLASSES)
    with pytest.raises(InputError, match="no georeference"):
        truth_of_vectors([path], Grid.of_pixels(10, 10), CLASSES)
    frame = gpd.read_file(path).set_crs(None, allow_override=True)
    frame.to_file(tmp_path / "bare.shp")
    with pytest.raises(InputError, match="no coordinate reference system"):
        truth_of_vectors([tmp_path / "bare.shp"], UTM, CLASSES)
    empty = truth_of_vectors([path], UTM.window(100, 160, 20, 20), CLASSES)
    assert len(empty) == 0 and list(empty) == ["id", "area_m2", "share", "geometry"]


def test_a_mask_gives_back_what_was_burnt() -> None:
    shapes = town(*UTM.shape, 9, 60)
    ids = np.where(burnt(shapes, *UTM.shape) >= 0.5, 2, 1).astype(np.uint8)
    ids[:20] = 0
    truth = truth_of_labels(GridLabels(ids, UTM), CLASSES)
    assert truth.geometry.is_valid.all()
    inside = shapely.box(LEFT, TOP - UTM.height / 2, LEFT + UTM.width / 2, TOP - 10)
    expected = [on_map(shape).intersection(inside) for shape in shapes]
    expected = [shape for shape in expected if shape.area > 0.5]
    assert len(truth) >= len(expected)
    union = shapely.union_all(truth.geometry)
    wrong = union.symmetric_difference(shapely.union_all(expected)).area
    assert wrong < 0.04 * union.area  # borders of pixels
    assert (truth["share"] == 1).all()
    counted = (ids == 2).sum() / 4
    assert np.isclose(truth["area_m2"].sum(), counted, rtol=0.01)
