"""The energy counter of a GPU, over a library that is made by code."""

from __future__ import annotations

import ctypes
import logging

import pytest

from nadir.learn import energy
from nadir.learn.energy import LINE, Meter, log_energy


class Library:
    """NVML with one GPU whose counter gives these values (mJ), one a call."""

    def __init__(self, values, start=0):
        self.values, self.start, self.asked = list(values), start, None

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


@pytest.fixture
def library(monkeypatch):
    def use(values, start=0):
        found = Library(values, start)
        monkeypatch.setattr(ctypes, "CDLL", lambda name: found)
        return found

    return use


def logged(caplog, name="12"):
    with caplog.at_level(logging.INFO, energy.__name__), log_energy(name):
        pass
    return f"INFO {caplog.messages[-1]}"


@pytest.mark.parametrize("name", ["12", "GPU-12"])
def test_what_was_taken_is_logged(name, library, caplog):
    library([0, 5_000_000, 7_500_000])
    assert LINE.match(logged(caplog, name))[1] == "2500.0"


def test_a_counter_that_was_set_back_starts_from_nothing(library, caplog):
    library([0, 9_000_000, 1_000_000])
    assert LINE.match(logged(caplog))[1] == "1000.0"


def test_the_log_is_written_when_the_work_fails(library, caplog):
    library([0, 0, 1000])
    with caplog.at_level(logging.INFO), pytest.raises(ZeroDivisionError), log_energy("12"):
        raise ZeroDivisionError
    assert "GPU energy: 1.0 J" in caplog.text


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
    assert not LINE.match(logged(caplog))
