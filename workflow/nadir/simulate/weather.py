"""What air and camera do to a photo: clouds, haze, exposure, blur, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit

from nadir.simulate.noise import fractal_noise, smoothstep

_COARSE = 4  # clouds are drawn on every fourth pixel
_CLOUD_SIZE = 150.0  # wavelength of the largest swellings of a cloud in photo pixels of 0.5 m


@njit(cache=True, nogil=True)
def swellings(rows, columns, step, x, y, size, seed):
    """Return (rows, columns) float32 noise of which clouds are made, of wavelength `size`."""
    out = np.empty((rows, columns), np.float32)
    for r in range(rows):
        for c in range(columns):
            out[r, c] = fractal_noise(
                (x + (c + 0.5) * step) / size, (y + (r + 0.5) * step) / size, 5, 801, seed
            )
    return out


@njit(cache=True, nogil=True)
def _ramp(field, low, high):
    out = np.empty_like(field)
    for r in range(field.shape[0]):
        for c in range(field.shape[1]):
            out[r, c] = smoothstep(low, high, field[r, c])
    return out


def cloud_layers(
    side: int, cover: float, shift: tuple[float, float], seed: int, pixel: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the clouds over a photo and the shadows of the same clouds beside them.

    Args:
        side: Side of the photo in pixels.
        cover: Share of the photo under cloud.
        shift: How far shadows lie from their clouds, in photo pixels (right, down).
        seed: Seed of the clouds' shapes.
        pixel: Size of a pixel in metres.

    Returns:
        Opacity of clouds, darkness of their shadows on the ground and light on the clouds' own
        relief, each (side, side) float32 in 0 to 1.
    """
    n = -(-side // _COARSE)
    size = _CLOUD_SIZE * 0.5 / pixel * (1.0 + side / 512.0)
    mixed = np.uint64(seed)
    field = swellings(n, n, float(_COARSE), 0.0, 0.0, size, mixed)
    level = float(np.quantile(field, 1.0 - cover))
    moved = swellings(n, n, float(_COARSE), -shift[0], -shift[1], size, mixed)
    layers = (
        _ramp(field, level - 0.16, level + 0.2),
        _ramp(moved, level - 0.1, level + 0.3),
        _ramp(field - 0.6 * (moved - field), level - 0.2, level + 1.1),
    )
    cloud, shadow, relief = (
        cv2.resize(layer, (side, side), interpolation=cv2.INTER_CUBIC).clip(0.0, 1.0)
        for layer in layers
    )
    return cloud, cv2.GaussianBlur(shadow, (0, 0), 2.0), relief


def add_clouds(
    image: np.ndarray,
    cover: float,
    sun: tuple[float, float],
    rng: np.random.Generator,
    pixel: float,
) -> float:
    """Draw clouds and their shadows over an image, in place.

    Args:
        image: (side, side, 3) float32, 0 to 1.
        cover: Share of the image under cloud.
        sun: Direction in the image in which shadows fall (right, down), of unit length.
        rng: Where the shapes come from.
        pixel: Size of a pixel in metres.

    Returns:
        The share that is at least half hidden.
    """
    far = (60.0 + 140.0 * rng.random()) / pixel
    seed = int(rng.integers(2**62))
    shift = (far * sun[0], far * sun[1])
    cloud, shadow, relief = cloud_layers(image.shape[0], cover, shift, seed, pixel)
    thick = 0.82 + 0.18 * rng.random()
    image *= 1.0 - 0.55 * shadow[..., None] * np.array([1.0, 0.97, 0.9], np.float32)
    white = 0.86 + 0.12 * rng.random()
    veil = thick * cloud[..., None]
    body = white * (0.84 + 0.16 * relief[..., None])
    image += veil * (body - image)
    return float((thick * cloud >= 0.5).mean())


def develop(image: np.ndarray, day: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """Return the photo that a camera stores of an image.

    Args:
        image: (rows, columns, 3) float32 RGB, 0 to 1; overwritten.
        day: Where the light of the day comes from, the same for all photos of a flight.
        rng: Where the accidents of this photo come from.

    Returns:
        uint8 RGB of the same shape, after JPEG compression.
    """
    gain = (0.97 + 0.06 * day.random(3)) * (0.985 + 0.03 * rng.random(3))
    gain *= (0.9 + 0.25 * day.random()) * (0.92 + 0.16 * rng.random())
    gamma = (0.85 + 0.3 * day.random()) * (0.95 + 0.1 * rng.random())
    vivid = (0.75 + 0.4 * day.random()) * (0.92 + 0.16 * rng.random())
    haze = 0.12 * day.random() + 0.08 * rng.random()
    np.clip(image, 0.0, 1.0, out=image)
    image = image ** np.float32(gamma)
    grey = image.mean(axis=2, keepdims=True)
    image = (grey + np.float32(vivid) * (image - grey)) * gain.astype(np.float32)
    veil = np.array([0.66, 0.72, 0.80], np.float32)
    image = image * np.float32(1.0 - haze) + np.float32(haze) * veil
    image *= _vignette(image.shape[0], image.shape[1], 0.18 * rng.random())[..., None]
    image = cv2.GaussianBlur(image, (0, 0), 0.35 + 0.55 * rng.random())
    noise = (0.006 + 0.012 * rng.random()) * rng.standard_normal(image.shape, dtype=np.float32)
    stored = np.rint(255.0 * np.clip(image + noise, 0.0, 1.0)).astype(np.uint8)
    return compress(stored, int(rng.integers(30, 86)))


def _vignette(rows: int, columns: int, strength: float) -> np.ndarray:
    """Return (rows, columns) float32: 1 at the center, less towards the corners."""
    y = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / rows * 2 - 1
    x = (np.arange(columns, dtype=np.float32)[None] + 0.5) / columns * 2 - 1
    return 1.0 - np.float32(strength) * 0.5 * (x * x + y * y)


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Return an RGB image as JPEG of a quality (1 to 100) leaves it."""
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)
