"""What is measured on a photo to judge it: brightness, sharpness, a hash; sun and season."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from nadir.config.groundview import Season
from nadir.groundview.exif import parse_date
from nadir.simulate.sun import sun_position

_BLUR = 9
"""Length of the low-pass filter of `sharpness`, in pixels."""
_HASH = 8
"""Side of the block of low frequencies of `perceptual_hash`."""
_SEASONS: tuple[Season, ...] = ("spring", "summer", "autumn", "winter")


def luminance(photo: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the luminance (rows, columns), 0 to 1, of a photo (3, rows, columns)."""
    weights = np.array([0.299, 0.587, 0.114], np.float32) / 255
    return np.tensordot(weights, photo.astype(np.float32), 1).astype(np.float32, copy=False)


def brightness(light: NDArray[np.float32]) -> float:
    """Return the upper quartile of the luminance: low only where even the sky is dark."""
    return float(np.percentile(light, 75))


def sharpness(light: NDArray[np.float32]) -> float:
    """Return how sharp a photo is, 0 to 1.

    One minus the perceptual blur of F. Crete et al., "The blur effect", Human Vision and Electronic
    Imaging XII, 2007: the share of the differences between neighbors that a further blur takes
    away. Other than the variance of a Laplacian it does not grow with contrast and detail. A photo
    without any differences has sharpness 0.
    """
    lost = []
    for axis in (0, 1):
        before = np.abs(np.diff(light, axis=axis))
        after = np.abs(np.diff(uniform_filter1d(light, _BLUR, axis=axis), axis=axis))
        total = float(before.sum())
        if total > 0:
            lost.append(float(np.maximum(before - after, 0).sum()) / total)
    return min(lost, default=0.0)


def perceptual_hash(light: NDArray[np.float32]) -> int:
    """Return 64 bits that change little when a photo is scaled, cropped a little or recompressed.

    Signs of the lowest frequencies of the cosine transform of a 32 x 32 picture against their
    median (C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010).
    """
    small = cv2.resize(light, (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small)[:_HASH, :_HASH].ravel()
    bits = low > np.median(low[1:])  # the mean brightness says nothing
    return int(np.packbits(bits).view(">u8")[0])


def sun_elevation(longitude: float, latitude: float, date: str) -> float:
    """Return the elevation of the sun in degrees; NaN where place or time are not known."""
    time = parse_date(date)
    if time is None or not np.isfinite(longitude + latitude):
        return float("nan")
    return sun_position(longitude, latitude, time)[1]


def season(latitude: float, date: str) -> Season | None:
    """Return the season of a date: by the sun's ecliptic longitude, and the hemisphere.

    None where the time is not known; without a latitude, that of the north.
    """
    time = parse_date(date)
    if time is None:
        return None
    # Mean longitude and equation of the center, as in `nadir.simulate.sun`: good to an hour.
    days = (time - parse_date("2000-01-01T12:00:00Z")).total_seconds() / 86400  # type: ignore[operator]
    mean = np.radians((357.528 + 0.9856003 * days) % 360)
    longitude = 280.460 + 0.9856474 * days + 1.915 * np.sin(mean) + 0.020 * np.sin(2 * mean)
    quarter = int(longitude % 360 // 90)
    return _SEASONS[(quarter + 2) % 4 if latitude < 0 else quarter]
