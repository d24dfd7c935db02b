"""Kernels that turn blocks of a fine mask into class shares and one hard label a pixel.

Counting uses packed counters: sixteen 4-bit counters in one uint64, to which a run of at most 15
mask pixels adds one table look-up each; a full word is spilled into two words of eight 8-bit
counters. Most pixels of a real mask hold one class only, so a vectorized pass over the columns
first finds those, and only mixed pixels are counted. All kernels release the GIL and are cached
on disk.

A mask arrives as raw values with a table raw value -> id (0 no data, 1..K classes, 255 unknown).
"""

from __future__ import annotations

import numba
import numpy as np

UNKNOWN = 255
"""Id of raw values outside the class table."""

MODE, WEIGHTED, NEAREST = 0, 1, 2
"""Codes of the rules for hard labels."""

RULES = {"mode": MODE, "weighted": WEIGHTED, "nearest": NEAREST}
"""Names of the rules, as the configuration has them."""

COARSE_SCALE = 250
"""Denominator of stored shares when the exact one does not fit into a byte."""

AREA_TOTAL = 1 << 20
"""Area of one pixel in the integer units of `aggregate_area`."""

_PACKED_IDS = 15
"""The packed path holds this many ids (0 to 14); the sixteenth counter is for unknown values."""


def share_scale(factor: int | None) -> int:
    """Return the denominator of stored shares.

    Args:
        factor: Mask pixels along the side of a pixel, or None for an area-weighted alignment.

    Returns:
        factor squared where it fits into a byte (shares are then exact), else 250.
    """
    if factor is not None and factor * factor <= 255:
        return factor * factor
    return COARSE_SCALE


def _pack(ids: np.ndarray) -> np.ndarray:
    """Return the uint64 table raw value -> one in the 4-bit counter of its id (15 for unknown)."""
    slots = np.where(ids == UNKNOWN, _PACKED_IDS, ids).astype(np.uint64)
    return np.uint64(1) << (np.uint64(4) * slots)


def aggregate(
    mask: np.ndarray,
    ids: np.ndarray,
    factor: int,
    count: int,
    rule: int,
    weights: np.ndarray,
    min_share: float,
    shares: np.ndarray,
    hard: np.ndarray,
) -> int:
    """Reduce `factor` x `factor` mask pixels to one pixel: shares of every id and a hard label.

    Rules: `MODE` takes the most frequent class, `WEIGHTED` the largest weight x frequency; the
    lowest id wins ties, no data never votes, and below `min_share` of labelled ground there is no
    label. `NEAREST` takes the mask under the pixel's center; where the center falls on a corner
    (even factors) that is the pixel to its lower right, as in GDAL.

    Args:
        mask: uint8 (h * factor, w * factor), C order: raw values.
        ids: uint8 (256,): raw value -> id; 255 marks unknown values.
        factor: Mask pixels along the side of one pixel, at least 1.
        count: Number of ids, no data included (K + 1, at most 65).
        rule: `MODE`, `WEIGHTED` or `NEAREST`.
        weights: float64 (count,): weight of each id; used by `WEIGHTED`.
        min_share: Least share of labelled ground, 0 to 1; not used by `NEAREST`.
        shares: uint8 (count, h, w), filled: share x `share_scale(factor)`, to the nearest.
        hard: uint8 (h, w), filled: ids.

    Returns:
        The number of pixels that hold an unknown value (shares and label leave those out).
    """
    mask = np.ascontiguousarray(mask)
    scale = share_scale(factor)
    packed = _pack(ids) if count <= _PACKED_IDS else np.zeros(256, np.uint64)
    return _aggregate(
        mask, ids, packed, factor, count, rule, weights, min_share, scale, shares, hard
    )


@numba.njit(nogil=True, cache=True, inline="always")
def _decide(
    cell: np.ndarray,
    count: int,
    total: int,
    rule: int,
    weights: np.ndarray,
    min_share: float,
) -> int:
    """Return the hard label of one pixel from its counts (`MODE` or `WEIGHTED`)."""
    if total - cell[0] < min_share * total - 1e-9:
        return 0
    best = 0
    if rule == 1:
        top = 0.0
        for k in range(1, count):
            score = weights[k] * cell[k]
            if score > top:
                top = score
                best = k
    else:
        most = np.int64(0)
        for k in range(1, count):
            if cell[k] > most:
                most = cell[k]
                best = k
    return best


