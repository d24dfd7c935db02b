"""Running a function over blocks: in Dask threads here, or on the workers of a Dask scheduler."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOG_EVERY = 15.0  # seconds between log lines where no progress bar can be shown


def available_workers(workers: int | None) -> int:
    """Return `workers`, or the number of processors that this process may use when None or 0."""
    return workers or len(os.sched_getaffinity(0))


class _Progress:
    """A bar on a terminal; elsewhere one log line now and then, and none for quick work."""

    def __init__(self, total: int, describe: str) -> None:
        self.total, self.describe, self.done = total, describe, 0
        self.start = self.said = time.monotonic()
        self.bar = tqdm(
            total=total, desc=describe, unit="block", leave=False, disable=not sys.stderr.isatty()
        )

    def step(self) -> None:
        self.done += 1
        self.bar.update()
        now = time.monotonic()
        if self.bar.disable and now - self.said >= _LOG_EVERY:
            self.said = now
            left = (now - self.start) * (self.total - self.done) / self.done
            log.info("%s: %d of %d blocks, %.0f s left", self.describe, self.done, self.total, left)

    def close(self) -> None:
        self.bar.close()


def run_blocks(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int | None = None,
    scheduler: str | None = None,
    describe: str = "blocks",
) -> list[Result]:
    """Call `function` on every item, several at a time, and return the results in order.

    Memory is that of `workers` calls at a time plus all results, which should therefore be small.
    The first error stops the rest: nothing new is started, what runs is awaited (so that nobody
    writes any more when the caller cleans up), and the error is raised as it is.

    Args:
        function: What to call; it must release the GIL to gain from threads, and pickle (with
            the items and results) when a scheduler is given.
        items: The blocks.
        workers: Calls at a time; None or 0 for one per processor. A scheduler that is there decides
            by its own number of threads.
        scheduler: Address of a Dask scheduler ("tcp://host:port"), whose workers must see the
            same files; `local` or `local:N` for processes of this machine; None for threads of
            this process.
        describe: What is being done, for the progress bar.

    Returns:
        The results, in the order of the items.

    Raises:
        InputError: When a scheduler cannot be reached or has no workers that live.
    """
    items = list(items)
    if not items:
        return []
    progress = _Progress(len(items), describe)
    try:
        if scheduler:
            from nadir.raster.cluster import run_on_cluster  # a second to import

            count = available_workers(workers)
            return run_on_cluster(function, items, scheduler, count, progress.step)
        return _run_threads(function, items, available_workers(workers), progress)
    finally:
        progress.close()


def _run_threads(
    function: Callable[[Any], Any], items: list[Any], workers: int, progress: _Progress
) -> list[Any]:
    """Run on Dask's threaded scheduler, in a pool that ends with this call."""
    from dask._task_spec import Task
    from dask.callbacks import Callback
    from dask.threaded import get

    # Dask takes independent tasks from the last name to the first; blocks shall run as they come,
    # since neighbours share blocks of the file.
    names = [f"block-{number:08d}" for number in range(len(items), 0, -1)]
    graph = {name: Task(name, function, item) for name, item in zip(names, items, strict=True)}
    # The pool's end closes the thread-local file handles; Dask's own pools live until exit.
    with (
        ThreadPoolExecutor(min(workers, len(items)), thread_name_prefix="blocks") as pool,
        Callback(posttask=lambda *_: progress.step()),
    ):
        return list(get(graph, names, pool=pool))
