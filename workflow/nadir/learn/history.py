"""The history of a training: one row an epoch, as a table and for TensorBoard."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path, write_faults

_FORMAT = "brain.Event:2"  # what TensorBoard calls the format of its event files


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

    Events are written at once, by the caller's thread: the writer of the library does it in a
    thread of its own, whose faults (a full disk) come to light late and as tracebacks.

    Args:
        folder: Where event files go; None writes nothing.
        first_epoch: Epochs from this one on (counted from 1) that a killed run has already shown
            are shown anew.

    Raises:
        OutputError: When the disk is full or not writable; so do `add` and `close`.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, first_epoch: int = 1) -> None:
        self._file: BinaryIO | None = None
        if folder is None:
            return
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._folder = Path(folder)
        started = {"session_log": SessionLog(status=SessionLog.START)}
        with write_faults(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = self._event_file()
            self._write(0, file_version=_FORMAT)
            self._write(first_epoch, **started)

    def add(self, row: dict[str, float], pictures: dict[str, np.ndarray]) -> None:
        """Show one epoch.

        Args:
            row: As for `write_history`.
            pictures: Name -> uint8 (height, width, 3).
        """
        if self._file is None:
            return
        from torch.utils.tensorboard.summary import image, scalar

        epoch = int(row["epoch"])
        with write_faults(self._folder):
            for name, value in row.items():
                if name != "epoch" and np.isfinite(value):
                    self._write(epoch, summary=scalar(name, value))
            for name, picture in pictures.items():
                self._write(epoch, summary=image(name, picture, dataformats="HWC"))

    def close(self) -> None:
        """End the event file."""
        if self._file is not None:
            self._file.close()

    def _event_file(self) -> BinaryIO:
        """Open a new event file, of a name that sorts after those of earlier runs."""
        tail = f"{socket.gethostname()}.{os.getpid()}"
        name = f"events.out.tfevents.{time.time_ns() / 1e9:020.9f}.{tail}"
        return (self._folder / name).open("xb", buffering=0)

    def _write(self, step: int, **content: Any) -> None:
        """Write one event."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        record = io.BytesIO()
        event = Event(wall_time=time.time(), step=step, **content)
        RecordWriter(record).write(event.SerializeToString())
        assert self._file is not None
        data = record.getvalue()
        while data:
            data = data[self._file.write(data) :]
