"""Gradient-orientation channels: what stays of a place when season, sun and sensor change.

Edges keep their place and direction while their contrast flips with season and light. The channels
hold, at each pixel, how much gradient there is along each of six directions (its sign dropped),
relative to the gradients around. After CFOG (Ye et al., "Fast and robust matching for multimodal
remote sensing image registration", IEEE TGRS 57(11), 2019), with a soft normalization that keeps
flat ground near zero instead of turning its noise into features.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

ORIENTATIONS = 6
CHANNELS = ORIENTATIONS + 1
"""Channels: one a direction, and the gradient's magnitude."""

_FLOOR = 0.004  # gradient (of 1) below which ground counts as flat
_SOFT = 0.25  # length of a feature below which it shrinks to nothing


def gradient_channels(gray: torch.Tensor, support: float = 14.0, pool: int = 1) -> torch.Tensor:
    """Return the channels of gray pictures.

    Args:
        gray: (n, 1, height, width) float32, 0 to 1.
        support: Radius in pixels of the surroundings that gradients are measured against.
        pool: Side in pixels of a cell; sides of the pictures are multiples of it.

    Returns:
        (n, 7, height / pool, width / pool) float32, each cell a vector shorter than 1.
    """
    padded = F.pad(gray, (1, 1, 1, 1), mode="replicate")
    dx = 0.5 * (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2])
    dy = 0.5 * (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1])
    magnitude = torch.sqrt(dx * dx + dy * dy)
    turns = [math.pi * k / ORIENTATIONS for k in range(ORIENTATIONS)]
    cos = torch.tensor([math.cos(t) for t in turns], dtype=gray.dtype, device=gray.device)
    sin = torch.tensor([math.sin(t) for t in turns], dtype=gray.dtype, device=gray.device)
    along = (dx * cos.view(1, -1, 1, 1) + dy * sin.view(1, -1, 1, 1)).abs_()
    # 2 / pi is what every direction gets on average: what remains tells directions apart.
    features = torch.cat([along - (2 / math.pi) * magnitude, 0.5 * magnitude], 1)
    features /= _surroundings(magnitude, support) + _FLOOR
    features = _cells(features, pool)
    return features / (features.square().sum(1, keepdim=True).sqrt() + _SOFT)


def _surroundings(magnitude: torch.Tensor, support: float) -> torch.Tensor:
    """Return the mean gradient around each pixel, measured on a coarser grid."""
    step = 4 if min(magnitude.shape[-2:]) >= 32 else 1
    coarse = F.avg_pool2d(magnitude, step, ceil_mode=True) if step > 1 else magnitude
    reach = min(max(round(support / step), 1), (min(coarse.shape[-2:]) - 1) // 2)
    for _ in range(2):
        coarse = _box(coarse, reach)
    if step == 1:
        return coarse
    grown = F.interpolate(coarse, scale_factor=float(step), mode="bilinear", align_corners=False)
    return grown[..., : magnitude.shape[-2], : magnitude.shape[-1]]


def _cells(features: torch.Tensor, pool: int) -> torch.Tensor:
    """Smooth features and bring them onto cells of `pool` pixels."""
    if pool == 1:
        return _box(_box(features, 1), 1)
    wide = F.avg_pool2d(features, 2 * pool, pool, pool // 2, count_include_pad=False)
    return _box(wide, 1)


def _box(values: torch.Tensor, reach: int) -> torch.Tensor:
    return F.avg_pool2d(values, 2 * reach + 1, 1, reach, count_include_pad=False)
