"""The state of a scene's prediction on disk: finished pixels, and totals carried downwards.

Plain files with explicit reads and writes (a memory map would count towards the process as it is
touched), all in one folder that a killed run leaves to the next.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nadir.provenance.atomic import write_faults, write_json


class Reader(Protocol):
    """What reads further layers off finished totals."""

    layers: dict[str, str]
    """Name -> dtype of what a call gives; `confidence` stands in the place of the blended one."""

    def __call__(self, total: NDArray[np.int32], y: int, x: int) -> dict[str, NDArray]:
        """Return name -> layer (height, width) of totals (K + 1, height, width) at a place."""


class RawRaster:
    """A raster of integers in a flat file, row after row.

    Args:
        path: The file; made when it is not there.
        height: Rows.
        width: Columns.
        dtype: Of its values.
    """

    def __init__(self, path: Path, height: int, width: int, dtype: str = "uint8") -> None:
        self.path, self.height, self.width = path, height, width
        self.dtype = np.dtype(dtype)
        with write_faults(path):
            self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            os.ftruncate(self.file, height * width * self.dtype.itemsize)

    def write(self, y: int, x: int, values: NDArray[Any]) -> None:
        """Write a window whose upper-left pixel is (row `y`, column `x`)."""
        with write_faults(self.path):
            for row, line in enumerate(np.ascontiguousarray(values, self.dtype), start=y):
                _write(self.file, line, (row * self.width + x) * self.dtype.itemsize)

    def read(self, y: int, x: int, height: int, width: int) -> NDArray[Any]:
        """Read a window, (height, width)."""
        values = np.empty((height, width), self.dtype)
        for row, line in enumerate(values, start=y):
            _read(self.file, line, (row * self.width + x) * self.dtype.itemsize)
        return values

    def close(self) -> None:
        """Close the file."""
        os.close(self.file)


class Mosaic:
    """Finished layers of a scene, and the totals that the next rows need.

    Args:
        folder: Where the files lie; what an earlier run of the same prediction left is taken up.
        height: Rows of the scene.
        width: Columns of the scene.
        probability: Whether to keep the probability of the last class, too.
        reader: What reads further layers off finished totals, if anything.

    Attributes:
        ids: Class ids.
        confidence: Probability of that class, in percent.
        probability: Probability of the last class in steps of 1 / `blend.LEVELS`, or None.
        further: Name -> further layer.
        done: Block rows that are complete; work goes on with the next.
    """

    def __init__(
        self,
        folder: Path,
        height: int,
        width: int,
        probability: bool = False,
        reader: Reader | None = None,
    ) -> None:
        self.folder = folder
        self.ids = RawRaster(folder / "ids.raw", height, width)
        self.confidence = RawRaster(folder / "confidence.raw", height, width)
        self.probability = (
            RawRaster(folder / "probability.raw", height, width) if probability else None
        )
        self._reader = reader
        self.further = {
            name: RawRaster(folder / f"{name}.raw", height, width, dtype)
            for name, dtype in (reader.layers if reader else {}).items()
            if name != "confidence"
        }
        # Two files take turns: the row that is under way reads one and writes the other, so that
        # what it reads is still there when it is cut short and begun anew.
        self._carried = [
            os.open(folder / f"carried-{side}.raw", os.O_RDWR | os.O_CREAT, 0o644)
            for side in (0, 1)
        ]
        self._state = folder / "state.json"
        self.done: int = json.loads(self._state.read_text())["done"] if self._state.is_file() else 0

    @property
    def _layers(self) -> list[RawRaster]:
        layers = [self.ids, self.confidence]
        layers += self.further.values()
        return layers if self.probability is None else [*layers, self.probability]

    def write_further(self, y: int, x: int, total: NDArray[np.int32]) -> None:
        """Read further layers off finished totals (K + 1, height, width), and write them."""
        if self._reader is None:
            return
        for name, values in self._reader(total, y, x).items():
            layer = self.confidence if name == "confidence" else self.further[name]
            layer.write(y, x, values)

    def write_carried(self, offset: int, total: NDArray[np.int32]) -> None:
        """Keep the totals of unfinished rows for the next block row.

        Args:
            offset: Where in the file, in elements; blocks of a row use disjoint ranges.
            total: Any shape.
        """
        with write_faults(self.folder):
            _write(self._carried[self.done % 2], np.ascontiguousarray(total), offset * 4)

    def read_carried(self, offset: int, shape: tuple[int, int, int]) -> NDArray[np.int32]:
        """Read the totals that the previous block row kept at `offset`."""
        total = np.empty(shape, np.int32)
        _read(self._carried[(self.done + 1) % 2], total, offset * 4)
        return total

    def commit_row(self) -> None:
        """Count the block row under way as complete, for good."""
        with write_faults(self.folder):
            for file in (*(layer.file for layer in self._layers), *self._carried):
                os.fsync(file)
        self.done += 1
        write_json(self._state, {"done": self.done})

    def close(self) -> None:
        """Close all files."""
        for layer in self._layers:
            layer.close()
        for file in self._carried:
            os.close(file)


def _write(file: int, values: NDArray[Any], offset: int) -> None:
    """Write a contiguous array at a byte offset, whole."""
    data = values.reshape(-1).view(np.uint8).data
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _read(file: int, values: NDArray[Any], offset: int) -> None:
    """Fill a contiguous array from a byte offset.

    Raises:
        EOFError: When the file ends before.
    """
    data = values.reshape(-1).view(np.uint8).data
    while data:
        count = os.preadv(file, [data], offset)
        if not count:
            raise EOFError(f"{len(data)} bytes are missing at {offset}")
        data, offset = data[count:], offset + count
