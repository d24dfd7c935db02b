"""Ten weathers: what air, light and wind do to a picture, as training and as test conditions.

The names are those of the University-1652 weather variant; the pictures are not: figures under
these weathers compare with each other, not with published ones. Each is a pure function of (seed,
name of the image, weather), so an image looks the same in every epoch, process and order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nadir.config.retrieval import Weather
from nadir.provenance.digest import sha
from nadir.raster.noise import smooth_noise

WEATHERS: tuple[Weather, ...] = get_args(Weather)
"""All ten, in the order of tables and figures."""

Picture = NDArray[np.float32]
"""(rows, columns, 3) RGB, 0 to 1."""

_TAG = 0x3EA7
_SIDE = 256  # lengths below are in pixels of a picture of this side


def apply_weather(
    picture: NDArray[np.uint8], weather: Weather, *, seed: int, name: str
) -> NDArray[np.uint8]:
    """Return a picture in a weather.

    Args:
        picture: (rows, columns, 3) uint8 RGB; it is not changed. Drops, flakes and blur scale with
            the shorter side.
        weather: The weather; `normal` changes nothing.
        seed: Seed of all weathers.
        name: Name of the image, which makes its weather its own.

    Returns:
        uint8 RGB of the same shape.

    Raises:
        ValueError: When there is no such weather.
    """
    if weather not in WEATHERS:
        raise ValueError(f"{weather!r} is no weather; there are {', '.join(WEATHERS)}")
    if weather == "normal":
        return picture.copy()
    random = np.random.default_rng(
        [seed, _TAG, WEATHERS.index(weather), int(sha(name.encode())[:15], 16)]
    )
    shown = picture.astype(np.float32) / np.float32(255)
    for part in weather.split("+"):
        shown = _PARTS[part](shown, random)
    return np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)


def _unit(picture: Picture) -> float:
    """Return how many pixels of a picture a pixel of the nominal size is."""
    return max(0.25, min(picture.shape[:2]) / _SIDE)


def _blurred(picture: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(sigma, 0.2)), np.float32)


def _fog(picture: Picture, random: Generator) -> Picture:
    """Return a picture through fog: Koschmieder's law with uneven density."""
    depth = random.uniform(0.75, 1.15)
    swellings = smooth_noise(random, _shape(picture), 2, 4)
    seen = np.exp(-depth * np.clip(1 + 0.38 * swellings, 0.25, 2.2))[..., None]
    light = random.uniform(0.74, 0.86) * np.array([0.985, 1.0, 1.015], np.float32)
    # Light is scattered forward, too: what is seen through the fog is soft.
    return (_blurred(picture, 0.5 * _unit(picture)) * seen + light * (1 - seen)).astype(np.float32)


def _rain(picture: Picture, random: Generator) -> Picture:
    """Return a picture in rain: dull wet ground, and streaks far and near."""
    unit = _unit(picture)
    grey = picture.mean(axis=2, keepdims=True)
    dull = (grey + 0.72 * (_blurred(picture, 0.55 * unit) - grey)) * 0.72 + 0.05
    slant = np.deg2rad(90 + random.uniform(-22, 22))
    far = _streaks(random, picture, 0.010, 9 * unit, slant, 0.45 * unit)
    near = _streaks(random, picture, 0.0022, 22 * unit, slant, 0.75 * unit)
    water = np.clip(0.30 * far + 0.55 * near, 0, 0.8)[..., None]
    return (dull + water * (np.float32(0.86) - dull)).astype(np.float32)


def _snow(picture: Picture, random: Generator) -> Picture:
    """Return a picture in snow: a pale veil, small flakes far away and large ones near."""
    unit = _unit(picture)
    grey = picture.mean(axis=2, keepdims=True)
    pale = (grey + 0.8 * (picture - grey)) * 0.86 + 0.1
    drift = np.deg2rad(90 + random.uniform(-50, 50))
    flakes = np.zeros(picture.shape[:2], np.float32)
    for share, size, strength in ((0.008, 0.7, 0.75), (0.0022, 1.5, 0.95), (0.0004, 3.0, 0.9)):
        layer = _streaks(random, picture, share, (1 + 1.6 * size) * unit, drift, size * unit)
        flakes = np.maximum(flakes, strength * np.clip(1.5 * layer, 0, 1))
    veil = flakes[..., None]
    return (pale + veil * (np.float32(0.97) - pale)).astype(np.float32)


def _dark(picture: Picture, random: Generator) -> Picture:
    """Return a picture at dusk: little light, bluish, and the noise of a camera that lacks it."""
    gain = random.uniform(0.30, 0.42) * np.array([0.88, 0.96, 1.12], np.float32)
    dim = picture**1.15 * gain
    noise = random.standard_normal(picture.shape, dtype=np.float32)
    return (dim + 0.016 * noise * np.sqrt(dim + 0.05)).astype(np.float32)


def _over_exposure(picture: Picture, random: Generator) -> Picture:
    """Return an over-exposed picture: highlights burn out and bleed into their surroundings."""
    bright = picture * random.uniform(1.55, 1.8) + random.uniform(0.03, 0.11)
    spill = _blurred(np.clip(bright - 0.9, 0, 1), 4 * _unit(picture))
    return (bright + 0.7 * spill).astype(np.float32)


def _wind(picture: Picture, random: Generator) -> Picture:
    """Return a picture blurred by the motion of a drone in gusts."""
    length = random.uniform(9, 15) * _unit(picture)
    kernel = _line(length, random.uniform(0, np.pi), 0.5)
    blurred = cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32)


_PARTS: dict[str, Callable[[Picture, Generator], Picture]] = {
    "fog": _fog,
    "rain": _rain,
    "snow": _snow,
    "dark": _dark,
    "over-exposure": _over_exposure,
    "wind": _wind,
}


def _shape(picture: Picture) -> tuple[int, int]:
    return picture.shape[0], picture.shape[1]


def _streaks(
    random: Generator, picture: Picture, share: float, length: float, angle: float, width: float
) -> Picture:
    """Return points smeared along a direction: (rows, columns) from 0, about 1 on a streak.

    Args:
        random: Source of randomness.
        picture: What they are drawn over.
        share: Points a pixel, at the nominal size.
        length: Length of a streak in pixels.
        angle: Its direction in radians, a quarter turn being down.
        width: Its width in pixels.
    """
    rows, columns = picture.shape[:2]
    points = np.zeros((rows, columns), np.float32)
    count = max(1, round(share * rows * columns / _unit(picture) ** 2))
    where = random.integers(0, rows, count), random.integers(0, columns, count)
    points[where] = random.uniform(0.5, 1, count)
    kernel = _line(length, angle, width)
    drawn = cv2.filter2D(points, -1, kernel / kernel.max(), borderType=cv2.BORDER_REFLECT)
    return np.minimum(np.asarray(drawn, np.float32), 1)


def _line(length: float, angle: float, width: float) -> Picture:
    """Return a kernel that smears along a line with soft edges; it adds up to 1."""
    half = int(np.ceil(length / 2 + 2 * width))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    across = x * np.sin(angle) - y * np.cos(angle)
    beyond = np.maximum(along - length / 2, 0)
    kernel = np.exp(-(across**2 + beyond**2) / (2 * max(width, 0.35) ** 2))
    return (kernel / kernel.sum()).astype(np.float32)
