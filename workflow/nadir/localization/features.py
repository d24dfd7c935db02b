"""Local features: SIFT keypoints with RootSIFT descriptors, of photos and of huge rasters.

SIFT is Lowe's ("Distinctive image features from scale-invariant keypoints", IJCV 60(2), 2004);
descriptors are compared by the Hellinger kernel, that is as square roots (Arandjelovic and
Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012). Features are
taken at a reduced working resolution, where noise and compression matter little, and told in
full-resolution pixels counted from edges, as in `nadir.localization.pose`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from nadir.localization.turning import reduce

DESCRIPTOR = 128
"""Numbers of a descriptor."""

_CONTRAST = 0.02  # SIFT's threshold; half the usual, since haze and clouds take contrast
_CLAHE_CLIP = 3.0
_CLAHE_TILE = 64  # working pixels
_SCALE = 512.0  # of square roots in a byte: a unit vector's parts are far below one half
_CLEARANCE = 1.0  # sizes of a feature between it and no data, whose edge is no feature

Reader = Callable[[int, int, int, int], "tuple[NDArray[np.uint8], NDArray[np.bool_] | None]"]
"""(y, x, height, width) in working pixels -> a window of the working picture, uint8 (height, width)
gray or (height, width, 3) RGB, and which of its pixels are valid, or None where all are.
"""


@dataclass(frozen=True)
class Features:
    """Local features of one picture.

    Attributes:
        points: (n, 2) float32: x and y in full-resolution pixels, counted from edges.
        angles: (n,) float32: direction of the strongest gradient in degrees, 0 to 360, clockwise
            on the screen.
        sizes: (n,) float32: diameter of the keypoint, in full-resolution pixels.
        descriptors: (n, 128) uint8: RootSIFT, of length about 512 whatever the contrast.
    """

    points: NDArray[np.float32]
    angles: NDArray[np.float32]
    sizes: NDArray[np.float32]
    descriptors: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def empty(cls) -> Features:
        """Return no features."""
        return cls(
            np.empty((0, 2), np.float32),
            np.empty(0, np.float32),
            np.empty(0, np.float32),
            np.empty((0, DESCRIPTOR), np.uint8),
        )

    def take(self, index: NDArray[Any]) -> Features:
        """Return the features that an index or a boolean mask (n,) selects."""
        return Features(
            self.points[index], self.angles[index], self.sizes[index], self.descriptors[index]
        )

    @classmethod
    def join(cls, parts: Sequence[Features]) -> Features:
        """Return the features of several parts, one after another; none for no parts."""
        parts = [cls.empty(), *parts]
        return cls(
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.angles for part in parts]),
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([part.descriptors for part in parts]),
        )


def features_to_arrays(features: Features) -> dict[str, NDArray[Any]]:
    """Return features as arrays, for a store: name -> array; see `Features`."""
    return {
        "points": features.points,
        "angles": features.angles,
        "sizes": features.sizes,
        "descriptors": features.descriptors,
    }


def arrays_to_features(arrays: dict[str, NDArray[Any]]) -> Features:
    """Return the features that `features_to_arrays` took apart."""
    return Features(
        np.ascontiguousarray(arrays["points"], np.float32),
        np.ascontiguousarray(arrays["angles"], np.float32),
        np.ascontiguousarray(arrays["sizes"], np.float32),
        np.ascontiguousarray(arrays["descriptors"], np.uint8),
    )


def extract(
    gray: NDArray[np.uint8],
    factor: int = 2,
    clahe: bool = True,
    limit: int = 4000,
    valid: NDArray[np.bool_] | None = None,
) -> Features:
    """Return the features of a picture that fits in memory, the strongest first.

    Args:
        gray: (height, width) uint8, or (height, width, 3) RGB, which is turned gray.
        factor: Full-resolution pixels per working pixel, along each side.
        clahe: Whether contrast is equalized locally first (clip 3, tiles of about 64 working
            pixels).
        limit: Most features; the strongest are kept.
        valid: (height, width) bool; no feature touches what is not valid. None: all is.
    """
    working = reduce(_gray(gray), factor)
    holes = None if valid is None else _least(valid, factor)
    found = _extract(working, clahe, limit, holes, (0, 0, *working.shape))
    return _enlarged(found, factor)


def extract_tiled(
    read: Reader,
    shape: tuple[int, int],
    factor: int = 2,
    clahe: bool = True,
    limit: int = 4000,
    tile: int = 512,
    overlap: int = 64,
) -> Features:
    """Return the features of a huge picture, evenly spread, in memory of a tile and the result.

    Tiles are read with a margin, so that no feature is lost or cut at their borders, and each keeps
    what lies in it, so that none comes twice. The order is that of the tiles, row by row, and the
    strongest of each come first.

    Args:
        read: Reads a window of the working picture; `array_reader` makes one of an array.
        shape: Rows and columns of the working picture.
        factor: Full-resolution pixels per working pixel, along each side.
        clahe: As for `extract`.
        limit: Most features of a tile; smaller tiles at the borders get their share. A reference
            must hold what photos show: much fewer features to the area than theirs lose photos.
        tile: Side of a tile in working pixels.
        overlap: Margin around a tile in working pixels.
    """
    height, width = shape
    corners = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
    parts = []
    for y, x in tqdm(corners, desc="features", unit="tile", leave=False, disable=None):
        rows, columns = min(tile, height - y), min(tile, width - x)
        top, left = max(y - overlap, 0), max(x - overlap, 0)
        bottom, right = min(y + tile + overlap, height), min(x + tile + overlap, width)
        picture, valid = read(top, left, bottom - top, right - left)
        share = max(round(limit * rows * columns / tile**2), 1)
        core = (y - top, x - left, rows, columns)
        found = _extract(_gray(picture), clahe, share, valid, core)
        parts.append(_enlarged(found, factor, np.array([left, top], np.float32)))
    return Features.join(parts)


def array_reader(
    picture: NDArray[np.uint8], factor: int = 2, valid: NDArray[np.bool_] | None = None
) -> Reader:
    """Return a reader of an array at full resolution, which may be mapped from a file.

    Args:
        picture: (height, width) uint8 gray, or (height, width, 3) RGB.
        factor: Full-resolution pixels per working pixel; the working picture has
            (height // factor, width // factor) pixels.
        valid: (height, width) bool; None: all is.
    """

    def read(
        y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        rows = slice(factor * y, factor * (y + height))
        columns = slice(factor * x, factor * (x + width))
        window = reduce(_gray(np.ascontiguousarray(picture[rows, columns])), factor)
        return window, None if valid is None else _least(valid[rows, columns], factor)

    return read


def _gray(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if picture.ndim == 2:
        return picture
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _least(valid: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """Return validity reduced by a whole factor: a working pixel counts where all of it does."""
    rows, columns = (side // factor for side in valid.shape)
    cells = valid[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(cells.all((1, 3)), bool)


def _enlarged(found: Features, factor: int, shift: NDArray[np.float32] | None = None) -> Features:
    """Return features of the working picture in full-resolution pixels, shifted before."""
    points = found.points if shift is None else found.points + shift
    return Features(points * factor, found.angles, found.sizes * factor, found.descriptors)


def _extract(
    working: NDArray[np.uint8],
    clahe: bool,
    limit: int,
    valid: NDArray[np.bool_] | None,
    core: tuple[int, int, int, int],
) -> Features:
    """Return the strongest features whose points lie in a core window (y, x, height, width).

    Everything is in working pixels here.
    """
    if min(working.shape, default=0) < 2 or (valid is not None and not valid.any()):
        return Features.empty()
    if valid is not None:
        # An even surface in the holes lets equalization and gradients see little of their edges.
        working = working.copy()
        working[~valid] = round(float(working[valid].mean()))
    if clahe:
        cells = [max(1, round(side / _CLAHE_TILE)) for side in working.shape]
        equalizer = cv2.createCLAHE(_CLAHE_CLIP, (cells[1], cells[0]))
        working = np.asarray(equalizer.apply(working), np.uint8)
    # Without the precise upscale OpenCV shifts every point by a quarter of a pixel.
    sift = cv2.SIFT_create(0, 3, _CONTRAST, 10, 1.6, enable_precise_upscale=True)  # type: ignore[attr-defined]
    keypoints = sift.detect(working)
    table = np.array(
        [(*point.pt, point.size, point.angle, point.response) for point in keypoints], np.float64
    ).reshape(-1, 5)
    table[:, :2] += 0.5  # OpenCV counts from the center of the first pixel
    keep = _inside(table, core)
    if valid is not None and not valid.all():
        keep &= _clear_of_holes(table, valid)
    chosen = np.flatnonzero(keep)
    x, y, size, angle, response = table[chosen].T
    # Ties are broken by what a feature is, never by the order in which threads found it.
    chosen = chosen[np.lexsort((angle, size, x, y, -response))][:limit]
    if not len(chosen):
        return Features.empty()
    kept, descriptors = sift.compute(working, [keypoints[index] for index in chosen])
    if len(kept) != len(chosen):
        raise RuntimeError(f"SIFT described {len(kept)} of {len(chosen)} keypoints")
    rows = table[chosen].astype(np.float32)
    return Features(rows[:, :2], rows[:, 3] % np.float32(360), rows[:, 2], _root(descriptors))


def _inside(table: NDArray[np.float64], core: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    y, x, height, width = core
    across = (table[:, 0] >= x) & (table[:, 0] < x + width)
    return across & (table[:, 1] >= y) & (table[:, 1] < y + height)


def _clear_of_holes(table: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which keypoints keep their distance from what is not valid."""
    distance = cv2.distanceTransform(valid.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    column = np.clip(table[:, 0].astype(int), 0, valid.shape[1] - 1)
    row = np.clip(table[:, 1].astype(int), 0, valid.shape[0] - 1)
    return distance[row, column] > _CLEARANCE * table[:, 2]


def _root(descriptors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return RootSIFT descriptors as bytes."""
    share = descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6)
    return np.minimum(np.round(np.sqrt(share) * _SCALE), 255).astype(np.uint8)
