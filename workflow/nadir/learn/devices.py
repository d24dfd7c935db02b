"""Which device computes, and that no two trainings share a GPU."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nadir.errors import InputError
from nadir.learn.energy import log_energy

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

LOCKS = "nadir-gpu-locks"
_CHOICES = ("auto", "cpu", "cuda")
_WAIT = 2.0


def count_gpus() -> int:
    """Return how many GPUs the driver shows this process, without importing torch.

    `CUDA_VISIBLE_DEVICES` is respected, also where it names MIG instances: the driver does it.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def check_device(device: str) -> None:
    """See that a device can be had, before any expensive work; torch is not imported.

    Raises:
        InputError: For an unknown name, or a GPU asked for where there is none.
    """
    if device not in _CHOICES:
        raise InputError(
            "compute.device", f"{device!r} is no device", f"Give one of {', '.join(_CHOICES)}."
        )
    if device == "cuda" and count_gpus() == 0:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hint = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"
        raise InputError(
            "compute.device",
            f"a GPU is asked for, and there is none here{hint}",
            "Set compute.device to auto or cpu, or run where there is a GPU.",
        )


def resolve(device: str) -> torch.device:
    """Return the torch device of a name: `auto` is the first GPU where there is one.

    Raises:
        InputError: As `check_device`, or when this build of torch cannot use the GPU.
    """
    import torch

    check_device(device)
    if device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available() and torch.cuda.device_count():
        return torch.device("cuda", 0)
    if device == "cuda":
        raise InputError(
            "compute.device",
            "there is a GPU, but this build of torch cannot use it",
            "Install torch's build for this GPU's driver, or set compute.device to auto or cpu.",
        )
    return torch.device("cpu")


@contextmanager
def lease(device: str) -> Iterator[torch.device]:
    """Yield a torch device that no other nadir process on this machine holds a lease of.

    A GPU (or MIG instance) is locked by its own id, so that two processes which see it under
    different numbers still exclude each other; where several are visible, the first free one is
    taken; where none is free, this waits. The operating system frees the lock of a dead process.
    The CPU is not locked.

    Raises:
        InputError: As `resolve`.
    """
    import torch

    found = resolve(device)
    if found.type == "cpu":
        yield found
        return
    ids = [_physical_id(number) for number in range(torch.cuda.device_count())]
    number, lock = _first_free(ids)
    try:
        with log_energy(ids[number]):
            yield torch.device("cuda", number)
    finally:
        lock.close()


def device_label(device: torch.device) -> str:
    """Return a device's name for people: the GPU's model, or `cpu`."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _physical_id(number: int) -> str:
    """Return an id that every process on this machine agrees on, whatever it sees."""
    import torch

    visible = [
        item.strip()
        for item in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        if item.strip()
    ]
    if number < len(visible) and visible[number].startswith("MIG-"):
        return visible[number]  # the properties of an instance may show its parent's id
    uuid = getattr(torch.cuda.get_device_properties(number), "uuid", None)
    if uuid is not None:
        return str(uuid)
    return visible[number] if number < len(visible) else str(number)


def _first_free(ids: list[str]) -> tuple[int, IO[str]]:
    """Lock the first free device; wait where there is none. The caller closes the file."""
    said = False
    while True:
        for number, name in enumerate(ids):
            lock = _try_lock(name)
            if lock is not None:
                return number, lock
        if not said:
            log.info("every visible GPU is in use by another training: waiting for one")
            said = True
        time.sleep(_WAIT)


def _try_lock(name: str) -> IO[str] | None:
    """Return the open, locked file of a device, or None when another process holds it."""
    folder = Path(tempfile.gettempdir()) / LOCKS
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)  # shared by all users of the machine
    path = folder / re.sub(r"[^\w.-]", "_", name)
    try:  # another user's file can be read, and locked, but neither written nor created anew
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
        os.fchmod(descriptor, 0o644)
    file = os.fdopen(descriptor)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
