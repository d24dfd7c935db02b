"""Tidying a map: smooth borders, and no patch below a minimum mapping unit."""

from __future__ import annotations

import heapq
import logging

import numba
import numpy as np
from numpy.typing import NDArray

from nadir.config.quality import GeneralizeConfig
from nadir.raster.grid import Grid
from nadir.segmentation.footprint_extract import pixel_ground
from nadir.segmentation.mosaic import RawRaster
from nadir.segmentation.regions import borders, patches

log = logging.getLogger(__name__)


def changes_map(cfg: GeneralizeConfig) -> bool:
    """Tell whether there is anything to do."""
    return cfg.smooth > 0 or cfg.min_area > 0


def generalize(ids: RawRaster, confidence: RawRaster, grid: Grid, cfg: GeneralizeConfig) -> None:
    """Tidy a map in place; memory grows with the scene by some 15 bytes a pixel.

    Where the class changes, what the model thought of the new one is no longer known: at most
    what it left over for all others, which is what the confidence then says.

    Args:
        ids: Class ids, 0 = no data.
        confidence: Percent, 255 = no data.
        grid: Of both.
        cfg: What to do.
    """
    before = ids.read(0, 0, ids.height, ids.width)
    after = smoothed(before, cfg.smooth) if cfg.smooth else before
    if cfg.min_area > 0:
        pixel = float(abs(np.linalg.det(pixel_ground(grid if grid.crs else None))))
        after = merged(after, cfg.min_area / pixel)
    changed = before != after
    log.info("%.2f %% of pixels changed their class", 100 * changed.mean())
    percent = confidence.read(0, 0, ids.height, ids.width)
    percent[changed] = np.minimum(percent[changed], 100 - np.minimum(percent[changed], 100))
    confidence.write(0, 0, percent)
    ids.write(0, 0, after)


def smoothed(ids: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    """Return a map in which each pixel takes the most frequent class of a square around it.

    Args:
        ids: (height, width), 0 = no data, which stays and does not count.
        radius: Squares measure 2 * `radius` + 1 pixels.

    Returns:
        A new array. On ties a pixel keeps its class if it is among the most frequent, else takes
        the lowest id of these.
    """
    result = np.empty_like(ids)
    _majority(np.ascontiguousarray(ids), radius, result)
    return result


@numba.njit(cache=True, nogil=True)
def _majority(ids: NDArray[np.uint8], radius: int, result: NDArray[np.uint8]) -> None:
    """Slide a square along each row, with one count a class."""
    height, width = ids.shape
    count = np.zeros(256, np.int64)
    highest = int(ids.max()) if ids.size else 0
    for i in range(height):
        top, bottom = max(0, i - radius), min(height, i + radius + 1)
        count[:] = 0
        for a in range(top, bottom):
            for b in range(min(radius, width)):
                count[ids[a, b]] += 1
        for j in range(width):
            if j + radius < width:
                for a in range(top, bottom):
                    count[ids[a, j + radius]] += 1
            if j - radius - 1 >= 0:
                for a in range(top, bottom):
                    count[ids[a, j - radius - 1]] -= 1
            if ids[i, j] == 0:
                result[i, j] = 0
                continue
            best = ids[i, j]
            for k in range(1, highest + 1):
                if count[k] > count[best] or (
                    count[k] == count[best] and best != ids[i, j] and k < best
                ):
                    best = k
            result[i, j] = best


def merged(ids: NDArray[np.uint8], least: float) -> NDArray[np.uint8]:
    """Return a map without patches of fewer than `least` pixels.

    The smallest patch comes first; it takes the class of the neighbor with which it shares the
    longest border (the larger one on ties) and grows together with it. Patches that have no
    neighbor stay.

    Args:
        ids: (height, width), 0 = no data.
        least: Pixels.
    """
    labels = np.empty(ids.shape, np.int32)
    count = patches(np.ascontiguousarray(ids), labels)
    size = np.bincount(labels.ravel(), minlength=count + 1).astype(np.int64)
    first = np.zeros(count + 1, np.int64)
    flat = labels.ravel()
    first[flat[::-1]] = np.arange(flat.size - 1, -1, -1)
    kind = ids.ravel()[first]
    owner = np.arange(count + 1)
    small = np.flatnonzero((size < least) & (np.arange(count + 1) > 0))
    if len(small) == 0:
        return ids.copy()
    _merge(_neighbors(labels, count), small, size, kind, owner, least)
    for number in range(1, count + 1):  # owners come to rest at themselves
        while owner[owner[number]] != owner[number]:
            owner[number] = owner[owner[number]]
    kinds = kind[owner]
    kinds[0] = 0
    return kinds[labels].astype(np.uint8)


def _neighbors(labels: NDArray[np.int32], count: int) -> list[dict[int, int]]:
    """Return for each patch its neighbors and the sides that it shares with them."""
    beside: list[dict[int, int]] = [{} for _ in range(count + 1)]
    pairs, sides = borders(labels)
    for (one, other), length in zip(pairs.tolist(), sides.tolist(), strict=True):
        beside[one][other] = length
        beside[other][one] = length
    return beside


def _merge(
    beside: list[dict[int, int]],
    small: NDArray[np.int64],
    size: NDArray[np.int64],
    kind: NDArray[np.uint8],
    owner: NDArray[np.int64],
    least: float,
) -> None:
    """Merge small patches into neighbors, smallest first; everything is changed in place."""
    queue = [(int(size[number]), number) for number in small.tolist()]
    heapq.heapify(queue)
    while queue:
        pixels, number = heapq.heappop(queue)
        if owner[number] != number or size[number] != pixels or not beside[number]:
            continue  # merged already, or grown: it stands in the queue again if it is small
        near = beside[number]
        into = max(near, key=lambda other: (near[other], size[other], -other))
        joined = [into]
        # Patches of the new class on other sides become one with it, too.
        joined += [other for other in near if other != into and kind[other] == kind[into]]
        for other in (number, *joined[1:]):
            _join(beside, size, owner, other, into)
        if size[into] < least:
            heapq.heappush(queue, (int(size[into]), into))


def _join(
    beside: list[dict[int, int]],
    size: NDArray[np.int64],
    owner: NDArray[np.int64],
    one: int,
    into: int,
) -> None:
    """Let patch `one` become part of patch `into`."""
    owner[one] = into
    size[into] += size[one]
    for other, length in beside[one].items():
        del beside[other][one]
        if other != into:
            beside[into][other] = beside[into].get(other, 0) + length
            beside[other][into] = beside[into][other]
    beside[one] = {}
