"""Kernels over pixels: parting roofs that touch, and tracing outlines between pixels.

Both see nothing of a building but its own pixels and their order, so that a building comes out the
same in whatever block of a scene it is processed. They release the GIL and are cached on disk.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

NO_DATA = 255
"""Value of pixels without a probability."""


@numba.njit(cache=True, nogil=True)
def _root(parent: NDArray[np.int32], basin: int) -> int:
    """Return the basin that a basin was merged into, shortening the way there."""
    while parent[basin] != basin:
        parent[basin] = parent[parent[basin]]
        basin = parent[basin]
    return basin


@numba.njit(cache=True, nogil=True)
def part_basins(
    order: NDArray[np.int64],
    height: NDArray[np.float32],
    radius: NDArray[np.float32],
    share: float,
    min_radius: float,
    min_pixels: int,
) -> NDArray[np.int32]:
    """Part regions at their saddles: a watershed whose shallow basins are merged as it floods.

    Pixels are visited from the highest to the lowest. One that touches no visited pixel starts a
    basin; one where basins meet is the saddle between them. The lesser basin is merged when the
    saddle is higher than `share` of its peak (its dynamics are small), when it is thin, or when
    it is small; else the two stay parted for good, since later saddles are only lower.

    Args:
        order: Flat indices of the pixels to part, by falling height; ties in raster order.
        height: (rows, columns) float32, the landscape; > 0 where parted.
        radius: (rows, columns) float32, distance to the nearest pixel outside.
        share: Dynamics as a share of the peak, 0 to 1; 0 merges everything that touches.
        min_radius: Least radius at the peak of a basin of its own.
        min_pixels: Least pixels of a basin of its own, when it meets another.

    Returns:
        int32 (rows, columns): 0 where not asked, else basins from 1 in no certain order.
    """
    rows, columns = height.shape
    basins = np.zeros((rows, columns), np.int32)
    flat, high, wide = basins.ravel(), height.ravel(), radius.ravel()
    parent = np.zeros(len(order) + 1, np.int32)
    peak = np.zeros(len(order) + 1, np.float32)
    core = np.zeros(len(order) + 1, np.float32)
    pixels = np.zeros(len(order) + 1, np.int32)
    count = 0
    around = np.zeros(4, np.int32)
    for index in order:
        row, column = index // columns, index % columns
        found = 0
        best, best_height = 0, np.float32(-1.0)
        for step in range(4):
            r = row + (step == 0) - (step == 1)
            c = column + (step == 2) - (step == 3)
            if r < 0 or c < 0 or r >= rows or c >= columns or basins[r, c] == 0:
                continue
            near = _root(parent, basins[r, c])
            around[found] = near
            found += 1
            if height[r, c] > best_height:
                best, best_height = near, height[r, c]
        if found == 0:
            count += 1
            parent[count], peak[count], core[count] = count, high[index], wide[index]
            pixels[count] = 1
            flat[index] = count
            continue
        for other in around[:found]:
            one, two = _root(parent, best), _root(parent, other)
            if one == two:
                continue
            if peak[one] < peak[two] or (peak[one] == peak[two] and one > two):
                one, two = two, one
            shallow = high[index] > share * peak[two]
            if shallow or core[two] < min_radius or pixels[two] < min_pixels:
                parent[two] = one
                core[one] = max(core[one], core[two])
                pixels[one] += pixels[two]
        best = _root(parent, best)
        flat[index] = best
        pixels[best] += 1
    for index in order:
        flat[index] = _root(parent, flat[index])
    return basins


@numba.njit(cache=True, nogil=True)
def number_in_order(
    labels: NDArray[np.int32], count: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number labels from 1 in the order of their first pixels.

    Args:
        labels: int32 (rows, columns); 0 stays.
        count: No label is larger.

    Returns:
        The numbered labels and the flat index of each number's first pixel, int64 (numbers,).
    """
    number = np.zeros(count + 1, np.int32)
    first = np.empty(count, np.int64)
    result = np.zeros_like(labels)
    old, new = labels.ravel(), result.ravel()
    found = 0
    for index in range(old.size):
        label = old[index]
        if label == 0:
            continue
        if number[label] == 0:
            first[found] = index
            found += 1
            number[label] = found
        new[index] = number[label]
    return result, first[:found]


