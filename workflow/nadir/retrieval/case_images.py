"""The images of a localization case: its photos, and tiles and cuts of its substrate.

Each tile of the substrate is a place of the gallery. A photo to locate shows the place whose tile
lies nearest to it; a located photo trains, with the ground cut out around it. The photo table of
the case is the link: nothing else of the localization is known here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from rasterio.io import DatasetReader
from rasterio.windows import Window
from scipy.spatial import cKDTree

from nadir.config.retrieval import TilesConfig
from nadir.errors import InputError
from nadir.provenance.atomic import atomic_folder, write_bytes
from nadir.provenance.tables import read_table
from nadir.raster.geotiff import open_raster, read_faults
from nadir.raster.grid import Grid
from nadir.retrieval.gallery_tiles import bands_of, cut_tiles, png_of
from nadir.retrieval.listing import Listed

log = logging.getLogger(__name__)

PHOTOS = pa.schema(
    [
        ("photo", pa.string()),
        ("path", pa.string()),
        ("split", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("scale", pa.float64()),
    ]
)
"""Columns of a case's photo table that are read: x and y in pixels of the substrate."""


def case_images(
    photos: str | os.PathLike[str],
    substrate: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    cfg: TilesConfig,
    views: tuple[str, str] = ("drone", "satellite"),
) -> list[Listed]:
    """List the images of a case, and cut those of its substrate.

    Args:
        photos: The photo table of the case.
        substrate: Its substrate, an 8-bit RGB or grey raster.
        folder: Where tiles and cuts are written: `gallery` and `train` in it are replaced.
        cfg: The tiles.
        views: What photos and tiles are called.

    Raises:
        InputError: When the table or the substrate cannot be read, there are no photos to look
            for, or a tile does not fit into the substrate.
        OutputError: When the disk is full or not writable.
    """
    table = read_table(photos, PHOTOS, "photo table")
    asked, located = table[table["split"] != "train"], table[table["split"] == "train"]
    if asked.empty:
        raise InputError(photos, "there is no photo to look for", "Give photos of a test.")
    located = located[located["x"].notna()]
    size = cfg.size or tile_side(table)
    top = Path(folder)
    tiles = cut_tiles(
        substrate,
        top / "gallery",
        size,
        cfg.overlap,
        least_valid=cfg.least_valid,
        view=views[1],
    )
    with open_raster(str(substrate)) as dataset:
        grid = Grid.of(dataset)
        cuts = _cut_around(dataset, located, top / "train", size)
    listed = list(tiles)
    for row, cut in zip(_rows(located), cuts, strict=True):
        x, y = grid.affine @ (row.x, row.y)
        for view, path in ((views[0], Path(row.path)), (views[1], cut)):
            name = f"train/{view}/{row.photo}"
            listed.append(Listed(name, row.photo, view, "train", path, x, y))
    return [*listed, *_queries(asked, tiles, grid, views[0])]


def tile_side(photos: pd.DataFrame) -> int:
    """Return the side of the square that a photo covers on the substrate, in its pixels."""
    scale = photos["scale"].dropna()
    longest = int(photos[["width", "height"]].to_numpy().max())
    return max(32, round(longest * (float(scale.median()) if len(scale) else 1.0)))


def _rows(table: pd.DataFrame) -> Sequence[Any]:
    return list(table.itertuples(index=False))


def _cut_around(
    dataset: DatasetReader, located: pd.DataFrame, folder: Path, size: int
) -> list[Path]:
    """Write the ground around each located photo, moved inward where it would leave the substrate.

    One cut is held in memory at a time.
    """
    paths = []
    with atomic_folder(folder) as temporary:
        for row in _rows(located):
            column = int(np.clip(round(row.x - size / 2), 0, dataset.width - size))
            line = int(np.clip(round(row.y - size / 2), 0, dataset.height - size))
            with read_faults(dataset.name):
                picture = dataset.read(bands_of(dataset), window=Window(column, line, size, size))
            write_bytes(temporary / f"{row.photo}.png", png_of(picture))
            paths.append(folder / f"{row.photo}.png")
    return paths


def _queries(asked: pd.DataFrame, tiles: Sequence[Listed], grid: Grid, view: str) -> list[Listed]:
    """List the photos to look for, each at the place of the tile that is nearest to it."""
    tree = cKDTree([(tile.x, tile.y) for tile in tiles])
    listed = []
    for row in _rows(asked):
        x, y = grid.affine @ (row.x, row.y)
        known = bool(np.isfinite(x) and np.isfinite(y))
        place = tiles[int(tree.query((x, y))[1])].place if known else ""
        name = f"query/{view}/{row.photo}"
        listed.append(Listed(name, place, view, "query", Path(row.path), float(x), float(y)))
    return listed
