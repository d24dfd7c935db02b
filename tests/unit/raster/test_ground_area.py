"""Areas in degrees as grids."""

from __future__ import annotations

import pytest
from rasterio.warp import transform_bounds

from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.raster.ground_area import area_grid, utm_zone, window_of_area

AREA = (1.95, 41.3, 2.25, 41.5)


@pytest.mark.parametrize(
    ("area", "zone"),
    [
        (AREA, "EPSG:32631"),
        ((-0.2, 41, -0.1, 42), "EPSG:32630"),
        ((150, -34, 151, -33), "EPSG:32756"),
        ((179.5, 10, 180, 11), "EPSG:32660"),
        ((-180, 10, -179, 11), "EPSG:32601"),
    ],
)
def test_zones(area, zone):
    assert utm_zone(area) == zone


def test_a_scene_covers_its_area_with_edges_at_whole_pixels():
    grid = area_grid(AREA, None, 10)
    left, bottom, right, top = transform_bounds("EPSG:4326", grid.crs, *AREA, densify_pts=21)
    assert grid.crs == "EPSG:32631"
    for have, want in zip(grid.bounds, (left, bottom, right, top), strict=True):
        assert have % 10 == 0
        assert abs(have - want) < 10
    assert grid.bounds[0] <= left and grid.bounds[3] >= top
    assert grid.bounds[2] >= right and grid.bounds[1] <= bottom


def test_systems_that_do_not_fit_are_told():
    with pytest.raises(InputError, match="not a coordinate"):
        area_grid(AREA, "nonsense", 10)
    with pytest.raises(InputError, match="not of metres"):
        area_grid(AREA, "EPSG:4326", 10)


def test_a_window_continues_the_pixels_of_a_mask():
    mask = Grid("EPSG:25831", (1.0, 0, 258000.3, 0, -1.0, 4752000.7), 100, 100)
    window = window_of_area(mask, AREA)
    factor = window.factor_to(mask)
    assert factor is not None and factor[0] == 1
    left, bottom, right, top = transform_bounds("EPSG:4326", mask.crs, *AREA, densify_pts=21)
    assert 1 < left - window.bounds[0] < 4 and 1 < window.bounds[2] - right < 4
    assert 1 < bottom - window.bounds[1] < 4 and 1 < window.bounds[3] - top < 4
