"""Turning and rescaling tensors of pixels, for training and for prediction alike."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional

from nadir.tiles.augment import parts


def turn(array: torch.Tensor, symmetry: int) -> torch.Tensor:
    """Return (..., h, w) under a symmetry of `nadir.tiles.augment`."""
    if not symmetry:
        return array
    turns, mirrored = parts(symmetry)
    flipped = torch.flip(array, (-1,)) if mirrored else array
    return torch.rot90(flipped, turns, (-2, -1))


def resize(values: torch.Tensor, to: float | tuple[int, int]) -> torch.Tensor:
    """Return float (n, channels, h, w) resampled bilinearly, without aliasing when made smaller.

    Args:
        values: What to resample.
        to: A factor on both sides (1 changes nothing), or the sides themselves.
    """
    height, width = values.shape[-2:]
    sides = to if isinstance(to, tuple) else (round(height * to), round(width * to))
    if sides == (height, width):
        return values
    return functional.interpolate(
        values, size=sides, mode="bilinear", align_corners=False, antialias=True
    )


def nearest(values: torch.Tensor, side: int) -> torch.Tensor:
    """Return (n, h, w) of any type resampled to (n, side, side) by the nearest neighbor."""
    rows, columns = (
        ((torch.arange(side, device=values.device) + 0.5) * (length / side)).long()
        for length in values.shape[-2:]
    )
    return values[:, rows][:, :, columns]


def turned_inside(
    values: torch.Tensor, angle: float, side: int, *, smooth: bool = True
) -> torch.Tensor:
    """Return the middle of (n, c, h, h), turned by any angle, as (n, c, side, side).

    Args:
        values: float.
        angle: Degrees counterclockwise, as `turn` turns.
        side: Pixels of a side, of the size of the given ones.
        smooth: Whether to interpolate bilinearly; else the nearest neighbor is taken.
    """
    length = values.shape[-1]
    radians = math.radians(angle)
    cos, sin = math.cos(radians), math.sin(radians)
    steps = torch.arange(side, device=values.device, dtype=values.dtype) + 0.5 - side / 2
    rows, columns = steps[:, None] * (2 / length), steps[None, :] * (2 / length)
    # The pixel that is shown at (row, column) lies at the same place before the turn.
    grid = torch.stack([columns * cos - rows * sin, columns * sin + rows * cos], dim=-1)
    return functional.grid_sample(
        values,
        grid.expand(len(values), -1, -1, -1),
        mode="bilinear" if smooth else "nearest",
        padding_mode="border",
        align_corners=False,
    )
