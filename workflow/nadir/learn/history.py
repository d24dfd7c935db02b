"""The history of a training: one row an epoch, as a table and for TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path


def write_history(path: str | os.PathLike[str], rows: Sequence[dict[str, float]]) -> None:
    """Write the history as Parquet, atomically.

    Args:
        path: The file.
        rows: One an epoch: "epoch" from 1, and values by name; names with a slash are groups
            ("iou/forest"). A value that an epoch lacks is NaN.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    table = pd.DataFrame(list(rows))
    table["epoch"] = table["epoch"].astype(np.int32)
    with atomic_path(path, ".parquet") as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def read_history(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read what `write_history` wrote.

    Raises:
        InputError: When there is no such file or it is no history.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(path, "this is no readable history", "Train the model again.") from error
    if "epoch" not in table:
        raise InputError(
            path, "this is no history: it lacks the column epoch", "Train the model again."
        )
    return table


class BoardWriter:
    """Writes scalars and pictures for TensorBoard while a training runs.

    Args:
        folder: Where event files go; None writes nothing.
        first_epoch: Epochs from this one on (counted from 1) that a killed run has already shown
            are shown anew.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, first_epoch: int = 1) -> None:
        self._writer = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            Path(folder).mkdir(parents=True, exist_ok=True)
            self._writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def add(self, row: dict[str, float], pictures: dict[str, np.ndarray]) -> None:
        """Show one epoch.

        Args:
            row: As for `write_history`.
            pictures: Name -> uint8 (height, width, 3).
        """
        if self._writer is None:
            return
        epoch = int(row["epoch"])
        for name, value in row.items():
            if name != "epoch" and np.isfinite(value):
                self._writer.add_scalar(name, value, epoch)
        for name, picture in pictures.items():
            self._writer.add_image(name, picture, epoch, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """End the event file."""
        if self._writer is not None:
            self._writer.close()
