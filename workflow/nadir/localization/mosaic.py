"""Mosaics: located photos laid on the substrate's grid, the least cloudy in front.

Each pixel is a weighted mean of the photos that see it. The weights fall off so steeply with
cloudiness and with the distance from a photo's middle that nearly everywhere one photo stands
alone, and two share a narrow seam: no border of a photo becomes an edge that a search could hold
for ground.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.localization.clouds import clear_weight
from nadir.localization.gains import Thumbnail, compare_photos
from nadir.localization.photos import poses_of
from nadir.localization.pose import Pose, index_matrix
from nadir.localization.turning import reduce
from nadir.provenance.atomic import write_json
from nadir.raster.blocks import run_blocks
from nadir.raster.grid import Grid
from nadir.raster.picture_cog import new_picture
from nadir.raster.pictures import read_picture
from nadir.raster.store import Block, blocks_of

log = logging.getLogger(__name__)

_BLOCK = 2048  # pixels; each photo is read for some three blocks
_CACHE = 256 << 20  # bytes of decoded photos that are kept
_STEEP = 50.0  # how fast weights fall with a loss of clearness (0 to 1)
_MIDDLE = 0.15  # what a photo's middle is worth beside its border, in clearness
_FEATHER = 0.03  # of a photo's shorter side: width of the ramp at its border
_WEIGHT_CELLS = 128  # cells of a photo's shorter side on which weights are kept
_THUMBNAIL = 40  # pixels of a thumbnail's shorter side
_LONGEST = 1024  # cells along the substrate's longer side on which photos are compared


@dataclass(frozen=True)
class PlacedPhoto:
    """A photo and where it lies.

    Attributes:
        name: Its name.
        path: Its file.
        pose: Its pose on the substrate.
        width: Columns.
        height: Rows.
    """

    name: str
    path: str
    pose: Pose
    width: int
    height: int


@dataclass(frozen=True)
class _Surveyed:
    """What one look at a photo leaves: its clearness on coarse cells, and its thumbnail."""

    clear: NDArray[np.uint8]
    thumbnail: Thumbnail


def placed_photos(photos: pd.DataFrame) -> list[PlacedPhoto]:
    """Return the rows of a photo table whose pose is known, sorted by name.

    Args:
        photos: Columns photo, path, width, height, x, y, angle, scale.
    """
    known = photos[np.isfinite(photos[["x", "y", "angle", "scale"]].to_numpy(float)).all(1)]
    known = known.sort_values("photo", kind="stable")
    return [
        PlacedPhoto(str(name), str(path), pose, int(width), int(height))
        for name, path, width, height, pose in zip(
            known["photo"],
            known["path"],
            known["width"],
            known["height"],
            poses_of(known),
            strict=True,
        )
    ]


def write_mosaic(
    photos: Sequence[PlacedPhoto],
    grid: Grid,
    path: str | os.PathLike[str],
    workers: int | None = None,
) -> dict[str, Any]:
    """Write the mosaic of photos as a COG (RGB and mask), and a JSON file of facts beside it.

    Args:
        photos: Photos with known pose, in any order.
        grid: The substrate's grid.
        path: The mosaic (`NAME.tif`); the facts go to `NAME.json`.
        workers: Threads.

    Returns:
        The facts: `photos` (names of those that show ground), `coverage` (share of the grid) and
        `mean_observations` (photos a covered pixel).

    Raises:
        InputError: When no photo meets the grid, or a photo cannot be read or has another size
            than its row says.
        OutputError: When the disk is full or not writable.
    """
    outline = shapely.box(0, 0, grid.width, grid.height)
    placed = [
        photo
        for photo in sorted(photos, key=lambda photo: photo.name)
        if _footprint(photo).intersection(outline).area > 0
    ]
    if not placed:
        raise InputError(
            path,
            f"none of {len(photos)} located photos lies on the substrate",
            "Check that photos and substrate belong to one case, and the photos' dates.",
        )
    cell = _comparison_cell(placed, grid)
    surveyed = run_blocks(lambda photo: _survey(photo, cell), placed, workers, describe="photos")
    thumbnails = [one.thumbnail for one in surveyed]
    compared = compare_photos(thumbnails, grid.width, grid.height, cell)
    clear = [
        _doubted(one.clear, agreement)
        for one, agreement in zip(surveyed, compared.agreement, strict=True)
    ]
    composer = _Composer(placed, clear, compared.gains)
    covered = seen = 0
    with new_picture(path, grid) as picture:

        def compose(block: Block) -> tuple[int, int]:
            rgb, count = composer.compose(block)
            if rgb is None or count is None:
                return 0, 0
            picture.write(block[0], block[1], rgb, count > 0)
            return int(np.count_nonzero(count)), int(count.sum(dtype=np.int64))

        blocks = blocks_of(grid.height, grid.width, _BLOCK)
        for one, many in run_blocks(compose, blocks, workers, describe="mosaic"):
            covered, seen = covered + one, seen + many
    coverage = covered / (grid.width * grid.height)
    facts = {
        "photos": [photo.name for photo in placed],
        "coverage": round(coverage, 6),
        "mean_observations": round(seen / max(covered, 1), 4),
    }
    write_json(Path(path).with_suffix(".json"), facts)
    log.info("%s: %d photos cover %.1f %%", path, len(placed), 100 * coverage)
    return facts


def _footprint(photo: PlacedPhoto) -> shapely.Polygon:
    """Return what a photo covers, in pixels of the substrate."""
    corners = photo.pose.corners(photo.width, photo.height)
    return shapely.Polygon(corners[[0, 1, 3, 2]])


def _read(photo: PlacedPhoto) -> NDArray[np.uint8]:
    """Read a photo and see that it has the size that its pose speaks of."""
    rgb = read_picture(photo.path)
    if rgb.shape[:2] != (photo.height, photo.width):
        raise InputError(
            photo.path,
            f"it has {rgb.shape[1]} x {rgb.shape[0]} pixels, the photo table says "
            f"{photo.width} x {photo.height}",
            "Run snakemake again: the photo has changed since the table was made.",
        )
    return rgb


def _comparison_cell(photos: Sequence[PlacedPhoto], grid: Grid) -> int:
    """Return the side in substrate pixels of the cells on which photos are compared."""
    sides = [photo.pose.scale * min(photo.width, photo.height) for photo in photos]
    coarsest = -(-max(grid.width, grid.height) // _LONGEST)
    return max(1, coarsest, round(float(np.median(sides)) / _THUMBNAIL))


def _survey(photo: PlacedPhoto, cell: int) -> _Surveyed:
    """Look at a photo once, for its clouds and its brightness on cells of this size."""
    rgb = _read(photo)
    clear = clear_weight(rgb)
    shorter = min(rgb.shape[:2])
    cells = reduce(np.round(255 * clear).astype(np.uint8), max(1, shorter // _WEIGHT_CELLS))
    factor = min(max(1, round(cell / photo.pose.scale)), shorter)
    small, size = reduce(rgb, factor), (photo.width // factor, photo.height // factor)
    weight = np.asarray(cv2.resize(clear, size, interpolation=cv2.INTER_AREA), np.float32)
    return _Surveyed(cells, Thumbnail(small, weight, photo.pose, photo.width, photo.height))


def _doubted(clear: NDArray[np.uint8], agreement: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the clearness of a photo's cells, less where other photos contradict it."""
    size = (clear.shape[1], clear.shape[0])
    factor = cv2.resize(agreement, size, interpolation=cv2.INTER_LINEAR)
    return np.round(clear * np.asarray(factor)).astype(np.uint8)


