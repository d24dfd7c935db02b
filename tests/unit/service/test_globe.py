"""Places of pixels on the globe: interpolated as a page does, against the projection itself."""

import numpy as np
import pyproj
import pytest

from nadir.raster.grid import Grid
from nadir.service.globe import corners_of


def interpolated(corners, shape, x, y):
    """Return longitude and latitude as globe.js makes them."""
    corners, parts = np.array(corners), len(corners) - 1
    u, v = parts * x / shape[1], parts * y / shape[0]
    column, row = min(int(u), parts - 1), min(int(v), parts - 1)
    u, v = u - column, v - row
    top = (1 - u) * corners[row, column] + u * corners[row, column + 1]
    low = (1 - u) * corners[row + 1, column] + u * corners[row + 1, column + 1]
    return (1 - v) * top + v * low


@pytest.mark.parametrize(
    ("crs", "transform", "shape", "most"),
    [
        ("EPSG:32631", (0.5, 0, 430_000, 0, -0.5, 4_582_000), (300, 420), 1),
        ("EPSG:32631", (0.3, 0.1, 430_000, 0.1, -0.3, 4_582_000), (9000, 60_000), 16),
        ("EPSG:32633", (10, 0, 300_000, 0, -10, 7_700_000), (10_980, 10_980), 16),
        ("EPSG:3857", (0.6, 0, 260_000, 0, -0.6, 5_070_000), (5000, 5000), 4),
        ("EPSG:4326", (1e-5, 0, 2.0, 0, -1e-5, 41.0), (700, 900), 1),
    ],
)
def test_any_pixel_is_found_within_a_tenth(crs, transform, shape, most):
    grid = Grid(crs, transform, *shape)
    corners = corners_of(grid)
    assert len(corners) - 1 <= most and len(corners) == len(corners[0])
    back = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    a, b, c, d, e, f = transform
    for u, v in np.random.default_rng(0).random((200, 2)):
        x, y = u * shape[1], v * shape[0]
        at = np.array(back.transform(*interpolated(corners, shape, x, y)))
        off = np.linalg.solve([[a, b], [d, e]], at - (c, f)) - (x, y)
        assert np.abs(off).max() < 0.25


def test_longitudes_go_on_beyond_the_last_meridian():
    grid = Grid("EPSG:32601", (10, 0, 250_000, 0, -10, 1_000_000), 10_000, 10_000)
    longitudes = np.array(corners_of(grid))[..., 0]
    assert np.ptp(longitudes) < 2 and abs(longitudes).min() > 178


def test_without_a_system_there_is_no_place():
    assert corners_of(Grid("", (1, 0, 0, 0, 1, 0), 10, 10)) is None
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    assert corners_of(Grid(local, (1, 0, 0, 0, -1, 0), 10, 10)) is None
