"""Places on a substrate that a retrieval proposes for photos, to be searched closely."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from nadir.errors import InputError
from nadir.provenance.tables import write_table
from nadir.raster.grid import Grid
from nadir.retrieval.rankings import direction_name

SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("rank", pa.int64()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("score", pa.float64()),
        ("reach", pa.float64()),
    ]
)
"""Columns of the proposals: one row a photo and rank (from 1). x and y are the center of a tile in
pixels of the substrate, counted from edges; `reach` is half the tile's side, in pixels: so far from
there the photo's center may lie.
"""


def propose_places(
    rankings: pd.DataFrame, images: pd.DataFrame, views: Sequence[str], grid: Grid
) -> pd.DataFrame:
    """Return the proposals for the photos of a case.

    Args:
        rankings: The rankings.
        images: The image table of the case.
        views: View of the photos, and of the tiles.
        grid: The substrate's.

    Raises:
        InputError: When there are no rankings of photos, or of an image that is no tile.
    """
    rows = rankings[rankings["direction"] == direction_name(*views)]
    rows = rows[rows["query"].isin(images["image"])]  # of several weathers, the normal one
    if rows.empty:
        raise InputError("rankings", "there are none of photos", "Rank this very case again.")
    tiles = images[(images["split"] == "gallery") & (images["view"] == views[1])]
    tiles = tiles.set_index("image")
    strange = sorted(set(rows["gallery"]) - set(tiles.index))
    if strange:
        problem = f"{strange[0]!r} is no tile of the image table"
        raise InputError("rankings", problem, "Rank this very case again.")
    found = tiles.loc[rows["gallery"]]
    inverse = ~grid.affine
    centers = np.array(
        [inverse @ place for place in zip(found["x"], found["y"], strict=True)], float
    ).reshape(-1, 2)
    return pd.DataFrame(
        {
            "photo": rows["query"].str.rpartition("/")[2].to_numpy(),
            "rank": rows["rank"].to_numpy(),
            "x": centers[:, 0],
            "y": centers[:, 1],
            "score": rows["score"].to_numpy(),
            "reach": 0.5 * found[["width", "height"]].max(axis=1).to_numpy(float),
        }
    )


def write_proposals(path: str | os.PathLike[str], proposals: pd.DataFrame) -> None:
    """Write proposals.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    write_table(path, proposals, SCHEMA)
