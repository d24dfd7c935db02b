"""Distances between pictures, by name: what encoders minimize, and what pairs are judged by.

Each takes two batches of pictures, float (n, 3, height, width) with values 0..1, and returns one
distance a picture, float (n,): 0 for equal pictures. All can be differentiated.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Distance = Callable[[Tensor, Tensor], Tensor]
"""(pictures, pictures) -> one distance a picture."""

_WINDOW, _SIGMA = 11, 1.5  # of SSIM
_STABLE = (0.01**2, 0.03**2)  # SSIM's constants for values 0..1
_COARSE = (4, 8, 16)  # sides to which pictures are averaged for `coarse`
_LEVELS = 4  # of the pyramid of `custom`
_REGIONS = 4  # moments of colors are taken over so many regions a side
_GRADIENT, _MOMENTS = 1.0, 1.0  # weights of the terms of `custom`


def mse(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared difference."""
    return (one - other).square().flatten(1).mean(1)


def ssim(one: Tensor, other: Tensor) -> Tensor:
    """Return one minus the structural similarity (Wang et al. 2004), mean of the channels.

    The Gaussian window has 11 pixels, or as many as a smaller picture has room for.
    """
    side = min(_WINDOW, *one.shape[-2:])
    at = torch.arange(side, dtype=one.dtype, device=one.device) - (side - 1) / 2
    line = functional.normalize((-(at**2) / (2 * _SIGMA**2)).exp(), p=1, dim=0)

    def blur(values: Tensor) -> Tensor:
        channels = values.shape[1]
        across = line.view(1, 1, 1, -1).expand(channels, -1, -1, -1)
        values = functional.conv2d(values, across, groups=channels)
        return functional.conv2d(values, across.transpose(2, 3), groups=channels)

    mean_one, mean_other = blur(one), blur(other)
    product = mean_one * mean_other
    squares = mean_one.square() + mean_other.square()
    variances = blur(one.square()) + blur(other.square()) - squares
    covariance = blur(one * other) - product
    light, contrast = _STABLE
    similar = (2 * product + light) * (2 * covariance + contrast)
    similar = similar / ((squares + light) * (variances + contrast))
    return 1 - similar.flatten(1).mean(1)


def coarse(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared difference of both pictures averaged to 4, 8 and 16 pixels a side.

    What lies where counts, and no detail that one place has by chance.
    """
    sides = [side for side in _COARSE if side <= min(one.shape[-2:])]
    terms = [
        mse(*(functional.adaptive_avg_pool2d(each, side) for each in (one, other)))
        for side in sides or [1]
    ]
    return torch.stack(terms).mean(0)


def custom(one: Tensor, other: Tensor) -> Tensor:
    """Return the distance of colors and gradients at several scales, and of moments of colors.

    Three terms: the mean absolute difference of the pictures and that of their gradients along
    rows and columns, both as a mean over a pyramid of halved pictures; and that of mean and
    standard deviation of each color over 4 x 4 regions, which blurred pictures cannot match.
    """
    terms = [_MOMENTS * _mean_absolute(_moments(one), _moments(other))]
    levels = []
    while True:
        term = _mean_absolute(one, other)
        for axis in (2, 3):
            term = term + _GRADIENT * _mean_absolute(one.diff(dim=axis), other.diff(dim=axis))
        levels.append(term)
        if len(levels) == _LEVELS or min(one.shape[-2:]) < 4:
            break
        one, other = (functional.avg_pool2d(each, 2) for each in (one, other))
    return torch.stack(levels).mean(0) + terms[0]


def _mean_absolute(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).abs().flatten(1).mean(1)


def _moments(pictures: Tensor) -> Tensor:
    """Return mean and standard deviation over regions, (n, 6, regions, regions)."""
    side = min(_REGIONS, *pictures.shape[-2:])
    mean = functional.adaptive_avg_pool2d(pictures, side)
    square = functional.adaptive_avg_pool2d(pictures.square(), side)
    spread = ((square - mean.square()).clamp_min(0) + 1e-6).sqrt()  # a root's slope at 0 is none
    return torch.cat([mean, spread], dim=1)


LOSSES: dict[str, Distance] = {"mse": mse, "ssim": ssim, "custom": custom, "coarse": coarse}
"""Name -> distance. The first three are those that the job compares."""
