"""Spatial blocks: squares on the ground, each of which goes to one split as a whole.

Scenes that share ground share blocks. A tile belongs to the block that holds its center; where it
also reaches into a block of another split it belongs to none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from nadir.raster.grid import Grid
from nadir.tiles.ground import SNAP, places
from nadir.tiles.prune import place_shapes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Blocks:
    """Which block each tile belongs to.

    Attributes:
        names: Names of the blocks ("place/row/column").
        home: (n,) position in `names` of the block that holds the tile's center.
        touched: (n, 4) positions of the blocks that the tile reaches into, `home` where fewer; a
            block without a tile of its own does not count.
        neighbours: (m, 2) pairs of positions of blocks that share a side.
    """

    names: list[str]
    home: np.ndarray
    touched: np.ndarray
    neighbours: np.ndarray

    @property
    def inner(self) -> np.ndarray:
        """Which tiles lie wholly within their block: (n,) bool."""
        return (self.touched == self.home[:, None]).all(axis=1)


def find_blocks(table: pd.DataFrame, grids: Mapping[str, Grid], tiles_per_side: int) -> Blocks:
    """Lay blocks over the ground of all scenes.

    Args:
        table: Columns scene, y, x, size.
        grids: Scene -> grid.
        tiles_per_side: Side of a block in tiles of the largest size.

    Returns:
        The blocks that hold the center of some tile. They start at the upper-left corner of a
        place's first scene, so that tiles of a regular grid fill them without crossing.
    """
    largest = int(table["size"].max())
    keys = np.zeros((len(table), 5, 3), np.int64)  # home and the four corners: place, row, column
    for number, place in enumerate(places(grids)):
        shapes = place_shapes(table, grids, place)
        here = np.flatnonzero([shape is not None for shape in shapes])
        if not len(here):
            continue
        side = float(tiles_per_side * largest)  # in pixels of the place's coarsest scene
        x0, y0, x1, y1 = (shapely.bounds(shapes[here]) / side).T
        slack = SNAP / side
        rows = [(y0 + y1) / 2, y0 + slack, y0 + slack, y1 - slack, y1 - slack]
        columns = [(x0 + x1) / 2, x0 + slack, x1 - slack, x0 + slack, x1 - slack]
        keys[here, :, 0] = number
        keys[here, :, 1] = np.floor(np.stack(rows, 1))
        keys[here, :, 2] = np.floor(np.stack(columns, 1))
    homes, home = np.unique(keys[:, 0], axis=0, return_inverse=True)
    home = home.reshape(-1)
    position = {tuple(key): number for number, key in enumerate(homes.tolist())}
    touched = np.repeat(home[:, None], 4, axis=1)
    crossing = np.flatnonzero((keys[:, 1:] != keys[:, :1]).any(axis=(1, 2)))
    for tile in crossing:
        for corner, key in enumerate(keys[tile, 1:].tolist()):
            touched[tile, corner] = position.get(tuple(key), home[tile])
    names = [f"place{p + 1}/{row}/{column}" for p, row, column in homes.tolist()]
    pairs = [
        (number, position[beside])
        for (p, row, column), number in position.items()
        for beside in ((p, row + 1, column), (p, row, column + 1))
        if beside in position
    ]
    return Blocks(names, home, touched, np.array(pairs, np.int64).reshape(-1, 2))
