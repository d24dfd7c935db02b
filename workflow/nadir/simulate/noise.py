"""Hashes and smooth noise as functions of position: the only randomness that the world knows.

No random stream is ever drawn in sequence. Each value is a hash of integer coordinates, a tag that
names its use, and the seed, so that any piece of the world can be computed alone.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_P1 = np.uint64(0x9E3779B97F4A7C15)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_M1 = np.uint64(0xFF51AFD7ED558CCD)
_M2 = np.uint64(0xC4CEB9FE1A85EC53)
_S33 = np.uint64(33)
_S11 = np.uint64(11)
_S3 = np.uint64(3)
_DIRECTIONS = 16
_GX = np.cos(2 * np.pi * (np.arange(_DIRECTIONS) + 0.25) / _DIRECTIONS)
_GY = np.sin(2 * np.pi * (np.arange(_DIRECTIONS) + 0.25) / _DIRECTIONS)
_LOW4 = np.uint64(_DIRECTIONS - 1)


@njit(cache=True, nogil=True)
def mix(value):
    """Return a uint64 whose every bit depends on every bit of `value` (MurmurHash3's finalizer)."""
    value ^= value >> _S33
    value *= _M1
    value ^= value >> _S33
    value *= _M2
    value ^= value >> _S33
    return value


@njit(cache=True, nogil=True)
def hash_cell(i, j, tag, seed):
    """Return a uint64 for the integer cell (i, j), a use `tag` and a uint64 `seed`."""
    value = np.uint64(i) * _P1
    value ^= (np.uint64(j) + _P3) * _P2
    value ^= mix(seed + np.uint64(tag) * _P3)
    return mix(value)


@njit(cache=True, nogil=True)
def unit(value):
    """Return a uint64 hash as a float in [0, 1)."""
    return np.float64(value >> _S11) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def draw(value, index):
    """Return the `index`-th float in [0, 1) that belongs to the hash `value`."""
    return unit(mix(value + np.uint64(index) * _P1))


@njit(cache=True, nogil=True)
def _slope(i, j, dx, dy, tag, seed):
    k = (hash_cell(i, j, tag, seed) >> _S3) & _LOW4
    return _GX[k] * dx + _GY[k] * dy


@njit(cache=True, nogil=True)
def gradient_noise(x, y, tag, seed):
    """Return smooth noise of wavelength 1, about -1 to 1, zero mean.

    K. Perlin, "Improving noise", SIGGRAPH 2002: hashed gradients and a quintic fade.
    """
    fx, fy = np.floor(x), np.floor(y)
    i, j = np.int64(fx), np.int64(fy)
    dx, dy = x - fx, y - fy
    u = dx * dx * dx * (dx * (dx * 6.0 - 15.0) + 10.0)
    v = dy * dy * dy * (dy * (dy * 6.0 - 15.0) + 10.0)
    a = _slope(i, j, dx, dy, tag, seed)
    b = _slope(i + 1, j, dx - 1.0, dy, tag, seed)
    c = _slope(i, j + 1, dx, dy - 1.0, tag, seed)
    d = _slope(i + 1, j + 1, dx - 1.0, dy - 1.0, tag, seed)
    top = a + u * (b - a)
    return 1.5 * (top + v * (c + u * (d - c) - top))


@njit(cache=True, nogil=True)
def fractal_noise(x, y, octaves, tag, seed):
    """Return a sum of `octaves` noises, each half as high and about half as wide as the last."""
    total, height = 0.0, 1.0
    for octave in range(octaves):
        total += height * gradient_noise(x, y, tag + 1000 * octave, seed)
        x, y, height = x * 2.03 + 17.3, y * 2.03 - 9.1, height * 0.5
    return total


@njit(cache=True, nogil=True)
def smoothstep(low, high, value):
    """Return 0 below `low`, 1 above `high` and a smooth ramp between."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def seed_hash(seed: int) -> np.uint64:
    """Return the uint64 from which all hashes of a world with this seed start."""
    value = (seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        value = ((value ^ (value >> 30)) * factor) % 2**64
    return np.uint64(value)
