"""Tables as Parquet with a fixed schema: equal content gives equal bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path

if TYPE_CHECKING:
    import pandas as pd

_REMEDY = "Delete it, if it is there, and run snakemake again."


def write_table(path: str | os.PathLike[str], frame: pd.DataFrame, schema: pa.Schema) -> None:
    """Write the columns of a schema atomically; rows as they come, missing floats as NaN.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    columns = {
        field.name: pa.array(frame[field.name].to_numpy(), field.type, from_pandas=False)
        for field in schema
    }
    with atomic_path(path, ".parquet") as temporary:
        pq.write_table(pa.table(columns, schema=schema), temporary, compression="zstd")


def read_table(path: str | os.PathLike[str], schema: pa.Schema, what: str) -> pd.DataFrame:
    """Read what `write_table` wrote.

    Args:
        path: The file.
        schema: Columns that it must have; others are ignored.
        what: What it is, for messages ("photo table").

    Raises:
        InputError: When there is no such file, or it is no such table.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise InputError(path, f"there is no such {what}", _REMEDY) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(path, f"this is no {what} ({error})", _REMEDY) from error
    lacking = [name for name in schema.names if name not in table.column_names]
    if lacking:
        raise InputError(path, f"this is no {what}: it lacks {', '.join(lacking)}", _REMEDY)
    try:
        frame = table.select(schema.names).cast(schema).to_pandas()
    except (pa.ArrowException, ValueError) as error:
        raise InputError(path, f"this is no {what} ({error})", _REMEDY) from error
    for field in schema:
        if pa.types.is_floating(field.type):
            frame[field.name] = frame[field.name].astype(np.float64)
        elif frame[field.name].isna().any():
            raise InputError(path, f"column {field.name!r} of the {what} has gaps", _REMEDY)
    return frame


def refuse_doubles(
    frame: pd.DataFrame, path: str | os.PathLike[str], what: str, column: str = "photo"
) -> None:
    """Raise `InputError` when a value of a column (a name) has two rows."""
    twice = sorted(set(frame[column][frame[column].duplicated()]))
    if twice:
        raise InputError(path, f"the {what} names {', '.join(map(repr, twice[:5]))} twice", _REMEDY)
