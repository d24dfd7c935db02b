"""Tables of tiles and splits as files: GeoParquet and Parquet, equal bytes for equal content.

Facts that belong to a whole table (grid of the scene, class names, method of the split) travel in
the table's `attrs`, which Parquet keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path
from nadir.raster.grid import Grid

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

SPLITS = ("train", "validation", "test")
"""The splits; a tile that belongs to none of them has split "none"."""


def grid_of(tiles: pd.DataFrame) -> Grid:
    """Return the grid of the scene that a tile table describes.

    Raises:
        InputError: When the table does not say.
    """
    if "grid" not in tiles.attrs:
        raise InputError(
            "tiles", "the tile table does not say on which grid it lies", "Index the scene again."
        )
    return Grid.from_dict(tiles.attrs["grid"])


def scene_of(tiles: pd.DataFrame) -> str:
    """Return the name of the scene that a tile table describes."""
    return str(tiles.attrs["scene"])


def windows_of(tiles: pd.DataFrame) -> np.ndarray:
    """Return the (n, 4) int64 windows (y, x, h, w) of tiles."""
    size = tiles["size"].to_numpy(np.int64)
    return np.stack([tiles["y"].to_numpy(np.int64), tiles["x"].to_numpy(np.int64), size, size], 1)


def write_tiles(path: str | os.PathLike[str], tiles: gpd.GeoDataFrame) -> None:
    """Write a tile table as GeoParquet, atomically. Raises `OutputError` as `atomic_path` does."""
    with atomic_path(path, ".parquet") as temporary:
        tiles.to_parquet(temporary, index=False, compression="zstd")


def read_tiles(path: str | os.PathLike[str]) -> gpd.GeoDataFrame:
    """Read what `write_tiles` wrote.

    Raises:
        InputError: When there is no such file or it is no tile table.
    """
    import geopandas as gpd

    return _read(path, gpd.read_parquet, ("id", "scene", "y", "x", "size", "keep"), "tile table")


def write_split(path: str | os.PathLike[str], split: pd.DataFrame) -> None:
    """Write a split as Parquet, atomically. Raises `OutputError` as `atomic_path` does."""
    with atomic_path(path, ".parquet") as temporary:
        split.to_parquet(temporary, index=False, compression="zstd")


def read_split(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read what `write_split` wrote.

    Raises:
        InputError: When there is no such file or it is no split.
    """
    import pandas as pd

    return _read(path, pd.read_parquet, ("id", "scene", "y", "x", "size", "split"), "split")


def _read(
    path: str | os.PathLike[str], reader: Callable[..., Any], needs: Sequence[str], what: str
) -> Any:
    """Read a Parquet file and see that it has the columns `needs`."""
    remedy = "Delete it, if it is there, and run snakemake again."
    try:
        table = reader(path)
    except FileNotFoundError as error:
        raise InputError(path, f"there is no such {what}", remedy) from error
    except (ValueError, OSError) as error:
        raise InputError(path, f"this is no {what} ({error})", remedy) from error
    lacking = [name for name in needs if name not in table]
    if lacking:
        raise InputError(path, f"this is no {what}: it lacks {', '.join(lacking)}", remedy)
    return table
