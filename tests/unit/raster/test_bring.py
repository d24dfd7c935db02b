"""Rasters on other grids: planes stay planes, classes stay classes."""

from __future__ import annotations

import numpy as np
import pytest
from parts import Held, grid
from pyproj import Transformer

from nadir.raster.bring import bring_window


def places(of):
    v, u = np.meshgrid(*(np.arange(n) + 0.5 for n in of.shape), indexing="ij")
    return of.affine @ (u, v)


def plane(x, y):
    return (x - 500000) / 3 + (4600000 - y) / 7 + 100


def test_coinciding_pixels_stay_as_they_are():
    source = Held(grid(), np.random.default_rng(0).integers(1, 9999, (120, 120), np.uint16))
    target = grid(left=500100.0, side=50)
    raw, valid = bring_window(source, target, (5, 6, 20, 30), "bilinear")
    assert np.array_equal(raw[0], source.values[5:25, 16:46])
    assert valid.all()


def test_coarser_pixels_are_interpolated():
    coarse = grid(step=20.0, side=60)
    source = Held(coarse, plane(*places(coarse)).astype(np.float32))
    raw, valid = bring_window(source, grid(), (10, 10, 50, 50), "bilinear")
    expected = plane(*places(grid().window(10, 10, 50, 50)))
    assert np.abs(raw[0] - expected).max() < 1e-3
    assert valid.all()


@pytest.mark.parametrize("window", [(0, 0, 40, 40), (30, 50, 64, 64)])
def test_another_zone_is_warped_exactly(window):
    crs = "EPSG:32630"
    to = Transformer.from_crs("EPSG:32631", crs, always_xy=True)
    left, top = to.transform(500300, 4599700)
    target = grid(crs, left=round(left, -1), top=round(top, -1), side=100)
    # A plane in the source's own coordinates, wide enough for the turned target.
    wide = grid(left=498000.0, top=4602000.0, side=600)
    source = Held(wide, plane(*places(wide)).astype(np.float32))
    raw, valid = bring_window(source, target, window, "bilinear")
    back = Transformer.from_crs(crs, "EPSG:32631", always_xy=True)
    expected = plane(*back.transform(*places(target.window(*window))))
    assert valid.all()
    assert np.abs(raw[0] - expected).max() < 1e-2
    classes = Held(wide, (plane(*places(wide)) // 40).astype(np.uint8))
    near, _ = bring_window(classes, target, window, "nearest")
    assert (near[0] == expected // 40).mean() > 0.8
    assert set(np.unique(near)) <= set(np.unique(classes.values))


def test_windows_do_not_matter():
    target = grid("EPSG:32630", left=1000100.0, top=4617000.0, side=128)
    to = Transformer.from_crs("EPSG:32630", "EPSG:32631", always_xy=True)
    x, y = to.transform(1000100.0, 4617000.0)
    source_grid = grid(left=round(x, -1) - 1000, top=round(y, -1) + 1000, side=400)
    values = np.random.default_rng(1).integers(1, 9999, (400, 400), np.uint16)
    source = Held(source_grid, values, values % 7 > 0)
    whole, ok = bring_window(source, target, (0, 0, 128, 128), "bilinear")
    assert ok.mean() > 0.5
    for y0 in (0, 64):
        part, valid = bring_window(source, target, (y0, 32, 64, 96), "bilinear")
        assert np.array_equal(part, whole[:, y0 : y0 + 64, 32:])
        assert np.array_equal(valid, ok[y0 : y0 + 64, 32:])


def test_neighbors_without_value_do_not_count():
    coarse = grid(step=20.0, side=60)
    valid = np.ones((60, 60), bool)
    valid[10, 10] = False
    values = np.full((60, 60), 500, np.uint16)
    values[10, 10] = 9
    raw, ok = bring_window(Held(coarse, values, valid), grid(), (0, 0, 120, 120), "bilinear")
    assert (raw[0][ok] == 500).all()
    assert np.argwhere(~ok).tolist() == [[20, 20], [20, 21], [21, 20], [21, 21]]


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:32630"])
def test_beyond_the_source_there_is_nothing(crs):
    source = Held(grid(), np.full((120, 120), 5, np.uint16))
    raw, valid = bring_window(source, grid(crs, left=700000.0), (0, 0, 10, 12), "bilinear")
    assert raw.shape == (1, 10, 12)
    assert not raw.any() and not valid.any()
