"""What differs between the pictures of two flights: color, contrast, haze, the sensor's noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LOOK_TAG, _NOISE_TAG = 9301, 9302
_VEIL = np.array([168.0, 184.0, 204.0])  # haze as a camera sees it


def tone_of_city(seed: int, town: tuple[int, int], strength: float) -> NDArray[np.uint8]:
    """Return (256, 3) uint8: the pixel value in a city's flight for one of the renderer's.

    Args:
        seed: Seed of the tiles.
        town: Cell of the city, see `towns.Tile`.
        strength: Strength of the differences between cities, 0 to 1.
    """
    # Seeds must not be negative; cells may be.
    rng = np.random.default_rng([seed, _LOOK_TAG, town[0] + 2**20, town[1] + 2**20])
    gain = 1.0 + strength * (0.24 * (rng.random() - 0.5) + 0.09 * (rng.random(3) - 0.5))
    gamma = 1.0 + strength * 0.3 * (rng.random() - 0.5)
    haze = strength * 0.13 * rng.random()
    level = np.arange(256.0)[:, None] / 255.0
    seen = (1.0 - haze) * 255.0 * gain * level**gamma + haze * _VEIL
    return np.rint(np.clip(seen, 1.0, 255.0)).astype(np.uint8)


def expose(
    rgb: NDArray[np.uint8], tone: NDArray[np.uint8], seed: int, index: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return a picture as the camera of a flight stores it, with its noise.

    Args:
        rgb: (rows, columns, 3) uint8 from the renderer.
        tone: From `tone_of_city`.
        seed: Seed of the tiles.
        index: Number of the tile and whatever else tells this picture from others.

    Returns:
        (rows, columns, 3) uint8, never 0, which pictures use for holes.
    """
    rng = np.random.default_rng([seed, _NOISE_TAG, *index])
    seen = np.take_along_axis(tone, rgb.reshape(-1, 3), axis=0).reshape(rgb.shape)
    noise = rng.standard_normal(rgb.shape, dtype=np.float32)
    noise *= np.float32(1.6)
    noise += seen
    return np.rint(np.clip(noise, 1.0, 255.0)).astype(np.uint8)
