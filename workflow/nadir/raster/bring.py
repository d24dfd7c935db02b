"""A raster of another grid, seen on ours: by weights along the axes, or point by point."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nadir.raster.grid import Grid, same_crs
from nadir.raster.resample import resample_window


class Readable(Protocol):
    """What is read by window."""

    grid: Grid

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return raw (band, height, width) and valid (height, width)."""


Window = tuple[int, int, int, int]


def bring_window(
    source: Readable, target: Grid, window: Window, kernel: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return a window of `target`, filled from a raster of any grid and CRS.

    Args:
        source: The raster.
        target: The grid to fill.
        window: (y, x, height, width) in `target`.
        kernel: "nearest", "bilinear" or "cubic"; where pixels coincide, values stay as they are.
            In another CRS, cubic is bilinear.

    Returns:
        Raw values (band, height, width) in the source's dtype, 0 where not valid, and validity bool
        (height, width); outside of the source nothing is valid.
    """
    part = target.window(*window)
    if same_crs(source.grid.crs, target.crs) and source.grid.is_axis_parallel:
        if not source.grid.overlaps(part):
            return _nothing(source, window)
        kind = "nearest" if coincide(source.grid, target) else kernel
        return resample_window(source.read, source.grid, target, window, kind)
    return _warp(source, part, kernel != "nearest")


def coincide(source: Grid, target: Grid) -> bool:
    """Whether the pixels of two grids are the same, wherever the grids end."""
    fits = target.factor_to(source)
    return fits is not None and fits[0] == 1


def _nothing(source: Readable, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return a window without any value."""
    height, width = window[2:]
    bands, dtype = 1, getattr(source, "dtype", np.dtype(np.uint16))
    return np.zeros((bands, height, width), dtype), np.zeros((height, width), bool)


def _warp(source: Readable, part: Grid, smooth: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid filled from a raster in another CRS: every pixel's center is transformed."""
    rows, columns = _places(source.grid, part)
    height, width = source.grid.shape
    with np.errstate(invalid="ignore"):
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    window = (0, 0, *part.shape)
    if not inside.any():
        return _nothing(source, window)
    margin = 1 if smooth else 0
    top, left = (max(int(axis[inside].min()) - margin, 0) for axis in (rows, columns))
    bottom = min(int(rows[inside].max()) + margin + 1, height)
    right = min(int(columns[inside].max()) + margin + 1, width)
    raw, valid = source.read(top, left, bottom - top, right - left)
    rows = np.where(inside, rows - top, 0)
    columns = np.where(inside, columns - left, 0)
    near = rows.astype(np.int64), columns.astype(np.int64)
    ok = valid[near] & inside
    if not smooth:
        result = raw[:, *near]
    else:
        result = _bilinear(raw, valid, rows - 0.5, columns - 0.5)
    result[:, ~ok] = 0
    return result, ok


def _places(source: Grid, part: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns in a raster of the centers of a grid's pixels."""
    from pyproj import Transformer  # half a second that only warps should cost

    v, u = np.meshgrid(*(np.arange(n) + 0.5 for n in part.shape), indexing="ij")
    a, b, c, d, e, f = part.transform
    transformer = Transformer.from_crs(part.crs, source.crs, always_xy=True)
    xs, ys = transformer.transform(a * u + b * v + c, d * u + e * v + f)
    a, b, c, d, e, f = tuple(~source.affine)[:6]
    with np.errstate(invalid="ignore"):  # places that a projection cannot hold are infinite
        rows, columns = d * xs + e * ys + f, a * xs + b * ys + c
    known = np.isfinite(rows) & np.isfinite(columns)
    return np.where(known, rows, -1.0), np.where(known, columns, -1.0)


def _bilinear(
    raw: np.ndarray, valid: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return values between pixels; neighbors that are not valid do not contribute."""
    y0, x0 = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    total = np.zeros((len(raw), *rows.shape), np.float32)
    weights = np.zeros(rows.shape, np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            y = np.clip(y0 + dy, 0, raw.shape[1] - 1)
            x = np.clip(x0 + dx, 0, raw.shape[2] - 1)
            weight = np.abs(1 - dy - (rows - y0)) * np.abs(1 - dx - (columns - x0)) * valid[y, x]
            total += raw[:, y, x] * weight.astype(np.float32)
            weights += weight.astype(np.float32)
    values = total / np.where(weights > 0, weights, 1)
    return (np.rint(values) if raw.dtype.kind in "iu" else values).astype(raw.dtype)
