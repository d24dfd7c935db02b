"""No two trainings on one GPU: locks that all processes of a machine agree on.

A GPU, or an instance of one (MIG), is locked by its own id, so that processes which see it under
other numbers exclude each other. The lock is the operating system's (`flock`): it ends with its
holder, however that ends, and a child that was forked does not keep it. The locked file says who
holds it, and is touched while it does, for those who wait.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import random
import re
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nadir.errors import InputError

log = logging.getLogger(__name__)

FOLDER = "nadir-gpu-locks"
VARIABLE = "NADIR_GPU_LOCKS"
"""Names another folder for the locks, such as one that containers share."""

_PLACES = ("/run/lock", "/dev/shm", "/tmp")  # not TMPDIR: jobs may have one each
_WAIT = 2.0
_BEAT = 20.0

_open: set[int] = set()


def _forget() -> None:
    """Close, in a forked child, the locks of its parent; they would outlive the parent there."""
    for descriptor in _open:
        with suppress(OSError):
            os.close(descriptor)
    _open.clear()


os.register_at_fork(after_in_child=_forget)


@dataclass(frozen=True)
class Holder:
    """Who computes on a GPU.

    Attributes:
        pid: Number of the process.
        host: Name of its machine, or container.
        user: Number of its user.
        since: When it began, seconds since 1970.
        seen: When it last gave a sign of life.
    """

    pid: int
    host: str
    user: int
    since: float
    seen: float

    def __str__(self) -> str:
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.since))
        ago = max(0, round(time.time() - self.seen))
        return (
            f"process {self.pid} on {self.host} (user {self.user}) since {began}, "
            f"last seen {ago} s ago"
        )


def gpu_ids(count: int, visible: str | None, uuid_of: Callable[[int], str | None]) -> list[str]:
    """Return an id for each visible GPU that every process of the machine agrees on.

    Args:
        count: GPUs that the driver shows.
        visible: `CUDA_VISIBLE_DEVICES`, which names GPUs by number or id (`GPU-...`), or instances
            of one (`MIG-...`); None where it is not set.
        uuid_of: What the driver says of a GPU by its number among the visible ones.
    """
    named = [item.strip() for item in (visible or "").split(",") if item.strip()]
    ids = []
    for number in range(count):
        name = named[number] if number < len(named) else ""
        # Of an instance, the driver may tell the id of the whole GPU.
        uuid = None if name.startswith("MIG-") else uuid_of(number)
        if uuid is not None:
            uuid = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        ids.append(uuid or name or str(number))
    return ids


@contextmanager
def locked(ids: Sequence[str], count: int = 1) -> Iterator[list[int]]:
    """Hold the locks of some GPUs; where too few are free, wait.

    All at once or none: two trainings that each hold a part of what they need would wait for ever.

    Args:
        ids: Ids of the GPUs to choose from, the first ones preferred.
        count: How many are needed.

    Yields:
        Which ones: their positions in `ids`.

    Raises:
        InputError: When there are fewer than are needed, or the folder of the locks is unusable.
    """
    if len(ids) < count:
        raise InputError(
            "compute.processes",
            f"{count} processes need a GPU each, and {len(ids)} are visible here",
            "Lower compute.processes, or let CUDA_VISIBLE_DEVICES show more.",
        )
    held = _wait_for(ids, count)
    end = threading.Event()
    beat = threading.Thread(target=_beat, args=(list(held.values()), end), daemon=True)
    beat.start()
    try:
        yield sorted(held)
    finally:
        end.set()
        beat.join()
        _release(held)


def _wait_for(ids: Sequence[str], count: int) -> dict[int, int]:
    """Return position -> descriptor of as many locks as are needed."""
    said = False
    while True:
        held: dict[int, int] = {}
        for number, name in enumerate(ids):
            descriptor = try_lock(name) if len(held) < count else None
            if descriptor is not None:
                held[number] = descriptor
        if len(held) == count:
            return held
        _release(held)
        if not said:
            busy = [f"{name}: {holder_of(name) or 'another process'}" for name in ids]
            log.info(
                "%d of the visible GPUs %s needed, and too few are free: waiting\n  %s",
                count,
                "is" if count == 1 else "are",
                "\n  ".join(busy),
            )
            said = True
        time.sleep(_WAIT * random.uniform(0.5, 1.5))  # two that want the same meet once, not again


def _release(held: dict[int, int]) -> None:
    for descriptor in held.values():
        _open.discard(descriptor)
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def try_lock(name: str) -> int | None:
    """Return the open, locked file of a GPU, or None when another process holds it.

    Raises:
        InputError: When the folder of the locks is unusable.
    """
    descriptor = _open_file(_path(name))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    _open.add(descriptor)
    now = time.time()
    said = {"pid": os.getpid(), "host": socket.gethostname(), "user": os.getuid(), "since": now}
    with suppress(OSError):  # a file that may only be read is a lock all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(said).encode(), 0)
    return descriptor


def holder_of(name: str) -> Holder | None:
    """Return who holds the lock of a GPU; None when nobody says so."""
    path = _path(name)
    try:
        said: dict[str, Any] = json.loads(path.read_text())
        seen = path.stat().st_mtime
        return Holder(
            int(said["pid"]), str(said["host"]), int(said["user"]), float(said["since"]), seen
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _beat(descriptors: Sequence[int], end: threading.Event) -> None:
    """Touch the locked files until the end is told."""
    while not end.wait(_BEAT):
        for descriptor in descriptors:
            with suppress(OSError):
                os.utime(descriptor)


def lock_folder() -> Path:
    """Return where the locks of this machine lie, for all users; it is made where it is not there.

    Raises:
        InputError: When it cannot be used.
    """
    given = os.environ.get(VARIABLE)
    folder = Path(given) if given else _shared_place() / FOLDER
    try:
        with suppress(FileExistsError):
            folder.mkdir(parents=bool(given))
            folder.chmod(0o1777)  # files are their makers' own
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise NotADirectoryError(folder)
    except OSError as error:
        raise InputError(
            folder,
            f"locks of GPUs cannot be kept there ({error.strerror or 'it is no folder'})",
            f"Remove what is there, or name another folder for all users by {VARIABLE}.",
        ) from error
    return folder


def _shared_place() -> Path:
    """Return a folder of this machine in which every user may write, the same for all users."""
    for place in map(Path, _PLACES):
        if place.is_dir() and place.stat().st_mode & stat.S_IWOTH:
            return place
    return Path(_PLACES[-1])


def _path(name: str) -> Path:
    return lock_folder() / re.sub(r"[^\w.-]", "_", name)


def _open_file(path: Path) -> int:
    """Open the file of a lock, one for all users; links are not followed.

    A file that is there is opened without being created: what others made in a folder for all,
    the kernel lets nobody create anew.
    """
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        try:
            return os.open(path, os.O_RDWR | flags)
        except FileNotFoundError:
            pass
        except PermissionError:
            return os.open(path, os.O_RDONLY | flags)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o666)
        except FileExistsError:
            continue
        os.fchmod(descriptor, 0o666)
        return descriptor
