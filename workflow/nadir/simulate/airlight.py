"""Air, sky and clouds of perspective views: what lies behind and before all things."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from nadir.simulate.noise import seed_hash
from nadir.simulate.weather import swellings

_HAZE = np.array([196.0, 208.0, 222.0])
_ZENITH = np.array([88.0, 138.0, 205.0])
_SUN = np.array([255.0, 246.0, 226.0])
_LAYER = 1500.0  # height of the clouds above the camera, in metres
_SIDE, _PIXEL = 448, 60.0  # of the picture of the clouds: rows and columns, and metres a pixel
_SIZE = 3200.0  # wavelength of the largest swellings of a cloud, in metres


@dataclass(frozen=True)
class Sky:
    """The air: haze and clouds.

    Attributes:
        visibility: Distance in metres at which haze leaves a third of the contrast.
        clouds: Share of the sky under clouds, 0 to 1.
        seed: Seed of the clouds' shapes.
    """

    visibility: float = 6000.0
    clouds: float = 0.3
    seed: int = 0


def air_color(rays: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """Return the color of clear air in each direction.

    Args:
        rays: (..., 3) unit directions: east, south, up.
        sun: (3,) unit vector to the sun.

    Returns:
        (..., 3) float32, 0..255.
    """
    rise = np.clip(rays[..., 2], 0.0, 1.0) ** 0.55
    color = _HAZE + rise[..., None] * (_ZENITH - _HAZE)
    toward = np.clip(rays @ sun, 0.0, 1.0)
    glow = 0.35 * toward**8 + 0.65 * toward**400
    return (color + glow[..., None] * (_SUN - color)).astype(np.float32)


def sky_color(rays: np.ndarray, sun: np.ndarray, sky: Sky) -> np.ndarray:
    """Return the color of the sky with a layer of clouds, as `air_color`."""
    air = air_color(rays, sun)
    if sky.clouds <= 0 or not len(rays):
        return air
    rise = np.maximum(rays[..., 2], 0.02)
    at = [(_LAYER * rays[..., k] / rise / _PIXEL + 0.5 * _SIDE).astype(np.float32) for k in (0, 1)]
    maps = [part.reshape(-1, 1) for part in at]
    limit = np.iinfo(np.int16).max  # what OpenCV can address
    layer = np.concatenate(
        [
            cv2.remap(
                _cloud_layer(sky.clouds, sky.seed),
                maps[0][k : k + limit - 1],
                maps[1][k : k + limit - 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT,
            ).reshape(-1, 2)
            for k in range(0, len(maps[0]), limit - 1)
        ]
    ).reshape(*rays.shape[:-1], 2)
    fade = np.clip(rays[..., 2:] / 0.12, 0.0, 1.0)  # far clouds drown in haze
    tone = np.array([252.0, 251.0, 250.0]) - layer[..., 1:] * np.array([74.0, 68.0, 58.0])
    return (air + layer[..., :1] * fade * (tone - air)).astype(np.float32)


@functools.lru_cache(maxsize=8)
def _cloud_layer(share: float, seed: int) -> np.ndarray:
    """Return (rows, columns, 2) float32: opacity and darkness of the clouds from below."""
    field = swellings(_SIDE, _SIDE, _PIXEL, 0.0, 0.0, _SIZE, seed_hash(seed))
    level = float(np.quantile(field, 1.0 - min(share, 1.0)))
    thick = np.clip((field - level + 0.1) / 0.42, 0.0, 1.0)
    opacity = thick * thick * (3.0 - 2.0 * thick)
    dark = np.clip((field - level - 0.12) / 0.75, 0.0, 1.0)
    return np.stack([0.96 * opacity, dark], axis=-1).astype(np.float32)
