"""Crops turned so that an observer's direction of view points up: one function for everybody.

Pairs, training and serving turn alike, or a model would be asked what it has not learnt. A crop
that is turned inside itself has corners that lie outside of it. Nothing is invented there: what is
turned is the square inscribed in the crop's inscribed circle, whose side is 1 / sqrt(2) of the
crop's. It lies inside for every heading, and it is taken for unknown headings as well, so that all
turned crops show ground at one scale.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

INNER = math.sqrt(0.5)
"""Side of the ground that a turned crop shows, as a share of the crop's."""


def turn_crops(
    crops: NDArray[np.uint8], headings: ArrayLike, out_px: int | None = None
) -> NDArray[np.uint8]:
    """Return the inner squares of crops, each turned so that its heading points up.

    The observer stands in the middle of a crop, before and after. Resampling is bilinear; where
    the result is coarser than the crop, pixels are means of what they cover.

    Args:
        crops: uint8 (n, bands, c, c), north up.
        headings: Directions of view, (n,) in degrees clockwise from north, any number of turns;
            NaN where unknown: such a crop stays north up.
        out_px: Side of the result in pixels; by default `c`.

    Returns:
        uint8 (n, bands, out_px, out_px), which show `INNER` of the crop's side.

    Raises:
        ValueError: When crops are not square, or headings do not fit.
    """
    angles = np.asarray(headings, np.float64)
    if crops.ndim != 4 or crops.shape[2] != crops.shape[3] or angles.shape != crops.shape[:1]:
        raise ValueError(f"crops {crops.shape} and headings {angles.shape} do not fit together")
    side = int(crops.shape[-1] if out_px is None else out_px)
    turned = np.empty((*crops.shape[:2], side, side), np.uint8)
    for index, (crop, heading) in enumerate(zip(crops, angles, strict=True)):
        turned[index] = turn_crop(crop, heading, side)
    return turned


def turn_crop(
    crop: NDArray[np.uint8], heading: float, out_px: int | None = None
) -> NDArray[np.uint8]:
    """Return one crop's inner square with the heading up; see `turn_crops`.

    Args:
        crop: uint8 (bands, c, c), north up.
        heading: Degrees clockwise from north; NaN stays north up.
        out_px: Side of the result in pixels; by default `c`.
    """
    size = crop.shape[-1]
    side = size if out_px is None else int(out_px)
    finer = max(1, math.ceil(size * INNER / side))
    angle = math.radians(heading) if math.isfinite(heading) else 0.0
    fine = cv2.warpAffine(
        np.ascontiguousarray(crop.transpose(1, 2, 0)),
        _placed(size, side * finer, angle),
        (side * finer, side * finer),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,  # reached by rounding alone
    )
    if finer > 1:
        fine = cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)
    return fine.reshape(side, side, -1).transpose(2, 0, 1)  # type: ignore[return-value]


def _placed(size: int, side: int, angle: float) -> NDArray[np.float64]:
    """Return the affine map from centers of pixels of the result to those of the crop (2, 3)."""
    scale = size * INNER / side
    # Right of the result is `angle` clockwise of east, and its down is that of south.
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    middle, half = (size - 1) / 2, (side - 1) / 2
    return np.array(
        [
            [cos, -sin, middle - (cos - sin) * half],
            [sin, cos, middle - (sin + cos) * half],
        ]
    )