@numba.njit(nogil=True, cache=True, boundscheck=False, inline="always")
def _count_ten(
    mask: np.ndarray,
    packed: np.ndarray,
    y: int,
    x: int,
    count: int,
    cell: np.ndarray,
) -> None:
    """Do as `_count_packed` for a factor of 10, the common one (1 m under 10 m), unrolled."""
    low = np.uint64(0x0F0F0F0F0F0F0F0F)
    byte = np.uint64(0xFF)
    four = np.uint64(4)
    u = np.uint64(x)
    even = np.uint64(0)
    odd = np.uint64(0)
    for r in range(y, y + 10):
        row = mask[r]
        word = (
            (
                (packed[row[u]] + packed[row[u + np.uint64(1)]])
                + (packed[row[u + np.uint64(2)]] + packed[row[u + np.uint64(3)]])
            )
            + (
                (packed[row[u + np.uint64(4)]] + packed[row[u + np.uint64(5)]])
                + (packed[row[u + np.uint64(6)]] + packed[row[u + np.uint64(7)]])
            )
            + (packed[row[u + np.uint64(8)]] + packed[row[u + np.uint64(9)]])
        )
        even += word & low
        odd += (word >> four) & low
    for k in range(count):
        wide = odd if k & 1 else even
        cell[k] = np.int64((wide >> np.uint64(8 * (k >> 1))) & byte)
    cell[count] = np.int64(odd >> np.uint64(56))


@numba.njit(nogil=True, cache=True, boundscheck=False, inline="always")
def _count_packed(
    mask: np.ndarray,
    packed: np.ndarray,
    y: int,
    x: int,
    factor: int,
    count: int,
    cell: np.ndarray,
) -> None:
    """Count one pixel's classes into `cell` (count + 1; the last one is unknown)."""
    low = np.uint64(0x0F0F0F0F0F0F0F0F)
    byte = np.uint64(0xFF)
    four = np.uint64(4)
    even = np.uint64(0)
    odd = np.uint64(0)
    spilled = 0
    for k in range(count + 1):
        cell[k] = 0
    for r in range(factor):
        row = mask[y + r]
        start = 0
        while start < factor:  # a 4-bit counter holds 15
            stop = min(start + 15, factor)
            word = np.uint64(0)
            for c in range(x + start, x + stop):
                word += packed[row[c]]
            even += word & low
            odd += (word >> four) & low
            spilled += 1
            start = stop
            if spilled == 17:  # an 8-bit counter holds 17 * 15
                for k in range(count):
                    wide = odd if k & 1 else even
                    cell[k] += np.int64((wide >> np.uint64(8 * (k >> 1))) & byte)
                cell[count] += np.int64(odd >> np.uint64(56))
                even = np.uint64(0)
                odd = np.uint64(0)
                spilled = 0
    for k in range(count):
        wide = odd if k & 1 else even
        cell[k] += np.int64((wide >> np.uint64(8 * (k >> 1))) & byte)
    cell[count] += np.int64(odd >> np.uint64(56))


@numba.njit(nogil=True, cache=True, boundscheck=False, inline="always")
def _count_wide(
    mask: np.ndarray,
    ids: np.ndarray,
    y: int,
    x: int,
    factor: int,
    count: int,
    cell: np.ndarray,
) -> None:
    """Count one pixel's classes into `cell` (count + 1), for any number of classes."""
    for k in range(count + 1):
        cell[k] = 0
    for r in range(factor):
        row = mask[y + r]
        for c in range(x, x + factor):
            k = ids[row[c]]
            cell[count if k == 255 else k] += 1


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _aggregate(
    mask: np.ndarray,
    ids: np.ndarray,
    packed: np.ndarray,
    factor: int,
    count: int,
    rule: int,
    weights: np.ndarray,
    min_share: float,
    scale: int,
    shares: np.ndarray,
    hard: np.ndarray,
) -> int:
    height, width = hard.shape
    columns = width * factor
    total = factor * factor
    differs = np.empty(columns, np.uint8)
    cell = np.empty(count + 1, np.int64)
    unknown = 0
    center = factor // 2
    for i in range(height):
        y = i * factor
        first = mask[y]
        for x in range(columns):
            differs[x] = 0
        for k in range(count):
            for j in range(width):
                shares[k, i, j] = 0
        for r in range(1, factor):  # vectorized over the columns
            row = mask[y + r]
            for x in range(columns):
                differs[x] |= row[x] ^ first[x]
        for j in range(width):
            x = j * factor
            value = first[x]
            mixed = np.uint8(0)
            for c in range(x, x + factor):
                mixed |= differs[c] | (first[c] ^ value)
            if mixed == 0:
                k = ids[value]
                if k == 255:
                    unknown += 1
                    hard[i, j] = 0
                else:
                    shares[k, i, j] = scale
                    hard[i, j] = k if rule != 1 or weights[k] > 0 else 0
                continue
            if count <= 15 and factor == 10:
                _count_ten(mask, packed, y, x, count, cell)
            elif count <= 15:
                _count_packed(mask, packed, y, x, factor, count, cell)
            else:
                _count_wide(mask, ids, y, x, factor, count, cell)
            if cell[count]:
                unknown += 1
            for k in range(count):
                part = cell[k]
                if part:
                    if scale != total:
                        part = (2 * part * scale + total) // (2 * total)
                    shares[k, i, j] = part
            if rule == 2:
                k = ids[mask[y + center, x + center]]
                hard[i, j] = 0 if k == 255 else k
            else:
                hard[i, j] = _decide(cell, count, total, rule, weights, min_share)
    return unknown


