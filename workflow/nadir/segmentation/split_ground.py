"""Which pixels the tiles of a split cover, and which block of the split a place belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from nadir.raster.grid import Grid


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


def with_test_scenes(split: pd.DataFrame, grids: Mapping[str, Grid], side: int) -> pd.DataFrame:
    """Add scenes that are test as a whole to a split, which knows the learning scenes alone.

    Args:
        split: Columns scene, y, x, size, split and, where known, block.
        grids: Scene -> grid, of the scenes that are test as a whole.
        side: Side in pixels of the squares that cover them: each stands for a block of the split.

    Returns:
        Columns scene, y, x, size, split, block ("" where the split has none).
    """
    import pandas as pd

    known = split[~split["scene"].isin(list(grids))]
    if "block" not in known:
        known = known.assign(block="")
    rows = [
        (scene, y, x, side, "test", f"whole scene {scene}/{y // side}/{x // side}")
        for scene, grid in grids.items()
        for y in range(0, grid.height, side)
        for x in range(0, grid.width, side)
    ]
    columns = ["scene", "y", "x", "size", "split", "block"]
    added = pd.DataFrame(rows, columns=columns)
    return pd.concat([known[columns], added], ignore_index=True) if rows else known[columns]


def owners(squares: Iterable[tuple[int, int, int]], tiles: pd.DataFrame) -> list[str]:
    """Return the block of the split that each of some squares belongs to.

    That is the block of the tile that holds the square's center, or else of the nearest tile.

    Args:
        squares: (y, x, side) of each, in pixels.
        tiles: Columns y, x, size of the split's tiles and, where known, block; at least one tile.

    Returns:
        Names; "" where the split says nothing of blocks.
    """
    squares = list(squares)
    if "block" not in tiles or not (tiles["block"] != "").any():
        return [""] * len(squares)
    top, left, size = (tiles[key].to_numpy(np.int64) for key in ("y", "x", "size"))
    names = tiles["block"].to_numpy()
    found = []
    for y, x, side in squares:
        row, column = y + side / 2, x + side / 2
        down = np.maximum(np.maximum(top - row, row - top - size), 0)
        right = np.maximum(np.maximum(left - column, column - left - size), 0)
        found.append(str(names[int((down + right).argmin())]))  # 0 within a tile
    return found
