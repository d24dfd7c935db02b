"""Counters, gauges and histograms in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import TypeVar

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper bounds of a histogram's buckets for durations, in seconds."""

_Key = tuple[str, ...]


class Metric:
    """One family of series, one series for each combination of label values; thread-safe.

    Args:
        name: Name of the family.
        text: What it counts.
        labels: Names of the labels.
    """

    kind = "untyped"

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self.name, self.text, self.labels = name, text, tuple(labels)
        self._lock = threading.Lock()
        self._values: dict[_Key, float] = {} if labels else {(): 0.0}

    def _key(self, labels: dict[str, str]) -> _Key:
        """Return a series' label values in the order of the labels."""
        if set(labels) != set(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {tuple(labels)}")
        return tuple(str(labels[name]) for name in self.labels)

    def value(self, **labels: str) -> float:
        """Return a series' present value, 0 where nothing was counted."""
        with self._lock:
            return self._values.get(self._key(labels), 0.0)

    def lines(self) -> Iterator[str]:
        """Yield the family as text, series in a fixed order."""
        yield f"# HELP {self.name} {_escaped(self.text, quotes=False)}"
        yield f"# TYPE {self.name} {self.kind}"
        yield from self._series()

    def _series(self) -> Iterator[str]:
        with self._lock:
            values = sorted(self._values.items())
        for key, value in values:
            yield f"{self.name}{_labels(self.labels, key)} {_number(value)}"


class Counter(Metric):
    """What only grows."""

    kind = "counter"

    def add(self, amount: float = 1.0, **labels: str) -> None:
        """Count.

        Args:
            amount: How much; not negative.
            **labels: Label values of the series.
        """
        if amount < 0:
            raise ValueError(f"{self.name} is a counter: it cannot fall by {-amount}")
        key = self._key(labels)
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + amount


class Gauge(Metric):
    """What goes up and down."""

    kind = "gauge"

    def set(self, value: float, **labels: str) -> None:
        """Set a series to a value."""
        key = self._key(labels)
        with self._lock:
            self._values[key] = float(value)


class Histogram(Metric):
    """How values are distributed over buckets; a bucket counts what is at most its bound.

    Args:
        name: Name of the family.
        text: What it measures, with the unit.
        labels: Names of the labels.
        bounds: Upper bounds of the buckets, ascending; one without bound is added.
    """

    kind = "histogram"

    def __init__(
        self, name: str, text: str, labels: Sequence[str] = (), bounds: Sequence[float] = SECONDS
    ) -> None:
        super().__init__(name, text, labels)
        self.bounds = (*bounds, math.inf)
        self._counts: dict[_Key, list[int]] = {}

    def observe(self, value: float, **labels: str) -> None:
        """Count a value."""
        key = self._key(labels)
        with self._lock:
            counts = self._counts.setdefault(key, [0] * len(self.bounds))
            counts[next(at for at, bound in enumerate(self.bounds) if value <= bound)] += 1
            self._values[key] = self._values.get(key, 0.0) + value

    def _series(self) -> Iterator[str]:
        with self._lock:
            series = sorted((key, list(counts)) for key, counts in self._counts.items())
            sums = dict(self._values)
        for key, counts in series:
            total = 0
            for bound, count in zip(self.bounds, counts, strict=True):
                total += count
                labels = _labels((*self.labels, "le"), (*key, _number(bound)))
                yield f"{self.name}_bucket{labels} {total}"
            yield f"{self.name}_sum{_labels(self.labels, key)} {_number(sums[key])}"
            yield f"{self.name}_count{_labels(self.labels, key)} {total}"


M = TypeVar("M", bound=Metric)


class Registry:
    """All metrics of a service."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def add(self, metric: M) -> M:
        """Take in a metric and return it; names are unique."""
        if metric.name in self._metrics:
            raise ValueError(f"{metric.name} is there already")
        self._metrics[metric.name] = metric
        return metric

    def render(self) -> str:
        """Return all metrics as text."""
        parts = [line for metric in self._metrics.values() for line in metric.lines()]
        return "\n".join([*parts, ""])


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    """Return label values as the text between braces, empty where there are none."""
    pairs = zip(names, values, strict=True)
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{inner}}}" if inner else ""


def _escaped(text: str, quotes: bool = True) -> str:
    """Return a text with what the format gives a meaning escaped."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    """Return a number as the format writes it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)
