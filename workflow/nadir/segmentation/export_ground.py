"""What training data give to an exported bundle: a real sample, and the ground it comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.learn.exportable import Ground
from nadir.raster.cube import Cube, open_cube
from nadir.raster.extent import geographic_extent
from nadir.segmentation.export import without_corner
from nadir.tiles.table import read_split

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT = 40  # tiles that are read in search of one without gaps


def training_tiles(
    split: str | os.PathLike[str], cubes: Mapping[str, Path]
) -> tuple[pd.DataFrame, dict[str, Cube]]:
    """Return the training tiles, in a fixed order, and the cubes of their scenes.

    Args:
        split: `split.parquet`.
        cubes: Scene name -> manifest of its cube.

    Raises:
        InputError: When a file cannot be read, or a scene of the split has no cube.
    """
    tiles = read_split(split)
    tiles = tiles[tiles["split"] == "train"].sort_values(["scene", "size", "y", "x"])
    lacking = sorted(set(tiles["scene"]) - set(cubes))
    if lacking:
        raise InputError(
            split,
            f"it has training tiles of scenes without a cube: {', '.join(map(str, lacking))}",
            "Give the cubes of all scenes that were learned from.",
        )
    return tiles, {name: open_cube(cubes[name]) for name in sorted(set(tiles["scene"]))}


def training_ground(tiles: pd.DataFrame, cubes: Mapping[str, Cube]) -> Ground:
    """Return the rectangles around the training tiles of each scene, and the days of the imagery.

    Args:
        tiles: Training tiles.
        cubes: Scene name -> cube.
    """
    grids = []
    for name, mine in tiles.groupby("scene", sort=True):
        top, left = int(mine["y"].min()), int(mine["x"].min())
        bottom, right = int((mine["y"] + mine["size"]).max()), int((mine["x"] + mine["size"]).max())
        grids.append(cubes[str(name)].grid.window(top, left, bottom - top, right - left))
    extent = geographic_extent(grids)
    days = sorted(day for cube in cubes.values() for name in cube.dates if (day := _day(name)))
    return Ground(
        geometry=extent[0] if extent else None,
        bounds=extent[1] if extent else None,
        first=days[0] if days else None,
        last=days[-1] if days else None,
    )


def real_sample(
    tiles: pd.DataFrame, cubes: Mapping[str, Cube], side: int
) -> NDArray[np.float32] | None:
    """Return the middle of a training tile as a model's input, NaN where there is no data.

    The first tile without gaps is taken, else the one with the fewest among those looked at. One
    corner of the first date is made empty, so that the sample tests this, too.

    Args:
        tiles: Training tiles.
        cubes: Scene name -> cube.
        side: Height and width in pixels.

    Returns:
        float32 (1, dates * bands, side, side) of reflectance; None when no tile has any data.
    """
    best, most = None, 0.0
    columns = (tiles[name] for name in ("scene", "y", "x", "size"))
    for count, (scene, y, x, size) in enumerate(zip(*columns, strict=True)):
        cube = cubes[str(scene)]
        inset = (int(size) - side) // 2
        raw, valid = cube.read(int(y) + inset, int(x) + inset, side, side)
        if valid.mean() > most:
            best, most = (cube, raw, valid), float(valid.mean())
        if most == 1.0 or count + 1 == _LOOKED_AT:
            break
    if best is None:
        return None
    cube, raw, valid = best
    scale, offset = (
        np.array([part[name] for name in cube.dates])[:, None, None, None]
        for part in (cube.scale, cube.offset)
    )
    values = (scale * (raw + offset)).astype(np.float32)
    values[~np.broadcast_to(valid[:, None], values.shape)] = np.nan
    return without_corner(values.reshape(1, -1, side, side), raw.shape[1])


def _day(name: str) -> str | None:
    """Return the day that a date is named after, as YYYY-MM-DD, if it is named after one."""
    try:
        return date.fromisoformat(name[:10]).isoformat()
    except ValueError:
        return None
