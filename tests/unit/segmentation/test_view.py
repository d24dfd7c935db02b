"""What a picture shows of a large scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from nadir.config.classes import ClassTable, LandClass
from nadir.raster.cog import MapWriter
from nadir.raster.grid import Grid
from nadir.segmentation import view
from nadir.segmentation.view import View, commonest, metres_per_pixel, variety


def grid(height: int, width: int, crs: str = "EPSG:32631", pixel: float = 10.0) -> Grid:
    return Grid(crs, (pixel, 0.0, 0.0, 0.0, -pixel, 60 + height / 2 * pixel), height, width)


def test_large_scenes_are_shown_where_they_are_most_varied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "WHOLE", 200)
    monkeypatch.setattr(view, "PART", 100)
    monkeypatch.setattr(view, "PIXELS", 50)
    ids = np.ones((300, 500), np.uint8)
    ids[200:300, 400:500] = np.random.default_rng(0).integers(1, 9, (100, 100))
    with MapWriter(tmp_path / "map.tif", grid(300, 500)) as writer:
        writer.write(0, 0, ids)
    found = View.of(tmp_path / "map.tif")
    assert (found.y, found.x, found.height, found.width) == (200, 400, 100, 100)
    assert (found.step, found.whole, found.shape) == (2, False, (50, 50))
    np.testing.assert_array_equal(
        found.read(lambda y, x, h, w: ids[y : y + h, x : x + w]), ids[200:300:2, 400:500:2]
    )


def test_small_scenes_are_shown_whole(tmp_path: Path) -> None:
    with MapWriter(tmp_path / "map.tif", grid(30, 50)) as writer:
        writer.write(0, 0, np.ones((30, 50), np.uint8))
    assert View.of(tmp_path / "map.tif") == View(0, 0, 30, 50, 1, True)


def test_thinning_is_seamless_across_read_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_READ", 16)
    values = np.random.default_rng(0).integers(0, 255, (2, 70, 53))
    shown = View(3, 5, 60, 41, 3, False)
    found = shown.read(lambda y, x, h, w: values[:, y : y + h, x : x + w])
    np.testing.assert_array_equal(found, values[:, 3:63:3, 5:46:3])
    assert found.shape[1:] == shown.shape


def test_large_scenes_are_thinned_to_an_overview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "WHOLE", 1000)
    monkeypatch.setattr(view, "PIXELS", 400)
    monkeypatch.setattr(view, "_READ", 64)
    shape = (1103, 1201)
    rng = np.random.default_rng(1)
    ids = np.kron(rng.integers(1, 4, (18, 19)), np.ones((64, 64), int))[: shape[0], : shape[1]]
    ids = np.where(rng.random(shape) < 0.2, rng.integers(1, 4, shape), ids).astype(np.uint8)
    table = ClassTable(
        classes=tuple(LandClass(value=n, name=str(n), color=f"#0000{n:02}") for n in (1, 2, 3))
    )
    with MapWriter(tmp_path / "map.tif", grid(*shape), table=table) as writer:
        for y in range(0, shape[0], 512):
            for x in range(0, shape[1], 512):
                writer.write(y, x, np.ascontiguousarray(ids[y : y + 512, x : x + 512]))
    shown = View.entire(shape)
    assert (shown.step, shown.shape, shown.whole) == (4, (276, 301), True)
    assert View.entire((1000, 900)).step == 3
    with rasterio.open(tmp_path / "map.tif") as dataset:
        found = shown.read_overview(dataset)
    truth = shown.read(lambda y, x, h, w: ids[y : y + h, x : x + w], commonest)
    # Overviews are made one of the other, and lie half a pixel off where sides are no multiples.
    assert (truth == found).mean() > 0.93 > 0.9 > (ids[::4, ::4] == truth).mean()


def test_commonest() -> None:
    ids = np.random.default_rng(2).integers(0, 4, (23, 17)).astype(np.uint8)
    ids[:6, :6] = 0
    found = commonest(ids, 3)
    assert found.shape == (8, 6) and commonest(ids, 1) is ids
    for y in range(8):
        for x in range(6):
            counts = np.bincount(ids[3 * y : 3 * y + 3, 3 * x : 3 * x + 3].ravel(), minlength=4)
            best = 1 + counts[1:].argmax() if counts[1:].any() else 0
            assert found[y, x] == best
    assert (found[:2, :2] == 0).all()


def test_views_around_a_place_stay_inside() -> None:
    shape = (5000, 800)
    for box in ((0, 0, 256, 256), (4900, 700, 100, 100), (2000, 300, 64, 64), (90, 0, 700, 700)):
        found = View.around(box, shape)
        assert found.holds(box) and View.entire(shape).holds((found.y, found.x, *found.shape))
        assert max(found.shape) <= view.PIXELS
        middle = found.y + found.height / 2 - box[0] - box[2] / 2
        assert abs(middle) < 1 or found.y in (0, shape[0] - found.height)
    assert View.around((2000, 300, 64, 64), shape) == View(1776, 76, 512, 512, 1, False)
    assert not found.holds((0, 0, 5000, 10))


def test_metres() -> None:
    assert metres_per_pixel(grid(10, 10), 5) == 10
    assert metres_per_pixel(grid(10, 10, ""), 5) == 10
    degrees = grid(10, 10, "EPSG:4326", 1e-4)
    assert metres_per_pixel(degrees, 5) == pytest.approx(11.132 / 2, rel=1e-3), "at 60 degrees"


def test_variety_prefers_many_classes() -> None:
    even = np.array([[1, 2], [3, 4]], np.uint8)
    assert variety(even) == pytest.approx(np.log(4))
    assert variety(np.ones((2, 2), np.uint8)) == 0
    assert variety(np.array([[1, 2], [0, 0]], np.uint8)) == pytest.approx(np.log(2) / 2)
    assert variety(np.zeros((2, 2), np.uint8)) == 0
