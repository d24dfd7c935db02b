"""Matching of footprints and the distance of their boundaries, against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import shapely
from building_fakes import town
from shapely import affinity

from nadir.segmentation.footprint_match import boundary_errors, match_footprints


def everything(shapes):
    return np.ones(len(shapes), bool)


def boxes(*bounds):
    return shapely.box(*np.array(bounds, float).T)


def jittered(shapes, seed, reach):
    rng = np.random.default_rng(seed)
    return np.array([affinity.translate(s, *rng.uniform(-reach, reach, 2)) for s in shapes], object)


def test_matches_are_those_of_brute_force() -> None:
    true = np.array(town(150, 150, 4, 60), object)
    predicted = jittered(true, 1, 12)
    match = match_footprints(predicted, true, everything(true))
    iou = np.array([[p.intersection(t).area / p.union(t).area for t in true] for p in predicted])
    expected = []
    left = iou.copy()
    while left.max() >= 0.5:
        one, other = np.unravel_index(left.argmax(), left.shape)
        expected.append((one, other))
        left[one], left[:, other] = 0, 0
    assert 0 < len(expected) < len(true)
    assert [tuple(pair) for pair in match.pairs.tolist()] == expected
    np.testing.assert_allclose(match.iou, [iou[pair] for pair in expected])


def test_merged_and_broken_up_roofs() -> None:
    true = np.array(
        [shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10), shapely.box(40, 0, 60, 9)]
    )
    predicted = np.array(
        [shapely.box(0, 0, 20, 10), shapely.box(40, 0, 50, 9), shapely.box(50, 0, 60, 9)]
    )
    match = match_footprints(predicted, true, everything(true))
    assert match.holding.tolist() == [2, 0, 0]
    assert match.held.tolist() == [0, 0, 2]
    assert len(match.pairs) == 2  # at exactly one half, the lower numbers


def test_what_does_not_count_excuses_its_prediction() -> None:
    true = np.array([shapely.box(0, 0, 3, 10), shapely.box(40, 0, 50, 10)])
    predicted = np.array(
        [shapely.box(0, 0, 2.9, 10), shapely.box(0, 0, 1, 2), shapely.box(41, 0, 50, 10)]
    )
    match = match_footprints(predicted, true, np.array([False, True]))
    assert match.ignored.tolist() == [True, True, False]


def test_nothing_matches_nothing() -> None:
    none = np.array([], object)
    some = np.array([shapely.box(0, 0, 1, 1)], object)
    for one, other in itertools.product((none, some), repeat=2):
        match = match_footprints(one, other, everything(other))
        assert len(match.pairs) == len(match.iou) == min(len(one), len(other))
    assert boundary_errors(none, none, 0.1).shape == (0,)


def test_boundary_error_of_known_shapes() -> None:
    square = shapely.box(0, 0, 10, 10)
    holed = square.difference(shapely.box(4, 4, 6, 6))
    grown = shapely.box(-1, -1, 11, 11)
    circles = shapely.Point(0, 0).buffer(10, 128), shapely.Point(0, 0).buffer(12, 128)
    one = np.array([square, square, square, circles[0]])
    other = np.array([square, grown, holed, circles[1]])
    errors = boundary_errors(one, other, 0.05)
    # From the larger square, sides are 1 away and corners up to the root of 2.
    part = np.arange(0.0005, 1, 0.001)
    outward = (40 + 8 * np.hypot(part, 1).mean()) / 48
    # From the hole (8 of 48 units of length), the nearest side is 4 away.
    np.testing.assert_allclose(errors, [0, (1 + outward) / 2, 4 * 8 / 48 / 2, 2], atol=2e-3)
