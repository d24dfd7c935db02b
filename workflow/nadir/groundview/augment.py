"""Differentiable augmentation: photos and generated views undergo the same before they are judged.

Zhao et al. 2020: a discriminator that sees few photos else learns them by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

_SHIFT, _HOLE = 1 / 8, 1 / 2  # largest shift and side of the hole, as shares of a picture's side


def augmented(pictures: Tensor, names: Sequence[str]) -> Tensor:
    """Return pictures (n, 3, h, w) changed at random, each in its own way.

    Args:
        pictures: Values about -1..1.
        names: Of `color`, `translation` and `cutout`.
    """
    for name in names:
        pictures = _CHANGES[name](pictures)
    return pictures


def _color(pictures: Tensor) -> Tensor:
    """Change brightness by up to 0.5, saturation and contrast by factors of 0..2 and 0.5..1.5."""
    brightness, saturation, contrast = _uniform(pictures, 3).unbind()
    pictures = pictures + (brightness - 0.5)
    grey = pictures.mean(1, keepdim=True)
    pictures = grey + (pictures - grey) * (2 * saturation)
    mean = pictures.mean((1, 2, 3), keepdim=True)
    return mean + (pictures - mean) * (contrast + 0.5)


def _translation(pictures: Tensor) -> Tensor:
    """Shift by up to an eighth of the side; what comes in is grey."""
    height, width = pictures.shape[-2:]
    reach = (int(height * _SHIFT + 0.5), int(width * _SHIFT + 0.5))
    padded = functional.pad(pictures, (reach[1], reach[1], reach[0], reach[0]))
    n, device = len(pictures), pictures.device
    rows, columns = (
        torch.randint(0, 2 * most + 1, (n, 1), device=device)
        + torch.arange(side, device=device)[None]
        for most, side in zip(reach, (height, width), strict=True)
    )
    each = torch.arange(n, device=device)[:, None, None]
    return padded.movedim(1, 3)[each, rows[:, :, None], columns[:, None, :]].movedim(3, 1)


def _cutout(pictures: Tensor) -> Tensor:
    """Make a square of half the side grey, anywhere."""
    inside = torch.ones_like(pictures[:, :1])
    for axis, share in zip((2, 3), _uniform(pictures, 2).unbind(), strict=True):
        side = pictures.shape[axis]
        at = torch.arange(side, device=pictures.device).view(-1, *[1] * (3 - axis))
        near = (at - share * side).abs() < side * _HOLE / 2
        inside = inside * near
    return pictures * (1 - inside)


def _uniform(pictures: Tensor, count: int) -> Tensor:
    """Return random numbers from 0 to 1, (count, n, 1, 1, 1)."""
    return torch.rand((count, len(pictures), 1, 1, 1), device=pictures.device)


_CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}
