"""The machine: memory, cores, files at once, GPUs and their driver."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil

from nadir.learn.devices import count_gpus
from nadir.upkeep.checkup import Check, grade
from nadir.upkeep.walking import bytes_text

_MEMORY = (2e9, 6e9)  # the largest step of the default world takes about 4 GB
_SHARED = (64e6, 512e6)
_FILES = 1024
_CGROUP = Path("/sys/fs/cgroup")


def memory_limit() -> tuple[float, str]:
    """Return the bytes that this process may use, and what sets the bound."""
    total = float(psutil.virtual_memory().total)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _number(_CGROUP / name)
        if limit is not None and limit < total:
            return limit, "the container's limit"
    return total, "of this machine"


def _number(path: Path) -> float | None:
    """Return the number in a file, or None."""
    try:
        return float(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def check_memory() -> Iterator[Check]:
    """See how much memory there is, and how much of it is free."""
    limit, source = memory_limit()
    free = min(float(psutil.virtual_memory().available), limit)
    state = grade(free, *_MEMORY)
    remedy = (
        "End other programs, give the container more, or run fewer jobs at once (`--cores 1`, "
        "`--resources mem_mb=...`)."
    )
    found = f"{bytes_text(free)} free, {bytes_text(limit)} {source}"
    yield Check("memory", state, found, "" if state == "ok" else remedy)
    shared = Path("/dev/shm")
    if shared.is_dir():
        facts = os.statvfs(shared)
        size = float(facts.f_bavail * facts.f_frsize)
        state = grade(size, *_SHARED)
        remedy = "Start the container with more, for example `--shm-size 2g`."
        found = f"{bytes_text(size)} free in {shared}"
        yield Check("shared memory", state, found, "" if state == "ok" else remedy)


def usable_cores() -> tuple[float, str]:
    """Return the cores that this process may use, and what sets the bound."""
    cores = float(len(os.sched_getaffinity(0)))
    source = f"of {os.cpu_count()}"
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()[:2]
        share = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return cores, source
    return (share, "by the container's quota") if share < cores else (cores, source)


def check_threads() -> Iterator[Check]:
    """See how many cores there are, and that libraries do not start more threads than that."""
    cores, source = usable_cores()
    found = f"{cores:g} usable, {source}"
    asked = os.environ.get("OMP_NUM_THREADS", "")
    many = asked.isdigit() and int(asked) > cores
    if many:
        remedy = f"Unset OMP_NUM_THREADS, or set it to at most {max(int(cores), 1)}."
        yield Check("cores", "warn", f"{found}; OMP_NUM_THREADS is {asked}", remedy)
    elif cores < len(os.sched_getaffinity(0)):
        remedy = f"Give Snakemake `--cores {max(int(cores), 1)}`: `all` counts the machine's."
        yield Check("cores", "warn", found, remedy)
    else:
        yield Check("cores", "ok", found)
    load = os.getloadavg()[0]
    busy = load > 2 * max(cores, 1)
    remedy = "Other programs take the cores: times will be longer than those in the docs."
    yield Check("load", "warn" if busy else "ok", f"{load:.1f}", remedy if busy else "")


def check_files_at_once() -> Iterator[Check]:
    """See how many files may be open at once."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= _FILES:
        yield Check("open files", "ok", "no limit" if limit < 0 else f"{limit:,} at once")
        return
    more = "" if most == resource.RLIM_INFINITY or most >= _FILES else ", by whoever may raise it"
    yield Check("open files", "warn", f"{limit:,} at once", f"`ulimit -n 4096`{more}.")


def driver_cuda() -> tuple[int, int] | None:
    """Return the newest CUDA that the GPU driver knows, or None where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    number = ctypes.c_int(0)
    if driver.cuDriverGetVersion(ctypes.byref(number)) != 0:
        return None
    return number.value // 1000, number.value % 1000 // 10


def check_gpus(wheel: tuple[int, int] | None) -> Iterator[Check]:
    """See which GPUs there are, and that the driver is new enough for the build of torch.

    Args:
        wheel: CUDA that torch was built for; None for a build without.
    """
    driver, count = driver_cuda(), count_gpus()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = f" (CUDA_VISIBLE_DEVICES is {visible!r})" if visible is not None else ""
    if driver is None:
        there = sorted(Path("/dev").glob("nvidia[0-9]*"))
        if there:
            remedy = "Start the container with its GPUs (`--gpus all`), or install the driver."
            yield Check("GPU", "warn", f"{there[0]} is there, its driver's library is not", remedy)
        else:
            yield Check("GPU", "ok", "none: models train on the CPU")
        return
    name = f"driver for CUDA {driver[0]}.{driver[1]}"
    if not count:
        remedy = "Check CUDA_VISIBLE_DEVICES and `nvidia-smi`; models train on the CPU else."
        yield Check("GPU", "warn", f"{name}, but no GPU to be used{hidden}", remedy)
    elif wheel is None:
        remedy = "Install torch's build with CUDA; models train on the CPU else."
        yield Check("GPU", "warn", f"{count}, {name}; torch is built without CUDA", remedy)
    elif driver[0] < wheel[0]:
        text = f"{count}, {name}; torch is built for CUDA {wheel[0]}.{wheel[1]}"
        remedy = "Update the driver, or install torch's build for an older CUDA."
        yield Check("GPU", "fail", text, remedy)
    else:
        yield Check("GPU", "ok", f"{count}{hidden}, {name}, torch for {wheel[0]}.{wheel[1]}")
