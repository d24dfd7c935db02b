"""Ways in which one place looks different in another picture: what the descriptor must see through.

Each is a pure function of the generator it is given.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nadir.raster.noise import smooth_noise

Picture = NDArray[np.float32]


def season(picture: Picture, random: Generator) -> Picture:
    """Return a picture with other colors, a random tone curve a channel, and other light."""
    hsv = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + random.normal(0, 14)) % 360
    hsv[..., 1] = np.clip(hsv[..., 1] * np.exp(random.normal(-0.1, 0.5)), 0, 1)
    shown = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32)
    if random.random() < 0.7:
        # Curves that need not rise: crops turn from darker to brighter than their neighbors.
        rising = random.random() < 0.75
        light = shown.mean(2)
        knots = np.linspace(0, 1, 5)
        for channel in range(3):
            levels = random.uniform(0, 1, 5)
            curve = np.interp(light, knots, np.sort(levels) if rising else levels)
            shown[..., channel] = 0.5 * shown[..., channel] + 0.5 * curve
    if random.random() < 0.5:
        field = smooth_noise(random, shown.shape[:2], 2, 3)[..., None]
        shown = shown * (1 + 0.25 * field * random.normal(1, 0.2, 3).astype(np.float32))
    gamma, gain = np.exp(random.normal(0, 0.35)), 1 + random.normal(0, 0.15)
    shown = np.clip(shown, 0, 1) ** gamma * gain
    return shown.astype(np.float32)


def sensor(picture: Picture, random: Generator) -> Picture:
    """Return a picture with haze, blur and noise."""
    shown = picture
    if random.random() < 0.5:
        haze = random.uniform(0, 0.35)
        shown = shown * (1 - haze) + 0.78 * haze
    if random.random() < 0.6:
        shown = np.asarray(cv2.GaussianBlur(shown, (0, 0), random.uniform(0.3, 1.0)), np.float32)
    noise = random.standard_normal(shown.shape).astype(np.float32)
    return shown + random.uniform(0.003, 0.03) * noise


def clouds(picture: Picture, random: Generator) -> Picture:
    """Return a picture under clouds that cover 15 to 75 % of it, with their shadows."""
    side = picture.shape[0]
    field = smooth_noise(random, (side, side), int(random.integers(2, 5)), 5)
    level = np.quantile(field, 1 - random.uniform(0.15, 0.75))
    veil = np.clip((field - level) / random.uniform(0.25, 0.9), 0, 1) * random.uniform(0.75, 1)
    shift = random.integers(-side // 8, side // 8 + 1, 2)
    shadow = np.roll(veil, tuple(shift), (0, 1))
    shown = picture * (1 - 0.45 * shadow)[..., None]
    white = 0.87 + 0.05 * smooth_noise(random, (side, side), 4, 5)
    return (shown * (1 - veil[..., None]) + (white * veil)[..., None]).astype(np.float32)


def building(picture: Picture, other: Picture, random: Generator) -> Picture:
    """Return a picture with other ground in random blobs, as after building and felling."""
    blob = smooth_noise(random, picture.shape[:2], 3, 3) > random.uniform(0.3, 1.5)
    return np.where(blob[..., None], other, picture)
