"""Reading the windows of a row together: neighbors share chunks, which are decoded once for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

STRIP_BYTES = 8 << 20
"""Bytes of raw values that are read at once, unless a single window has more."""

Pixels = tuple[NDArray[np.uint16], NDArray[np.bool_]]


class Readable(Protocol):
    """Imagery that windows are read of; with a method `wanted`, only where that is true."""

    def read(self, y: int, x: int, height: int, width: int) -> Pixels:
        """Return raw values (date, band, height, width) and validity (date, height, width)."""


class StripReader:
    """Reads windows row by row.

    Args:
        scene: The imagery. Where it has a method `wanted(y, x, height, width)`, windows that it
            does not want are not read.
        side: Side of a window, in pixels.
    """

    def __init__(self, scene: Readable, side: int) -> None:
        self._scene, self._side = scene, side
        self._most = side  # columns of a strip; the first one tells how many bytes a column has
        self._asked = getattr(scene, "wanted", None)

    def row(self, y: int, starts: Sequence[int]) -> Iterator[Pixels | None]:
        """Yield the windows of one row, from left to right; None for those not wanted.

        Args:
            y: Row of their first pixels.
            starts: Columns of their first pixels, ascending.
        """
        at = 0
        while at < len(starts):
            x, last = starts[at], at
            if not self._wanted(y, x):
                yield None
                at += 1
                continue
            while last + 1 < len(starts) and self._joins(y, x, starts[last + 1]):
                last += 1
            raw, valid = self._scene.read(y, x, self._side, starts[last] + self._side - x)
            self._most = max(self._side, STRIP_BYTES // max(raw[..., :1].nbytes, 1))
            for start in starts[at : last + 1]:
                columns = slice(start - x, start - x + self._side)
                yield raw[..., columns], valid[..., columns]
            at = last + 1

    def _wanted(self, y: int, x: int) -> bool:
        return self._asked is None or self._asked(y, x, self._side, self._side)

    def _joins(self, y: int, x: int, start: int) -> bool:
        """Whether a window is read with those from column `x` on."""
        return start + self._side - x <= self._most and self._wanted(y, start)
