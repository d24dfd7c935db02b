"""Pictures of one size: decoded once and kept in memory where they fit, else decoded each time."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from nadir.raster.pictures import read_picture

log = logging.getLogger(__name__)


def square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a picture scaled to a square, whatever its shape: averaged where it becomes smaller.

    Args:
        picture: uint8 (rows, columns, 3).
        side: Side of the square in pixels.
    """
    if picture.shape[:2] == (side, side):
        return picture
    way = cv2.INTER_AREA if side < min(picture.shape[:2]) else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (side, side), interpolation=way), np.uint8)


class Pictures:
    """The pictures of some files, as squares.

    Args:
        paths: The files.
        side: Side of the squares in pixels.
        upright: Whether pictures are turned as their EXIF orientation says.
        memory: Bytes that decoded pictures may take; when all together need more, none is kept.
        threads: Files that are decoded at the same time.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        side: int,
        *,
        upright: bool = False,
        memory: int = 4 << 30,
        threads: int = 1,
    ) -> None:
        self.paths = [os.fspath(path) for path in paths]
        self.side = side
        self.upright = upright
        self._kept: dict[str, NDArray[np.uint8]] = {}
        files = sorted(set(self.paths))
        if len(files) * 3 * side * side > memory:
            log.info("%d pictures are too many for the memory: each is decoded anew", len(files))
            return
        with ThreadPoolExecutor(threads) as pool:
            bar = tqdm(pool.map(self._read, files), "pictures", len(files), disable=None)
            self._kept = dict(zip(files, bar, strict=True))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        """Return a picture, uint8 RGB (side, side, 3); it must not be changed.

        Raises:
            InputError: When its file is not there or no picture.
        """
        path = self.paths[row]
        kept = self._kept.get(path)
        return self._read(path) if kept is None else kept

    def _read(self, path: str) -> NDArray[np.uint8]:
        return square(read_picture(path, upright=self.upright), self.side)
