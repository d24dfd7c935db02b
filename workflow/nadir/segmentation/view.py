"""What a picture of a scene shows: all of it, thinned out, its most varied part, or a place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.windows import Window

from nadir.raster.grid import Grid

WHOLE = 4096
"""Scenes up to this side are shown whole; of larger ones a part of `PART` pixels is shown."""
PART = 2048
"""Side of the part of a large scene that is shown."""
PIXELS = 1024
"""Largest side of a panel in picture pixels; larger views are thinned out."""
AROUND = 512
"""Least side in pixels of what is shown around a place."""
_READ = 1024  # side of the windows in which a view is read, before thinning


def every(values: NDArray, step: int) -> NDArray:
    """Return every `step`-th pixel along the last two axes."""
    return values[..., ::step, ::step]


def commonest(ids: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Return the commonest class of each `step` x `step` pixels, 0 only where all are no data.

    So do overviews of maps (`nadir.raster.cog`); of classes as common the first one is taken.
    """
    if step == 1:
        return ids
    rows, columns = (np.arange(0, length, step) for length in ids.shape)
    result = np.zeros((len(rows), len(columns)), np.uint8)
    most = np.zeros(result.shape, np.uint32)
    for number in np.flatnonzero(np.bincount(ids.ravel(), minlength=1)).tolist():
        if number:
            lines = np.add.reduceat(ids == number, rows, axis=0, dtype=np.uint32)
            count = np.add.reduceat(lines, columns, axis=1)
            result[count > most] = number
            np.maximum(most, count, out=most)
    return result


@dataclass(frozen=True)
class View:
    """A window of a scene, of which every `step`-th pixel is shown.

    Attributes:
        y: First row.
        x: First column.
        height: Rows.
        width: Columns.
        step: Every how manyth pixel is shown, along both axes.
        whole: Whether it is the whole scene.
    """

    y: int
    x: int
    height: int
    width: int
    step: int
    whole: bool

    @classmethod
    def of(cls, map_path: str | PathLike[str]) -> View:
        """Choose the view of a map: the whole, or the part with the greatest variety of classes."""
        with rasterio.open(map_path) as dataset:
            height, width = dataset.shape
            if max(height, width) <= WHOLE:
                return cls(0, 0, height, width, -(-max(height, width) // PIXELS), True)
            factor = max(1, max(height, width) // 2048)
            small = dataset.read(1, out_shape=(-(-height // factor), -(-width // factor)))
        rows, columns = min(PART, height), min(PART, width)
        places = [(y, x) for y in _spread(height, rows) for x in _spread(width, columns)]
        y, x = max(
            places,
            key=lambda place: variety(
                small[
                    place[0] // factor : (place[0] + rows) // factor,
                    place[1] // factor : (place[1] + columns) // factor,
                ]
            ),
        )
        return cls(y, x, rows, columns, -(-max(rows, columns) // PIXELS), False)

    @classmethod
    def entire(cls, shape: tuple[int, int]) -> View:
        """Return the view of a whole scene of any size.

        Of scenes larger than `WHOLE` the step is a power of two, as those of a map's overviews are.
        """
        step = -(-max(shape) // PIXELS)
        if max(shape) > WHOLE:
            step = 1 << (step - 1).bit_length()
        return cls(0, 0, *shape, step, True)

    @classmethod
    def around(cls, box: tuple[int, int, int, int], shape: tuple[int, int]) -> View:
        """Return a square around a window of a scene, as far inside the scene as it can be.

        Args:
            box: First row, first column, rows and columns of the window.
            shape: Rows and columns of the scene.
        """
        y, x, height, width = box
        side = max(AROUND, 2 * max(height, width))
        rows, columns = min(side, shape[0]), min(side, shape[1])
        top = min(max(y + (height - rows) // 2, 0), shape[0] - rows)
        left = min(max(x + (width - columns) // 2, 0), shape[1] - columns)
        return cls(top, left, rows, columns, -(-max(rows, columns) // PIXELS), False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the picture."""
        return -(-self.height // self.step), -(-self.width // self.step)

    def holds(self, box: tuple[int, int, int, int]) -> bool:
        """Whether a window (first row, first column, rows, columns) lies in the view as a whole."""
        y, x, height, width = box
        return (
            self.y <= y
            and self.x <= x
            and y + height <= self.y + self.height
            and x + width <= self.x + self.width
        )

    def read(
        self,
        reader: Callable[[int, int, int, int], NDArray],
        thinned: Callable[[NDArray, int], NDArray] = every,
    ) -> NDArray:
        """Read the view through `reader(y, x, height, width)`, window by window.

        Args:
            reader: Returns an array whose last two axes are rows and columns.
            thinned: Makes one pixel of each `step` x `step` ones: `every` or `commonest`.

        Returns:
            The thinned array; its last two axes have `shape`.
        """
        side = _READ // self.step * self.step or self.step
        lines = []
        for y in range(0, self.height, side):
            parts = [
                thinned(
                    reader(
                        self.y + y,
                        self.x + x,
                        min(side, self.height - y),
                        min(side, self.width - x),
                    ),
                    self.step,
                )
                for x in range(0, self.width, side)
            ]
            lines.append(np.concatenate(parts, axis=-1))
        return np.concatenate(lines, axis=-2)

    def read_overview(self, dataset: rasterio.DatasetReader) -> NDArray:
        """Read a raster's first band from the overviews inside it, so never pixel by pixel."""
        window = Window(self.x, self.y, self.width, self.height)
        return dataset.read(1, window=window, out_shape=self.shape)

    def metres(self, grid: Grid) -> float:
        """Return how many metres a picture pixel measures along columns, at the view's center."""
        return self.step * metres_per_pixel(grid, self.y + self.height / 2)


def band_reader(dataset: rasterio.DatasetReader) -> Callable[[int, int, int, int], NDArray]:
    """Return a `reader` for `View.read` of a raster's first band."""
    return lambda y, x, height, width: dataset.read(1, window=Window(x, y, width, height))


def metres_per_pixel(grid: Grid, row: float) -> float:
    """Return the width of a pixel in metres at a row; degrees are turned into metres there."""
    try:
        crs = CRS.from_user_input(grid.crs) if grid.crs else None
    except CRSError:
        crs = None
    if crs is None or not crs.is_geographic:
        factor = crs.linear_units_factor[1] if crs is not None and crs.is_projected else 1.0
        return grid.resolution[0] * factor
    latitude = (grid.affine @ (grid.width / 2, row))[1]
    return grid.resolution[0] * 111_320.0 * float(np.cos(np.radians(latitude)))


def variety(ids: NDArray[np.uint8]) -> float:
    """Return the entropy of the class ids of a map, in nats, times the share of mapped pixels."""
    counts = np.bincount(ids.ravel(), minlength=2)[1:]
    if not counts.any():
        return 0.0
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() * counts.sum() / ids.size)


def _spread(length: int, part: int) -> list[int]:
    """Return evenly spread first pixels of parts, half a part from one to the next or less."""
    steps = max(1, -(-(length - part) // (part // 2)))
    return [number * (length - part) // steps for number in range(steps + 1)]
