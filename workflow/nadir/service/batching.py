"""Micro-batching: windows of concurrent requests are joined into calls of one fixed shape.

The shape is always the same, short batches being filled up with copies, because the kernels of
networks round differently for batches of different size: a request's answer must not depend on
its company.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

WAIT = 0.004
"""How long a batch that is not full waits for company, in seconds."""

Predict = Callable[..., NDArray[np.float32]]
"""`predict(raw, valid, scale, offset)` of a predictor."""


@dataclass
class _Request:
    """Windows of one call, which may be spread over several batches."""

    predict: Predict
    size: int
    key: tuple[Any, ...]
    raw: NDArray[np.uint16]
    valid: NDArray[np.bool_]
    taken: int = 0
    answered: int = 0
    answer: NDArray[np.float32] | None = None
    failure: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def left(self) -> int:
        """Windows that no batch has taken yet."""
        return len(self.raw) - self.taken

    def settle(self, start: int, answers: NDArray[np.float32]) -> None:
        """Take in the answers of the windows from `start` on."""
        if self.answer is None:
            self.answer = np.empty((len(self.raw), *answers.shape[1:]), answers.dtype)
        self.answer[start : start + len(answers)] = answers
        self.answered += len(answers)
        if self.answered == len(self.raw):
            self.done.set()

    def fail(self, error: BaseException) -> None:
        """Let the caller raise an error."""
        self.failure = error
        self.done.set()


class Batcher:
    """Runs models in one thread, on windows of any number of callers.

    Args:
        observe: Told the number of windows of each batch, copies not counted.
        wait: How long a batch that is not full waits, in seconds.
    """

    def __init__(self, observe: Callable[[int], None] = lambda _: None, wait: float = WAIT) -> None:
        self._observe, self._wait = observe, wait
        self._queue: deque[_Request] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="nadir-model", daemon=True)
        self._thread.start()

    def predict(
        self,
        predict: Predict,
        size: int,
        raw: NDArray[np.uint16],
        valid: NDArray[np.bool_],
        scale: Sequence[float],
        offset: Sequence[float],
    ) -> NDArray[np.float32]:
        """Return the probabilities of some windows, (n, K, h, w) float32; blocks until then.

        Args:
            predict: The model.
            size: Windows of a batch of this model.
            raw: (n, date, band, h, w) uint16; windows of one model have one shape.
            valid: (n, date, h, w) bool.
            scale: By date; only windows of equal scale and offset share a batch.
            offset: By date.

        Raises:
            RuntimeError: When the batcher is closed.
        """
        owner = getattr(predict, "__self__", predict)
        key = (id(owner), size, raw.shape[1:], tuple(scale), tuple(offset))
        request = _Request(predict, size, key, raw, valid)
        with self._changed:
            if self._closed:
                raise RuntimeError("the service is stopping")
            self._queue.append(request)
            self._changed.notify_all()
        request.done.wait()
        if request.failure is not None:
            raise request.failure
        assert request.answer is not None
        return request.answer

    def close(self) -> None:
        """Take no more; what waits is refused."""
        with self._changed:
            self._closed = True
            for request in self._queue:
                request.fail(RuntimeError("the service is stopping"))
            self._queue.clear()
            self._changed.notify_all()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        """Run batches until closed."""
        while True:
            parts = self._next()
            if parts is None:
                return
            # Counted before anyone has an answer: who was answered finds it in the metrics.
            self._observe(sum(stop - start for _, start, stop in parts))
            try:
                _run(parts)
            except BaseException as error:  # each caller raises it
                log.debug("a batch failed", exc_info=True)
                with self._changed:
                    for request, _, _ in parts:
                        if request in self._queue:
                            self._queue.remove(request)
                        request.fail(error)

    def _next(self) -> list[tuple[_Request, int, int]] | None:
        """Return the windows of the next batch as (request, start, stop); None when closed."""
        with self._changed:
            while not self._queue:
                if self._closed:
                    return None
                self._changed.wait()
            first = self._queue[0]
            self._gather(first)
            if self._closed:
                return None
            parts: list[tuple[_Request, int, int]] = []
            room = first.size
            for request in [item for item in self._queue if item.key == first.key]:
                count = min(room, request.left)
                parts.append((request, request.taken, request.taken + count))
                request.taken += count
                room -= count
                if not request.left:
                    self._queue.remove(request)
                if not room:
                    break
            return parts

    def _gather(self, first: _Request) -> None:
        """Wait until a batch with `first` is full, or for long enough."""
        end = time.monotonic() + self._wait
        while not self._closed:
            found = sum(item.left for item in self._queue if item.key == first.key)
            left = end - time.monotonic()
            if found >= first.size or left <= 0:
                return
            self._changed.wait(left)


def _run(parts: list[tuple[_Request, int, int]]) -> None:
    """Run one batch and hand out its answers."""
    first = parts[0][0]
    raw = np.concatenate([request.raw[start:stop] for request, start, stop in parts])
    valid = np.concatenate([request.valid[start:stop] for request, start, stop in parts])
    count, missing = len(raw), first.size - len(raw)
    if missing:
        raw = np.concatenate([raw, np.repeat(raw[-1:], missing, 0)])
        valid = np.concatenate([valid, np.repeat(valid[-1:], missing, 0)])
    scale, offset = first.key[-2:]
    answers = first.predict(raw, valid, scale=list(scale), offset=list(offset))[:count]
    at = 0
    for request, start, stop in parts:
        request.settle(start, answers[at : at + stop - start])
        at += stop - start
