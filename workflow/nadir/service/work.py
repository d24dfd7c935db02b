"""Bounded pools of threads: heavy work stays off the event loop, and waits in a queue that ends."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import ParamSpec, TypeVar

from nadir.service.metrics import Counter, Gauge, Histogram, Registry
from nadir.service.problems import Problem

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST_RETRY = 60
_MEMORY = 0.8
"""Weight of the past in the running mean of durations."""


class PoolMetrics:
    """What is counted of pools, by the pool's name."""

    def __init__(self, registry: Registry) -> None:
        label = ("pool",)
        self.admitted = registry.add(
            Gauge("nadir_work_admitted", "Requests that run, wait or are being uploaded.", label)
        )
        self.refused = registry.add(
            Counter("nadir_work_refused_total", "Requests refused by a full queue (429).", label)
        )
        self.late = registry.add(
            Counter("nadir_work_late_total", "Requests that ran out of time (503).", label)
        )
        self.seconds = registry.add(
            Histogram("nadir_work_seconds", "Time of work in its thread, in seconds.", label)
        )


class Pool:
    """Some threads and a queue of bounded length; used from one event loop.

    Args:
        name: Name in metrics.
        workers: Threads.
        queue: Requests that may wait.
        seconds: Longest time from `Place.run` to its result.
        metrics: Where to count.
    """

    def __init__(
        self, name: str, workers: int, queue: int, seconds: float, metrics: PoolMetrics
    ) -> None:
        self.name, self.workers, self.queue, self.seconds = name, workers, queue, seconds
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=f"nadir-{name}")
        self._admitted = 0
        self._mean = 1.0
        self._closed = False
        metrics.admitted.set(0, pool=name)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """Hold a place in the pool, taken before an upload is read.

        Raises:
            Problem: 429 with `Retry-After` when all places are taken.
        """
        if self._closed:
            raise Problem(503, "stopping", "the service is stopping", "Try again shortly.")
        if self._admitted >= self.workers + self.queue:
            self._metrics.refused.add(pool=self.name)
            raise Problem(
                429,
                "busy",
                f"all {self.workers + self.queue} places of the queue are taken",
                "Try again after the time that the header Retry-After tells, in seconds.",
                {"Retry-After": str(self.retry_after())},
            )
        self._count(+1)
        place = Place(self)
        try:
            yield place
        finally:
            place.leave()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Take a place and run a function in a thread; see `place` and `Place.run`."""
        async with self.place() as place:
            return await place.run(function, *args, **kwargs)

    def retry_after(self) -> int:
        """Return in how many seconds a place should be free, 1 to 60."""
        expected = self._mean * max(1, self._admitted - self.workers + 1) / self.workers
        return max(1, min(_LONGEST_RETRY, math.ceil(expected)))

    def close(self) -> None:
        """Take no more work and drop what waits; what runs ends in its own time."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Hand a function to the threads."""
        return self._threads.submit(self._timed, function)

    def _timed(self, function: Callable[[], T]) -> T:
        """Run a function in this thread and note how long it took."""
        start = time.perf_counter()
        try:
            return function()
        finally:
            taken = time.perf_counter() - start
            self._mean = _MEMORY * self._mean + (1 - _MEMORY) * taken
            self._metrics.seconds.observe(taken, pool=self.name)

    def _count(self, change: int) -> None:
        self._admitted += change
        self._metrics.admitted.set(self._admitted, pool=self.name)

    def late(self) -> Problem:
        """Return the problem of work that ran out of time."""
        self._metrics.late.add(pool=self.name)
        return Problem(
            503,
            "out-of-time",
            f"there was no result within {self.seconds:g} s",
            "Try again later, or with a smaller file.",
            {"Retry-After": str(self.retry_after())},
        )


class Place:
    """A place in a pool; it is given back when the request *and* its thread are done.

    A thread cannot be stopped, so one whose request ran out of time goes on holding the place:
    otherwise the pool would promise threads that it has not.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._future: Future[object] | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in a thread of the pool and return its result.

        Raises:
            Problem: 503 when there is no result in time.
        """
        future = self._pool.submit(partial(function, *args, **kwargs))
        self._future = future  # type: ignore[assignment]
        waiting = asyncio.wrap_future(future)
        try:
            # Shielded: cancelling the wrapper would mark work that runs on as cancelled.
            return await asyncio.wait_for(asyncio.shield(waiting), self._pool.seconds)
        except TimeoutError:
            if waiting.done():
                raise  # the function's own
            future.cancel()
            waiting.add_done_callback(_forget)
            raise self._pool.late() from None

    def leave(self) -> None:
        """Give the place back as soon as no thread works for it."""
        future = self._future
        if future is None or future.done() or future.cancel():
            self._pool._count(-1)
            return
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._pool._count, -1))


def _forget(waiting: asyncio.Future[T]) -> None:
    """Look at a late result, which nobody waits for, so that it is not called forgotten."""
    if not waiting.cancelled():
        waiting.exception()
