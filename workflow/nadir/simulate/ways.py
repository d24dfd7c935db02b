"""Roads as seen from the air: their strips, and the paint on them."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.roads import (
    BALLAST,
    KIND,
    MEDIAN,
    MOTORWAY,
    PAVED,
    RAILWAY,
    SURFACE,
    VERGE,
    WHOLE,
    X1,
    X2,
    Y1,
    Y2,
)

_LINE = 0.25  # width of a painted line in metres; wider than real, as it survives the optics
_ANY = 2.0  # more paint than there can be


@njit(cache=True, nogil=True)
def _line(d, at, step):
    """Return how much of a pixel at distance `d` of the axis a painted line covers."""
    return max(min(0.5 + (0.5 * _LINE - abs(d - at)) / step, 1.0), 0.0) * min(_LINE / step, 1.0)


@njit(cache=True, nogil=True)
def _paint(kind, d, along, paved, step):
    """Return the share of paint at distance `d` of the axis and a position along it."""
    dash = 1.0 if along / 11.0 - np.floor(along / 11.0) < 0.4 else 0.0
    if kind == MOTORWAY:
        lines = _line(d, 2.9, step) + _line(d, paved - 1.2, step)
        return lines + dash * (_line(d, 6.2, step) + _line(d, 9.6, step))
    lines = _line(d, paved - 0.8, step) if paved > 5.6 else 0.0
    return lines + dash * _line(d, 0.0, step)


@njit(cache=True, nogil=True)
def paint_ways(segments, x0, y0, step, rows, columns):
    """Paint the roads of a window.

    Args:
        segments: From `roads.collect_roads`.
        x0: West edge of the window (m).
        y0: North edge (m).
        step: Size of a pixel (m).
        rows: Height of the window in pixels.
        columns: Width of the window in pixels.

    Returns:
        (rows, columns) uint8, codes of `roads.paint_roads`; and float32, share of road paint, or
        on ballast minus the share of rails.
    """
    out = np.zeros((rows, columns), np.uint8)
    paint = np.zeros((rows, columns), np.float32)
    for k in range(len(segments)):
        s = segments[k]
        reach, kind = s[WHOLE], s[KIND]
        dx, dy = s[X2] - s[X1], s[Y2] - s[Y1]
        length = max(np.hypot(dx, dy), 1e-6)
        ex, ey = dx / length, dy / length
        surface = BALLAST if kind == RAILWAY else SURFACE
        r0 = max(np.int64((min(s[Y1], s[Y2]) - reach - y0) / step) - 1, 0)
        r1 = min(np.int64((max(s[Y1], s[Y2]) + reach - y0) / step) + 2, rows)
        c0 = max(np.int64((min(s[X1], s[X2]) - reach - x0) / step) - 1, 0)
        c1 = min(np.int64((max(s[X1], s[X2]) + reach - x0) / step) + 2, columns)
        for r in range(r0, r1):
            y = y0 + (r + 0.5) * step
            for c in range(c0, c1):
                x = x0 + (c + 0.5) * step
                px, py = x - s[X1], y - s[Y1]
                along = px * ex + py * ey
                t = min(max(along, 0.0), length)
                d = np.hypot(px - t * ex, py - t * ey)
                if d > reach:
                    continue
                code = VERGE if d > s[PAVED] else surface
                if kind == MOTORWAY and d < 2.0:
                    code = MEDIAN
                if code < out[r, c]:
                    continue
                share = 0.0
                if code == SURFACE:
                    share = _ANY  # beyond its end a piece leaves the paint to the next one
                    if t == along:
                        share = _paint(kind, d, x * ex + y * ey, s[PAVED], step)
                    if code == out[r, c]:  # no paint where roads cross
                        share = min(share, paint[r, c])
                elif code == BALLAST:
                    share = -_line(abs(d - 1.9), 0.72, step)
                out[r, c], paint[r, c] = code, share
    for r in range(rows):
        for c in range(columns):
            if paint[r, c] == _ANY:
                paint[r, c] = 0.0
    return out, paint
