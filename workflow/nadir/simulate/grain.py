"""Fine texture: small periodic tiles of noise, looked up at offsets that each thing draws anew."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from scipy.ndimage import gaussian_filter

from nadir.simulate.epochs import OWN, SHARED
from nadir.simulate.noise import mix

SOFT, FINE, ROWS = range(3)
"""Kinds: mottles of 0.5 to 8 m, grains of half a metre, streaks along the second axis."""

TEXEL, SIDE = 0.25, 512
"""Size of a texel in metres and of a tile in texels."""

_SEED = 7301
_MASK = np.int64(SIDE - 1)
_LOW, _UP = np.uint64(SIDE - 1), np.uint64(20)


@cache
def grain_tiles() -> np.ndarray:
    """Return (3, SIDE, SIDE) float32 tiles of zero mean and unit variance, within 3."""
    white = [np.random.default_rng([_SEED, k]).standard_normal((SIDE, SIDE)) for k in range(7)]
    soft = sum(
        weight * _unit(gaussian_filter(white[k], size / TEXEL, mode="wrap"))
        for k, (size, weight) in enumerate([(0.3, 0.55), (0.7, 0.6), (1.6, 0.7), (3.5, 0.7)])
    )
    fine = gaussian_filter(white[4], 0.3 / TEXEL, mode="wrap")
    rows = _unit(gaussian_filter(white[5], (7.0 / TEXEL, 0.3 / TEXEL), mode="wrap"))
    rows = rows + 0.6 * _unit(gaussian_filter(white[6], (12.0 / TEXEL, 1.1 / TEXEL), mode="wrap"))
    tiles = np.stack([_unit(np.asarray(tile)) for tile in (soft, fine, rows)])
    return np.clip(tiles, -3.0, 3.0).astype(np.float32)


def _unit(tile: np.ndarray) -> np.ndarray:
    return (tile - tile.mean()) / tile.std()


@njit(cache=True, nogil=True)
def sample(tiles, kind, x, y, h):
    """Return the value of a tile at a position in metres, shifted by the hash of a thing."""
    fx = x / TEXEL + np.float64(h & _LOW)
    fy = y / TEXEL + np.float64((h >> _UP) & _LOW)
    bx, by = np.floor(fx), np.floor(fy)
    tx, ty = np.float32(fx - bx), np.float32(fy - by)
    c0, r0 = np.int64(bx) & _MASK, np.int64(by) & _MASK
    c1, r1 = (c0 + 1) & _MASK, (r0 + 1) & _MASK
    top = tiles[kind, r0, c0] + tx * (tiles[kind, r0, c1] - tiles[kind, r0, c0])
    low = tiles[kind, r1, c0] + tx * (tiles[kind, r1, c1] - tiles[kind, r1, c0])
    return top + ty * (low - top)


@njit(cache=True, nogil=True)
def sample_year(tiles, kind, x, y, h, epoch, salt):
    """Return the texture of a thing in a year: in part that of all years, in part its own."""
    value = epoch[SHARED] * sample(tiles, kind, x, y, h)
    if epoch[OWN] > 0.0:
        value += epoch[OWN] * sample(tiles, kind, x, y, mix(h ^ salt))
    return value
