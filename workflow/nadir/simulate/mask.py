"""The mask: land cover as a map shows it, a little off from the ground."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.noise import gradient_noise
from nadir.simulate.terrain import LATTICE

REACH = 36
"""Metres beyond a window that drawing its mask may look at."""

_LONGEST, _RING = (
    29.0,
    6,
)  # longest displacement of a boundary; radius of the smallest mapped thing (m)
_AROUND = np.array([[0, 6], [4, 4], [6, 0], [4, -4], [0, -6], [-4, -4], [-6, 0], [-4, 4]], np.int64)


@njit(cache=True, nogil=True)
def _displacements(i0, j0, rows, columns, seed):
    """Return (2, rows, columns) float32 displacements (east, south) of about unit size."""
    out = np.empty((2, rows, columns), np.float32)
    for r in range(rows):
        for c in range(columns):
            x, y = np.float64((i0 + c) * LATTICE), np.float64((j0 + r) * LATTICE)
            for k in range(2):
                near = gradient_noise(x / 42.0, y / 42.0, 64 + k, seed)
                far = gradient_noise(x / 260.0, y / 260.0, 66 + k, seed)
                out[k, r, c] = 1.5 * (near + far)
    return out


@njit(cache=True, nogil=True)
def draw_mask(cover, row0, col0, margin, amplitude, seed):
    """Return the mask of a window.

    Boundaries wander by smooth displacements (some from place to place, some for whole
    neighborhoods, as registration errors do), and what is narrower than about 10 m is not mapped:
    a pixel whose surroundings agree on another class takes it.

    Args:
        cover: (rows + 2*margin, columns + 2*margin) uint8 classes at 1 m.
        row0: First row of the window itself, in metres south of the world's corner.
        col0: First column, in metres east of it.
        margin: Pixels of `cover` beyond the window, at least REACH.
        amplitude: Typical displacement in metres; 0 draws the ground as it is.
        seed: From `noise.seed_hash`.

    Returns:
        (rows, columns) uint8.
    """
    rows, columns = cover.shape[0] - 2 * margin, cover.shape[1] - 2 * margin
    fi0, fj0 = col0 // LATTICE, row0 // LATTICE
    fields = _displacements(
        fi0, fj0, (row0 + rows) // LATTICE + 2 - fj0, (col0 + columns) // LATTICE + 2 - fi0, seed
    )
    out = np.empty((rows, columns), np.uint8)
    for r in range(rows):
        ly = (row0 + r + 0.5) / LATTICE - fj0
        fr = np.int64(ly)
        ty = ly - fr
        for c in range(columns):
            lx = (col0 + c + 0.5) / LATTICE - fi0
            fc = np.int64(lx)
            tx = lx - fc
            w00, w01 = (1.0 - tx) * (1.0 - ty), tx * (1.0 - ty)
            w10, w11 = (1.0 - tx) * ty, tx * ty
            dx = (
                w00 * fields[0, fr, fc]
                + w01 * fields[0, fr, fc + 1]
                + w10 * fields[0, fr + 1, fc]
                + w11 * fields[0, fr + 1, fc + 1]
            ) * amplitude
            dy = (
                w00 * fields[1, fr, fc]
                + w01 * fields[1, fr, fc + 1]
                + w10 * fields[1, fr + 1, fc]
                + w11 * fields[1, fr + 1, fc + 1]
            ) * amplitude
            y = r + margin + np.int64(np.floor(min(max(dy, -_LONGEST), _LONGEST) + 0.5))
            x = c + margin + np.int64(np.floor(min(max(dx, -_LONGEST), _LONGEST) + 0.5))
            own = cover[y, x]
            if amplitude > 0.0:
                others, other = 0, own
                for k in range(8):
                    there = cover[y + _AROUND[k, 0], x + _AROUND[k, 1]]
                    if there != own:
                        if others == 0:
                            other = there
                        if there == other:
                            others += 1
                if others >= 6:
                    own = other
            out[r, c] = own
    return out
