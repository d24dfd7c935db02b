"""From probabilities to traced outlines of single buildings, block by block, seams or not.

A *region* is a set of sure pixels that hang together along edges; a building is a region or a part
of one. Regions that lie well inside a block are processed there; the others are put together
across blocks and processed in a window of their own. Every step looks only at a region's own
pixels and at what lies within `MARGIN`, so the outlines do not depend on the blocks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from nadir.segmentation.footprint_kernels import (
    NO_DATA,
    number_in_order,
    part_basins,
    trace_rings,
)

log = logging.getLogger(__name__)

CERTAIN = 250
"""Value of a probability of 1."""
MARGIN = 8
"""Pixels around a region that its outline may depend on."""
BLOCK = 2048
"""Side of a block, in pixels: bounds the memory (about 40 bytes a pixel)."""
LARGEST = 4096
"""Side beyond which a region is cut along a fixed lattice of this spacing, to bound the memory."""
_DOUBT = 0.1 * CERTAIN  # added to how far a probability lies above the level, against noise there
_SMOOTH = 0.7  # pixels; more would close the narrow valleys between roofs that touch
_WIDEST = 4096.0  # greatest radius of a core, in pixels
_CORE = 0.35  # radius of the least core, as a share of the side of the least building


class Probabilities(Protocol):
    """Probabilities of a scene: uint8 v / 250 of class building, 255 = no data."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""

    def read(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return a window; it lies inside the scene."""


@dataclass(frozen=True)
class InMemory:
    """Probabilities of an array.

    Attributes:
        values: uint8 (height, width).
    """

    values: NDArray[np.uint8]

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.values.shape[0], self.values.shape[1]

    def read(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return a window."""
        return self.values[y : y + height, x : x + width]


@dataclass(frozen=True)
class Sizes:
    """What counts as a building, in pixels.

    Attributes:
        level: Least probability (1 to 250) of a building's pixels.
        least: Least pixels of a building.
        hole: Least pixels of a courtyard; smaller holes are filled.
        split: As `FootprintConfig.split`.
    """

    level: int
    least: float
    hole: float
    split: float


@dataclass(frozen=True)
class Traced:
    """Traced outlines of some buildings.

    Attributes:
        points: float64 (n, 2), x and y in pixels of the scene, of all rings.
        starts: int64 (rings + 1,): first vertex of each ring, and n.
        owners: int32 (rings,): building of each ring, from 0; the outer ring of each comes first.
        first: int64 (buildings, 2): row and column of each building's first pixel.
        confidence: float64 (buildings,): mean probability, 0 to 1.
    """

    points: NDArray[np.float64]
    starts: NDArray[np.int64]
    owners: NDArray[np.int32]
    first: NDArray[np.int64]
    confidence: NDArray[np.float64]


@dataclass
class _Region:
    """A region that is not processed in the block where it was found, or a part of one."""

    top: int
    left: int
    bottom: int
    right: int
    pixels: int
    seeds: list[tuple[int, int]] = field(default_factory=list)

    def add(self, other: _Region) -> None:
        """Add another part."""
        self.top, self.left = min(self.top, other.top), min(self.left, other.left)
        self.bottom, self.right = max(self.bottom, other.bottom), max(self.right, other.right)
        self.pixels += other.pixels
        self.seeds += other.seeds


def trace_buildings(
    source: Probabilities,
    sizes: Sizes,
    *,
    block: int = BLOCK,
    largest: int = LARGEST,
    progress: bool | None = None,
) -> Iterator[Traced]:
    """Yield the traced outlines of all buildings of a scene, some at a time, in no certain order.

    Args:
        source: The probabilities.
        sizes: What counts as a building.
        block: Side of a block in pixels; must divide `largest`.
        largest: Regions longer than this are cut along a lattice of this spacing.
        progress: Whether to show a bar; None: on a terminal.
    """
    if largest % block:
        raise ValueError(f"blocks of {block} pixels do not divide {largest}")
    height, width = source.shape
    parts: list[_Region] = []
    joins: list[tuple[int, int]] = []
    above = np.zeros(width, np.int64)  # number of the part below each block's lower edge, from 1
    places = [(y, x) for y in range(0, height, block) for x in range(0, width, block)]
    beside = np.zeros(0, np.int64)
    silent = None if progress is None else not progress
    for y, x in tqdm(places, "footprints", disable=silent, unit="block"):
        rows, columns = min(block, height - y), min(block, width - x)
        values = source.read(y, x, rows, columns)
        pixels = _Pixels.of(values, sizes)
        inner = _inner(pixels, (y, x), source.shape)
        if inner.any():
            traced = _trace(pixels, inner, sizes, (y, x))
            if traced is not None:
                yield traced
        numbers = np.zeros(pixels.count + 1, np.int64)
        for label in (np.flatnonzero(~inner[1:]) + 1).tolist():
            parts.append(pixels.region(label, (y, x)))
            numbers[label] = len(parts)
        labels = pixels.labels
        if x:
            joins += _touching(beside, numbers[labels[:, 0]])
        if y:
            joins += _touching(above[x : x + columns], numbers[labels[0]])
        beside, above[x : x + columns] = numbers[labels[:, -1]], numbers[labels[-1]]
    for region in _joined(parts, joins):
        yield from _trace_window(source, region, sizes, largest)


@dataclass(frozen=True)
class _Pixels:
    """The pixels of a window by region."""

    values: NDArray[np.uint8]
    sure: NDArray[np.bool_]
    labels: NDArray[np.int32]
    stats: NDArray[np.int32]

    @property
    def count(self) -> int:
        """Number of regions."""
        return len(self.stats) - 1

    @classmethod
    def of(
        cls, values: NDArray[np.uint8], sizes: Sizes, allowed: tuple[slice, slice] | None = None
    ) -> _Pixels:
        """Find the regions of a window, small holes filled; only inside `allowed`, if given."""
        sure = (values >= sizes.level) & (values != NO_DATA)
        if allowed is not None:
            mask = np.zeros_like(sure)
            mask[allowed] = sure[allowed]
            sure = mask
        filled = _fill_holes(sure, sizes.hole)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(
            filled.view(np.uint8), connectivity=4, ltype=cv2.CV_32S
        )
        return cls(
            np.ascontiguousarray(values),
            sure,
            np.asarray(labels, np.int32),
            np.asarray(stats, np.int32),
        )

    def region(self, label: int, corner: tuple[int, int]) -> _Region:
        """Return one region, in pixels of the scene."""
        left, top, width, height, pixels = self.stats[label].tolist()
        row = self.labels[top, left : left + width]
        y, x = corner
        seed = (y + top, x + left + int(np.argmax(row == label)))
        return _Region(y + top, x + left, y + top + height, x + left + width, pixels, [seed])


def _fill_holes(sure: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Return the sure pixels with holes of less than `least` pixels filled.

    What reaches the border of the window is no hole: it may go on beyond.
    """
    if least <= 1:
        return sure
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        (~sure).view(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    height, width = sure.shape
    left, top, wide, high, pixels = stats.T
    inside = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    small = inside & (pixels < least)
    small[0] = False  # label 0 is the sure ones
    return sure | small[labels] if small.any() else sure


def _inner(pixels: _Pixels, corner: tuple[int, int], scene: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which regions (by label, 0 is none) have all that they depend on in their window."""
    rows, columns = pixels.labels.shape
    left, top, width, height, _ = pixels.stats.T
    y, x = corner
    inner = (
        ((top >= MARGIN) | (y == 0))
        & ((left >= MARGIN) | (x == 0))
        & ((top + height <= rows - MARGIN) | (y + rows == scene[0]))
        & ((left + width <= columns - MARGIN) | (x + columns == scene[1]))
    )
    inner[0] = False
    return np.asarray(inner)


def _touching(one: NDArray[np.int64], other: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return which numbers lie beside each other along an edge, 0 being none."""
    both = (one > 0) & (other > 0)
    pairs = np.unique(np.stack([one[both], other[both]], axis=1), axis=0)
    return [(int(a), int(b)) for a, b in pairs]


def _joined(parts: list[_Region], joins: list[tuple[int, int]]) -> list[_Region]:
    """Put parts (numbered from 1) together that touch across edges of blocks."""
    parent = list(range(len(parts) + 1))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for one, other in joins:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    whole: dict[int, _Region] = {}
    for number, part in enumerate(parts, start=1):
        if root(number) == number:
            whole[number] = part
        else:
            whole[root(number)].add(part)
    return list(whole.values())


def _trace_window(
    source: Probabilities, region: _Region, sizes: Sizes, largest: int
) -> Iterator[Traced]:
    """Yield the buildings of one region, read in a window of its own; of a huge one in cells."""
    if region.pixels < sizes.least:
        return
    windows = [(region.top, region.left, region.bottom, region.right)]
    huge = max(region.bottom - region.top, region.right - region.left) > largest
    if huge:
        log.warning(
            "ground of %d x %d pixels is one piece, and is cut along lines every %d pixels",
            region.right - region.left,
            region.bottom - region.top,
            largest,
        )
        windows = [
            (y, x, min(y + largest, source.shape[0]), min(x + largest, source.shape[1]))
            for y in range(region.top // largest * largest, region.bottom, largest)
            for x in range(region.left // largest * largest, region.right, largest)
        ]
    for top, left, bottom, right in windows:
        y, x = max(top - MARGIN, 0), max(left - MARGIN, 0)
        end, edge = (
            min(n + MARGIN, size) for n, size in zip((bottom, right), source.shape, strict=True)
        )
        values = source.read(y, x, end - y, edge - x)
        cell = (slice(top - y, bottom - y), slice(left - x, right - x)) if huge else None
        pixels = _Pixels.of(values, sizes, cell)
        seeds = [(a - y, b - x) for a, b in region.seeds if top <= a < bottom and left <= b < right]
        wanted = np.zeros(pixels.count + 1, bool)
        wanted[[pixels.labels[seed] for seed in seeds]] = True
        wanted[0] = False
        traced = _trace(pixels, wanted, sizes, (y, x)) if wanted.any() else None
        if traced is not None:
            yield traced


def _trace(
    pixels: _Pixels, wanted: NDArray[np.bool_], sizes: Sizes, corner: tuple[int, int]
) -> Traced | None:
    """Part the wanted regions of a window into buildings and trace them; None when none is left."""
    buildings = _buildings(pixels, wanted, sizes)
    counts = np.bincount(buildings.ravel())
    kept = counts >= sizes.least
    kept[0] = False
    if not kept.any():
        return None
    buildings *= kept[buildings]
    buildings, first = number_in_order(buildings, len(counts) - 1)
    counted = np.where(pixels.sure, buildings, 0).ravel()
    amount = np.bincount(counted, minlength=len(first) + 1)[1:]
    total = np.bincount(counted, pixels.values.ravel(), len(first) + 1)[1:]
    points, starts, owners = trace_rings(buildings, pixels.values, sizes.level - 0.5, *corner)
    place = np.stack(np.divmod(first, buildings.shape[1]), axis=1).astype(np.int64) + corner
    return Traced(points, starts, owners - 1, place, total / np.maximum(amount, 1) / CERTAIN)


def _buildings(pixels: _Pixels, wanted: NDArray[np.bool_], sizes: Sizes) -> NDArray[np.int32]:
    """Return the wanted regions of a window, parted where roofs touch: int32, 0 elsewhere."""
    asked = wanted[pixels.labels]
    if sizes.split == 0:
        return np.where(asked, pixels.labels, 0).astype(np.int32)
    mask = np.pad(pixels.labels > 0, 1, mode="edge").view(np.uint8)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    radius = np.minimum(distance, _WIDEST).astype(np.float32)
    # On bytes, smoothing is exact: the same in every window that holds what it reaches.
    known = np.where(pixels.values == NO_DATA, 0, pixels.values)
    smooth = cv2.GaussianBlur(known, (0, 0), _SMOOTH, borderType=cv2.BORDER_REPLICATE)
    above = np.maximum(smooth.astype(np.float32) - sizes.level, 0) + np.float32(_DOUBT)
    # The root makes widths count less than certainty: wings of one roof differ in width.
    height = np.sqrt(radius) * above
    flat = np.flatnonzero(asked)
    order = flat[np.argsort(-height.ravel()[flat], kind="stable")]
    least = max(sizes.least, 1.0)
    return part_basins(
        order, height, radius, sizes.split, max(1.5, _CORE * np.sqrt(least)), int(np.ceil(least))
    )
