"""Running blocks: order, errors, and an end to what runs before the error is raised."""

from __future__ import annotations

import threading
import time

import pytest

from nadir.errors import InputError
from nadir.raster.blocks import run_blocks


def square(number):
    return number * number


def fail_at_three(number):
    if number == 3:
        raise InputError("file.tif", "it is bad", "Mend it.")
    return number


@pytest.mark.parametrize("workers", [1, 4])
def test_results_keep_the_order_of_items(workers):
    def slow_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    assert run_blocks(slow_first, range(20), workers) == [n * n for n in range(20)]
    assert run_blocks(slow_first, [], workers) == []


def test_items_may_be_tuples_and_results_arrays_of_any_kind():
    items = [(1, (2, 3)), ("a", None), {"b": [1]}]
    assert run_blocks(lambda item: item, items, 2) == items


def test_never_more_than_the_workers_at_once():
    lock, running, most = threading.Lock(), 0, 0

    def watch(_):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    run_blocks(watch, range(12), 3)
    assert 1 < most <= 3


def test_the_first_error_stops_the_rest_and_what_runs_is_awaited():
    started, ended = [], []

    def work(number):
        started.append(number)
        if number == 3:
            raise InputError("file.tif", "it is bad", "Mend it.")
        time.sleep(0.05)
        ended.append(number)

    with pytest.raises(InputError, match="it is bad"):
        run_blocks(work, range(200), 2)
    assert len(started) < 20
    assert sorted(ended) == sorted(set(started) - {3})  # nobody is still at work
    before = len(ended)
    time.sleep(0.1)
    assert len(ended) == before


def test_a_scheduler_does_the_same():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        assert run_blocks(square, range(20), scheduler=address) == [n * n for n in range(20)]
        with pytest.raises(InputError, match="it is bad") as caught:
            run_blocks(fail_at_three, range(50), scheduler=address)
        assert caught.value.remedy == "Mend it."
