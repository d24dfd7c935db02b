import math
import re
import threading

import pytest

from nadir.service.metrics import Counter, Gauge, Histogram, Registry


def test_text_is_as_the_format_says():
    registry = Registry()
    counter = registry.add(Counter("jobs_total", "Jobs \\ done\nhere.", ("kind",)))
    counter.add(kind='a"b\\c\nd')
    counter.add(2.5, kind="plain")
    registry.add(Gauge("waiting", "Waiting.")).set(3)
    assert registry.render() == (
        "# HELP jobs_total Jobs \\\\ done\\nhere.\n"
        "# TYPE jobs_total counter\n"
        'jobs_total{kind="a\\"b\\\\c\\nd"} 1\n'
        'jobs_total{kind="plain"} 2.5\n'
        "# HELP waiting Waiting.\n"
        "# TYPE waiting gauge\n"
        "waiting 3\n"
    )


def test_histogram_counts_what_is_at_most_a_bound():
    values = [0.5, 1.0, 1.0001, 7.0, 100.0]
    histogram = Histogram("size", "Sizes.", ("pool",), bounds=(1.0, 5.0, 10.0))
    for value in values:
        histogram.observe(value, pool="p")
    lines = list(histogram.lines())[2:]
    for line, bound in zip(lines, (1.0, 5.0, 10.0, math.inf), strict=False):
        text = "+Inf" if math.isinf(bound) else f"{bound:g}"
        count = sum(value <= bound for value in values)
        assert line == f'size_bucket{{pool="p",le="{text}"}} {count}'
    assert lines[4:] == [f'size_sum{{pool="p"}} {sum(values)!r}', 'size_count{pool="p"} 5']


def test_counters_never_fall_and_know_their_labels():
    counter = Counter("jobs_total", "Jobs.", ("kind",))
    with pytest.raises(ValueError, match="cannot fall"):
        counter.add(-1, kind="a")
    with pytest.raises(ValueError, match="labels"):
        counter.add(sort="a")
    registry = Registry()
    registry.add(counter)
    with pytest.raises(ValueError, match="already"):
        registry.add(Counter("jobs_total", "Others."))


def test_threads_lose_no_counts():
    counter = Counter("jobs_total", "Jobs.")
    threads = [
        threading.Thread(target=lambda: [counter.add() for _ in range(2000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value() == 8000


def test_every_line_of_a_service_is_valid(client):
    client.get("/healthz")
    client.get("/models")
    name, labels = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r'\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\}'
    valid = re.compile(rf"(# (HELP|TYPE) {name} .+|{name}({labels})? [0-9.e+-]+)")
    lines = client.get("/metrics").text.splitlines()
    assert len(lines) > 20
    for line in lines:
        assert valid.fullmatch(line), line
