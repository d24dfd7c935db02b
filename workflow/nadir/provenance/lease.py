"""Leases: one writer at a time, also across machines, and when the one before may be dead.

The driver of a cluster can be killed while its jobs go on; started again, it submits the same jobs
once more. A lease is a small file that says who writes. It is created exclusively, which every
file system does atomically, NFS included, whereas locks of files (`flock`) exclude nobody on the
other nodes of some parallel file systems. A writer that comes second waits for the first.

A holder renews its lease every `BEAT` seconds. One that died on this machine is known to be dead
at once, from its process. Of any other, a waiting process watches whether the lease is renewed,
by its own monotonic clock, so that clocks that differ or are set back do no harm; after `LAPSE`
seconds without renewal it takes the lease over. A holder that was suspended, or cut off from the
file system, for so long finds its lease gone and ends at once, before it writes anything more.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nadir.provenance.atomic import temporary_beside, write_faults
from nadir.provenance.digest import sha

log = logging.getLogger(__name__)

BEAT = 10.0
"""Seconds between two renewals."""
LAPSE = 120.0
"""Seconds without renewal after which a lease is void."""
RESULTS = "results"
"""Name of the folder that the graph writes into."""
STARTED = "NADIR_STARTED"
"""Variable that a command sets for processes that it starts and for which it holds the lease."""
LOST = 75
"""Exit code of a process whose lease was taken over (`EX_TEMPFAIL`: trying again may help)."""

_LONGEST_PAUSE = 2.0  # seconds between two looks at a lease that another holds

Sign = tuple[int, int]
"""What changes when a lease is renewed or replaced: inode and time of modification."""


def lease_path(path: str | os.PathLike[str]) -> Path | None:
    """Return where the lease of an output of the graph lies; None for what lies elsewhere.

    That is `.cache/writers` in the folder `results` above it, and not beside it: some outputs come
    with the whole folder that they lie in. The name follows from the output's place in that
    folder, wherever a machine mounts it.
    """
    path = Path(path).absolute()
    for folder in path.parents:
        if folder.name == RESULTS:
            name = sha(os.fsencode(path.relative_to(folder)))[:24]
            return folder / ".cache" / "writers" / f"{name}.json"
    return None


@contextmanager
def sole_writer(path: str | os.PathLike[str]) -> Iterator[None]:
    """Be the only process that writes an output of the graph; while another one does, wait.

    Not for the processes of one distributed training that are not the first: they write nothing,
    and what the first one meets at a barrier must not wait for the first one.

    Args:
        path: The output. One outside a folder of results is no product of the graph: nobody but
            the person who named it writes it.

    Raises:
        OutputError: When nothing can be written there.
    """
    lease = lease_path(path)
    if lease is None or is_follower():
        yield
        return
    with held(lease, path):
        yield


def is_follower() -> bool:
    """Tell whether this process follows another that writes, or holds the lease, in its place.

    That is the first one of a distributed training, or the command that started it.
    """
    return bool(os.environ.get(STARTED)) or is_later_rank()


def is_later_rank() -> bool:
    """Tell whether this is a process of a distributed training that is not the first."""
    ranks = (os.environ.get(name, "") for name in ("RANK", "SLURM_PROCID"))
    return any(rank.isdigit() and int(rank) > 0 for rank in ranks)


@contextmanager
def held(lease: Path, what: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a lease while the block runs; wait for whoever holds it before.

    Args:
        lease: File of the lease; its folder is created.
        what: What is written under it, for messages.

    Raises:
        OutputError: When the lease cannot be written.
    """
    with write_faults(what):
        lease.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(lease, what)
    end = threading.Event()
    renewal = threading.Thread(
        target=_renew, args=(lease, descriptor, end), name="lease", daemon=True
    )
    owner = os.getpid()
    renewal.start()
    try:
        yield
    finally:
        if os.getpid() == owner:  # a forked child that unwinds holds nothing
            end.set()
            renewal.join()
            if _is_at(lease, descriptor):
                lease.unlink(missing_ok=True)
            os.close(descriptor)


