"""Where grids lie on the Earth, as GeoJSON."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import Geod

from nadir.raster.extent import geographic_extent
from nadir.raster.grid import Grid


def grid(crs, left, top, pixel=10.0, side=1000):
    return Grid(crs, (pixel, 0.0, left, 0.0, -pixel, top), side, side)


def test_a_polygon_covers_the_ground_of_its_grid():
    geometry, bounds = geographic_extent([grid("EPSG:32631", 5e5, 4e6)])
    shape = shapely.geometry.shape(geometry)
    assert geometry["type"] == "Polygon" and shape.is_valid and shape.exterior.is_ccw
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(shape)
    assert area == pytest.approx(1e8, rel=2e-3)
    np.testing.assert_allclose(bounds, shape.bounds, atol=1e-6)
    assert bounds[0] == pytest.approx(3.0, abs=1e-3)


def test_grids_apart_stay_apart_and_overlapping_ones_are_one():
    near = [grid("EPSG:32631", 5e5, 4e6), grid("EPSG:32631", 5.05e5, 4e6)]
    assert geographic_extent(near)[0]["type"] == "Polygon"
    geometry, _ = geographic_extent([*near, grid("EPSG:32631", 6e5, 4e6)])
    assert geometry["type"] == "MultiPolygon" and len(geometry["coordinates"]) == 2


def test_what_has_no_place_on_the_earth_is_passed_over():
    local = Grid.of_pixels(10, 10)
    assert geographic_extent([local]) is None and geographic_extent([]) is None
    assert geographic_extent([local, grid("EPSG:32631", 5e5, 4e6)]) == geographic_extent(
        [grid("EPSG:32631", 5e5, 4e6)]
    )


def test_at_the_antimeridian_a_geometry_is_cut():
    # The western edge of zone 60's neighbor: Fiji, 500 km to either side of 180 degrees.
    across = grid("EPSG:3832", 3.335e6 - 5e4, -1.9e6, pixel=100.0)
    geometry, (west, _, east, _) = geographic_extent([across])
    shape = shapely.geometry.shape(geometry)
    assert geometry["type"] == "MultiPolygon" and shape.is_valid
    assert west > 179 and east < -179
    assert all(abs(x) <= 180 for x, _ in shapely.get_coordinates(shape))
    area = sum(
        Geod(ellps="WGS84").geometry_area_perimeter(part)[0] for part in shapely.get_parts(shape)
    )
    flat = 1e10 * np.cos(np.deg2rad(shape.centroid.y)) ** 2  # Mercator stretches both ways
    assert area == pytest.approx(flat, rel=0.02)


def test_two_grids_on_either_side_of_the_antimeridian_have_narrow_bounds():
    both = [grid("EPSG:32660", 6.5e5, 8e6), grid("EPSG:32601", 3.4e5, 8e6)]
    _, (west, _, east, _) = geographic_extent(both)
    assert 170 < west <= 180 and -180 <= east < -170
