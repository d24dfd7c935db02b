"""Which device computes, and that no two trainings share a GPU."""

from __future__ import annotations

import ctypes
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from nadir.errors import InputError
from nadir.learn.gpu_lock import gpu_ids, locked
from nadir.learn.gpu_meter import metered
from nadir.learn.group import ALONE, Group

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_ASKED = re.compile(r"Tried to allocate ([\d.]+ \w+)")
_CHOICES = ("auto", "cpu", "cuda")


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
def lease(
    device: str, group: Group = ALONE, *, lower: Sequence[str] = ()
) -> Iterator[torch.device]:
    """Yield a torch device that no other nadir process on this machine holds a lease of.

    Of several visible GPUs the first free one is taken; where none is free, this waits (see
    `nadir.learn.gpu_lock`). The CPU is not locked.

    Args:
        device: `auto`, `cpu` or `cuda`.
        group: The processes that train together: those of a machine get a GPU each. The first of
            them holds all their locks.
        lower: Settings of which smaller values take less memory, the first one the most likely.

    Raises:
        InputError: As `resolve`, or when there are fewer GPUs than processes, or when a GPU's
            memory is too small for what is computed in the block.
        LostProcessError: When another process of the group has ended.
    """
    import torch

    found = resolve(device)
    if found.type == "cpu":
        with within_memory(found, lower):
            yield found
        return
    message = f"gpus of node {group.node}"
    with ExitStack() as held:
        if group.local_rank == 0:
            ids = gpu_ids(
                torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES"), _uuid_of
            )
            numbers = held.enter_context(locked(ids, group.local_size))
            for number in numbers:
                held.enter_context(metered(ids[number]))
            if group.size > 1:
                from nadir.learn.distributed import tell

                tell(message, ",".join(map(str, numbers)))
        else:
            from nadir.learn.distributed import told

            numbers = [int(number) for number in told(group, message).split(",")]
        own = torch.device("cuda", numbers[group.local_rank])
        torch.cuda.set_device(own)
        with within_memory(own, lower):
            yield own


@contextmanager
def within_memory(device: torch.device, lower: Sequence[str] = ()) -> Iterator[None]:
    """Say what helps when a device's memory is too small for what is computed in the block.

    Args:
        device: What computes.
        lower: Settings of which smaller values take less memory, the first one the most likely;
            none where only other programs can make room.

    Raises:
        InputError: When it is too small.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        asked = _ASKED.search(str(error))
        more = f": {asked[1]} more are needed" if asked else ""
        smaller = f"Set {' or '.join(lower)} to a smaller value" if lower else "Stop what fills it"
        raise InputError(
            lower[0] if lower else "compute.device",
            f"the free memory of this {device_label(device)} is too small{more}",
            f"{smaller}, take a GPU with more memory, or set compute.device to cpu.",
        ) from error


def device_label(device: torch.device) -> str:
    """Return a device's name for people: the GPU's model, or `cpu`."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _uuid_of(number: int) -> str | None:
    """Return what the driver says of a visible GPU."""
    import torch

    uuid = getattr(torch.cuda.get_device_properties(number), "uuid", None)
    return None if uuid is None else str(uuid)
