"""Bringing rasters onto another axis-parallel grid of the same CRS.

The weights of a pixel depend on its place alone, never on the window that it is read in, so
neighbouring blocks meet without a seam and any block size gives equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nadir.raster.grid import Grid

KERNELS = ("nearest", "bilinear", "cubic", "average")
"""`average`: means by area of what a pixel covers; bilinear along an axis that becomes finer."""

Read = Callable[[int, int, int, int], tuple[np.ndarray, np.ndarray]]
"""(y, x, height, width) inside a grid -> raw (band, height, width) and valid (height, width)."""


def _centers(origin: float, step: float, first: int, count: int) -> np.ndarray:
    """Return where fine pixels' centers lie along one axis, in source pixels, float64 (count,).

    Reckoned from the origin of the grid, so that each pixel gets the same bits in any window.
    """
    return origin + (np.arange(first, first + count) + 0.5) * step + 1e-9


def _taps(centers: np.ndarray, size: int, kernel: str) -> tuple[np.ndarray, np.ndarray]:
    """Return, for fine pixels along one axis, source indices and weights.

    Args:
        centers: As from `_centers`, float64 (count,).
        size: Source pixels along the axis; indices are clamped to it.
        kernel: One of `KERNELS`.

    Returns:
        Indices int64 (count, taps) and weights float64 (count, taps), which add up to 1.
    """
    if kernel == "nearest":
        index = np.floor(centers).astype(np.int64)[:, None]
        weight = np.ones((len(centers), 1))
    else:
        low = np.floor(centers - 0.5).astype(np.int64)
        t = (centers - 0.5 - low)[:, None]
        if kernel == "bilinear":
            index = low[:, None] + np.arange(2)
            weight = np.concatenate([1 - t, t], axis=1)
        else:  # cubic convolution, a = -0.5 (Keys 1981), as GDAL has it
            index = low[:, None] + np.arange(-1, 3)
            distance = np.abs(t - np.arange(-1, 3))
            near = 1.5 * distance**3 - 2.5 * distance**2 + 1
            far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
            weight = np.where(distance <= 1, near, far)
    return np.clip(index, 0, size - 1), weight


def _shares(centers: np.ndarray, step: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, for coarse pixels along one axis, the source pixels that they cover and how much.

    Args:
        centers: As from `_centers`, float64 (count,).
        step: Source pixels that a coarse one covers along the axis, signed.
        size: Source pixels along the axis.

    Returns:
        As `_taps`; source pixels beyond the axis have no weight, and the rest add up to 1.
    """
    reach = abs(step) / 2
    # What rounding alone lets a pixel touch is not covered.
    low, high = centers - 1e-9 - reach, centers - 1e-9 + reach
    first = np.floor(low + 1e-7).astype(np.int64)
    index = first[:, None] + np.arange(int(np.ceil(abs(step) - 1e-7)) + 1)
    weight = np.minimum(high[:, None], index + 1) - np.maximum(low[:, None], index)
    weight = np.where((index >= 0) & (index < size), np.clip(weight, 0, None), 0)
    weight[weight < 1e-7] = 0
    total = weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, size - 1), weight / np.where(total > 0, total, 1)


def _weights(
    centers: np.ndarray, step: float, size: int, kernel: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return source indices and weights along one axis, see `_taps` and `_shares`."""
    if kernel != "average":
        return _taps(centers, size, kernel)
    return _shares(centers, step, size) if abs(step) > 1 else _taps(centers, size, "bilinear")


def _gather(values: np.ndarray, index: np.ndarray, weight: np.ndarray, axis: int) -> np.ndarray:
    """Return the weighted sum over taps along `axis` (-1 or -2)."""
    total = np.zeros((), np.float32)
    for tap in range(index.shape[1]):
        shape = (-1,) if axis == -1 else (-1, 1)
        part = values.take(index[:, tap], axis=axis) * weight[:, tap].astype(np.float32).reshape(
            shape
        )
        total = total + part
    return total


def resample_window(
    read: Read, source: Grid, target: Grid, window: tuple[int, int, int, int], kernel: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return a window of `target`, resampled from a source on the grid `source`.

    A pixel is valid when the source pixel under its center is, of averages when half of what it
    covers is; invalid neighbours do not contribute (cubic falls back to bilinear beside them).

    Args:
        read: Reads a window of the source.
        source: Grid of the source; axis-parallel, the CRS of `target`.
        target: The grid to fill.
        window: (y, x, height, width) in `target`.
        kernel: One of `KERNELS`.

    Returns:
        Raw values (band, height, width) in the source's dtype (rounded for integers; 0 where not
        valid), and validity bool (height, width).
    """
    y, x, height, width = window
    to_source = ~source.affine @ target.affine
    center_rows = _centers(to_source.f, to_source.e, y, height)
    center_columns = _centers(to_source.c, to_source.a, x, width)
    rows = _weights(center_rows, to_source.e, source.height, kernel)
    columns = _weights(center_columns, to_source.a, source.width, kernel)
    top, bottom = int(rows[0].min()), int(rows[0].max()) + 1
    left, right = int(columns[0].min()), int(columns[0].max()) + 1
    raw, valid = read(top, left, bottom - top, right - left)

    nearest_rows = np.floor(center_rows).astype(np.int64)
    nearest_columns = np.floor(center_columns).astype(np.int64)
    inside = ((nearest_rows >= 0) & (nearest_rows < source.height))[:, None] & (
        (nearest_columns >= 0) & (nearest_columns < source.width)
    )[None]
    pick_rows = np.clip(nearest_rows, top, bottom - 1) - top
    pick_columns = np.clip(nearest_columns, left, right - 1) - left
    ok = valid[pick_rows][:, pick_columns] & inside
    if kernel == "nearest":
        result = raw[:, pick_rows][:, :, pick_columns].copy()
        result[:, ~ok] = 0
        return result, ok

    def smooth(values: np.ndarray, axis_rows: tuple, axis_columns: tuple) -> np.ndarray:
        part = _gather(values, axis_columns[0] - left, axis_columns[1], -1)
        return _gather(part, axis_rows[0] - top, axis_rows[1], -2)

    weight = valid.astype(np.float32)
    values = np.where(valid, raw, 0).astype(np.float32)
    result = smooth(values, rows, columns)
    if not valid.all():
        if kernel == "cubic":
            whole = smooth(1 - weight, *(((i, np.ones_like(w)) for i, w in (rows, columns)))) == 0
            linear = [
                _taps(center_rows, source.height, "bilinear"),
                _taps(center_columns, source.width, "bilinear"),
            ]
        else:
            whole = np.zeros(ok.shape, bool)
            linear = [rows, columns]
        share = smooth(weight, *linear)
        if kernel == "average":
            ok = (share >= 0.5 - 1e-6) & inside
        renormalized = smooth(values, *linear) / np.where(share > 0, share, 1)
        result = np.where(whole, result, renormalized)
    if raw.dtype.kind in "iu":
        limits = np.iinfo(raw.dtype)
        result = np.clip(np.rint(result), limits.min, limits.max)
    result[:, ~ok] = 0
    return result.astype(raw.dtype), ok
