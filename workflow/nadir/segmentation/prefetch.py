"""Reading ahead: an iterator that works in a thread while its consumer computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_END = object()


def prefetch(items: Iterable[T], depth: int = 1) -> Iterator[T]:
    """Yield the items of an iterable that runs ahead in one thread.

    An error in the iterable is raised here, at its place in the order. When the consumer stops
    early, the thread ends with the item it is at.

    Args:
        items: What to run; only the thread touches it.
        depth: Items that may wait, besides the one being made and the one being consumed.
    """
    ready: queue.Queue[object] = queue.Queue(maxsize=depth)
    stopped = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> None:
        while not stopped.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
        except BaseException as error:  # handed to the consumer as it is
            failure.append(error)
        put(_END)

    thread = threading.Thread(target=work, name="nadir-prefetch", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            yield item  # type: ignore[misc]
        if failure:
            raise failure[0]
    finally:
        stopped.set()
        thread.join()
