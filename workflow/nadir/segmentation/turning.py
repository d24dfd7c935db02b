"""Turning and rescaling tensors of pixels, for training and for prediction alike."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional

from nadir.tiles.augment import parts

_WHOLE = 1e-4  # what rounding may take from the share of a pixel around which all are valid


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


def resize_known(
    values: torch.Tensor, valid: torch.Tensor, to: float | tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `resize` returns of valid pixels alone, and which pixels are then valid.

    A pixel is the mean of the valid ones around it, weighted as `resize` does it (normalized
    convolution, Knutsson and Westin 1993), and valid where the nearest one is; of several nearest
    ones any will do, so that turning changes nothing. Where all are valid it is `resize`, bit by
    bit.

    Args:
        values: float (n, dates * bands, h, w), 0 where a date is invalid.
        valid: bool (n, dates, h, w).
        to: As for `resize`.

    Returns:
        Values, 0 where a date is invalid, and validity.
    """
    height, width = values.shape[-2:]
    sides = to if isinstance(to, tuple) else (round(height * to), round(width * to))
    if sides == (height, width):
        return values, valid
    known = _nearest_known(_nearest_known(valid, sides[0], -2), sides[1], -1)
    share = resize(valid.to(values.dtype), sides)
    return _mean_of_known(resize(values, sides), share, known), known


def turned_known(
    values: torch.Tensor, valid: torch.Tensor, angle: float, side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `turned_inside` returns of valid pixels alone, and which are then valid.

    Args:
        values: float (n, dates * bands, h, h), 0 where a date is invalid.
        valid: bool (n, dates, h, h).
        angle: As for `turned_inside`.
        side: As for `turned_inside`.
    """
    weight = valid.to(values.dtype)
    known = turned_inside(weight, angle, side, smooth=False) > 0
    share = turned_inside(weight, angle, side)
    return _mean_of_known(turned_inside(values, angle, side), share, known), known


def _mean_of_known(values: torch.Tensor, share: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return resampled values divided by the share of valid pixels in them, by date."""
    whole = torch.where(share > 1 - _WHOLE, 1.0, share.clamp_min(_WHOLE))  # no rounding of a whole
    factor = known.to(values.dtype) / whole
    return (values.unflatten(1, (share.shape[1], -1)) * factor[:, :, None]).flatten(1, 2)


def _nearest_known(valid: torch.Tensor, side: int, axis: int) -> torch.Tensor:
    """Return bool resampled along an axis: whether the nearest pixel, or one of two, is valid."""
    length = valid.shape[axis]
    twice = (2 * torch.arange(side, device=valid.device) + 1) * length  # of a center, times `side`
    after, before = twice // (2 * side), (twice - 1) // (2 * side)
    return valid.index_select(axis, after) | valid.index_select(axis, before)


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
