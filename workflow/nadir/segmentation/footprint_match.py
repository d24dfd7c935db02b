"""Predicted and true footprints side by side: which are the same building, and how well drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

MATCH_IOU = 0.5
"""Least intersection over union of a predicted and a true footprint of the same building."""
LEAST_SHARE = 0.2
"""True footprints of which less lies in the scene do not count, nor what was found there."""
_MOSTLY = 0.5  # a footprint lies in another when more than this share of it does

Shapes = NDArray[np.object_]


@dataclass(frozen=True)
class Match:
    """Which footprints are the same building.

    Attributes:
        pairs: int64 (n, 2): predicted and true footprints, each at most once.
        iou: float64 (n,): their intersection over union.
        holding: int64 (predicted,): true footprints that lie mostly in each predicted one.
        held: int64 (true,): predicted footprints that lie mostly in each true one.
        ignored: bool (predicted,): whether a prediction stands for a truth that does not count.
    """

    pairs: NDArray[np.int64]
    iou: NDArray[np.float64]
    holding: NDArray[np.int64]
    held: NDArray[np.int64]
    ignored: NDArray[np.bool_]


def match_footprints(predicted: Shapes, true: Shapes, counted: NDArray[np.bool_]) -> Match:
    """Match predicted and true footprints one to one, greedily by falling IoU, from 0.5 on.

    Footprints of one set hardly overlap, so at this bound a pair is nearly always the only one
    possible, and greedy is as good as optimal. Ties go to the lower numbers.

    Args:
        predicted: Valid polygons.
        true: Valid polygons in the same coordinates.
        counted: bool (true,): which true footprints count.
    """
    one, other = shapely.STRtree(true).query(predicted, predicate="intersects")
    common = shapely.area(shapely.intersection(predicted[one], true[other]))
    area_one, area_other = shapely.area(predicted)[one], shapely.area(true)[other]
    iou = common / (area_one + area_other - common)
    holding, held = np.zeros(len(predicted), np.int64), np.zeros(len(true), np.int64)
    np.add.at(holding, one[common > _MOSTLY * area_other], 1)
    inside = common > _MOSTLY * area_one
    np.add.at(held, other[inside], 1)

    ignored = np.zeros(len(predicted), bool)
    ignored[one[inside & ~counted[other]]] = True
    pairs, values = [], []
    free, open_ = np.ones(len(predicted), bool), np.ones(len(true), bool)
    candidates = np.flatnonzero(iou >= MATCH_IOU)
    for index in candidates[np.lexsort((other[candidates], one[candidates], -iou[candidates]))]:
        if free[one[index]] and open_[other[index]]:
            free[one[index]] = open_[other[index]] = False
            ignored[one[index]] = not counted[other[index]]
            pairs.append((one[index], other[index]))
            values.append(iou[index])
    return Match(np.array(pairs, np.int64).reshape(-1, 2), np.array(values), holding, held, ignored)


def boundary_errors(one: Shapes, other: Shapes, spacing: float) -> NDArray[np.float64]:
    """Return the symmetric mean distance between the boundaries of pairs of polygons.

    Each boundary is cut into equal pieces of at most `spacing`; the distance of each piece's
    middle to the other boundary is averaged by length, and both ways are averaged.

    Args:
        one: Polygons.
        other: As many polygons.
        spacing: Longest piece, in units of the coordinates.

    Returns:
        float64 (pairs,), in units of the coordinates.
    """
    lines = shapely.boundary(one), shapely.boundary(other)
    return (_one_way(lines[0], lines[1], spacing) + _one_way(lines[1], lines[0], spacing)) / 2


def _one_way(lines: Shapes, others: Shapes, spacing: float) -> NDArray[np.float64]:
    """Return the mean distance from each line to its other one, float64 (lines,)."""
    rings, owners = shapely.get_parts(shapely.segmentize(lines, spacing), return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    middles = ((points[1:] + points[:-1]) / 2)[same]
    lengths = np.hypot(*np.diff(points, axis=0).T)[same]
    owner = owners[ring[1:][same]]
    away = shapely.distance(shapely.points(middles), others[owner])
    total = np.bincount(owner, lengths, len(lines))
    return np.bincount(owner, lengths * away, len(lines)) / np.where(total > 0, total, 1)
