"""Clouds in photos, told from brightness, color and texture alone: no training, no other date.

Clouds are bright in every channel, colorless and smooth; all three must hold, so that bright roofs
and gravel, which have edges and grain, keep most of their say. Their shadows are dark and smooth,
and still show ground: they only count a little less.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from nadir.localization.turning import reduce

_WORKING = 256  # pixels of the shorter side that are enough to see a cloud
_BRIGHT, _BRIGHT_WIDTH = 0.56, 0.035  # of the darkest channel, 0 to 1
_COLORED, _COLORED_WIDTH = 0.17, 0.03  # saturation from which something is no cloud
_ROUGH, _ROUGH_WIDTH = 0.11, 0.02  # local contrast from which something is no cloud
_SHADED, _SHADED_WIDTH = 0.55, 0.06  # brightness relative to the photo's usual
_SHADOW_LOSS = 0.3
_CLOUDY = 0.5  # weight below which a pixel counts as cloud; shadows stay above


def clear_weight(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how much each pixel of a photo can be relied on to show ground.

    Args:
        rgb: uint8 (height, width, 3).

    Returns:
        float32 (height, width), 0 (cloud) to 1 (clear), about 0.7 in deep soft shadows; smooth.
    """
    height, width = rgb.shape[:2]
    factor = max(1, min(height, width) // _WORKING)
    small = reduce(rgb, factor).astype(np.float32) / 255
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]
    darkest = np.minimum(np.minimum(red, green), blue)
    brightest = np.maximum(np.maximum(red, green), blue)
    bright = _rise(_blur(darkest, 3.0), _BRIGHT, _BRIGHT_WIDTH)
    saturation = _relative(_blur(brightest - darkest, 3.0), _blur(brightest, 3.0))
    colorless = 1 - _rise(saturation, _COLORED, _COLORED_WIDTH)
    gray = np.asarray((red + green + blue) / 3, np.float32)
    level = _blur(gray, 2.0)
    contrast = _relative(np.sqrt(_blur((gray - level) ** 2, 3.0)), _blur(level, 3.0))
    smooth = 1 - _rise(contrast, _ROUGH, _ROUGH_WIDTH)
    cloud = bright * colorless * smooth
    usual = float(np.median(level))
    shadow = smooth * (1 - _rise(_blur(level, 3.0), _SHADED * usual, _SHADED_WIDTH * usual))
    # The rims of clouds are thin and tell less: the weight is low a little around them, too.
    weight = cv2.erode((1 - cloud) * (1 - _SHADOW_LOSS * shadow), np.ones((5, 5), np.uint8))
    weight = cv2.resize(
        _blur(np.asarray(weight), 2.0), (width, height), interpolation=cv2.INTER_LINEAR
    )
    return np.clip(weight, 0, 1).astype(np.float32)


def cloud_share(rgb: NDArray[np.uint8]) -> float:
    """Return the share of a photo (uint8, (height, width, 3)) that clouds cover, 0 to 1."""
    return float((clear_weight(rgb) < _CLOUDY).mean())


def _blur(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return cv2.GaussianBlur(values, (0, 0), sigma)  # type: ignore[return-value]


def _relative(values: NDArray[np.float32], to: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(values / np.maximum(to, 0.05), np.float32)


def _rise(values: NDArray[np.float32], middle: float, width: float) -> NDArray[np.float32]:
    """Return a soft step: 0 well below the middle, 1 well above."""
    steps = np.clip((values - middle) / max(width, 1e-6), -30, 30)
    return (1 / (1 + np.exp(-steps))).astype(np.float32)
