"""What a picture shows of a large scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nadir.raster.cog import MapWriter
from nadir.raster.grid import Grid
from nadir.segmentation import view
from nadir.segmentation.view import View, metres_per_pixel, variety


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
