"""Reading ahead in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from nadir.segmentation.prefetch import prefetch


def test_order_is_kept() -> None:
    assert list(prefetch(iter(range(50)), depth=3)) == list(range(50))


def test_errors_arrive_at_their_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("broken file")

    stream = prefetch(items())
    assert next(stream) == 1
    with pytest.raises(OSError, match="broken file"):
        next(stream)


def test_stopping_early_ends_the_thread() -> None:
    before = threading.active_count()
    stream = prefetch(iter(range(10**9)))
    next(stream)
    stream.close()
    assert threading.active_count() == before


def test_reading_overlaps_with_computing() -> None:
    pause = 0.03

    def slow() -> Iterator[int]:
        for number in range(6):
            time.sleep(pause)
            yield number

    begin = time.perf_counter()
    for _ in prefetch(slow()):
        time.sleep(pause)
    assert time.perf_counter() - begin < 6 * 2 * pause * 0.85
