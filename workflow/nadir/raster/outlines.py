"""Outlines of buildings: how far each pixel is from the nearest edge, and which lie beside one.

The store `outline.zarr` holds, on the grid of the labels,

- `distance (y, x)` int8: Euclidean distance in pixels, between centers, to the nearest pixel
  across an edge, rounded; positive inside of buildings, negative outside, clipped to +-127; 0
  where there is no label. Where the footprints are known as polygons, a wall between two
  buildings is an edge as well.
- `boundary (y, x)` uint8: 1 where that distance is at most 2 pixels.

The border of the scene, and of what was looked at, is no edge: what lies beyond is unknown.
Blocks are worked on with a halo of 127 pixels, beyond which every distance is clipped, so the
result is that of the whole scene at once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import shapely
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt, find_objects

from nadir.config.scenes import CubeConfig
from nadir.provenance.manifest import Manifest, staged_store
from nadir.raster.blocks import run_blocks
from nadir.raster.grid import Grid
from nadir.raster.store import (
    ArraySpec,
    Block,
    Layout,
    StoredArray,
    UnitDigest,
    blocks_of,
    content_digest,
    create_array,
    create_group,
    unit_digests,
)

log = logging.getLogger(__name__)

KIND = "outline"
FARTHEST = 127
"""Distance at which the stored one is clipped, in pixels."""
BESIDE = 2.0
"""Distance up to which a pixel lies beside an edge, in pixels."""


class HardLabels(Protocol):
    """Labels of one scene; `nadir.raster.labels.Labels` has this face."""

    grid: Grid

    def hard(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return class ids (h, w) uint8, 0 for no data; boundless."""


def signed_distance(
    inside: np.ndarray, known: np.ndarray, parts: np.ndarray | None = None
) -> np.ndarray:
    """Return the signed distance of every pixel to the nearest one across an edge, unclipped.

    Args:
        inside: bool (h, w): pixels of buildings.
        known: bool (h, w): pixels with a label; others are across no edge.
        parts: int (h, w): number of the building, from 1, 0 elsewhere; None where buildings that
            touch are one.

    Returns:
        float64 (h, w), positive inside; infinite where there is no edge, 0 where nothing is known.
    """
    outer = _distance_to(inside)
    if parts is None:
        inner = _distance_to(known & ~inside)
    else:
        inner = np.full(inside.shape, np.inf)
        for number, box in enumerate(find_objects(parts), start=1):
            if box is None:
                continue
            # All that is nearest to a building lies in its bounding box, or just beside it.
            around = tuple(
                slice(max(part.start - 1, 0), min(part.stop + 1, size))
                for part, size in zip(box, inside.shape, strict=True)
            )
            own = parts[around] == number
            distance = _distance_to(known[around] & ~own)
            inner[around][own] = distance[own]
    return np.where(known, np.where(inside, inner, -outer), 0.0)


def _distance_to(target: np.ndarray) -> np.ndarray:
    """Return the distance of every pixel's center to the nearest true pixel's, or infinity."""
    if not target.any():
        return np.full(target.shape, np.inf)
    return distance_transform_edt(~target)


@dataclass(frozen=True)
class _TraceBlock:
    """Traces one block and writes it; pickles for Dask workers."""

    store: Path
    labels: HardLabels
    building: int
    shapes: np.ndarray | None
    tree: shapely.STRtree | None

    def __call__(self, block: Block) -> tuple[int, list[UnitDigest]]:
        """Write the block; return how many of its pixels lie beside an edge, and digests."""
        y, x, height, width = block
        wide = (y - FARTHEST, x - FARTHEST, height + 2 * FARTHEST, width + 2 * FARTHEST)
        ids = self.labels.hard(*wide)
        inside, known = ids == self.building, ids != 0
        parts = self._parts(*wide, inside) if self.shapes is not None else None
        center = np.s_[FARTHEST : FARTHEST + height, FARTHEST : FARTHEST + width]
        exact = signed_distance(inside, known, parts)[center]
        distance = np.rint(np.clip(exact, -FARTHEST, FARTHEST)).astype(np.int8)
        beside = (np.abs(exact) <= BESIDE) & known[center]
        units = []
        for name, values in (("distance", distance), ("boundary", beside.astype(np.uint8))):
            StoredArray(self.store / name).write((), y, x, values)
            units += unit_digests(name, (), y, x, values)
        return int(np.count_nonzero(beside)), units

    def _parts(self, y: int, x: int, height: int, width: int, inside: np.ndarray) -> np.ndarray:
        """Return the number of the building that each pixel belongs to."""
        assert self.shapes is not None and self.tree is not None
        grid = self.labels.grid.window(y, x, height, width)
        near = np.sort(self.tree.query(grid.footprint(0, 0, height, width)))
        parts = np.zeros(inside.shape, np.int32)
        if near.size:
            # As the labels were burnt: centers decide, and the later polygon wins.
            pairs = [(self.shapes[index], number) for number, index in enumerate(near, start=1)]
            rasterize(pairs, out=parts, transform=grid.affine)
        # A pixel that is a building by its label alone belongs to a last one of its own.
        parts[inside & (parts == 0)] = len(near) + 1
        parts[~inside] = 0
        return parts


def trace_outlines(
    labels: HardLabels,
    building: int,
    manifest: str | os.PathLike[str],
    cube: CubeConfig,
    shapes: Sequence[shapely.Geometry] | np.ndarray | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Manifest:
    """Store distance and boundary of the buildings of a scene.

    Memory is that of a block with its halo for each worker.

    Args:
        labels: Labels of the scene.
        building: Id of the class.
        manifest: Path of the manifest to write, `.../outline.manifest.json`.
        cube: Codec, chunk and shard of the store.
        shapes: Footprints in the CRS of the labels, in the order in which they were burnt; None
            where only the mask is known, and buildings that touch are one.
        workers: Blocks at a time; None for one per processor.
        scheduler: Dask scheduler, if any: see `nadir.raster.blocks.run_blocks`.

    Returns:
        The manifest; its `content` has `shape`, `farthest`, `beside`, `parted` (whether touching
        buildings are told apart) and `boundary` (pixels beside an edge).

    Raises:
        InputError: When the labels are damaged. Nothing is left behind.
        OutputError: When the disk is full or not writable. Nothing is left behind.
    """
    grid = labels.grid
    known = None if shapes is None else np.asarray(shapes, object)
    tree = None if known is None else shapely.STRtree(known)
    layout = Layout.of(cube, *grid.shape)
    facts = {"farthest": FARTHEST, "beside": BESIDE, "parted": shapes is not None}
    with staged_store(manifest) as stage:
        create_group(stage.path, {**facts, "grid": grid.to_dict()})
        for name, dtype in (("distance", "int8"), ("boundary", "uint8")):
            create_array(stage.path, ArraySpec(name, dtype, grid.shape, ("y", "x")), layout, {})
        work = _TraceBlock(stage.path, labels, building, known, tree)
        blocks = blocks_of(*grid.shape, layout.block)
        found = run_blocks(work, blocks, workers, scheduler, "trace outlines")
        units = [unit for _, written in found for unit in written]
        digest = content_digest(units, {**facts, "grid": grid.to_dict()})
        content = {**facts, "shape": list(grid.shape), "boundary": sum(n for n, _ in found)}
        return stage.commit(Manifest(KIND, digest, grid.to_dict(), content))
