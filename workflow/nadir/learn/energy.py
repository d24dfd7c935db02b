"""Energy that a GPU takes, as the driver's own library (NVML) counts it.

What is read goes into the log of the job, from where the page of costs takes it; products do not
hold it, for they are the same on every machine.
"""

from __future__ import annotations

import ctypes
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

_LINE = "GPU energy: %.1f J in %.1f s on %s"
LINE = re.compile(r"^INFO GPU energy: (\d+(?:\.\d+)?) J in (\d+(?:\.\d+)?) s on ", re.M)
"""What a log says of energy: joules and seconds."""


class Meter:
    """The energy counter of one GPU.

    Args:
        name: The GPU's UUID, with or without `GPU-`.

    Attributes:
        reason: Why there is no counter; empty where there is one.
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


@contextmanager
def log_energy(name: str) -> Iterator[None]:
    """Write into the log what a GPU took while the block ran, also when it ends with an error.

    Args:
        name: The GPU's UUID.
    """
    meter, start = Meter(name), time.monotonic()
    before = meter.joules()
    try:
        yield
    finally:
        after = meter.joules()
        if before is None or after is None:
            log.info("GPU energy is not known: %s", meter.reason or "the counter was lost")
        else:
            # A counter that was set back (the driver was loaded anew) starts from nothing.
            taken = after - before if after >= before else after
            log.info(_LINE, taken, time.monotonic() - start, name)
