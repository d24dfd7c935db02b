"""Pictures of imagery for people: natural color from whatever bands there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nadir.raster.cube import Cube

Reader = Callable[[int, int, int, int], NDArray[np.uint16]]
"""Reads a window (y, x, height, width): (channel, height, width)."""

_NATURAL = (
    ("B04", "B03", "B02"),
    ("red", "green", "blue"),
    ("r", "g", "b"),
)


def natural_color(bands: Sequence[str]) -> tuple[int, int, int]:
    """Return the positions of red, green and blue among bands.

    Known by name (Sentinel-2's, or plain color names); else the first three bands, or one band
    three times.
    """
    lower = [name.lower() for name in bands]
    for names in _NATURAL:
        if all(name.lower() in lower for name in names):
            red, green, blue = (lower.index(name.lower()) for name in names)
            return red, green, blue
    return (0, 1, 2) if len(bands) >= 3 else (0, 0, 0)


def natural_reader(cube: Cube) -> Reader:
    """Return what reads windows (y, x, height, width) inside a scene of the last date it has.

    It returns uint16 (4, height, width): red, green and blue as stored, and validity, 0 or 1.
    """
    bands, date = list(natural_color(cube.bands)), cube.present[-1]

    def read(y: int, x: int, height: int, width: int) -> NDArray[np.uint16]:
        raw, valid = cube.read_date(date, y, x, height, width)
        return np.concatenate([raw[bands], valid[None].astype(raw.dtype)])

    return read


def natural_picture(
    cube: Cube, read_view: Callable[[Reader], NDArray[np.uint16]]
) -> NDArray[np.uint8]:
    """Return the last date that a scene has in natural color, stretched: uint8 (h, w, 3).

    Args:
        cube: The imagery.
        read_view: Reads what is shown through a reader of windows, as `View.read` does.
    """
    values = read_view(natural_reader(cube))
    return stretched(values[:3].astype(np.float32), values[3] > 0)


def stretched(
    values: NDArray[np.floating], valid: NDArray[np.bool_], empty: Sequence[int] = (243, 245, 247)
) -> NDArray[np.uint8]:
    """Return imagery stretched for viewing.

    All bands share one stretch, so that colors keep their balance: from the darkest to the
    brightest 1 % of valid values, with a gamma that opens the shadows.

    Args:
        values: (3, height, width) values, in any unit.
        valid: (height, width) bool.
        empty: Color of invalid pixels.

    Returns:
        (height, width, 3) uint8.
    """
    picture = np.empty((*valid.shape, 3), np.uint8)
    picture[:] = empty
    if valid.any():
        inside = values[:, valid]
        low, high = np.percentile(inside, (1, 99))
        scaled = np.clip((inside - low) / max(high - low, 1e-9), 0, 1) ** 0.6
        picture[valid] = np.rint(255 * scaled).T.astype(np.uint8)
    return picture
