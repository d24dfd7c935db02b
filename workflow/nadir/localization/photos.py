"""The table of all photos of a case."""

from __future__ import annotations

import os

import pandas as pd
import pyarrow as pa

from nadir.errors import InputError
from nadir.localization.pose import Pose
from nadir.provenance.tables import read_table, refuse_doubles, write_table

SPLITS = ("train", "validation", "test")
"""What a photo is for."""

SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("path", pa.string()),
        ("split", pa.string()),
        ("date", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("angle", pa.float64()),
        ("scale", pa.float64()),
        ("digest", pa.string()),
    ]
)
"""Columns of the photo table: one row a photo, sorted by name; NaN where a pose is not known."""


def write_photos(path: str | os.PathLike[str], photos: pd.DataFrame) -> None:
    """Write the photo table (columns of `SCHEMA`), sorted by name.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    write_table(path, photos.sort_values("photo", kind="stable"), SCHEMA)


def read_photos(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the photo table.

    Raises:
        InputError: When there is no such file, or it is no photo table.
    """
    frame = read_table(path, SCHEMA, "photo table")
    refuse_doubles(frame, path, "photo table")
    strange = sorted(set(frame["split"]) - set(SPLITS))
    if strange:
        known = ", ".join(SPLITS)
        raise InputError(path, f"it has the split {strange[0]!r}", f"The splits are {known}.")
    return frame


def poses_of(frame: pd.DataFrame) -> list[Pose]:
    """Return the poses in the rows of a table with the columns x, y, angle and scale."""
    columns = (frame[name].to_numpy(float).tolist() for name in ("x", "y", "angle", "scale"))
    return [Pose(*row) for row in zip(*columns, strict=True)]


def sizes_of(frame: pd.DataFrame) -> list[tuple[int, int]]:
    """Return (width, height) of each row of a photo table."""
    return list(zip(frame["width"].tolist(), frame["height"].tolist(), strict=True))


def asked(photos: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the photos that every method must answer: validation and test."""
    return photos[photos["split"] != "train"].reset_index(drop=True)
