"""Which pixels the tiles of a split cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def paint_tiles(tiles: pd.DataFrame, y: int, x: int, height: int, width: int) -> NDArray[np.bool_]:
    """Return which pixels of a window any of some tiles covers; each counts once.

    Args:
        tiles: Columns y, x (upper-left pixel) and size, of one scene.
        y: First row of the window.
        x: First column of the window.
        height: Rows of the window.
        width: Columns of the window.
    """
    mask = np.zeros((height, width), bool)
    tops, lefts, sizes = (tiles[name].to_numpy(np.int64) for name in ("y", "x", "size"))
    touching = (tops < y + height) & (tops + sizes > y) & (lefts < x + width) & (lefts + sizes > x)
    for top, left, size in zip(tops[touching], lefts[touching], sizes[touching], strict=True):
        rows = slice(max(top - y, 0), top + size - y)
        mask[rows, max(left - x, 0) : left + size - x] = True
    return mask
