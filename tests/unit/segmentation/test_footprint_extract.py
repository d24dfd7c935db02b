"""Footprints out of probabilities, against the buildings that were burnt."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import shapely
from building_fakes import UTM, building, burnt, probability, town
from shapely import affinity

from nadir.config.footprints import FootprintConfig
from nadir.errors import InputError
from nadir.raster.cog import MapWriter
from nadir.raster.grid import Grid
from nadir.segmentation.footprint_extract import (
    extract_footprints,
    footprints_of,
    footprints_of_raster,
    placed_shapes,
)
from nadir.segmentation.footprint_match import boundary_errors, match_footprints
from nadir.segmentation.footprint_scan import InMemory, Sizes, trace_buildings
from nadir.segmentation.footprint_shapes import traced_shapes

PIXELS = FootprintConfig(nominal_pixel=1.0, min_area=20, min_hole=40)


def shapes_of(table) -> np.ndarray:
    return np.asarray(table.geometry.array, object)


@pytest.mark.parametrize("angle", [0, 7, 30, 44, 71])
def test_a_blurred_roof_comes_back_with_its_corners(angle: float) -> None:
    true = building(40, 24, angle, 41.3, 38.7, notch=True)
    found = footprints_of(probability([true], 80, 90, blur=1.5), None, 125, PIXELS)
    assert found["regularized"].tolist() == [True]
    shape = found.geometry[0]
    assert len(shape.exterior.coords) == 7  # an L has six corners
    corners = shapely.points(shapely.get_coordinates(true))
    assert shapely.distance(corners, shape.exterior).max() < 0.35
    sides = np.diff(shapely.get_coordinates(shape), axis=0)
    directions = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    off = (directions - angle + 45) % 90 - 45
    assert np.ptp(off) < 1e-6 and abs(off).max() < 1.0


def test_regularizing_draws_noisy_roofs_better() -> None:
    true = np.array(town(400, 400, 3), object)
    values = probability(true, 400, 400, blur=1.5, noise=0.08)
    errors = {}
    for regularize in (True, False):
        cfg = PIXELS.model_copy(update={"regularize": regularize})
        found = footprints_of(values, None, 125, cfg)
        inside = shapely.intersection(true, shapely.box(0, 0, 400, 400))
        pairs = match_footprints(shapes_of(found), inside, np.ones(len(true), bool)).pairs
        assert len(pairs) >= 0.97 * len(true)
        errors[regularize] = np.median(
            boundary_errors(shapes_of(found)[pairs[:, 0]], inside[pairs[:, 1]], 0.25)
        )
        assert found.geometry.is_valid.all()
    assert errors[True] < 0.85 * errors[False]
    assert errors[True] < 0.35


def test_round_and_hexagonal_roofs_keep_their_shape() -> None:
    circle = shapely.Point(40, 40).buffer(18)
    angles = np.radians(np.arange(6) * 60 + 10)
    hexagon = shapely.Polygon(np.stack([100 + 18 * np.cos(angles), 40 + 18 * np.sin(angles)], 1))
    found = footprints_of(probability([circle, hexagon], 80, 140), None, 125, PIXELS)
    assert found["regularized"].tolist() == [False, False]
    for true, shape in zip((circle, hexagon), found.geometry, strict=True):
        assert true.intersection(shape).area / true.union(shape).area > 0.96


def test_blocks_change_nothing_to_the_last_bit() -> None:
    values = probability(town(300, 420, 5, gap=1.0), 300, 420, blur=1.5, noise=0.12)
    values[100:140, 200:260] = 255
    whole = extract_footprints(InMemory(values), None, 110, PIXELS, progress=False)
    assert len(whole) > 20 and whole["id"].tolist() == list(range(1, len(whole) + 1))
    for block in (32, 64, 128):
        parts = extract_footprints(InMemory(values), None, 110, PIXELS, block=block, progress=False)
        assert parts.geometry.geom_equals_exact(whole.geometry, 0).all()
        for name in ("id", "confidence", "regularized", "area_px"):
            assert (parts[name] == whole[name]).all()


def test_a_huge_piece_is_cut_along_the_lattice_and_nothing_is_lost() -> None:
    values = np.zeros((128, 200), np.uint8)
    values[10:118, 10:190] = 250
    sizes = Sizes(125, 5, 5, 0.0)
    for block in (16, 32):
        found = np.concatenate(
            [
                traced_shapes(some)
                for some in trace_buildings(InMemory(values), sizes, block=block, largest=64)
            ]
        )
        assert len(found) == 2 * 3
        assert np.isclose(shapely.area(found).sum(), 108 * 180, atol=5)  # bevelled corners
        edges = np.unique(np.round(shapely.bounds(found)[:, [0, 2]], 1))
        assert edges.tolist() == [10, 64, 128, 190]


def test_courtyards_stay_and_skylights_go() -> None:
    yard = shapely.box(20, 20, 70, 60).difference(shapely.box(36, 32, 54, 48))
    holed = yard.difference(shapely.box(25, 25, 29, 29))
    found = footprints_of(probability([holed], 80, 90, blur=0.6), None, 125, PIXELS)
    (shape,) = found.geometry
    assert len(shape.interiors) == 1
    assert found["regularized"].all()
    assert abs(shape.area - yard.area) < 0.02 * yard.area


def test_roofs_that_touch_part_at_the_valley_and_share_a_wall() -> None:
    left, right = shapely.box(10, 10, 40, 50), shapely.box(40, 14, 75, 54)
    values = probability([left, right], 64, 90).astype(float)
    values[:, 39:41] *= 0.68  # the network is less sure along the wall
    values = np.rint(values).astype(np.uint8)
    found = footprints_of(values, None, 125, PIXELS)
    assert len(found) == 2
    one, two = found.geometry
    for true, shape in ((left, one), (right, two)):
        assert true.intersection(shape).area / true.union(shape).area > 0.93
    assert one.intersection(two).area <= 0.01 * min(one.area, two.area)
    together = footprints_of(values, None, 125, PIXELS.model_copy(update={"split": 0.0}))
    assert len(together) == 1


def test_neighbours_never_overlap_beyond_the_tolerance() -> None:
    rng = np.random.default_rng(8)
    values = probability([], 200, 200, noise=0.5, seed=2)
    values = np.where(rng.random(values.shape) < 0.01, 255, values).astype(np.uint8)
    cfg = PIXELS.model_copy(update={"split": 0.9, "min_area": 12.0})
    found = footprints_of(values, None, 120, cfg)
    shapes = shapes_of(found)
    assert len(found) > 50 and found.geometry.is_valid.all()
    assert set(found.geom_type) == {"Polygon"}
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    apart = one < other
    common = shapely.area(shapely.intersection(shapes[one[apart]], shapes[other[apart]]))
    lesser = np.minimum(shapely.area(shapes)[one[apart]], shapely.area(shapes)[other[apart]])
    assert (common <= 0.02 * lesser).all()


def test_small_things_go_by_area_on_the_ground() -> None:
    shapes = [shapely.box(10, 10, 16, 16), shapely.box(40, 40, 60, 60)]  # 9 and 100 m2 at 0.5 m
    values = probability(shapes, UTM.height, UTM.width, blur=0.5)
    areas = footprints_of(values, UTM, 125, FootprintConfig(min_area=6))["area_m2"]
    assert np.allclose(areas, [9, 100], rtol=0.04)
    assert len(footprints_of(values, UTM, 125, FootprintConfig(min_area=12))) == 1


def test_places_and_areas_on_the_ground_in_any_system() -> None:
    true = building(60, 40, 20, 100, 90)
    values = probability([true], 200, 220)
    utm = Grid("EPSG:32645", (0.5, 0.0, 350_000.0, 0.0, -0.5, 3_057_000.0), 200, 220)
    mercator = Grid("EPSG:3857", (0.5, 0.0, 9_520_000.0, 0.0, -0.5, 3_200_000.0), 200, 220)
    found = footprints_of(values, utm, 125, FootprintConfig())
    placed = affinity.affine_transform(true, (0.5, 0, 0, -0.5, 350_000, 3_057_000))
    (shape,) = found.geometry
    assert shape.symmetric_difference(placed).area < 0.02 * placed.area
    assert np.isclose(found["area_m2"][0], shape.area)
    (stretched,) = footprints_of(values, mercator, 125, FootprintConfig())["area_m2"]
    latitude = np.radians(27.6)
    assert np.isclose(stretched, placed.area * np.cos(latitude) ** 2, rtol=0.02)


def test_right_angles_are_right_on_the_ground_in_degrees_too() -> None:
    """At 60 degrees north a pixel that is square in degrees is half as wide as it is high."""
    step = 1e-5
    grid = Grid("EPSG:4326", (step, 0.0, 10.0, 0.0, -step, 60.0), 120, 240)
    ground = building(40, 26, 30, 60, 60)  # in units of a pixel's height
    narrow = affinity.scale(ground, 2, 1, origin=(0, 0))
    found = footprints_of(probability([narrow], 120, 240), grid, 125, FootprintConfig())
    assert found["regularized"].all()
    points = shapely.get_coordinates(found.geometry[0]) * (np.cos(np.radians(60)), 1)
    sides = np.diff(points, axis=0)
    angles = np.degrees(np.arctan2(sides[:, 1], sides[:, 0])) % 90
    assert len(sides) == 4
    assert np.allclose(angles, angles[0], atol=0.3)  # the ellipsoid is no sphere


def test_without_georeference_pixels_are_the_coordinates() -> None:
    found = footprints_of(probability([shapely.box(10, 20, 40, 50)], 64, 64), None, 125, PIXELS)
    assert found.crs is None and found["area_m2"].isna().all()
    assert np.isclose(found["area_px"][0], 900, rtol=0.02)
    assert np.allclose(found.geometry[0].bounds, (10, 20, 40, 50), atol=0.3)


def test_the_border_of_the_scene_is_a_straight_cut() -> None:
    true = building(50, 30, 12, 20, 4)
    found = footprints_of(probability([true], 60, 60), None, 125, PIXELS)
    inside = true.intersection(shapely.box(0, 0, 60, 60))
    (shape,) = found.geometry
    left, top, *_ = shape.bounds
    assert left >= 0 and top >= 0 and found["regularized"].all()
    assert shape.intersection(inside).area / shape.union(inside).area > 0.96


def test_confidence_is_the_mean_probability_and_no_data_is_nothing() -> None:
    values = np.zeros((40, 40), np.uint8)
    values[10:30, 10:20], values[10:30, 20:30] = 150, 250
    values[:, 30:] = 255
    found = footprints_of(values, None, 125, PIXELS.model_copy(update={"split": 0.0}))
    assert np.isclose(found["confidence"][0], 0.8)
    assert found.total_bounds[2] <= 30.2


@pytest.mark.parametrize("value", [0, 250, 255])
def test_plain_scenes(value: int) -> None:
    found = footprints_of(np.full((50, 60), value, np.uint8), UTM, 125, FootprintConfig())
    assert len(found) == (value == 250)
    assert {"id", "area_m2", "confidence", "regularized", "geometry"} <= set(found)
    if value == 250:
        assert np.isclose(found["area_m2"][0], 750, rtol=0.01)


def test_rasters_in_and_other_rasters_refused(tmp_path) -> None:
    values = probability([building(30, 20, 15, 100, 90)], *UTM.shape)
    with MapWriter(tmp_path / "p.tif", UTM, nodata=255) as writer:
        writer.write(0, 0, values)
    found = footprints_of_raster(tmp_path / "p.tif", 125, FootprintConfig(), block=64)
    assert found.equals(footprints_of(values, UTM, 125, FootprintConfig()))
    with rasterio.open(
        tmp_path / "f.tif", "w", driver="GTiff", count=1, height=9, width=9, dtype="float32"
    ) as dataset:
        dataset.write(np.zeros((9, 9), np.float32), 1)
    with pytest.raises(InputError, match="no map of probabilities"):
        footprints_of_raster(tmp_path / "f.tif", 125, FootprintConfig())


def test_the_mask_of_the_fakes_is_exact() -> None:
    assert np.isclose(burnt([building(20, 10, 33, 30, 30)], 60, 60).sum(), 200, rtol=0.01)


def test_far_from_the_origin_footprints_stay_valid() -> None:
    # In pixels the corner hangs just above the wall; rounded to the map's coordinates, on it.
    shape = shapely.Polygon([(0, 0), (4, 0), (4, 4), (2, 1e-11), (0, 4)])
    assert shape.is_valid
    grid = Grid("EPSG:3857", (1.0, 0.0, 9_520_000.0, 0.0, -1.0, 3_200_000.0), 10, 10)
    (placed,) = placed_shapes(np.array([shape], object), grid)
    assert placed.is_valid
    assert placed.geom_type == "Polygon"
