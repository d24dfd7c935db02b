"""Sliding-window prediction of a whole scene, blended, in memory that does not grow with it.

The scene is worked in blocks of windows, row by row of blocks. Each window is predicted exactly
once, and read with its neighbors (`strips`). What a block's windows add to pixels of later blocks
is carried on: to the right in memory (as high as a block), downwards in a file.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from nadir.errors import NadirError
from nadir.raster.grid import Grid
from nadir.segmentation.blend import add_window, decide, last_probability
from nadir.segmentation.mosaic import Mosaic
from nadir.segmentation.prefetch import prefetch
from nadir.segmentation.strips import Pixels, StripReader
from nadir.segmentation.windows import Axis, Block, filled

log = logging.getLogger(__name__)

BLOCK_BYTES = 64 << 20
"""Memory of one block's running total; with the batches in flight, all that prediction holds."""
ALIGN = 256
"""Pixels that become final together are cut at multiples of this, to suit tiled files."""


class Scene(Protocol):
    """What prediction needs of a cube (`nadir.raster.cube.Cube`)."""

    @property
    def grid(self) -> Grid:
        """The grid of the scene."""

    def read(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        """Return raw values (date, band, height, width) and validity (date, height, width)."""


WindowModel: TypeAlias = Callable[[NDArray[np.uint16], NDArray[np.bool_]], NDArray[np.float32]]
"""Raw windows (n, date, band, h, w) and validity (n, date, h, w) -> probabilities (n, K, h, w)."""

Watch: TypeAlias = Callable[[int, int], None]
"""(windows done, windows in all) -> nothing."""


@dataclass(frozen=True)
class Batch:
    """Windows that are predicted together.

    Attributes:
        places: (block column, window row, window column) of each window.
        raw: (n, date, band, window, window) raw values.
        valid: (n, date, window, window) bool.
        passed: Windows looked at for this batch, those without valid data included.
    """

    places: list[tuple[int, int, int]]
    raw: NDArray[np.uint16]
    valid: NDArray[np.bool_]
    passed: int


@dataclass(frozen=True)
class Layout:
    """Windows and blocks of one scene.

    Attributes:
        rows: Windows along rows of pixels (y).
        columns: Windows along columns of pixels (x).
        row_blocks: Blocks along y.
        column_blocks: Blocks along x.
    """

    rows: Axis
    columns: Axis
    row_blocks: list[Block]
    column_blocks: list[Block]

    @classmethod
    def of(
        cls, shape: tuple[int, int], window: int, overlap: float, classes: int, block_bytes: int
    ) -> Layout:
        """Lay out a scene of `shape` (height, width)."""
        side = max(math.isqrt(block_bytes // (4 * (classes + 1))), 2 * window)
        rows, columns = (Axis.of(length, window, overlap) for length in shape)
        return cls(rows, columns, rows.blocks(side, ALIGN), columns.blocks(side, ALIGN))

    @property
    def count(self) -> int:
        """Number of windows."""
        return len(self.rows.starts) * len(self.columns.starts)


def predict_scene(
    scene: Scene,
    model: WindowModel,
    classes: int,
    mosaic: Mosaic,
    *,
    window: int,
    overlap: float,
    batch_size: int,
    group: int = 0,
    block_bytes: int = BLOCK_BYTES,
    progress: bool = True,
    watch: Watch | None = None,
) -> None:
    """Predict a scene into a mosaic, going on where an earlier run was cut short.

    Args:
        scene: The imagery.
        model: The model.
        classes: Number of classes K.
        mosaic: Where the result goes; of the scene's shape.
        window: Side of a window, in pixels.
        overlap: Least share of a window's side that it has in common with the next, in [0, 1).
        batch_size: Windows a step, at least.
        group: Windows that the model computes together (`Predictor.group`): it is always given
            whole groups, the last one of a row of blocks filled up with copies, so that the result
            does not depend on `batch_size`. By default a batch is a group.
        block_bytes: Memory of the running total; the result does not depend on it, but a model
            whose output for a window depends on its group may differ in the last bits.
        progress: Whether to show a progress bar.
        watch: Called before each batch. What it raises ends the prediction; a later call goes on
            with the row of blocks that it was at.

    Raises:
        NadirError: When the model gives numbers that are not finite.
        OutputError: When the disk is full.
    """
    layout = Layout.of(scene.grid.shape, window, overlap, classes, block_bytes)
    group = group or batch_size
    batch_size = -(-batch_size // group) * group
    before = sum(block.last - block.first for block in layout.row_blocks[: mosaic.done])
    if before:
        log.info("going on after %d of %d block rows", mosaic.done, len(layout.row_blocks))
    with tqdm(
        total=layout.count,
        initial=before * len(layout.columns.starts),
        desc="predict",
        unit="window",
        mininterval=0.2 if sys.stderr.isatty() else 30.0,  # a log needs few lines
        disable=not progress,
    ) as bar:
        for number in range(mosaic.done, len(layout.row_blocks)):
            block_row = _BlockRow(classes, mosaic, layout, number)
            passed = layout.row_blocks[number].first * len(layout.columns.starts)
            for batch in prefetch(_batches(scene, layout, layout.row_blocks[number], batch_size)):
                if watch is not None:
                    watch(passed, layout.count)
                passed += batch.passed
                block_row.predict(batch, model, group)
                bar.update(batch.passed)
            block_row.finish()
            mosaic.commit_row()
        if watch is not None:
            watch(layout.count, layout.count)


def _batches(scene: Scene, layout: Layout, row: Block, batch_size: int) -> Iterator[Batch]:
    """Read the windows of one row of blocks, block by block, leaving out those without data."""
    side = layout.rows.window
    reader = StripReader(scene, side)
    places: list[tuple[int, int, int]] = []
    parts: list[Pixels] = []
    passed = 0
    for block_number, block in enumerate(layout.column_blocks):
        starts = layout.columns.starts[block.first : block.last]
        for i in range(row.first, row.last):
            windows = reader.row(layout.rows.starts[i], starts)
            for j, window in enumerate(windows, start=block.first):
                passed += 1
                if window is not None and window[1].any():
                    places.append((block_number, i, j))
                    parts.append(window)
                if len(places) == batch_size:
                    yield _stack(places, parts, passed)
                    places, parts, passed = [], [], 0
    yield _stack(places, parts, passed)


def _stack(
    places: list[tuple[int, int, int]],
    parts: list[Pixels],
    passed: int,
) -> Batch:
    if not places:
        return Batch([], np.empty(0, np.uint16), np.empty(0, np.bool_), passed)
    raw, valid = zip(*parts, strict=True)
    return Batch(places, np.stack(raw), np.stack(valid), passed)


class _BlockRow:
    """The running total of one row of blocks; windows come in order of their blocks."""

    def __init__(self, classes: int, mosaic: Mosaic, layout: Layout, number: int) -> None:
        self.mosaic, self.layout = mosaic, layout
        self.planes = classes + 1
        self.row = layout.row_blocks[number]
        self.row_before = layout.row_blocks[number - 1] if number else None
        self.current = 0
        self.total = self._open(np.zeros((self.planes, 0, 0), np.int32))

    def predict(self, batch: Batch, model: WindowModel, group: int) -> None:
        """Add the windows of a batch, given to the model in whole groups."""
        if not batch.places:
            return
        count = -(-len(batch.places) // group) * group
        answers = model(filled(batch.raw, count), filled(batch.valid, count))
        for place, answer, mask in zip(batch.places, answers, batch.valid, strict=False):
            self.add(place, answer, mask.sum(0, dtype=np.uint16))

    def add(
        self,
        place: tuple[int, int, int],
        probabilities: NDArray[np.float32],
        valid: NDArray[np.uint16],
    ) -> None:
        """Add one window; `valid` says on how many dates each pixel is."""
        block_number, i, j = place
        while self.current < block_number:
            self._close()
        rows, columns = self.layout.rows, self.layout.columns
        block = self.layout.column_blocks[self.current]
        finite = add_window(
            self.total,
            probabilities,
            valid,
            rows.weights[i, : rows.inside(i)],
            columns.weights[j, : columns.inside(j)],
            rows.starts[i] - self.row.begin,
            columns.starts[j] - block.begin,
        )
        if not finite:
            raise NadirError(
                f"the model gave numbers that are not finite for the window at row "
                f"{rows.starts[i]}, column {columns.starts[j]}: its training diverged, "
                "or its statistics do not fit this image. Train it again, or give the right model."
            )

    def finish(self) -> None:
        """Finish the blocks that are left."""
        while self.current < len(self.layout.column_blocks):
            self._close()

    def _offset(self, block: Block) -> int:
        """Return where a block's carried totals lie, in elements: fixed slots, none overlap."""
        return self.planes * (self.layout.rows.window + ALIGN) * block.begin

    def _open(self, from_left: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the total with which the current block begins."""
        block, row = self.layout.column_blocks[self.current], self.row
        total = np.zeros((self.planes, row.reach - row.begin, block.reach - block.begin), np.int32)
        total[:, : from_left.shape[1], : from_left.shape[2]] = from_left
        if self.row_before is not None and block.end > block.begin:
            shape = (self.planes, self.row_before.reach - row.begin, block.end - block.begin)
            total[:, : shape[1], : shape[2]] += self.mosaic.read_carried(self._offset(block), shape)
        return total

    def _close(self) -> None:
        """Write what is final in the current block, carry on the rest, and open the next."""
        block, row = self.layout.column_blocks[self.current], self.row
        height, width = row.end - row.begin, block.end - block.begin
        ids, confidence = np.empty((2, height, width), np.uint8)
        decide(self.total[:, :height, :width], ids, confidence)
        self.mosaic.ids.write(row.begin, block.begin, ids)
        self.mosaic.confidence.write(row.begin, block.begin, confidence)
        if self.mosaic.probability is not None:
            levels = np.empty((height, width), np.uint8)
            last_probability(self.total[:, :height, :width], levels)
            self.mosaic.probability.write(row.begin, block.begin, levels)
        self.mosaic.write_further(row.begin, block.begin, self.total[:, :height, :width])
        self.mosaic.write_carried(self._offset(block), self.total[:, height:, :width])
        from_left = self.total[:, :, width:].copy()
        self.current += 1
        if self.current < len(self.layout.column_blocks):
            self.total = self._open(from_left)
