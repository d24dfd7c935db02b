import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nadir.service.batching import Batcher

SCALE, OFFSET = [1.0], [0.0]


class Sums:
    """A model that answers each window's sum, and notes the batches that it saw."""

    def __init__(self, gate=None):
        self.batches, self.gate = [], gate

    def predict(self, raw, valid, scale, offset):
        if self.gate:
            assert self.gate.wait(10)
        self.batches.append((len(raw), scale))
        if (raw == 666).any():
            raise ValueError("a bad window")
        total = raw.sum(axis=(1, 2, 3, 4)) * scale[0]
        return np.broadcast_to(total[:, None, None, None], (len(raw), 2, 4, 4)).astype(np.float32)


def windows(*values):
    raw = np.zeros((len(values), 1, 1, 4, 4), np.uint16)
    raw[:, 0, 0, 0, 0] = values
    return raw, np.ones((len(values), 1, 4, 4), bool)


@pytest.fixture
def batcher():
    made = Batcher(wait=0.05)
    yield made
    made.close()


def test_every_caller_gets_its_own_answers_in_batches_of_one_shape(batcher):
    model = Sums()

    def call(number):
        values = range(100 * number, 100 * number + number % 7 + 1)
        answer = batcher.predict(model.predict, 4, *windows(*values), SCALE, OFFSET)
        assert answer.shape == (len(values), 2, 4, 4)
        return answer[:, 0, 0, 0].tolist() == list(values)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(call, range(60)))
    assert {count for count, _ in model.batches} == {4}
    asked = sum(number % 7 + 1 for number in range(60))
    assert len(model.batches) < 60 + asked // 4, "windows of several callers shared batches"


def test_a_lone_window_waits_no_longer_than_it_should(batcher):
    start = time.perf_counter()
    batcher.predict(Sums().predict, 8, *windows(5), SCALE, OFFSET)
    assert time.perf_counter() - start < 2
    start = time.perf_counter()
    for _ in range(20):  # full at once
        batcher.predict(Sums().predict, 1, *windows(5), SCALE, OFFSET)
    assert time.perf_counter() - start < 20 * 0.05


def test_other_models_and_scales_do_not_mix(batcher):
    one, other = Sums(), Sums()

    def call(job):
        model, scale, value = job
        return batcher.predict(model.predict, 4, *windows(value), [scale], OFFSET)[0, 0, 0, 0]

    jobs = [(model, scale, 7) for model in (one, other) for scale in (1.0, 2.0)] * 5
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(call, jobs))
    assert answers == [7 * scale for _, scale, _ in jobs]
    assert {tuple(scale) for _, scale in one.batches} == {(1.0,), (2.0,)}


def test_a_failing_batch_fails_its_callers_and_no_others(batcher):
    model = Sums()
    with pytest.raises(ValueError, match="bad window"):
        batcher.predict(model.predict, 2, *windows(1, 2, 666, 4, 5), SCALE, OFFSET)
    assert batcher.predict(model.predict, 2, *windows(3), SCALE, OFFSET)[0, 0, 0, 0] == 3


def test_closing_refuses_what_waits():
    gate = threading.Event()
    model, batcher = Sums(gate), Batcher(wait=0.0)
    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(batcher.predict, model.predict, 1, *windows(1), SCALE, OFFSET)
        time.sleep(0.1)
        waiting = pool.submit(batcher.predict, model.predict, 1, *windows(2), SCALE, OFFSET)
        time.sleep(0.1)
        threading.Timer(0.2, gate.set).start()
        batcher.close()
        assert running.result(5)[0, 0, 0, 0] == 1
        with pytest.raises(RuntimeError):
            waiting.result(5)
    with pytest.raises(RuntimeError):
        batcher.predict(model.predict, 1, *windows(1), SCALE, OFFSET)
