"""Counting pixels of many overlapping windows while reading each pixel once.

The edges of all windows cut the scene into cells; every window is a rectangle of whole cells. Cells
are filled block by block; a summed-area table over the cells then answers every window, however
much windows overlap and whatever their sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import NamedTuple

import numpy as np

BLOCK = 1024
"""Side of the blocks in which scenes are read, in pixels: a multiple of the cube's chunks and a
part of its shards, so that no chunk is decoded twice and memory stays bounded."""

_FAR = np.iinfo(np.int64).max


def scene_blocks(height: int, width: int, side: int = BLOCK) -> Iterator[tuple[int, int, int, int]]:
    """Yield (y, x, h, w) of the blocks that cover a scene, each pixel once, row by row."""
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield y, x, min(side, height - y), min(side, width - x)


class _Cells:
    """The cells that the edges of windows cut; (n, 4) windows of (y, x, h, w) within one scene."""

    def __init__(self, windows: np.ndarray) -> None:
        y, x, h, w = np.asarray(windows, np.int64).T
        self._rows = np.unique(np.concatenate([y, y + h]))
        self._columns = np.unique(np.concatenate([x, x + w]))
        self._corners = (
            np.searchsorted(self._rows, y),
            np.searchsorted(self._columns, x),
            np.searchsorted(self._rows, y + h),
            np.searchsorted(self._columns, x + w),
        )
        self._shape = (len(self._rows) - 1, len(self._columns) - 1)
        self._lock = Lock()  # blocks come from several threads; only adding up is exclusive

    def _locate(self, y: int, x: int, block: np.ndarray) -> _Located | None:
        """Crop a block, whose corner is pixel (y, x), to the cells; None when it lies outside."""
        top, left = max(y, int(self._rows[0])), max(x, int(self._columns[0]))
        bottom = min(y + block.shape[0], int(self._rows[-1]))
        right = min(x + block.shape[1], int(self._columns[-1]))
        if bottom <= top or right <= left:
            return None
        first_row, rows = _starts(self._rows, top, bottom)
        first_column, columns = _starts(self._columns, left, right)
        return _Located(
            data=block[top - y : bottom - y, left - x : right - x],
            corner=(top, left),
            where=(
                slice(first_row, first_row + len(rows)),
                slice(first_column, first_column + len(columns)),
            ),
            rows=rows,
            columns=columns,
        )


class _Located(NamedTuple):
    """Part of a block that lies on cells: its data, its corner, which cells, and their starts."""

    data: np.ndarray
    corner: tuple[int, int]
    where: tuple[slice, slice]
    rows: np.ndarray
    columns: np.ndarray


def _starts(edges: np.ndarray, start: int, stop: int) -> tuple[int, np.ndarray]:
    """Return the first cell that [start, stop) touches and where its cells start, from `start`."""
    first = int(np.searchsorted(edges, start, "right")) - 1
    inner = edges[(edges > start) & (edges < stop)] - start
    return first, np.concatenate([[0], inner]).astype(np.int64)


class CellCounts(_Cells):
    """Counts of several channels over windows.

    Args:
        windows: (n, 4) integer array of (y, x, h, w), all within one scene.
        channels: Number of channels.
    """

    def __init__(self, windows: np.ndarray, channels: int) -> None:
        super().__init__(windows)
        self._cells = np.zeros((channels, *self._shape), np.int64)

    def add(self, y: int, x: int, block: np.ndarray, channel: int) -> None:
        """Add a (h, w) block of booleans or small counts, whose corner is pixel (y, x)."""
        part = self._locate(y, x, block)
        if part is not None:
            sums = np.add.reduceat(part.data, part.rows, axis=0, dtype=np.int32)
            sums = np.add.reduceat(sums, part.columns, axis=1)
            with self._lock:
                self._cells[channel][part.where] += sums

    def add_classes(self, y: int, x: int, ids: np.ndarray, count: int, channel: int = 0) -> None:
        """Add a (h, w) block of ids 0..count-1 to the channels `channel`..`channel`+count-1."""
        part = self._locate(y, x, ids)
        if part is None:
            return
        height, width = part.data.shape
        rows, columns = part.rows, part.columns
        column_cell = np.repeat(np.arange(len(columns)), np.diff(np.append(columns, width)))
        sums = np.zeros((len(rows), len(columns) * count), np.int64)
        for cell, (start, stop) in enumerate(zip(rows, np.append(rows[1:], height), strict=True)):
            codes = part.data[start:stop].astype(np.int64)  # a row of cells: temporaries stay small
            codes += column_cell * count
            sums[cell] = np.bincount(codes.ravel(), minlength=len(columns) * count)
        shaped = sums.reshape(len(rows), len(columns), count)
        with self._lock:
            self._cells[(slice(channel, channel + count), *part.where)] += np.moveaxis(shaped, 2, 0)

    def totals(self) -> np.ndarray:
        """Return the (n, channels) int64 counts of the windows."""
        channels, rows, columns = self._cells.shape
        table = np.zeros((channels, rows + 1, columns + 1), np.int64)
        table[:, 1:, 1:] = self._cells.cumsum(1).cumsum(2)
        y0, x0, y1, x1 = self._corners
        sums = table[:, y1, x1] - table[:, y0, x1] - table[:, y1, x0] + table[:, y0, x0]
        return sums.T


class CellExtents(_Cells):
    """Bounding box of the true pixels within every window.

    Args:
        windows: (n, 4) integer array of (y, x, h, w), all within one scene.
    """

    def __init__(self, windows: np.ndarray) -> None:
        super().__init__(windows)
        self._low = np.full((2, *self._shape), _FAR)
        self._high = np.full((2, *self._shape), -1, np.int64)

    def add(self, y: int, x: int, block: np.ndarray) -> None:
        """Take in a (h, w) bool block whose corner is pixel (y, x)."""
        part = self._locate(y, x, block)
        if part is None or not part.data.any():
            return
        in_columns = np.logical_or.reduceat(part.data, part.columns, axis=1)  # (h, column cells)
        in_rows = np.logical_or.reduceat(part.data, part.rows, axis=0)  # (row cells, w)
        lines = part.corner[0] + np.arange(part.data.shape[0])[:, None]
        across = part.corner[1] + np.arange(part.data.shape[1])[None, :]
        for axis, hit, position, starts in (
            (0, in_columns, lines, part.rows),
            (1, in_rows, across, part.columns),
        ):
            low = np.minimum.reduceat(np.where(hit, position, _FAR), starts, axis=axis)
            high = np.maximum.reduceat(np.where(hit, position + 1, -1), starts, axis=axis)
            with self._lock:
                np.minimum(self._low[axis][part.where], low, out=self._low[axis][part.where])
                np.maximum(self._high[axis][part.where], high, out=self._high[axis][part.where])

    def boxes(self) -> np.ndarray:
        """Return (n, 4) int64 (y0, x0, y1, x1), ends exclusive; -1 where nothing is true."""
        boxes = np.full((len(self._corners[0]), 4), -1, np.int64)
        for number, (y0, x0, y1, x1) in enumerate(zip(*self._corners, strict=True)):
            high = self._high[:, y0:y1, x0:x1].max(axis=(1, 2))
            if high[0] >= 0:
                boxes[number] = (*self._low[:, y0:y1, x0:x1].min(axis=(1, 2)), *high)
        return boxes
