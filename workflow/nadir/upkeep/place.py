"""The place where results are written: room, names, writing, locks, clock, locks left by others."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nadir.provenance.transfer import cache_folder
from nadir.upkeep.checkup import Check, grade
from nadir.upkeep.walking import bytes_text, shown

_DISK = (2e9, 20e9)  # bytes below which to fail and to warn; the default world takes about 1 GB
_INODES = (10_000, 100_000)
_LATE = 2.0  # seconds by which two clocks may differ
_YEAR_2025 = 1_735_689_600
_SLOW = 0.5  # seconds for one small file to reach the disk
_LOOKED = 5000  # files whose time is looked at


def nearest_folder(path: Path) -> Path:
    """Return the folder itself, or the nearest one above it that is there."""
    path = path.absolute()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def check_disk(folder: Path) -> Iterator[Check]:
    """See how much room there is, in bytes and in inodes."""
    here = nearest_folder(folder)
    free = shutil.disk_usage(here).free
    text = f"{bytes_text(free)} free at {shown(here)}"
    state = grade(free, *_DISK)
    remedy = "Make room, or link `results` to a larger disk; `nadir clean` frees kept results."
    yield Check("disk", state, text, "" if state == "ok" else remedy)
    facts = os.statvfs(here)
    if not facts.f_files:
        yield Check("inodes", "ok", "this file system has no limit of its own")
        return
    state = grade(facts.f_favail, *_INODES)
    remedy = "Remove small files, or use another file system; larger shards take fewer files."
    found = f"{facts.f_favail:,} of {facts.f_files:,} free"
    yield Check("inodes", state, found, "" if state == "ok" else remedy)


@contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    """Yield a fresh folder where results are, or would be; nothing stays behind."""
    with tempfile.TemporaryDirectory(prefix=".nadir-doctor-", dir=nearest_folder(folder)) as made:
        yield Path(made)


def check_writing(folder: Path, workdir: Path) -> Iterator[Check]:
    """See that files can be written, renamed and brought to the disk, wherever nadir writes."""
    places = {
        "results": folder,
        "Snakemake's records": workdir / ".snakemake",
        "copies of objects": cache_folder(),
        "temporary files": Path(tempfile.gettempdir()),
    }
    for name, place in places.items():
        here = nearest_folder(place)
        try:
            seconds = _write(here)
        except OSError as error:
            problem = f"{shown(here)}: {(error.strerror or str(error)).lower()}"
            remedy = "Check owner and permissions, or whether it is mounted read-only."
            yield Check(f"write: {name}", "fail", problem, remedy)
            continue
        slow = seconds > _SLOW
        found = f"{shown(here)}: {1000 * seconds:.0f} ms for a small file"
        remedy = "Use a faster disk: results are many files, each brought to the disk."
        yield Check(f"write: {name}", "warn" if slow else "ok", found, remedy if slow else "")


def _write(folder: Path) -> float:
    """Write and rename a file as `nadir.provenance.atomic` does; return the seconds it took."""
    with _own_folder(folder) as own:
        start = time.monotonic()
        with (own / "a").open("wb") as file:
            file.write(b"nadir")
            file.flush()
            os.fsync(file.fileno())
        (own / "b").write_bytes(b"old")
        os.replace(own / "a", own / "b")
        if (own / "b").read_bytes() != b"nadir":
            raise OSError(errno.EIO, "a renamed file does not replace the old one")
        return time.monotonic() - start


def check_names(folder: Path) -> Iterator[Check]:
    """See that names may be long, in any script, and differ by case alone."""
    with _own_folder(folder) as own:
        faults = []
        for name, what in (("ж" * 127 + "a", "255 bytes"), ("Каталония é", "other scripts")):
            try:
                (own / name).write_bytes(b"")
                if name not in os.listdir(own):
                    faults.append(f"{what} come back changed")
            except OSError as error:
                faults.append(f"{what}: {(error.strerror or str(error)).lower()}")
        (own / "case").write_bytes(b"")
        if (own / "CASE").exists():
            faults.append("capitals are not told apart")
    remedy = "Keep names of data sets and experiments short and plain, or use another file system."
    if faults:
        yield Check("names", "warn", "; ".join(faults), remedy)
    else:
        yield Check("names", "ok", "long, in any script")


def check_locks(folder: Path) -> Iterator[Check]:
    """See that of two who want a lock of a file, one gets it: trainings rely on it."""
    remedy = (
        "Put results on a file system with locks (NFS: version 4, or lockd; Lustre: -o flock), "
        "or never run the same experiment twice at once."
    )
    with _own_folder(folder) as own:
        path = own / "lock"
        try:
            with path.open("w") as first, path.open("w") as second:
                fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield Check("file locks", "ok", "they exclude each other")
                    return
        except OSError as error:
            text = f"there are none ({(error.strerror or str(error)).lower()})"
            yield Check("file locks", "fail", text, remedy)
            return
    yield Check("file locks", "fail", "two got the same lock", remedy)


def check_clock(folder: Path, workdir: Path) -> Iterator[Check]:
    """Compare this machine's clock with the disk's, and with the newest files there."""
    now = time.time()
    remedy = "Set the clock (NTP) on this machine and on the file server: Snakemake goes by times."
    if now < _YEAR_2025:
        text = time.strftime("this machine says %Y-%m-%d", time.gmtime(now))
        yield Check("clock", "fail", text, remedy)
        return
    with _own_folder(folder) as own:
        before = time.time()
        (own / "a").write_bytes(b"")
        made, after = (own / "a").stat().st_mtime, time.time()
    ahead = max(made - after, before - made, 0.0)
    if ahead > _LATE:
        text = f"this machine and the disk differ by {ahead:.0f} s"
        yield Check("clock", "fail", text, remedy)
        return
    newest = _newest([workdir / ".snakemake" / "metadata", folder])
    if newest > now + 60:
        text = f"files there are {_span(newest - now)} ahead of this machine: was it set back?"
        yield Check("clock", "warn", text, f"{remedy} The next run mends the times of results.")
        return
    yield Check("clock", "ok", f"agrees with the disk to {max(ahead, 0.01):.2g} s")


def _newest(folders: list[Path]) -> float:
    """Return the latest time of modification among the first few thousand files."""
    latest, seen = 0.0, 0
    for folder in folders:
        for _, _, names, number in os.fwalk(folder) if folder.is_dir() else ():
            for name in names:
                with suppress(OSError):  # removed meanwhile
                    facts = os.stat(name, dir_fd=number, follow_symlinks=False)
                    latest = max(latest, facts.st_mtime)
                seen += 1
            if seen > _LOOKED:
                break
    return latest


def _span(seconds: float) -> str:
    """Return a span of time for people."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def check_run(workdir: Path) -> Iterator[Check]:
    """See whether a run holds the folder, or one that was killed left its lock."""
    folder = workdir / ".snakemake" / "locks"
    left = sorted(os.listdir(folder)) if folder.is_dir() else []
    if not left:
        yield Check("Snakemake's lock", "ok", "no run holds this folder")
        return
    remedy = "If no run is at work here: `snakemake --unlock`, then `snakemake --cores all`."
    text = "a run is at work here, or was killed"
    yield Check("Snakemake's lock", "warn", text, remedy)