class LeaseWatch:
    """Tells of leases that others hold whether their holders live, without waiting for them."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[Sign, float, bool]] = {}

    def lives(self, lease: Path) -> bool | None:
        """Return whether a lease is in use, or None while that is not known.

        True when it was seen renewed of late, or its holder is known to run on this machine; False
        where there is none, or it is void: it is removed then. None lasts `LAPSE` seconds at most.
        """
        found = _look(lease)
        if found is None:
            return False
        now, (owner, sign) = time.monotonic(), found
        if owner.get("machine") is not None and owner["machine"] == _machine():
            alive = not _is_dead(owner)
        else:
            before, since, renewed = self._seen.setdefault(lease, (sign, now, False))
            if before != sign:
                since, renewed = now, True
                self._seen[lease] = sign, since, renewed
            if renewed and now - since <= 3 * BEAT:
                return True
            if now - since <= LAPSE:
                return None
            alive = False
        if not alive:
            self._seen.pop(lease, None)
            _remove(lease, sign)
        return alive


def _acquire(lease: Path, what: str | os.PathLike[str]) -> int:
    """Create the lease, waiting as long as another one is valid; return its open descriptor."""
    sign: Sign | None = None
    since, pause, said = 0.0, 0.05, False
    while (descriptor := _create(lease)) is None:
        found = _look(lease)
        if found is None:  # released between two looks
            continue
        now, (owner, seen) = time.monotonic(), found
        if seen != sign:
            sign, since = seen, now
        if _is_dead(owner) or now - since > LAPSE:
            log.warning("%s: %s died while writing: its place is taken", what, _name(owner))
            _remove(lease, seen)
            continue
        if not said:
            log.info("%s: %s is writing this very result: waiting for it", what, _name(owner))
            said = True
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return descriptor


def _create(lease: Path) -> int | None:
    """Create the lease for this process, or return None where there is one."""
    try:
        descriptor = os.open(lease, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return None
    try:
        os.write(descriptor, json.dumps(_identity()).encode())
        os.fsync(descriptor)  # over NFS: others read it now, not when the cache is emptied
    except OSError:
        os.close(descriptor)
        lease.unlink(missing_ok=True)
        raise
    return descriptor


def _identity() -> dict[str, Any]:
    """Return what others need to know of this process."""
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID"),
    }


def _machine() -> str | None:
    """Return an id of this boot of this kernel, and of the space of its process ids.

    Host names are no such thing: containers and cloned nodes share them.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """Return when a process of this machine was started, in ticks; None when it has ended."""
    try:
        # The name, in parentheses, may hold anything: count from behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]


def _look(lease: Path) -> tuple[dict[str, Any], Sign] | None:
    """Return the holder and the sign of a lease, or None when there is none.

    The file is opened each time: NFS looks at the server then, and only then.
    """
    try:
        with lease.open("rb") as file:
            facts, text = os.fstat(file.fileno()), file.read(4096)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ESTALE:  # NFS: removed by another machine while it was read
            return None
        raise
    try:
        owner = json.loads(text)
    except ValueError:
        owner = {}  # its holder was stopped before the first word, or is writing it
    owner = owner if isinstance(owner, dict) else {}
    return owner, (facts.st_ino, facts.st_mtime_ns)


def _is_dead(owner: dict[str, Any]) -> bool:
    """Tell whether a holder is known to have ended: one of this machine, by its process."""
    machine, pid = owner.get("machine"), owner.get("pid")
    if machine is None or machine != _machine() or not isinstance(pid, int):
        return False
    return _started(pid) != owner.get("started")


def _name(owner: dict[str, Any]) -> str:
    """Return words for a holder."""
    job = f", SLURM job {owner['job']}" if owner.get("job") else ""
    return f"process {owner.get('pid', '?')} on {owner.get('host', 'another machine')}{job}"


def _remove(lease: Path, sign: Sign) -> None:
    """Remove a void lease, though not one that somebody else has meanwhile put in its place."""
    aside = temporary_beside(lease)
    try:
        os.rename(lease, aside)
    except FileNotFoundError:
        return  # another waiting process was faster
    facts = aside.stat()
    if (facts.st_ino, facts.st_mtime_ns) != sign:
        with suppress(OSError):
            os.link(aside, lease)
    aside.unlink(missing_ok=True)


def _renew(lease: Path, descriptor: int, end: threading.Event) -> None:
    """Renew a lease until the end is told; end the process when it is no longer its own."""
    renewed = time.monotonic()
    while not end.wait(BEAT):
        try:
            valid = _is_at(lease, descriptor)
            if valid:
                os.utime(descriptor)  # the server's time; a full disk is no hindrance
                renewed = time.monotonic()
        except OSError:  # the file server is away: this may pass, though not for too long
            valid = time.monotonic() - renewed < 0.8 * LAPSE
        if not valid:
            log.error("%s: another process has taken over: this one ends", lease)
            _end()


def _is_at(lease: Path, descriptor: int) -> bool:
    """Tell whether an open lease is the one that has its name."""
    try:
        return os.path.samestat(os.stat(lease), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _end() -> None:
    """End this process with nothing more written, not even what handlers would tidy up."""
    os._exit(LOST)
