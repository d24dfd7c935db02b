"""Frames of the film of a training: kept beside its state, thinned as they become many."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path
from nadir.provenance.numpy_files import load_arrays

FRAMES = "frames.npz"
"""Name of the file: `frames` uint8 (k, rows * px, columns * px, 3), and `steps` int32 (k,), the
epochs after which they were made.
"""

_SUFFIX = ".npy"


def grid(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pictures (n, 3, px, px) as one, row by row: (rows * px, columns * px, 3)."""
    n, _, height, width = pictures.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, height, width, 3), np.uint8)
    cells[:n] = pictures.transpose(0, 2, 3, 1)
    cells = cells.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return cells.reshape(rows * height, columns * width, 3)


class FrameKeeper:
    """Keeps frames of a training in a folder, of which a resumed training goes on.

    Frames lie at every epoch, then at every second, fourth, ... one: never more than twice as many
    as asked for, and which ones depends on the epoch alone.

    Args:
        folder: Where they lie; made when needed.
        most: How many are wanted in the end.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most

    def add(self, epoch: int, picture: NDArray[np.uint8]) -> None:
        """Keep the frame of an epoch, and drop those that became too many."""
        with atomic_path(self.folder / f"{epoch:06d}{_SUFFIX}", _SUFFIX) as temporary:
            np.save(temporary, picture)
        stride = 1
        while epoch // stride > 2 * self.most:
            stride *= 2
        for path in self._paths():
            number = int(path.stem)
            if number > epoch or (number % stride and number != epoch):
                path.unlink()

    def frames(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Return the wanted number of frames (or fewer), evenly spread, the last one among them."""
        paths = self._paths()
        if not paths:
            return np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int32)
        picks = np.unique(np.linspace(0, len(paths) - 1, self.most).round().astype(int))
        if self.most == 1:
            picks = np.array([len(paths) - 1])
        chosen = [paths[pick] for pick in picks]
        steps = np.array([int(path.stem) for path in chosen], np.int32)
        return np.stack([np.load(path) for path in chosen]), steps

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob(f"[0-9]*{_SUFFIX}"))


def write_frames(path: Path, frames: NDArray[np.uint8], steps: NDArray[np.int32]) -> None:
    """Write frames; equal arguments give equal bytes.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    with atomic_path(path, ".npz") as temporary:
        np.savez_compressed(temporary, frames=frames, steps=steps)


def read_frames(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Read what `write_frames` wrote.

    Raises:
        InputError: When it is absent or no such file.
    """
    try:
        stored = load_arrays(path, ("frames", "steps"))
        return stored["frames"], stored["steps"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(path, "these are no frames of a training", "Train again.") from error