@numba.njit(cache=True, nogil=True)
def trace_rings(
    labels: NDArray[np.int32], values: NDArray[np.uint8], level: float, top: int, left: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int32]]:
    """Trace the outlines of all regions, between the pixels: marching squares by region.

    A vertex lies between the centers of two pixels next to each other, one inside and one outside
    of the region, where the probability crosses the level. Between two regions that touch it lies
    at the same place for both, in the middle when both are equally sure; at the border of the
    scene and beside no data it lies on the edge of the pixel.

    Args:
        labels: int32 (rows, columns): 0 outside, else regions, each connected along edges.
        values: uint8 (rows, columns): probabilities, 255 = no data.
        level: Level of the outline; no value equals it.
        top: Row of the window in the scene; whole numbers are added first, so that vertices are
            equal to the last bit whatever the window.
        left: Column of the window.

    Returns:
        Vertices float64 (n, 2), x and y in pixels from the outer corner of the scene; the first
        vertex of each ring and n, int64 (rings + 1,); region of each ring, int32 (rings,). Rings
        are open (the first vertex is not repeated); outer ones and holes turn opposite ways.
    """
    rows, columns = labels.shape
    steps = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])  # right, down, left, up: clockwise
    seen = np.zeros((rows, columns), np.uint8)
    total = 0
    for row in range(rows):
        for column in range(columns):
            label = labels[row, column]
            if label == 0:
                continue
            for way in range(4):
                r, c = row + steps[way, 0], column + steps[way, 1]
                inside = 0 <= r < rows and 0 <= c < columns and labels[r, c] == label
                total += not inside
    points = np.empty((total, 2), np.float64)
    starts = np.empty(total // 4 + 1, np.int64)
    owners = np.empty(total // 4 + 1, np.int32)
    rings = filled = 0
    for row in range(rows):
        for column in range(columns):
            label = labels[row, column]
            if label == 0:
                continue
            for way in range(4):
                r, c = row + steps[way, 0], column + steps[way, 1]
                inside = 0 <= r < rows and 0 <= c < columns and labels[r, c] == label
                if inside or seen[row, column] & (1 << way):
                    continue
                starts[rings], owners[rings] = filled, label
                rings += 1
                y, x, d = row, column, way
                while not seen[y, x] & (1 << d):
                    seen[y, x] |= 1 << d
                    outer_y, outer_x = y + steps[d, 0], x + steps[d, 1]
                    part = 0.5
                    if 0 <= outer_y < rows and 0 <= outer_x < columns:
                        beyond = values[outer_y, outer_x]
                        if beyond != NO_DATA:
                            here = abs(values[y, x] - level)
                            part = here / (here + abs(beyond - level))
                    points[filled, 0] = (left + x) + 0.5 + part * steps[d, 1]
                    points[filled, 1] = (top + y) + 0.5 + part * steps[d, 0]
                    filled += 1
                    # Go clockwise around the region, whose pixels hang together along edges.
                    turn = (d + 1) % 4
                    side_y, side_x = y + steps[turn, 0], x + steps[turn, 1]
                    if not (
                        0 <= side_y < rows
                        and 0 <= side_x < columns
                        and labels[side_y, side_x] == label
                    ):
                        d = turn
                        continue
                    ahead_y, ahead_x = outer_y + steps[turn, 0], outer_x + steps[turn, 1]
                    if (
                        0 <= ahead_y < rows
                        and 0 <= ahead_x < columns
                        and labels[ahead_y, ahead_x] == label
                    ):
                        y, x, d = ahead_y, ahead_x, (turn + 2) % 4
                    else:
                        y, x = side_y, side_x
    starts[rings] = filled
    return points, starts[: rings + 1], owners[:rings]


@numba.njit(cache=True, nogil=True)
def _farthest(ring: NDArray[np.float64], x: float, y: float) -> int:
    """Return the vertex of a ring that lies farthest from a point; the first one on ties."""
    best, index = -1.0, 0
    for k in range(len(ring)):
        square = (ring[k, 0] - x) ** 2 + (ring[k, 1] - y) ** 2
        if square > best:
            best, index = square, k
    return index


@numba.njit(cache=True, nogil=True)
def key_vertices(ring: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """Return the vertices that Douglas and Peucker's rule keeps of a closed ring.

    Args:
        ring: float64 (n, 2), open.
        tolerance: Largest distance of a vertex that goes from the edge that replaces it.

    Returns:
        int64 (kept,): indices, ascending from the anchor, the vertex farthest from the mean; the
        rest of the ring follows cyclically.
    """
    n = len(ring)
    anchor = _farthest(ring, ring[:, 0].mean(), ring[:, 1].mean())
    opposite = (_farthest(ring, ring[anchor, 0], ring[anchor, 1]) - anchor) % n
    keep = np.zeros(n + 1, np.bool_)
    keep[0] = keep[opposite] = keep[n] = True
    stack = np.empty((n + 2, 2), np.int64)
    stack[0], stack[1] = (0, opposite), (opposite, n)
    depth = 2
    while depth:
        depth -= 1
        low, high = stack[depth]
        ax, ay = ring[(anchor + low) % n]
        bx, by = ring[(anchor + high) % n]
        dx, dy = bx - ax, by - ay
        square = dx * dx + dy * dy
        worst, place = tolerance * tolerance, -1
        for k in range(low + 1, high):
            px, py = ring[(anchor + k) % n]
            px, py = px - ax, py - ay
            along = min(max((px * dx + py * dy) / square, 0.0), 1.0) if square > 0 else 0.0
            away = (px - along * dx) ** 2 + (py - along * dy) ** 2
            if away > worst:
                worst, place = away, k
        if place >= 0:
            keep[place] = True
            stack[depth] = (low, place)
            stack[depth + 1] = (place, high)
            depth += 2
    return (np.flatnonzero(keep[:n]) + anchor) % n
