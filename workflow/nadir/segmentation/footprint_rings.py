"""Outlines made of straight walls: lines fitted to a traced ring, at right angles where they are.

A traced ring is cut at its key vertices (Douglas and Peucker) into runs. A line is fitted to each
run by total least squares, and corners are where lines meet, so that noise along a wall averages
out and corners that pixels or a network rounded come back. A regular ring has its main axis from
the directions of all runs (modulo 90 degrees), refined by one least-squares fit over the points
of all runs along the two axes; runs near an axis are laid parallel to it, the rest stay oblique.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nadir.segmentation.footprint_kernels import key_vertices

_ALONG_U, _ALONG_V, _OBLIQUE = 0, 1, 2
_QUARTER = np.pi / 2
_SHORT = 3.0  # pixels; the direction of a shorter run says nothing
_CUT = 1.5  # times the shortest jog: a shorter oblique run is a corner that was rounded
_KERNEL = np.radians(10.0)  # runs within this angle speak for the same axis
_LEAST_TURN = np.sin(np.radians(15.0))  # lines that meet at less have no certain corner
_TRIM = 2  # points left out at both ends of a run, where corners are rounded


@dataclass(frozen=True)
class Runs:
    """The runs of a ring between its key vertices, in pixel units.

    Attributes:
        keys: float64 (n, 2): the key vertices; run k goes from key k to key k + 1.
        center: float64 (n, 2): mean of each run's points, its ends left out.
        scatter: float64 (n, 3): sums of xx, xy, yy of its points about their mean.
        count: int64 (n,): its points.
        length: float64 (n,): distance between its keys.
        angle: float64 (n,): direction of its line in radians, as it is walked.
        free: bool (n,): whether it is a wall; False where the border of the scene cuts a building.
    """

    keys: NDArray[np.float64]
    center: NDArray[np.float64]
    scatter: NDArray[np.float64]
    count: NDArray[np.int64]
    length: NDArray[np.float64]
    angle: NDArray[np.float64]
    free: NDArray[np.bool_]


def runs_of(
    ring: NDArray[np.float64], tolerance: float, border: NDArray[np.bool_] | None = None
) -> Runs | None:
    """Cut a ring into runs; None when it has too few corners to be anything but itself.

    Args:
        ring: float64 (n, 2), open, in pixel units.
        tolerance: How far its points may lie from a run's ends' line.
        border: bool (n,): which points lie on the border of the scene; none by default.
    """
    keys = key_vertices(ring, tolerance)
    if len(keys) < 3:
        return None
    n = len(ring)
    middle = ring.mean(axis=0)
    x, y = (ring - middle).T
    terms = np.stack([x, y, x * x, x * y, y * y], axis=1)
    sums = np.concatenate([np.zeros((1, 5)), np.cumsum(np.concatenate([terms, terms]), axis=0)])
    points = np.diff(np.append(keys, keys[0])) % n + 1  # both ends included
    trim = np.minimum(_TRIM, (points - 2) // 4)
    low, count = keys + trim, points - 2 * trim
    total = sums[low + count] - sums[low]
    center = total[:, :2] / count[:, None]
    cx, cy = center.T
    outer = np.stack([cx * cx, cx * cy, cy * cy], axis=1)
    scatter = total[:, 2:] - outer * count[:, None]
    corners = ring[keys]
    chord = np.roll(corners, -1, axis=0) - corners
    angle = 0.5 * np.arctan2(2 * scatter[:, 1], scatter[:, 0] - scatter[:, 2])
    walked = np.arctan2(chord[:, 1], chord[:, 0])
    angle = np.where(count < 4, walked, angle)
    angle = np.where(np.cos(angle - walked) < 0, angle + np.pi, angle)
    free = np.ones(len(keys), bool)
    if border is not None and border.any():
        cut = np.concatenate([[0], np.cumsum(np.concatenate([border, border]))])
        free = cut[low + count] - cut[low] <= count / 2
    return Runs(corners, center + middle, scatter, count, np.hypot(*chord.T), angle, free)


def fitted_ring(runs: Runs, reach: float) -> NDArray[np.float64]:
    """Return the ring of a run's fitted lines: corners where neighbours meet, if near the key.

    Args:
        runs: The runs.
        reach: How far from its key vertex a corner may lie; else the key stays.

    Returns:
        float64 (n, 2), open.
    """
    way = np.stack([np.cos(runs.angle), np.sin(runs.angle)], axis=1)
    before, origin = np.roll(way, 1, axis=0), np.roll(runs.center, 1, axis=0)
    turn = before[:, 0] * way[:, 1] - before[:, 1] * way[:, 0]
    gap = runs.center - origin
    sharp = np.abs(turn) > _LEAST_TURN
    along = (gap[:, 0] * way[:, 1] - gap[:, 1] * way[:, 0]) / np.where(sharp, turn, 1.0)
    corners = origin + along[:, None] * before
    near = np.hypot(*(corners - runs.keys).T) <= reach
    return np.where((sharp & near)[:, None], corners, runs.keys)


def main_axis(runs: Runs) -> float:
    """Return the direction of a ring's main axis, in radians modulo a quarter turn."""
    telling = runs.free & (runs.length >= _SHORT)
    if not telling.any():
        telling = np.ones(len(runs.length), bool)
    angles = runs.angle[telling]
    apart = _from_axis(angles[:, None] - angles[None, :])
    votes = np.maximum(1 - (apart / _KERNEL) ** 2, 0) @ runs.length[telling]
    best = float(angles[int(np.argmax(votes))])
    for _ in range(2):
        offset = _from_axis(runs.angle - best)
        chosen = telling & (np.abs(offset) <= _KERNEL)
        across = np.rint((runs.angle - offset - best) / _QUARTER).astype(int) % 2 == 1
        xx, xy, yy = runs.scatter.T
        sxx = np.where(across, yy, xx)[chosen].sum()
        syy = np.where(across, xx, yy)[chosen].sum()
        sxy = np.where(across, -xy, xy)[chosen].sum()
        refined = 0.5 * float(np.arctan2(2 * sxy, sxx - syy))
        best += float(_from_axis(np.array(refined - best)))
    return best % _QUARTER


