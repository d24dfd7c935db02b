"""Working through blocks and photos: some ahead of what is being written, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

GDAL = {"GDAL_CACHEMAX": 64, "GDAL_NUM_THREADS": "1", "GDAL_PAM_ENABLED": "NO"}
"""GDAL's settings while simulated rasters are written: blocks are whole, so no cache is needed."""

TILE = 256
"""Side of the tiles of simulated rasters; blocks of work are multiples of it."""

Block = tuple[int, int, int, int]
"""(row, column, rows, columns)."""


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def blocks_of(height: int, width: int, side: int) -> list[Block]:
    """Return the blocks of at most `side` x `side` that tile a raster, row by row.

    Raises:
        ValueError: When `side` is not a multiple of `TILE`.
    """
    if side <= 0 or side % TILE:
        raise ValueError(f"block must be a positive multiple of {TILE}, not {side}")
    return [
        (row, column, min(side, height - row), min(side, width - column))
        for row in range(0, height, side)
        for column in range(0, width, side)
    ]


def in_order(
    work: Callable[..., Any], items: Sequence[tuple], workers: int
) -> Iterator[tuple[Any, Any]]:
    """Yield items with their results, in order, never more than one ahead of each worker.

    Args:
        work: Called with the parts of an item.
        items: What to work on.
        workers: Threads.
    """
    with ThreadPoolExecutor(workers) as pool:
        pending: deque = deque()
        try:
            for item in items:
                pending.append((item, pool.submit(work, *item)))
                if len(pending) > workers:
                    done, future = pending.popleft()
                    yield done, future.result()
            while pending:
                done, future = pending.popleft()
                yield done, future.result()
        finally:
            for _, future in pending:
                future.cancel()