class _Composer:
    """Composes blocks of a mosaic; safe to use from several threads."""

    def __init__(
        self,
        photos: Sequence[PlacedPhoto],
        clear: Sequence[NDArray[np.uint8]],
        gains: NDArray[np.float32],
    ) -> None:
        self.photos, self.clear, self.gains = photos, clear, gains
        self._footprints = shapely.STRtree([_footprint(photo) for photo in photos])
        self._pixels = _Cache(_CACHE, lambda index: _read(photos[index]))

    def compose(self, block: Block) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint16] | None]:
        """Return rgb uint8 (h, w, 3) of a block and how many photos see each pixel, uint16 (h, w).

        None and None where no photo meets it.
        """
        y, x, height, width = block
        outline = shapely.box(x, y, x + width, y + height)
        # In the order of the photos: sums of floats depend on it.
        indices = np.sort(self._footprints.query(outline, predicate="intersects"))
        if not len(indices):
            return None, None
        total = np.zeros((height, width, 3), np.float32)
        mass = np.zeros((height, width), np.float32)
        count = np.zeros((height, width), np.uint16)
        for index in indices.tolist():
            self._add(index, block, total, mass, count)
        # In place: a block is large.
        total /= np.maximum(mass, np.finfo(np.float32).tiny)[:, :, None]
        np.clip(np.rint(total, out=total), 0, 255, out=total)
        return total.astype(np.uint8), count

    def _add(
        self,
        index: int,
        block: Block,
        total: NDArray[np.float32],
        mass: NDArray[np.float32],
        count: NDArray[np.uint16],
    ) -> None:
        """Add one photo to the sums of a block."""
        photo = self.photos[index]
        y, x, height, width = block
        corners = photo.pose.corners(photo.width, photo.height) - (x, y)
        left, top = np.clip(np.floor(corners.min(0)).astype(int), 0, (width, height)).tolist()
        right, bottom = np.clip(np.ceil(corners.max(0)).astype(int), 0, (width, height)).tolist()
        if left >= right or top >= bottom:
            return
        matrix = photo.pose.matrix(photo.width, photo.height)
        matrix[:, 2] -= (x + left, y + top)
        size = (right - left, bottom - top)
        inside = _inside(matrix, photo.width, photo.height, size)
        pixels = _laid(self._pixels.get(index), photo, matrix, size, cv2.INTER_CUBIC)
        weight = _laid(_weights(self.clear[index]), photo, matrix, size, cv2.INTER_LINEAR)
        weight = np.where(inside, weight, np.float32(0))
        window = (slice(top, bottom), slice(left, right))
        total[window] += pixels * (weight[:, :, None] * self.gains[index])
        mass[window] += weight
        count[window] += inside


