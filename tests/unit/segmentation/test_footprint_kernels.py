"""Parting and tracing of pixels, against brute force and known shapes."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import shapely

from nadir.segmentation.footprint_kernels import (
    key_vertices,
    number_in_order,
    part_basins,
    trace_rings,
)


def traced(labels, values, level=124.5, top=0, left=0):
    points, starts, owners = trace_rings(labels.astype(np.int32), values, level, top, left)
    rings = [points[a:b] for a, b in pairwise(starts)]
    return [(int(owner), ring) for owner, ring in zip(owners, rings, strict=True)]


def polygons(rings):
    """Polygons by region; the first ring is the outer one."""
    found = {}
    for owner, ring in rings:
        found.setdefault(owner, []).append(ring)
    return {owner: shapely.Polygon(rings[0], rings[1:]) for owner, rings in found.items()}


def test_outline_lies_where_the_probability_crosses_the_level() -> None:
    values = np.zeros((6, 6), np.uint8)
    values[2:4, 2:4] = 200
    ((_, ring),) = traced(values > 0, values, level=49.5)
    # 150.5 above and 49.5 below: three quarters of the way to the next center.
    away = 150.5 / 200
    assert np.isclose(
        shapely.Polygon(ring).bounds, (2.5 - away, 2.5 - away, 3.5 + away, 3.5 + away)
    ).all()


def test_random_regions_trace_to_valid_polygons_that_hold_exactly_their_centers() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = rng.integers(0, 251, (24, 31), np.uint8)
        values = cv2.GaussianBlur(values, (0, 0), 1.0)
        sure = values >= 125
        _, labels = cv2.connectedComponents(sure.astype(np.uint8), connectivity=4)
        found = polygons(traced(labels, values))
        assert sorted(found) == list(range(1, labels.max() + 1))
        y, x = np.mgrid[:24, :31] + 0.5
        for label, shape in found.items():
            assert shape.is_valid
            np.testing.assert_array_equal(shapely.contains_xy(shape, x, y), labels == label)


def test_regions_that_touch_share_their_border() -> None:
    values = np.full((10, 12), 240, np.uint8)
    values[:, 5:7] = 140
    labels = np.ones((10, 12), int)
    labels[:, 6:] = 2
    left, right = polygons(traced(labels, values)).values()
    assert left.intersection(right).area == 0
    assert left.area == right.area == 60 - 4 / 8  # without half of a half pixel at each corner


def test_scene_border_and_no_data_are_edges_of_pixels() -> None:
    values = np.full((5, 5), 255, np.uint8)
    values[:3, :3] = 250
    ((_, ring),) = traced(values == 250, values)
    bounds = shapely.Polygon(ring).bounds
    assert bounds == (0, 0, 3, 3)


def test_window_gives_the_same_numbers_to_the_last_bit() -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(1, 250, (20, 20), np.uint8)
    labels = np.zeros((20, 20), int)
    labels[7:12, 8:13] = 1
    whole = traced(labels, values)
    part = traced(labels[5:15, 6:16], values[5:15, 6:16], top=5, left=6)
    assert (whole[0][1] == part[0][1]).all()


def discs(distance, radius=9):
    y, x = np.mgrid[:40, :60]
    mask = np.hypot(y - 20, x - 20) < radius
    return mask | (np.hypot(y - 20, x - 20 - distance) < radius)


def parted(mask, share, least=10):
    radius = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    flat = np.flatnonzero(mask)
    order = flat[np.argsort(-radius.ravel()[flat], kind="stable")]
    return part_basins(order, radius, radius, share, 2.0, least)


def test_two_discs_part_where_the_neck_is_narrow() -> None:
    narrow, wide = discs(17), discs(8)
    basins = parted(narrow, 0.6)
    assert len(np.unique(basins[narrow])) == 2
    assert basins[20, 20] != basins[20, 37]
    assert (basins[~narrow] == 0).all()
    columns = np.flatnonzero((basins == basins[20, 20]).any(axis=0))
    assert abs(columns.max() - 28) <= 1  # in the middle of the neck
    assert len(np.unique(parted(wide, 0.6)[wide])) == 1
    assert len(np.unique(parted(narrow, 0.0)[narrow])) == 1
    assert len(np.unique(parted(narrow, 0.6, least=400)[narrow])) == 1  # too small for its own


def test_numbers_follow_first_pixels() -> None:
    labels = np.array([[0, 7, 7], [3, 0, 7], [3, 3, 5]], np.int32)
    numbered, first = number_in_order(labels, 9)
    assert numbered.tolist() == [[0, 1, 1], [2, 0, 1], [2, 2, 3]]
    assert first.tolist() == [1, 3, 8]


def test_key_vertices_keep_the_ring_within_the_tolerance() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        reach = 20 + rng.normal(0, 1.5, 90)
        ring = np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=1)
        keys = key_vertices(ring, 2.0)
        assert 3 <= len(keys) < 60
        kept = shapely.LinearRing(ring[keys])
        assert shapely.distance(shapely.points(ring), kept).max() <= 2.0 + 1e-9
