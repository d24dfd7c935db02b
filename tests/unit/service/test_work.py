import asyncio
import threading
import time

import pytest

from nadir.service.metrics import Registry
from nadir.service.problems import Problem
from nadir.service.work import Pool, PoolMetrics


def new_pool(workers=1, queue=1, seconds=10.0):
    return Pool("work", workers, queue, seconds, PoolMetrics(Registry()))


def test_no_more_run_than_there_are_workers_and_no_more_wait_than_may():
    gate, running, most = threading.Event(), [], []

    def work(number):
        running.append(number)
        most.append(len(running))
        gate.wait(5)
        running.remove(number)
        return number

    async def main():
        pool = new_pool(workers=2, queue=3)
        tasks = [asyncio.create_task(pool.run(work, number)) for number in range(5)]
        await asyncio.sleep(0.1)
        with pytest.raises(Problem) as caught:
            await pool.run(work, 5)
        gate.set()
        assert await asyncio.gather(*tasks) == list(range(5))
        assert await pool.run(work, 6) == 6  # places are free again
        pool.close()
        return caught.value

    refused = asyncio.run(main())
    assert max(most) == 2
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_a_thread_that_runs_on_keeps_its_place():
    gate = threading.Event()

    async def main():
        pool = new_pool(queue=0, seconds=0.1)
        with pytest.raises(Problem) as late:
            await pool.run(gate.wait, 5)
        with pytest.raises(Problem) as busy:
            await pool.run(gate.wait, 5)
        gate.set()
        await asyncio.sleep(0.1)
        assert await pool.run(lambda: "free") == "free"
        pool.close()
        return late.value.status, busy.value.status

    assert asyncio.run(main()) == (503, 429)


def test_what_waited_too_long_is_never_begun():
    gate, begun = threading.Event(), []

    async def main():
        pool = new_pool(queue=1, seconds=0.2)
        first = asyncio.create_task(pool.run(gate.wait, 5))
        second = asyncio.create_task(pool.run(begun.append, 1))
        for task in (first, second):
            with pytest.raises(Problem):
                await task
        gate.set()
        assert await patiently(pool) == "free"
        pool.close()

    async def patiently(pool):
        for _ in range(100):  # a busy machine may take longer than the pool's seconds to get there
            try:
                return await pool.run(lambda: "free")
            except Problem:
                await asyncio.sleep(0.05)

    asyncio.run(main())
    assert begun == []


def test_the_event_loop_goes_on_while_threads_work():
    async def main():
        pool = new_pool()
        task = asyncio.create_task(pool.run(time.sleep, 0.3))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.01)
            turns += 1
        pool.close()
        return turns

    assert asyncio.run(main()) > 10


def test_errors_of_the_work_come_back_as_they_are_and_free_the_place():
    def timeout():
        raise TimeoutError("its own")

    async def main():
        pool = new_pool(queue=0)
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda: 1 / 0)
        with pytest.raises(TimeoutError, match="its own"):
            await pool.run(timeout)
        assert await pool.run(lambda: 1) == 1
        pool.close()
        with pytest.raises(Problem) as caught:
            await pool.run(lambda: 1)
        return caught.value.status

    assert asyncio.run(main()) == 503
