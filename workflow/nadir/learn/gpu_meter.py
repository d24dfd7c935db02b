"""What a GPU does while a job holds it, as the driver's own library (NVML) tells.

Energy, how busy it was, and the most memory that was taken. All of it goes into the log of the job,
from where the page of costs takes it; products do not hold it, for they are the same on every
machine.
"""

from __future__ import annotations

import ctypes
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

_ENERGY = "GPU energy: %.1f J in %.1f s on %s"
ENERGY = re.compile(r"^INFO GPU energy: (\d+(?:\.\d+)?) J in (\d+(?:\.\d+)?) s on ", re.M)
"""What a log says of energy: joules and seconds."""
_USE = "GPU use: busy %.1f %% of %.1f s, at most %d MB of memory, on %s"
USE = re.compile(
    r"^INFO GPU use: busy (\d+(?:\.\d+)?) % of (\d+(?:\.\d+)?) s, at most (\d+) MB of memory, on ",
    re.M,
)
"""What a log says of use: percent, seconds and megabytes."""

_PAUSE = 1.0  # seconds between two looks; NVML itself averages over up to a second


class _Rates(ctypes.Structure):
    """`nvmlUtilization_t`: percent of time in which a kernel ran, and memory was accessed."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    """`nvmlMemory_t`, bytes."""

    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class Meter:
    """The counters of one GPU.

    Args:
        name: The GPU's UUID, with or without `GPU-`.

    Attributes:
        reason: Why there is no counter of energy; empty where there is one.
    """

    def __init__(self, name: str) -> None:
        self.reason = ""
        self._library = self._handle = None
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            self.reason = "there is no NVML"
            return
        if name.startswith("MIG-"):
            self.reason = "NVML counts whole GPUs only, and this is a part of one"
            return
        if library.nvmlInit_v2() != 0:
            self.reason = "NVML does not start"
            return
        handle = ctypes.c_void_p()
        uuid = name if name.startswith("GPU-") else f"GPU-{name}"
        if library.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(handle)) != 0:
            self.reason = f"NVML does not know {name}"
            return
        self._library, self._handle = library, handle
        if self.joules() is None:
            self.reason = "this GPU does not count its energy"

    def joules(self) -> float | None:
        """Return the energy since the driver was loaded; None where it is not counted."""
        if self._library is None:
            return None
        value = ctypes.c_ulonglong(0)
        code = self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle, ctypes.byref(value))
        return value.value / 1000 if code == 0 else None

    def use(self) -> tuple[float, float] | None:
        """Return percent of time in which the GPU computed, and memory taken (MB), of now.

        None where NVML does not tell. Memory is that of all processes on the GPU.
        """
        if self._library is None:
            return None
        rates, memory = _Rates(), _Memory()
        if self._library.nvmlDeviceGetUtilizationRates(self._handle, ctypes.byref(rates)) != 0:
            return None
        if self._library.nvmlDeviceGetMemoryInfo(self._handle, ctypes.byref(memory)) != 0:
            return None
        return float(rates.gpu), memory.used / 1e6


class _Watch:
    """Looks at a GPU again and again, in a thread of its own."""

    def __init__(self, meter: Meter, pause: float) -> None:
        self._meter, self._pause = meter, pause
        self._busy: list[float] = []
        self._most = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gpu meter", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(self._pause):
            if (found := self._meter.use()) is None:
                return
            self._busy.append(found[0])
            self._most = max(self._most, found[1])

    def ended(self) -> tuple[float, float] | None:
        """Stop looking; return mean percent and most MB, None where nothing was seen."""
        self._end.set()
        self._thread.join()
        return (sum(self._busy) / len(self._busy), self._most) if self._busy else None


@contextmanager
def metered(name: str, pause: float = _PAUSE) -> Iterator[None]:
    """Write into the log what a GPU took while the block ran, also when it ends with an error.

    Args:
        name: The GPU's UUID.
        pause: Seconds between two looks at how busy it is.
    """
    meter, start = Meter(name), time.monotonic()
    before = meter.joules()
    watch = _Watch(meter, pause)
    try:
        yield
    finally:
        seen, after, seconds = watch.ended(), meter.joules(), time.monotonic() - start
        if before is None or after is None:
            log.info("GPU energy is not known: %s", meter.reason or "the counter was lost")
        else:
            # A counter that was set back (the driver was loaded anew) starts from nothing.
            taken = after - before if after >= before else after
            log.info(_ENERGY, taken, seconds, name)
        if seen is not None:
            log.info(_USE, seen[0], seconds, round(seen[1]), name)
