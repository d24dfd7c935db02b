"""Calls on the workers of a Dask cluster: one that is there, or one of processes of this machine.

A worker that dies takes nothing along: its calls go to others (Dask's `allowed-failures` says how
often), and a call may therefore run twice. Whoever calls `run_on_cluster` writes the same bytes to
the same places each time.
"""

from __future__ import annotations

import logging
import pickle
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from nadir.errors import InputError

log = logging.getLogger(__name__)

LOCAL = re.compile(r"local(?::([1-9]\d{0,3}))?")
"""`local` or `local:4`: a cluster of this machine's processes, for as long as the work lasts."""

_SETTING = "compute.scheduler"
_CONNECT = 20.0  # seconds until a scheduler has to answer
_FIRST_WORKER = 60.0  # seconds until it has to have a worker
_LOOK = 5.0  # seconds without an ended call after which is looked whether anybody is at work
_NO_WORKER = 300.0  # seconds that a cluster may lack all workers: batch systems replace them late
_LARGE = 1 << 20  # bytes of a pickled function that are not to be sent with every call


def run_on_cluster(
    function: Callable[[Any], Any],
    items: list[Any],
    scheduler: str,
    workers: int,
    step: Callable[[], None],
) -> list[Any]:
    """Call `function` on every item on a cluster and return the results in order.

    At most twice as many calls as the cluster has threads are in flight. The first error stops the
    rest: what is in flight is awaited, then the error is raised as it is.

    Args:
        function: What to call; it, the items and the results must pickle.
        items: The items.
        scheduler: Address ("tcp://host:port"), `local` or `local:N`.
        workers: Processes of `local` without a number.
        step: Called in this thread after each result.

    Raises:
        InputError: When the scheduler cannot be reached or is lost, has no workers, or when the
            workers of one call died again and again.
    """
    with _client(scheduler, min(workers, len(items))) as client:
        return _Calls(client, scheduler, function, step).run(items)


@contextmanager
def _client(scheduler: str, workers: int) -> Iterator[Any]:
    """Yield a client of the cluster, which ends with the block where it is our own."""
    from distributed import Client, LocalCluster

    own = LOCAL.fullmatch(scheduler)
    if own:
        with (
            LocalCluster(
                n_workers=int(own[1] or workers),
                threads_per_worker=1,
                processes=True,
                memory_limit=None,  # as threads have none
                dashboard_address=None,
                silence_logs=logging.ERROR,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        problem = f"the Dask scheduler {scheduler} cannot be reached ({_brief(error)})"
        remedy = "Start it, correct the address, or leave it out: threads do the same."
        raise InputError(_SETTING, problem, remedy) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_FIRST_WORKER)
        except TimeoutError as error:
            raise _nobody(scheduler, _FIRST_WORKER) from error
        _check_workers(client, scheduler)
        yield client


def _brief(error: Exception) -> str:
    """Return the first line of an error, or its name where it says nothing."""
    return next(iter(str(error).splitlines()), "")[:200] or type(error).__name__


def _nobody(scheduler: str, seconds: float) -> InputError:
    """Return the error of a cluster without workers."""
    problem = f"the Dask scheduler {scheduler} has no workers, for {seconds:.0f} s"
    return InputError(_SETTING, problem, f"Start some: dask worker {scheduler}")


def _lost(scheduler: str) -> InputError:
    """Return the error of a scheduler that went away."""
    problem = f"the Dask scheduler {scheduler} went away while it was at work"
    return InputError(_SETTING, problem, "See its log, start it again, then run the command again.")


def _call(function: Callable[[Any], Any] | bytes, item: bytes) -> Any:
    """Call a function on an item, both unpickled here.

    What Dask fails to unpickle on a worker it neither reports nor gives up: the call never ends.
    """
    known = pickle.loads(function) if isinstance(function, bytes) else function
    return known(pickle.loads(item))


def _same_package() -> str:
    """Return what a worker has of this package; its import is the test."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("nadir")
    except PackageNotFoundError:  # it lies on the path
        return ""


def _check_workers(client: Any, scheduler: str) -> None:
    """Raise when a worker lacks this package, or has another version of it."""
    found = client.run(_same_package, on_error="return")
    for worker, answer in found.items():
        if isinstance(answer, Exception):
            problem = f"the worker {worker} of {scheduler} cannot import nadir ({_brief(answer)})"
            remedy = "Start its workers in the environment of nadir, with the package on the path."
            raise InputError(_SETTING, problem, remedy) from answer
        if answer != _same_package():
            problem = f"the worker {worker} of {scheduler} has version {answer or '?'} of nadir"
            remedy = f"Start its workers with {_same_package() or 'the same version'}."
            raise InputError(_SETTING, problem, remedy)


class _Calls:
    """Calls in flight, and their results."""

    def __init__(
        self,
        client: Any,
        scheduler: str,
        function: Callable[[Any], Any],
        step: Callable[[], None],
    ) -> None:
        self.client, self.scheduler, self.step = client, scheduler, step
        self.function: Any = pickle.dumps(function)
        if len(self.function) > _LARGE:
            # Sent once, and made again from the scheduler's copy where a worker took it along.
            self.function = client.submit(pickle.loads, self.function, pure=False)
        self.ended: SimpleQueue[Any] = SimpleQueue()
        self.numbers: dict[Any, int] = {}  # futures: one that nobody holds is given up
        self.seen = time.monotonic()

    def run(self, items: list[Any]) -> list[Any]:
        """Return the results in order, or raise the first error when nothing is in flight."""
        results: list[Any] = [None] * len(items)
        todo = deque(enumerate(items))
        failure: BaseException | None = None
        window = 2 * max(1, sum(self.client.nthreads().values()))
        for _ in range(min(window, len(items))):
            self._submit(*todo.popleft())
        while self.numbers:
            future = self._next()
            number = self.numbers.pop(future)
            if future.status != "finished":
                failure = failure or self._fault(future)
            elif failure is None:
                results[number] = future.result()
                self.step()
                if todo:
                    self._submit(*todo.popleft())
        if failure is not None:
            raise failure
        return results

    def _submit(self, number: int, item: Any) -> None:
        future = self.client.submit(_call, self.function, pickle.dumps(item), pure=False)
        self.numbers[future] = number
        future.add_done_callback(self.ended.put)

    def _next(self) -> Any:
        """Return the next call that ended; raise when nobody is left who could end one."""
        while True:
            try:
                future = self.ended.get(timeout=_LOOK)
                self.seen = time.monotonic()
                return future
            except Empty:
                self._look()

    def _look(self) -> None:
        """Raise when the scheduler is gone, or has had no workers for long."""
        if self.client.status != "running":
            raise _lost(self.scheduler)
        now = time.monotonic()
        if self.client.nthreads():
            self.seen = now
        elif now - self.seen > _NO_WORKER:
            raise _nobody(self.scheduler, _NO_WORKER)
        else:
            log.warning("%s has no workers; waiting for new ones", self.scheduler)

    def _fault(self, future: Any) -> BaseException:
        """Return the error of a call that gave no result."""
        from distributed import KilledWorker

        if future.status != "error":
            return _lost(self.scheduler)
        error = future.exception()
        if isinstance(error, KilledWorker):
            problem = f"each worker that took on one block died ({_brief(error)})"
            remedy = "See the workers' logs; give them more memory, or make cube.shard smaller."
            return InputError(_SETTING, problem, remedy)
        return error