def aggregate_area(
    mask: np.ndarray,
    ids: np.ndarray,
    edges_y: np.ndarray,
    edges_x: np.ndarray,
    count: int,
    rule: int,
    weights: np.ndarray,
    min_share: float,
    shares: np.ndarray,
    hard: np.ndarray,
) -> int:
    """Reduce a mask whose pixels do not nest in the grid's, by the exact area of each overlap.

    The weights are separable: rows and columns of both grids run along the same axes. Areas are
    summed in float64 and rounded to `AREA_TOTAL` units a pixel, so that equal areas tie exactly.

    Args:
        mask: uint8 (H, W), C order: raw values of a block of the mask.
        ids: uint8 (256,): raw value -> id; 255 marks unknown values.
        edges_y: float64 (h, 2): first and last edge of each row of pixels, in rows of the block;
            ascending, inside 0 to H.
        edges_x: float64 (w, 2): likewise for columns.
        count: Number of ids, no data included.
        rule: `MODE`, `WEIGHTED` or `NEAREST`, as for `aggregate`.
        weights: float64 (count,): weight of each id; used by `WEIGHTED`.
        min_share: Least share of labelled ground, 0 to 1; not used by `NEAREST`.
        shares: uint8 (count, h, w), filled: share x 250, to the nearest.
        hard: uint8 (h, w), filled: ids.

    Returns:
        The number of pixels that hold an unknown value (shares and label leave those out).
    """
    mask = np.ascontiguousarray(mask)
    return _aggregate_area(
        mask,
        ids,
        edges_y,
        edges_x,
        count,
        rule,
        weights,
        min_share,
        COARSE_SCALE,
        AREA_TOTAL,
        shares,
        hard,
    )


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _aggregate_area(
    mask: np.ndarray,
    ids: np.ndarray,
    edges_y: np.ndarray,
    edges_x: np.ndarray,
    count: int,
    rule: int,
    weights: np.ndarray,
    min_share: float,
    scale: int,
    total: int,
    shares: np.ndarray,
    hard: np.ndarray,
) -> int:
    height, width = hard.shape
    sums = np.empty((width, count + 1), np.float64)
    cell = np.empty(count + 1, np.int64)
    unknown = 0
    for i in range(height):
        sums[:] = 0.0
        top, bottom = edges_y[i, 0], edges_y[i, 1]
        for y in range(int(np.floor(top)), min(int(np.ceil(bottom)), mask.shape[0])):
            tall = min(bottom, y + 1.0) - max(top, float(y))
            if tall <= 0:
                continue
            row = mask[y]
            for j in range(width):
                left, right = edges_x[j, 0], edges_x[j, 1]
                for x in range(int(np.floor(left)), min(int(np.ceil(right)), mask.shape[1])):
                    wide = min(right, x + 1.0) - max(left, float(x))
                    if wide > 0:
                        k = ids[row[x]]
                        sums[j, count if k == 255 else k] += tall * wide
        for j in range(width):
            area = (bottom - top) * (edges_x[j, 1] - edges_x[j, 0])
            for k in range(count + 1):
                cell[k] = int(np.rint(sums[j, k] / area * total))
            if cell[count]:
                unknown += 1
            for k in range(count):
                shares[k, i, j] = (2 * cell[k] * scale + total) // (2 * total)
            if rule == 2:
                y = min(int((top + bottom) / 2), mask.shape[0] - 1)
                x = min(int((edges_x[j, 0] + edges_x[j, 1]) / 2), mask.shape[1] - 1)
                k = ids[mask[y, x]]
                hard[i, j] = 0 if k == 255 else k
            else:
                hard[i, j] = _decide(cell, count, total, rule, weights, min_share)
    return unknown


