"""The counters of a GPU, over a library that is made by code."""

from __future__ import annotations

import ctypes
import logging
import time

import pytest

from nadir.learn import gpu_meter
from nadir.learn.gpu_meter import ENERGY, USE, Meter, metered


class Library:
    """NVML with one GPU whose counter gives these values (mJ), one a call."""

    def __init__(self, values, start=0, looks=()):
        self.values, self.start, self.asked = list(values), start, None
        self.looks = list(looks)  # percent busy, and MB taken, one a look

    def nvmlInit_v2(self):
        return self.start

    def nvmlDeviceGetHandleByUUID(self, name, handle):
        self.asked = name
        return 0 if name == b"GPU-12" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, value):
        found = self.values.pop(0)
        if found is None:
            return 3
        value._obj.value = found
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle, rates):
        if not self.looks:
            return 3
        rates._obj.gpu = self.looks[0][0]
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle, memory):
        memory._obj.used = self.looks.pop(0)[1] * 10**6
        return 0


@pytest.fixture
def library(monkeypatch):
    def use(values, start=0, looks=()):
        found = Library(values, start, looks)
        monkeypatch.setattr(ctypes, "CDLL", lambda name: found)
        return found

    return use


def logged(caplog, name="12"):
    with caplog.at_level(logging.INFO, gpu_meter.__name__), metered(name):
        pass
    return f"INFO {caplog.messages[-1]}"


@pytest.mark.parametrize("name", ["12", "GPU-12"])
def test_what_was_taken_is_logged(name, library, caplog):
    library([0, 5_000_000, 7_500_000])
    assert ENERGY.match(logged(caplog, name))[1] == "2500.0"


def test_a_counter_that_was_set_back_starts_from_nothing(library, caplog):
    library([0, 9_000_000, 1_000_000])
    assert ENERGY.match(logged(caplog))[1] == "1000.0"


def test_the_log_is_written_when_the_work_fails(library, caplog):
    library([0, 0, 1000])
    with caplog.at_level(logging.INFO), pytest.raises(ZeroDivisionError), metered("12"):
        raise ZeroDivisionError
    assert "GPU energy: 1.0 J" in caplog.text


def test_how_busy_it_was_is_logged(library, caplog):
    gpu = library([0, 0, 1000], looks=[(100, 500), (50, 900), (0, 700)])
    with caplog.at_level(logging.INFO, gpu_meter.__name__), metered("12", pause=0.001):
        while gpu.looks:
            time.sleep(0.001)
    busy, seconds, memory = USE.match(f"INFO {caplog.messages[-1]}").groups()
    assert (busy, memory) == ("50.0", "900") and float(seconds) < 60
    assert ENERGY.match(f"INFO {caplog.messages[-2]}")


def test_what_nvml_does_not_tell_is_not_logged(library, caplog):
    library([0, 0, 1000])
    with caplog.at_level(logging.INFO, gpu_meter.__name__), metered("12", pause=0.001):
        time.sleep(0.01)
    assert "GPU use" not in caplog.text and "GPU energy: 1.0 J" in caplog.text


def test_reasons(library, caplog, monkeypatch):
    library([None, None, None])
    assert "does not count" in logged(caplog)
    library([], start=9)
    assert "does not start" in logged(caplog)
    library([])
    assert "does not know" in logged(caplog, "34")
    assert "a part of one" in logged(caplog, "MIG-12")

    def none(name):
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", none)
    assert "no NVML" in logged(caplog)
    assert Meter("12").joules() is None
    assert not ENERGY.match(logged(caplog))
