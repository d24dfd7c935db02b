"""The table of photos that every later step reads, `photos.parquet`."""

from __future__ import annotations

import os

import pandas as pd
import pyarrow as pa

from nadir.provenance.tables import read_table, refuse_doubles, write_table

FAULTS = ("", "corrupt", "no_coordinates")
"""What may be wrong with a photo as a file."""

SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("path", pa.string()),
        ("digest", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("longitude", pa.float64()),
        ("latitude", pa.float64()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("heading", pa.float64()),
        ("date", pa.string()),
        ("place", pa.string()),
        ("folder", pa.string()),
        ("fault", pa.string()),
    ]
)
"""Columns of the table, sorted by `photo`. Width and height are those of the upright photo (of its
panel), 0 when corrupt; x and y are in the CRS of the imagery, NaN without one; `heading` is in
degrees from north, NaN where not known; `date` is ISO 8601 in UTC, or empty; `place` is what the
name of a picture of panels says, and `folder` the split that its folder says, else empty.
"""


def write_photos(path: str | os.PathLike[str], photos: pd.DataFrame) -> None:
    """Write the table of photos, sorted by name: equal content gives equal bytes.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    write_table(path, photos.sort_values("photo", kind="stable"), SCHEMA)


def read_photos(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the table of photos.

    Raises:
        InputError: When there is no such file, it is no such table, or it names a photo twice.
    """
    photos = read_table(path, SCHEMA, "table of photos")
    refuse_doubles(photos, path, "table of photos")
    return photos
