"""Proposed places: where else to look closely, from a table that someone else wrote."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nadir.errors import InputError
from nadir.provenance.tables import read_table

SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("rank", pa.int64()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("reach", pa.float64()),
    ]
)
"""Columns of the table that are read; others, such as a score, are not."""


@dataclass(frozen=True)
class Proposal:
    """A place where a photo's center may lie.

    Attributes:
        x: In substrate pixels, counted from edges.
        y: The same, downwards.
        reach: How far from there it may lie, in substrate pixels.
    """

    x: float
    y: float
    reach: float


Proposals = dict[str, tuple[Proposal, ...]]
"""Photo -> its proposals, the best first."""


def read_proposals(path: str | os.PathLike[str], count: int) -> Proposals:
    """Read the best proposals of each photo.

    Args:
        path: The table, Parquet.
        count: Proposals a photo.

    Raises:
        InputError: When there is no such file, it is no such table, or a position is no number.
    """
    table = read_table(path, SCHEMA, "table of proposals")
    if not np.isfinite(table[["x", "y", "reach"]].to_numpy()).all():
        raise InputError(path, "a position is no number", "Propose these places again.")
    rows = table[table["rank"] <= count].sort_values("rank", kind="stable")
    return {
        str(photo): tuple(
            Proposal(*place) for place in part[["x", "y", "reach"]].to_numpy(float).tolist()
        )
        for photo, part in rows.groupby("photo", sort=False)
    }
