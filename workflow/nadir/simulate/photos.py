"""Simulated photos: the ground of another year, turned, slightly displaced, under its weather."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from nadir.config.cases import CaseConfig
from nadir.simulate.aerial import render_aerial
from nadir.simulate.epochs import Epoch
from nadir.simulate.noise import gradient_noise, seed_hash
from nadir.simulate.placing import Placement
from nadir.simulate.weather import add_clouds, develop
from nadir.simulate.world import World

_DAY_TAG, _PHOTO_TAG, _FIELD_TAG = 9201, 9202, 811
_WAVE = 600.0  # wavelength of the displacement between dates, in pixels
_SPREAD = 0.324  # root mean square of the noise that it is made of
_CUBIC = 3  # pixels that interpolation reads beyond a position


@dataclass(frozen=True)
class Photo:
    """A simulated photo.

    Attributes:
        rgb: (side, side, 3) uint8.
        cloud: Share of it that clouds hide.
    """

    rgb: np.ndarray
    cloud: float


@njit(cache=True, nogil=True)
def displacement(x, y, rms, seed):
    """Return how far ground lies from its place on the substrate, in substrate pixels.

    Args:
        x: (n, m) positions on the substrate in pixels.
        y: Likewise.
        rms: Root mean square of the displacement's length.
        seed: From `noise.seed_hash`.

    Returns:
        (2, n, m) float64: to the right and downwards, smooth over some hundred pixels.
    """
    out = np.zeros((2, x.shape[0], x.shape[1]))
    size = rms / (_SPREAD * np.sqrt(2.0 * 1.25))
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            for k in range(2):
                px, py = x[r, c] / _WAVE, y[r, c] / _WAVE
                out[k, r, c] = size * (
                    gradient_noise(px, py, _FIELD_TAG + k, seed)
                    + 0.5 * gradient_noise(2.1 * px + 0.4, 2.1 * py, _FIELD_TAG + 7 + k, seed)
                )
    return out


def ground_photo(
    world: World, epoch: Epoch, cfg: CaseConfig, corner: tuple[float, float], placement: Placement
) -> np.ndarray:
    """Return the ground that a photo shows, before weather and camera.

    Args:
        world: The world.
        epoch: When the photo is taken.
        cfg: The case.
        corner: Upper-left corner of the substrate, in metres from the world's corner.
        placement: Where the photo lies on the substrate.

    Returns:
        (side, side, 3) uint8 RGB; ground beyond the substrate is shown like any other.
    """
    side, step = cfg.photo_px, cfg.resolution
    at = np.arange(side) + 0.5
    u, v = np.meshgrid(at, at)
    x, y = placement.ground(u, v, side)
    if cfg.misregistration_px:
        moved = displacement(x, y, cfg.misregistration_px, seed_hash(cfg.seed))
        x, y = x + moved[0], y + moved[1]
    c0, r0 = int(np.floor(x.min())) - _CUBIC, int(np.floor(y.min())) - _CUBIC
    columns, rows = int(np.ceil(x.max())) + _CUBIC - c0, int(np.ceil(y.max())) + _CUBIC - r0
    ground = render_aerial(
        world, epoch, corner[0] + c0 * step, corner[1] + r0 * step, rows, columns, step
    ).rgb
    # OpenCV counts from the center of the first pixel.
    maps = (x - c0 - 0.5).astype(np.float32), (y - r0 - 0.5).astype(np.float32)
    return cv2.remap(ground, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def take_photo(
    world: World,
    epoch: Epoch,
    cfg: CaseConfig,
    corner: tuple[float, float],
    placement: Placement,
    index: int,
) -> Photo:
    """Return photo `index` of a case: a function of the configuration and the index alone.

    Args:
        world: The world.
        epoch: When the photos of the case are taken.
        cfg: The case.
        corner: Upper-left corner of the substrate, in metres from the world's corner.
        placement: Where the photo lies on the substrate.
        index: Number of the photo.
    """
    rng = np.random.default_rng([cfg.seed, _PHOTO_TAG, index])
    image = ground_photo(world, epoch, cfg, corner, placement).astype(np.float32) / 255.0
    cloud = 0.0
    cloudy, cover = rng.random(), rng.uniform(*cfg.cloud_cover)
    if cloudy < cfg.cloudy and cover > 0:
        cloud = add_clouds(image, cover, _light(epoch, placement), rng, cfg.resolution)
    day = np.random.default_rng([cfg.seed, _DAY_TAG])
    return Photo(develop(image, day, rng), cloud)


def _light(epoch: Epoch, placement: Placement) -> tuple[float, float]:
    """Return the direction in which shadows fall in a photo: right and down, of unit length."""
    east, south = -epoch.sun[:2] / np.hypot(*epoch.sun[:2])
    turn = np.deg2rad(placement.angle)
    cos, sin = np.cos(turn), np.sin(turn)
    return float(cos * east + sin * south), float(cos * south - sin * east)
