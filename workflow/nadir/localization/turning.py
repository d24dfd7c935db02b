"""Photos turned so that their rows run along the substrate's, for hypothesized angles and scales.

With edge-based positions a picture reduced by a whole factor keeps its coordinates up to that
factor, so one formula serves all levels.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nadir.localization.pose import index_matrix


def reduce(picture: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return a picture reduced by a whole factor, each pixel the mean of a square of them.

    Rows and columns beyond a multiple of the factor are dropped at the right and lower border.
    """
    if factor == 1:
        return picture
    height, width = (factor * (side // factor) for side in picture.shape[:2])
    size = (width // factor, height // factor)
    return np.asarray(
        cv2.resize(picture[:height, :width], size, interpolation=cv2.INTER_AREA), np.uint8
    )


def turn(
    picture: NDArray[Any],
    angle: float,
    scale: float,
    size: tuple[int, int],
    center: tuple[float, float] | None = None,
    offset: tuple[float, float] = (0.0, 0.0),
    border: int = cv2.BORDER_REFLECT,
) -> NDArray[Any]:
    """Return a picture as the substrate would show it, were it taken at this angle and scale.

    Args:
        picture: (height, width[, channel]) uint8 or float32.
        angle: The photo's angle on the substrate in degrees; see `Pose`.
        scale: Substrate pixels per photo pixel.
        size: Columns and rows of the result.
        center: The point of the picture (edge-based) that comes to the middle of the result; by
            default its own middle.
        offset: Where that point comes, counted from the middle of the result in its pixels.
        border: OpenCV's rule for what lies beyond the picture.
    """
    height, width = picture.shape[:2]
    u, v = center if center is not None else (0.5 * width, 0.5 * height)
    radians = np.deg2rad(angle)
    cos, sin = np.cos(radians) / scale, np.sin(radians) / scale
    linear = np.array([[cos, sin], [-sin, cos]])
    middle = np.array([0.5 * size[0] + offset[0], 0.5 * size[1] + offset[1]])
    back = np.column_stack([linear, np.array([u, v]) - linear @ middle])
    return cv2.warpAffine(
        picture,
        index_matrix(back),
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=border,
    )


def turned_weight(
    weight: NDArray[np.float32],
    angle: float,
    scale: float,
    size: tuple[int, int],
    center: tuple[float, float] | None = None,
    offset: tuple[float, float] = (0.0, 0.0),
    margin: int = 2,
) -> NDArray[np.float32]:
    """Return the weights of a turned picture: zero outside it and along its border.

    Args:
        weight: (height, width) float32, the picture's own.
        angle: As for `turn`.
        scale: As for `turn`.
        size: Columns and rows of the result.
        center: As for `turn`.
        offset: As for `turn`.
        margin: Pixels along the picture's border that count nothing, since filters saw beyond.
    """
    framed = np.zeros_like(weight)
    framed[margin:-margin, margin:-margin] = weight[margin:-margin, margin:-margin]
    return turn(framed, angle, scale, size, center, offset, cv2.BORDER_CONSTANT)


def disk(side: int) -> NDArray[np.float32]:
    """Return (side, side) float32: 1 in the inscribed disk a cell from the border, else 0.

    Under a disk every angle of a search sees the same ground.
    """
    at = np.arange(side) - 0.5 * (side - 1)
    inside = np.hypot(at[:, None], at[None, :]) < 0.5 * side - 1.0
    return inside.astype(np.float32)
