"""Crops resampled into an observer's view: what a camera of known heading would see where.

A pixel below the horizon sees flat ground at a known distance, so that the crop tells its color
(the homography of the ground, Regmi and Borji 2019). A pixel above it sees what rises to a given
height where that stands at a known distance. A further layer lays distances out in logarithms,
as polar transforms do (Shi et al. 2019). Nothing but position and heading is used; hills, real
heights and what hides what are left to the generator.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from nadir.config.groundview_experiments import ProjectionConfig

CHANNELS = 4
"""Of a layer: red, green, blue, and whether the crop reaches as far."""

_FINER = 2  # pixels are means of so many rays a side


@lru_cache(maxsize=8)
def ground_points(cfg: ProjectionConfig, side: int, reach: float) -> NDArray[np.float32]:
    """Return where each pixel of each layer looks, relative to the observer.

    Args:
        cfg: The camera and the layers.
        side: Side of the view in pixels.
        reach: Half the side of a crop in metres: where the polar layer ends.

    Returns:
        float32 (layers, side, side, 2): metres to the right and ahead; NaN where a layer has
        nothing to say, on the other side of the horizon.
    """
    focal = 0.5 * side / math.tan(math.radians(cfg.view_deg) / 2)
    down = (np.arange(side) + 0.5 - cfg.horizon * side) / focal
    right = (np.arange(side) + 0.5 - 0.5 * side) / focal
    ahead = []
    with np.errstate(divide="ignore"):
        for height in (0.0, *cfg.heights_m):
            distance = (cfg.eye_height_m - height) / down
            ahead.append(np.where(distance > 0, distance, np.nan))
    if cfg.polar:
        share = (np.arange(side)[::-1] + 0.5) / side
        nearest = min(cfg.nearest_m, 0.5 * reach)
        ahead.append(nearest * (reach / nearest) ** share)
    distances = np.stack(ahead)[:, :, None]
    points = np.stack(np.broadcast_arrays(distances * right, distances), axis=-1)
    points = np.ascontiguousarray(points, np.float32)
    points.flags.writeable = False  # shared by all callers
    return points


def project(
    crops: NDArray[np.uint8],
    headings: NDArray[np.floating],
    crop_m: float,
    cfg: ProjectionConfig,
    side: int,
) -> NDArray[np.uint8]:
    """Return the layers of crops.

    Args:
        crops: uint8 (n, 3, c, c), north up, the observer in the middle.
        headings: Directions of view (n,), degrees clockwise from north; NaN where unknown.
        crop_m: Side of a crop on the ground in metres.
        cfg: The camera and the layers.
        side: Side of the layers in pixels.

    Returns:
        uint8 (n, layers * CHANNELS, side, side): colors, and 255 where they come from the crop; 0
        beyond it, and everywhere where the heading is unknown.
    """
    layers = np.zeros((len(crops), cfg.layers, CHANNELS, side, side), np.uint8)
    points = ground_points(cfg, side * _FINER, crop_m / 2)
    for index, (crop, heading) in enumerate(zip(crops, headings, strict=True)):
        if math.isfinite(heading):
            picture = np.full((*crop.shape[1:], CHANNELS), 255, np.uint8)
            picture[..., :3] = crop.transpose(1, 2, 0)
            layers[index] = _resampled(picture, points, float(heading), crop_m, side)
    return layers.reshape(len(crops), -1, side, side)


def _resampled(
    picture: NDArray[np.uint8],
    points: NDArray[np.float32],
    heading: float,
    crop_m: float,
    side: int,
) -> NDArray[np.uint8]:
    """Return the layers (layers, CHANNELS, side, side) of one crop (c, c, CHANNELS)."""
    size = len(picture)
    sine, cosine = math.sin(math.radians(heading)), math.cos(math.radians(heading))
    right, ahead = points[..., 0], points[..., 1]
    scale, middle = size / crop_m, (size - 1) / 2
    columns = np.nan_to_num(middle + scale * (right * cosine + ahead * sine), nan=-9.0)
    rows = np.nan_to_num(middle + scale * (right * sine - ahead * cosine), nan=-9.0)
    # OpenCV holds coordinates in 16 bits where it interpolates
    columns, rows = (np.clip(values, -9.0, size + 9.0) for values in (columns, rows))
    found = [
        cv2.resize(
            cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT),
            (side, side),
            interpolation=cv2.INTER_AREA,
        )
        for at in zip(columns, rows, strict=True)
    ]
    return np.stack(found).astype(np.uint8, copy=False).transpose(0, 3, 1, 2)
