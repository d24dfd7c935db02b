"""The eight symmetries of a square, on arrays; and radiometric jitter.

Symmetry t = r + 4 f, with r in 0..3 and f in 0..1: first, if f, mirror left to right (reverse the
last axis); then turn r quarter turns counterclockwise (from the row axis towards the column axis,
as `numpy.rot90(a, r, axes=(-2, -1))` does). The same on a torch tensor:
`torch.rot90(torch.flip(a, (-1,)) if f else a, r, (-2, -1))`.

So 1, 2, 3 are turns by 90, 180, 270 degrees, 4 mirrors left to right, and 6 mirrors top to bottom.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

COUNT = 8
NAMES = (
    "identity",
    "turn 90",
    "turn 180",
    "turn 270",
    "mirror left-right",
    "transpose",
    "mirror top-bottom",
    "anti-transpose",
)
"""What each symmetry does."""
COPIES = (1, 2, 3, 4, 6)
"""Turns by 90, 180 and 270 degrees and both mirrors: the copies of tiles rich in rare classes."""


def parts(symmetry: int) -> tuple[int, bool]:
    """Return (quarter turns counterclockwise, whether mirrored left to right before)."""
    if not 0 <= symmetry < COUNT:
        raise ValueError(f"symmetry {symmetry} is not in 0..7")
    return int(symmetry) % 4, int(symmetry) >= 4


def transform(array: np.ndarray, symmetry: int) -> np.ndarray:
    """Return a (..., h, w) array under a symmetry, as a view; (..., w, h) after an odd turn."""
    turns, mirrored = parts(symmetry)
    return np.rot90(array[..., ::-1] if mirrored else array, turns, axes=(-2, -1))


def transform_all(arrays: tuple[np.ndarray, ...], symmetry: int) -> tuple[np.ndarray, ...]:
    """Return image, labels, validity (each (..., h, w)) under one symmetry, contiguous."""
    return tuple(np.ascontiguousarray(transform(array, symmetry)) for array in arrays)


def inverse(symmetry: int) -> int:
    """Return the symmetry that undoes `symmetry`."""
    turns, mirrored = parts(symmetry)
    return symmetry if mirrored else (4 - turns) % 4  # every reflection undoes itself


def compose(second: int, first: int) -> int:
    """Return the symmetry that does `first`, then `second`."""
    turns_2, mirrored_2 = parts(second)
    turns_1, mirrored_1 = parts(first)
    turns = turns_2 + (-turns_1 if mirrored_2 else turns_1)  # a mirror reverses the turns before it
    return turns % 4 + 4 * (mirrored_1 != mirrored_2)


class Look(NamedTuple):
    """Radiometric jitter of one sample: normalized value * gain + shift.

    Attributes:
        gain: Factor, one for all channels: contrast.
        shift: float32 (channels,), in standard deviations: brightness and tint.
    """

    gain: float
    shift: np.ndarray


def random_look(rng: np.random.Generator, channels: int, strength: float) -> Look:
    """Draw a look.

    Args:
        rng: Where from.
        channels: Channels of the input.
        strength: Standard deviation of the factor's logarithm, of a shift that all channels share,
            and of one for each.
    """
    gain = float(np.exp(rng.normal(0, strength)))
    shift = rng.normal(0, strength) + rng.normal(0, strength, channels)
    return Look(gain, shift.astype(np.float32))