def _weights(clear: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the weights of a photo's coarse cells, never quite zero."""
    rows, columns = clear.shape
    down = (np.arange(rows) + 0.5)[:, None]
    right = (np.arange(columns) + 0.5)[None, :]
    border = np.minimum(np.minimum(down, rows - down), np.minimum(right, columns - right))
    shorter = min(rows, columns)
    score = clear / 255.0 + _MIDDLE * np.minimum(2.0 * border / shorter, 1.0)
    ramp = np.clip(border / (_FEATHER * shorter), 0.01, 1.0)
    return (ramp * np.exp(_STEEP * (score - 1.0 - _MIDDLE))).astype(np.float32)


def _laid(
    picture: NDArray[Any],
    photo: PlacedPhoto,
    matrix: NDArray[np.float64],
    size: tuple[int, int],
    interpolation: int,
) -> NDArray[Any]:
    """Return a photo, or a coarser picture of it, laid on a window of the substrate.

    Args:
        picture: The photo's pixels, or cells that tile it.
        photo: The photo.
        matrix: (2, 3) from the photo's pixels to the window's, both from edges.
        size: Columns and rows of the window.
        interpolation: OpenCV's number.
    """
    rows, columns = picture.shape[:2]
    if interpolation == cv2.INTER_CUBIC and photo.pose.scale <= 0.5:
        # Photos much finer than the substrate are averaged first, or their texture would alias.
        factor = int(1.0 / photo.pose.scale)
        picture = reduce(picture, factor)
        cell = np.array([factor, factor], float)
    else:
        cell = np.array([photo.width // columns, photo.height // rows], float)
    inner = matrix.copy()
    inner[:, :2] *= cell
    return cv2.warpAffine(
        picture,
        index_matrix(inner),
        size,
        flags=interpolation,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _inside(
    matrix: NDArray[np.float64], width: int, height: int, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Tell which pixels of a window have their center on the photo.

    Args:
        matrix: (2, 3) from the photo's pixels to the window's.
        width: Columns of the photo.
        height: Rows of the photo.
        size: Columns and rows of the window.
    """
    back = np.linalg.inv(matrix[:, :2])
    across = np.arange(size[0])[None, :] + 0.5 - matrix[0, 2]
    down = np.arange(size[1])[:, None] + 0.5 - matrix[1, 2]
    u = (back[0, 0] * across + back[0, 1] * down).astype(np.float32)
    v = (back[1, 0] * across + back[1, 1] * down).astype(np.float32)
    return (u >= 0) & (u <= width) & (v >= 0) & (v <= height)


class _Cache:
    """Keeps the pictures used last, up to some bytes; safe to use from several threads."""

    def __init__(self, room: int, load: Callable[[int], NDArray[np.uint8]]) -> None:
        self._room, self._load = room, load
        self._held: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, index: int) -> NDArray[np.uint8]:
        """Return a picture, loaded if it is not held."""
        with self._lock:
            if index in self._held:
                self._held.move_to_end(index)
                return self._held[index]
        picture = self._load(index)
        with self._lock:
            if index not in self._held:
                self._held[index] = picture
                self._bytes += picture.nbytes
            while self._bytes > self._room and len(self._held) > 1:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
        return picture
