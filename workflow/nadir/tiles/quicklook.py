"""A small picture of a whole scene, to draw things on."""

from __future__ import annotations

import numpy as np

from nadir.tiles.cells import scene_blocks
from nadir.tiles.indices import band_roles
from nadir.tiles.scene import CubeLike


def quicklook(cube: CubeLike, date: int | None = None, side: int = 800) -> np.ndarray:
    """Return a small true-color picture of a whole scene.

    Args:
        cube: The imagery; read block by block.
        date: Position of the date; None: the first that the scene has.
        side: Largest number of rows and columns.

    Returns:
        (h, w, 3) float32 in 0..1, stretched from the 2nd to the 98th percentile; white where a
        pixel is not valid. Red, green, blue where the bands are known by name, else the first
        bands.
    """
    date = cube.present[0] if date is None else date
    roles = band_roles(cube.bands)
    known = all(role in roles for role in ("red", "green", "blue"))
    first = [min(number, len(cube.bands) - 1) for number in (2, 1, 0)]
    bands = [roles[role] for role in ("red", "green", "blue")] if known else first
    step = max(1, -(-max(cube.grid.shape) // side))
    shape = tuple(-(-length // step) for length in cube.grid.shape)
    picture = np.zeros((*shape, 3), np.float32)
    valid = np.zeros(shape, bool)
    for y, x, h, w in scene_blocks(*cube.grid.shape):
        raw, good = cube.read(y, x, h, w)
        top, left = -y % step, -x % step
        part = raw[date, bands, top::step, left::step]
        rows = slice((y + top) // step, (y + top) // step + part.shape[1])
        columns = slice((x + left) // step, (x + left) // step + part.shape[2])
        picture[rows, columns] = np.moveaxis(part, 0, 2)
        valid[rows, columns] = good[date, top::step, left::step]
    if valid.any():
        low, high = np.percentile(picture[valid], [2, 98], axis=0)
        picture = np.clip((picture - low) / np.maximum(high - low, 1), 0, 1)
    picture[~valid] = 1
    return picture.astype(np.float32)