@numba.njit(nogil=True, cache=True, boundscheck=False)
def smoothed_label(
    shares: np.ndarray,
    scale: int,
    radius: int,
    weights: np.ndarray,
    min_share: float,
    hard: np.ndarray,
) -> None:
    """Label each pixel by the weighted shares of its neighbourhood, which smooths borders.

    score(k) = weights[k] x sum of the shares of k over the (2 radius + 1)² square around the
    pixel. Whether a pixel is labelled at all depends on its own ground only (`min_share`), so
    labels never grow into unlabelled land. The lowest id wins ties.

    Args:
        shares: uint8 (count, h + 2 radius, w + 2 radius): stored shares, margin included.
        scale: Denominator of the shares.
        radius: Radius of the neighbourhood in pixels, at least 1.
        weights: float64 (count,): weight of each id.
        min_share: Least share of labelled ground in the pixel, 0 to 1.
        hard: uint8 (h, w), filled: ids.
    """
    count = shares.shape[0]
    height, width = hard.shape
    side = 2 * radius + 1
    columns = width + 2 * radius
    best = np.zeros(width, np.float64)
    vertical = np.empty(columns, np.int64)
    for i in range(height):
        best[:] = 0.0
        for j in range(width):
            hard[i, j] = 0
        for k in range(1, count):
            vertical[:] = 0
            for r in range(side):
                for x in range(columns):
                    vertical[x] += shares[k, i + r, x]
            running = np.int64(0)
            for x in range(side - 1):
                running += vertical[x]
            for j in range(width):
                running += vertical[j + side - 1]
                score = weights[k] * running
                if score > best[j]:
                    best[j] = score
                    hard[i, j] = k
                running -= vertical[j]
        for j in range(width):
            labelled = scale - np.int64(shares[0, i + radius, j + radius])
            if labelled <= 0 or labelled < min_share * scale - 1e-9:
                hard[i, j] = 0


@numba.njit(nogil=True, cache=True, boundscheck=False)
def sample_nearest(
    values: np.ndarray,
    ids: np.ndarray,
    top: int,
    left: int,
    rows: np.ndarray,
    columns: np.ndarray,
    step: int,
    y: int,
    x: int,
    out: np.ndarray,
) -> None:
    """Fill a window of a grid with the ids of a mask under the pixels' centers.

    Where a pixel's center lies in the mask is interpolated between nodes, which stand at multiples
    of `step` pixels of the grid whatever the window, so that windows meet without a seam.

    Args:
        values: uint8 (H, W): a block of the mask.
        ids: uint8 (256,): value -> id.
        top: Row of the block in the mask.
        left: Column of the block in the mask.
        rows: float64 (n, m): row in the mask of each node; node (0, 0) is the last one at or
            before the window's corner. NaN where there is no such place.
        columns: float64 (n, m): likewise for columns.
        step: Pixels between nodes.
        y: First row of the window in the grid.
        x: First column of the window in the grid.
        out: uint8 (h, w), filled: ids; 0 outside the block.
    """
    height, width = out.shape
    node_y, node_x = y // step, x // step
    for i in range(height):
        v = (y + i) // step - node_y
        t = ((y + i) % step + 0.5) / step
        start = 0
        while start < width:  # from node to node
            u = (x + start) // step - node_x
            stop = min(width, (node_x + u + 1) * step - x)
            row_left = (1 - t) * rows[v, u] + t * rows[v + 1, u]
            row_rise = (1 - t) * rows[v, u + 1] + t * rows[v + 1, u + 1] - row_left
            column_left = (1 - t) * columns[v, u] + t * columns[v + 1, u]
            column_rise = (1 - t) * columns[v, u + 1] + t * columns[v + 1, u + 1] - column_left
            for j in range(start, stop):
                s = ((x + j) % step + 0.5) / step
                row = row_left + s * row_rise
                column = column_left + s * column_rise
                k = np.uint8(0)
                if row >= top and column >= left:  # false for NaN
                    r = int(row) - top
                    c = int(column) - left
                    if r < values.shape[0] and c < values.shape[1]:
                        k = ids[values[r, c]]
                out[i, j] = k
            start = stop
