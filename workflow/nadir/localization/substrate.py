"""Reading a substrate as a picture: windows, overviews, and ground as a photo would show it.

A substrate may be much larger than memory: nothing here reads more of it than is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.windows import Window

from nadir.errors import InputError
from nadir.localization.pose import Pose, index_matrix
from nadir.raster.geotiff import open_raster, read_faults


@dataclass(frozen=True)
class View:
    """A window of a substrate as a picture, perhaps reduced.

    Attributes:
        picture: uint8 (height, width, 3) RGB.
        x: Left edge of the window on the substrate, in substrate pixels.
        y: Its upper edge.
        factor: Substrate pixels per pixel of the picture, along (x, y).
    """

    picture: NDArray[np.uint8]
    x: float
    y: float
    factor: tuple[float, float]

    def place(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return substrate positions (..., 2) as positions on the picture, both from edges."""
        return (np.asarray(points, float) - (self.x, self.y)) / self.factor

    def matrix(self, pose: Pose, width: int, height: int) -> NDArray[np.float64]:
        """Return the (2, 3) matrix from a photo's positions to the picture's, both from edges."""
        matrix = pose.matrix(width, height)
        matrix[:, 2] -= (self.x, self.y)
        return matrix / np.array(self.factor)[:, None]


class Substrate:
    """A raster that is read as an RGB picture; made by `open_substrate`.

    Attributes:
        path: The file.
        width: Columns.
        height: Rows.
    """

    def __init__(self, path: str, dataset: DatasetReader) -> None:
        self.path = path
        self.width: int = dataset.width
        self.height: int = dataset.height
        self._dataset = dataset
        if dataset.count not in (1, 3, 4) or dataset.dtypes[0] != "uint8":
            raise InputError(
                path,
                f"it has {dataset.count} bands of {dataset.dtypes[0]}, where a picture has one, "
                "three or four of uint8",
                "Convert it to an 8-bit RGB GeoTIFF or PNG.",
            )

    def view(self, x: int, y: int, width: int, height: int, longest: int | None = None) -> View:
        """Return what lies in a window; the part of it outside the substrate is left out.

        Args:
            x: Left column.
            y: Upper row.
            width: Columns.
            height: Rows.
            longest: Most pixels of the picture's longer side; larger windows are reduced by
                averaging.

        Raises:
            InputError: When the file cannot be read, or the window misses the substrate.
        """
        left, top = max(x, 0), max(y, 0)
        columns, rows = min(x + width, self.width) - left, min(y + height, self.height) - top
        if columns < 1 or rows < 1:
            raise InputError(
                self.path,
                f"the window at ({x}, {y}) of {width} x {height} pixels lies outside of it",
                "Check that photos and substrate belong to one case.",
            )
        ratio = max(1.0, max(columns, rows) / (longest or math.inf))
        shape = max(1, round(rows / ratio)), max(1, round(columns / ratio))
        bands = (1, 2, 3) if self._dataset.count >= 3 else (1, 1, 1)
        with read_faults(self.path):
            read = self._dataset.read(
                bands,
                window=Window(left, top, columns, rows),
                out_shape=(3, *shape),
                resampling=Resampling.average,
            )
        picture = np.ascontiguousarray(np.moveaxis(read, 0, -1))
        return View(picture, left, top, (columns / shape[1], rows / shape[0]))

    def overview(self, longest: int) -> View:
        """Return the whole substrate, reduced to `longest` pixels along its longer side."""
        return self.view(0, 0, self.width, self.height, longest)

    def cut(self, pose: Pose, width: int, height: int) -> NDArray[np.uint8]:
        """Return the ground as a photo of `width` x `height` pixels with this pose shows it.

        Interpolated bilinearly; black outside the substrate.
        """
        corners = pose.corners(width, height)
        low = np.floor(corners.min(0)).astype(int) - 1
        high = np.ceil(corners.max(0)).astype(int) + 2
        view = self.view(*low.tolist(), *(high - low).tolist())
        return cv2.warpAffine(  # type: ignore[return-value]
            view.picture,
            index_matrix(view.matrix(pose, width, height)),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )


@contextmanager
def open_substrate(path: str | PathLike[str]) -> Iterator[Substrate]:
    """Open a substrate for reading, georeferenced or not.

    Raises:
        InputError: When it cannot be read or is no 8-bit picture.
    """
    with open_raster(str(path)) as dataset:
        yield Substrate(str(path), dataset)


def warp_onto(
    photo: NDArray[np.uint8], pose: Pose, view: View
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a photo laid on a view of the substrate, and where it covers it.

    Args:
        photo: uint8 (height, width, 3).
        pose: Where it lies.
        view: The part of the substrate.

    Returns:
        uint8 and bool pictures of the view's size; black and False outside the photo.
    """
    height, width = photo.shape[:2]
    matrix = view.matrix(pose, width, height)
    rows, columns = view.picture.shape[:2]
    # Photos that are shown smaller are averaged first, or their fine texture would alias.
    shrink = float(np.hypot(*matrix[:, 0]))
    if shrink < 1:
        small = max(1, round(width * shrink)), max(1, round(height * shrink))
        photo = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        matrix[:, 0] *= width / small[0]
        matrix[:, 1] *= height / small[1]
    inner = index_matrix(matrix)
    size = (columns, rows)
    warped = cv2.warpAffine(photo, inner, size, flags=cv2.INTER_LINEAR)
    full = np.full(photo.shape[:2], 255, np.uint8)
    covered = cv2.warpAffine(full, inner, size, flags=cv2.INTER_NEAREST)
    return warped, covered > 0  # type: ignore[return-value]
