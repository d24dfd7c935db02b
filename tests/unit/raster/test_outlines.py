"""Outlines: equal to distances over the whole scene at once, and by brute force."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely
import shapely.affinity
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt

from nadir.config.scenes import CubeConfig
from nadir.provenance.manifest import read_manifest, store_path
from nadir.raster.grid import Grid
from nadir.raster.outlines import FARTHEST, signed_distance, trace_outlines
from nadir.raster.store import StoredArray

SMALL = CubeConfig(chunk=256, shard=256)


@dataclass
class ArrayLabels:
    """Labels in memory, with the face of stored ones."""

    ids: np.ndarray
    grid: Grid

    def hard(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        out = np.zeros((height, width), np.uint8)
        rows, columns = self.ids.shape
        top, left = max(y, 0), max(x, 0)
        bottom, right = min(y + height, rows), min(x + width, columns)
        out[top - y : bottom - y, left - x : right - x] = self.ids[top:bottom, left:right]
        return out


def grid_of(height: int, width: int) -> Grid:
    return Grid("EPSG:32631", (0.5, 0.0, 1000.0, 0.0, -0.5, 2000.0), height, width)


def houses(grid: Grid, count: int, seed: int) -> np.ndarray:
    """Return turned rectangles, many of which touch or overlap."""
    rng = np.random.default_rng(seed)
    left, bottom, right, top = grid.bounds
    boxes = []
    for _ in range(count):
        x, y = rng.uniform(left, right), rng.uniform(bottom, top)
        w, h = rng.uniform(3, 25, 2)
        turned = shapely.affinity.rotate(shapely.box(x, y, x + w, y + h), rng.uniform(0, 90))
        boxes.append(turned)
        if rng.random() < 0.5:  # a neighbor wall to wall
            boxes.append(shapely.affinity.translate(turned, 0.2, 0))
    return np.array(boxes)


def whole(ids: np.ndarray, parts: np.ndarray | None) -> np.ndarray:
    """Return the exact signed distance, building by building over the whole scene."""
    inside, known = ids == 2, ids != 0
    if parts is None:
        inner = distance_transform_edt(~(known & ~inside))
    else:
        inner = np.full(ids.shape, np.inf)
        for number in np.unique(parts[parts > 0]):
            own = (parts == number) & inside
            other = known & ~own
            if other.any():
                inner[own] = distance_transform_edt(~other)[own]
    outer = distance_transform_edt(~inside)
    return np.where(known, np.where(inside, inner, -outer), 0.0)


def stored(manifest: Path, name: str, grid: Grid) -> np.ndarray:
    return StoredArray(store_path(manifest) / name).read(0, 0, *grid.shape)


@pytest.mark.parametrize("parted", [False, True])
def test_blocks_give_what_the_whole_scene_gives(tmp_path: Path, parted: bool) -> None:
    grid = grid_of(600, 700)
    shapes = houses(grid, 40, seed=4)
    numbers = rasterize(
        [(shape, number) for number, shape in enumerate(shapes, start=1)],
        out_shape=grid.shape,
        transform=grid.affine,
        dtype="int32",
    )
    ids = np.where(numbers > 0, 2, 1).astype(np.uint8)
    ids[250:300, 100:400] = 0  # nothing is known there
    labels = ArrayLabels(ids, grid)
    manifest = tmp_path / "outline.manifest.json"
    facts = trace_outlines(labels, 2, manifest, SMALL, shapes if parted else None, workers=2)
    exact = whole(ids, numbers if parted else None)
    distance, boundary = (stored(manifest, name, grid) for name in ("distance", "boundary"))
    assert distance.dtype == np.int8 and boundary.dtype == np.uint8
    assert np.array_equal(distance, np.rint(np.clip(exact, -FARTHEST, FARTHEST)).astype(np.int8))
    assert np.array_equal(boundary, ((np.abs(exact) <= 2) & (ids != 0)).astype(np.uint8))
    assert facts.content["boundary"] == boundary.sum() and facts.content["parted"] is parted
    assert read_manifest(manifest, "outline").digest == facts.digest
    # Other blocks, the same content.
    again = trace_outlines(
        labels, 2, tmp_path / "again.manifest.json", CubeConfig(chunk=64, shard=512),
        shapes if parted else None, workers=1,
    )  # fmt: skip
    assert again.digest == facts.digest


def test_distances_are_those_to_the_nearest_center_across_an_edge() -> None:
    rng = np.random.default_rng(1)
    parts = np.zeros((30, 40), int)
    for number in range(1, 7):
        y, x = rng.integers(0, 25), rng.integers(0, 35)
        parts[y : y + rng.integers(2, 12), x : x + rng.integers(2, 12)] = number
    inside = parts > 0
    known = rng.random(parts.shape) > 0.05
    distance = signed_distance(inside & known, known, np.where(known, parts, 0))
    rows, columns = np.indices(parts.shape)
    for y, x in np.argwhere(known)[::7]:
        across = known & (parts != parts[y, x]) if inside[y, x] else known & inside
        away = np.hypot(rows - y, columns - x)[across].min()
        assert distance[y, x] == pytest.approx(away if inside[y, x] else -away)


def test_walls_between_buildings_are_edges_where_polygons_tell() -> None:
    inside = np.zeros((9, 20), bool)
    inside[2:7, 2:18] = True
    parts = np.where(inside, np.where(np.arange(20) < 10, 1, 2), 0)
    known = np.ones_like(inside)
    assert signed_distance(inside, known)[4, 9] == 3
    assert signed_distance(inside, known, parts)[4, 9] == 1
    assert signed_distance(inside, known, parts)[4, 10] == 1


def test_a_scene_without_buildings_and_one_that_is_all_building(tmp_path: Path) -> None:
    grid = grid_of(40, 50)
    for value, distance in ((1, -FARTHEST), (2, FARTHEST)):
        labels = ArrayLabels(np.full(grid.shape, value, np.uint8), grid)
        manifest = tmp_path / f"{value}.manifest.json"
        trace_outlines(labels, 2, manifest, SMALL, np.empty(0, object), workers=1)
        assert (stored(manifest, "distance", grid) == distance).all()
        assert not stored(manifest, "boundary", grid).any()


def test_the_border_of_the_scene_is_no_edge(tmp_path: Path) -> None:
    grid = grid_of(60, 60)
    ids = np.ones(grid.shape, np.uint8)
    ids[:30] = 2  # a roof that the border cuts
    manifest = tmp_path / "x.manifest.json"
    trace_outlines(ArrayLabels(ids, grid), 2, manifest, SMALL, workers=1)
    distance = stored(manifest, "distance", grid)
    assert (distance[0] == 30).all() and (distance[29] == 1).all() and (distance[59] == -30).all()