def rectilinear_share(runs: Runs, axis: float, snap: float) -> float:
    """Return the share of a ring's length that runs along its axes within `snap` radians."""
    telling = runs.free & (runs.length >= _SHORT)
    total = float(runs.length[telling].sum())
    aligned = telling & (np.abs(_from_axis(runs.angle - axis)) <= snap)
    return float(runs.length[aligned].sum()) / total if total else 0.0


def _from_axis(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle to the nearest of four directions at right angles, within 45 degrees."""
    return angle - _QUARTER * np.rint(angle / _QUARTER)


@dataclass
class _Wall:
    """A wall in the frame of the axes: along u at v = `offset`, along v at u = `offset`, or free.

    Attributes:
        kind: Along u, along v, or oblique.
        offset: Where it lies, across its direction.
        weight: Points behind `offset`.
        way: Direction in which it is walked (unit vector).
        point: A point on it.
        begin: Where it begins, before corners are moved.
        end: Where it ends.
    """

    kind: int
    offset: float
    weight: float
    way: tuple[float, float]
    point: tuple[float, float]
    begin: tuple[float, float]
    end: tuple[float, float]

    def merge(self, other: _Wall) -> None:
        """Take up the next wall along the same axis."""
        weight = self.weight + other.weight
        self.offset = (self.offset * self.weight + other.offset * other.weight) / weight
        if other.weight > self.weight:
            self.way = other.way
        self.weight, self.end = weight, other.end


def regular_ring(
    runs: Runs, axis: float, snap: float, shortest: float
) -> NDArray[np.float64] | None:
    """Return a ring whose walls lie along two axes at right angles wherever they nearly do.

    Args:
        runs: The runs of the traced ring.
        axis: Direction of the main axis, in radians.
        snap: Runs within this angle of an axis are laid along it, in radians.
        shortest: Jogs of less than this many pixels are straightened.

    Returns:
        float64 (n, 2), open; None when no ring of at least three walls is left.
    """
    cosine, sine = float(np.cos(axis)), float(np.sin(axis))
    turn = np.array([[cosine, -sine], [sine, cosine]])  # a row (x, y) times it is (u, v)
    walls = _straightened(_walls(runs, turn, axis, snap, shortest), shortest)
    if walls is None:
        return None
    corners = np.array([_corner(walls[k - 1], wall) for k, wall in enumerate(walls)])
    return corners @ turn.T


def _walls(
    runs: Runs, turn: NDArray[np.float64], axis: float, snap: float, shortest: float
) -> list[_Wall]:
    """Return the walls of a ring, in the frame of its axes; corners that were cut are left out."""
    cut = max(_SHORT, _CUT * shortest)
    offset = _from_axis(runs.angle - axis)
    quarter = np.rint((runs.angle - offset - axis) / _QUARTER).astype(int) % 4
    keys, centers = (runs.keys @ turn).tolist(), (runs.center @ turn).tolist()
    ways = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))
    walls = []
    for k, (u, v) in enumerate(centers):
        begin, end = tuple(keys[k]), tuple(keys[(k + 1) % len(keys)])
        weight = float(runs.count[k])
        if runs.free[k] and abs(offset[k]) <= snap:
            kind = int(quarter[k]) % 2
            place = v if kind == _ALONG_U else u
            walls.append(_Wall(kind, place, weight, ways[quarter[k]], (u, v), begin, end))
        elif not runs.free[k] or runs.length[k] >= cut:
            angle = float(runs.angle[k]) - axis
            way = float(np.cos(angle)), float(np.sin(angle))
            walls.append(_Wall(_OBLIQUE, 0.0, weight, way, (u, v), begin, end))
    return walls


def _straightened(walls: list[_Wall], shortest: float) -> list[_Wall] | None:
    """Join parallel walls by steps, then take out jogs; None when no ring is left."""
    walls = _stepped(walls, shortest)
    while len(walls) >= 3:
        lengths = []
        for k, wall in enumerate(walls):
            begin = _corner(walls[k - 1], wall)
            end = _corner(wall, walls[(k + 1) % len(walls)])
            u, v = end[0] - begin[0], end[1] - begin[1]
            lengths.append(u * wall.way[0] + v * wall.way[1])
        least = min(lengths)
        if least >= shortest or (len(walls) <= 4 and least > 0):
            return walls
        if len(walls) <= 4:
            return None
        k = lengths.index(least)
        before, after = walls[k - 1], walls[(k + 1) % len(walls)]
        if before.kind == after.kind != _OBLIQUE:
            before.merge(after)
            walls = [wall for wall in walls if wall is not walls[k] and wall is not after]
        else:
            walls = walls[:k] + walls[k + 1 :]
    return None


def _stepped(walls: list[_Wall], shortest: float) -> list[_Wall]:
    """Merge neighbours in line; put a wall across between parallel neighbours that are not."""
    merged: list[_Wall] = []
    for wall in walls:
        last = merged[-1] if merged else None
        if last is not None and _in_line(last, wall, shortest):
            last.merge(wall)
        else:
            merged.append(wall)
    while len(merged) > 1 and _in_line(merged[-1], merged[0], shortest):
        last = merged.pop()
        last.merge(merged[0])
        merged[0] = last
    result: list[_Wall] = []
    for k, wall in enumerate(merged):
        before = merged[k - 1]
        if before.kind == wall.kind != _OBLIQUE and before is not wall:
            result.append(_step(before, wall))
        result.append(wall)
    return result


def _in_line(one: _Wall, other: _Wall, shortest: float) -> bool:
    same = one.kind == other.kind != _OBLIQUE
    return same and abs(one.offset - other.offset) < shortest


def _step(before: _Wall, after: _Wall) -> _Wall:
    """Return the wall across between two parallel ones."""
    kind = 1 - before.kind
    place = (before.end[1 - kind] + after.begin[1 - kind]) / 2
    sign = 1.0 if after.offset > before.offset else -1.0
    way = (sign, 0.0) if kind == _ALONG_U else (0.0, sign)
    return _Wall(kind, place, 1.0, way, before.end, before.end, after.begin)


def _corner(before: _Wall, wall: _Wall) -> tuple[float, float]:
    """Return where two walls meet; where they hardly turn, the middle of the gap between them."""
    if before.kind != wall.kind and _OBLIQUE not in (before.kind, wall.kind):
        if wall.kind == _ALONG_V:
            return wall.offset, before.offset
        return before.offset, wall.offset
    (px, py), (qx, qy) = _origin(before), _origin(wall)
    (ax, ay), (bx, by) = before.way, wall.way
    turn = ax * by - ay * bx
    if abs(turn) <= _LEAST_TURN:
        return (before.end[0] + wall.begin[0]) / 2, (before.end[1] + wall.begin[1]) / 2
    along = ((qx - px) * by - (qy - py) * bx) / turn
    return px + along * ax, py + along * ay


def _origin(wall: _Wall) -> tuple[float, float]:
    """Return a point on a wall's line."""
    if wall.kind == _ALONG_U:
        return wall.point[0], wall.offset
    if wall.kind == _ALONG_V:
        return wall.offset, wall.point[1]
    return wall.point
