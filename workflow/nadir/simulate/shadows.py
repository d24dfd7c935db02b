"""Sunlight from one side: the shadows that roofs and crowns cast, and the light on slopes."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.noise import smoothstep
from nadir.simulate.surface import TALLEST

SLACK = 0.45
"""On ground that falls away along the light, a shadow's edge sinks at least this share of what it
would on level ground; this bounds the length of shadows."""


@njit(cache=True, nogil=True)
def shadow_heights(height, slope_along, sun, step, flip, turn):
    """Return how high above the ground the shadow reaches, by pixel (0: in the sun).

    The edge of a shadow is handed from row to row along the light and sinks as it goes, which
    costs the same however long shadows are. A shadow depends on what stands within
    `shadow_reach`, hence not on the window.

    Args:
        height: (rows, columns) float32 heights above the ground (m), rows along the light: the
            main component of the light's direction is `turn`ed and `flip`ped by the caller.
        slope_along: (rows, columns) float32 rise of the ground per metre along the light.
        sun: Unit vector to the sun: east, south, up.
        step: Size of a pixel (m).
        flip: Whether rows run against the light.
        turn: Whether rows and columns are exchanged.
    """
    rows, columns = height.shape
    flat = np.hypot(sun[0], sun[1])
    fall = sun[2] / flat
    main, side = (sun[0], sun[1]) if turn else (sun[1], sun[0])
    shift = side / abs(main)  # columns towards the sun per row
    length = step * np.sqrt(1.0 + shift * shift)
    out = np.zeros((rows, columns), np.float32)
    whole = np.int64(np.floor(shift))
    part = np.float32(shift - whole)
    for k in range(1, rows):
        r = rows - 1 - k if flip else k
        before = r + 1 if flip else r - 1
        for c in range(columns):
            a, b = c + whole, c + whole + 1
            near = max(height[before, a], out[before, a]) if 0 <= a < columns else np.float32(0.0)
            far = max(height[before, b], out[before, b]) if 0 <= b < columns else np.float32(0.0)
            sink = min(max(fall + slope_along[r, c], SLACK * fall), 2.0 * fall)
            out[r, c] = max(near + part * (far - near) - np.float32(sink * length), 0.0)
    return out


def shadow_reach(sun: np.ndarray) -> float:
    """Return the length in metres of the longest shadow."""
    return float(TALLEST * np.hypot(sun[0], sun[1]) / (SLACK * sun[2]))


@njit(cache=True, nogil=True)
def shade(color, height, shadow, slope_east, slope_south, ambient, sun, top, left):
    """Apply shadows, and on the open ground the light of its slope, in place.

    Args:
        color: (rows, columns, 3) float32 reflectance of the middle of the window.
        height: (more rows, more columns) float32 heights above the ground (m).
        shadow: Likewise, from `shadow_heights`.
        slope_east: Likewise, rise of the ground per metre to the east.
        slope_south: Likewise, to the south.
        ambient: (3,) light in a shadow relative to that in the sun.
        sun: Unit vector to the sun: east, south, up.
        top: Rows of the window above `color`.
        left: Columns of the window left of it.
    """
    for r in range(color.shape[0]):
        for c in range(color.shape[1]):
            rr, cc = r + top, c + left
            dark = smoothstep(0.0, 0.7, shadow[rr, cc] - height[rr, cc])
            gain = 1.0
            if height[rr, cc] <= 0.0:
                east, south = slope_east[rr, cc], slope_south[rr, cc]
                facing = sun[2] - sun[0] * east - sun[1] * south
                facing /= sun[2] * np.sqrt(1.0 + east * east + south * south)
                gain = 0.25 + 0.75 * min(max(facing, 0.0), 1.8)
            for band in range(3):
                color[r, c, band] *= gain * (1.0 - dark * (1.0 - ambient[band]))
