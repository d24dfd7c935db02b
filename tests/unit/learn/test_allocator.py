"""Memory that networks free is taken again, without a page fault."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from nadir.learn import allocator

_FAULTS = """
import resource, numpy as np
from nadir.learn.allocator import keep_freed_memory
print(int({kept} and keep_freed_memory()))
def work():
    for _ in range(20):
        for _ in range(3):
            np.ones(1 << 20)  # 8 MB
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(kept: bool) -> tuple[int, int]:
    command = [sys.executable, "-c", _FAULTS.format(kept=kept)]
    environment = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "PATH": ""}
    if not kept:  # as glibc does before it has learnt anything
        environment["MALLOC_TRIM_THRESHOLD_"] = "131072"
    environment["PYTHONPATH"] = ":".join(sys.path)
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    done, count = told.stdout.split()
    return int(done), int(count)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_freed_memory_is_not_mapped_anew() -> None:
    page = resource.getpagesize()
    done, count = faults(kept=True)
    if not done:
        pytest.skip("this C library has no mallopt")
    assert count < 200
    assert faults(kept=False)[1] > 60 * (8 << 20) / max(page, 2 << 20)


def test_other_systems_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not allocator.keep_freed_memory()
