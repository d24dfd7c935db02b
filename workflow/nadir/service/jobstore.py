"""The jobs of a service on disk: a table in SQLite, and a folder of files for each job.

A job is accepted when its row is committed (write-ahead log, synced), after its upload lies in its
folder. So whatever the moment of a kill: a row has its upload, and a folder without a row is an
upload that was never accepted.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from nadir.errors import InputError
from nadir.provenance.atomic import remove_path, write_faults

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: tuple[str, ...] = get_args(State)
ENDED = ("done", "failed", "cancelled")
"""States that a job stays in."""

_JSON = ("image", "problem", "tiles", "scaling")
_JOURNAL = 1 << 20  # bytes: with less, SQLite may lack room for its journal
_TYPES = {"float": "REAL", "int": "INTEGER", "bool": "INTEGER"}


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        id: 16 hexadecimal digits.
        model: Name of the model.
        digest: Digest of the model; a result of another one would be no result of this job.
        state: Where it stands.
        threshold: Least probability of the target class, for its own results.
        scaling: Scale and offset that the request stated.
        image: Facts of the image.
        created: When it was accepted, in seconds since 1970, as all times here.
        started: When it first ran.
        ended: When it ended.
        expires: When its results go.
        attempts: How often in a row it was begun and cut short without progress.
        seconds: How long it ran, all runs together.
        problem: What went wrong, for failed jobs.
        tiles: How its tiles are numbered, for jobs that are done.
        polygons: Whether it has footprints.
    """

    id: str
    model: str
    digest: str
    state: State
    threshold: float | None
    scaling: list[float | None]
    image: dict[str, Any]
    created: float
    started: float | None = None
    ended: float | None = None
    expires: float | None = None
    attempts: int = 0
    seconds: float = 0.0
    problem: dict[str, str] | None = None
    tiles: dict[str, Any] | None = None
    polygons: bool = False


@dataclass
class JobStore:
    """All jobs of a service, and where their files lie; thread-safe, held by one process.

    Args:
        root: Folder of the state; created.

    Raises:
        InputError: When another service holds it, or it is not writable.
    """

    root: Path
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __post_init__(self) -> None:
        self.incoming, self.folders = self.root / "incoming", self.root / "jobs"
        try:
            with write_faults(self.root / "lock"):
                for folder in (self.incoming, self.folders):
                    folder.mkdir(parents=True, exist_ok=True)
                self._held = (self.root / "lock").open("w")
        except OSError as error:
            raise InputError(
                self.root, f"it cannot be used ({error.strerror})", "Give another folder: --state."
            ) from error
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._held.close()
            raise InputError(
                self.root,
                "another service keeps its jobs here",
                "Stop it, or give each service a folder of its own: --state.",
            ) from error
        with write_faults(self.root), _full_disk(self.root):
            self._base = sqlite3.connect(self.root / "jobs.sqlite3", check_same_thread=False)
            self._base.row_factory = sqlite3.Row
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            columns = ", ".join(f"{item.name} {_column(item.type)}" for item in fields(Job))
            self._run(f"CREATE TABLE IF NOT EXISTS jobs ({columns}, PRIMARY KEY (id))")
            self._run("CREATE INDEX IF NOT EXISTS by_state ON jobs (state, created)")

    def recover(self) -> None:
        """Put right what a killed service left: park what ran, drop what was never accepted."""
        self._run(
            "UPDATE jobs SET state = 'queued', attempts = attempts + 1 WHERE state = 'running'"
        )
        for leftover in self.incoming.iterdir():
            remove_path(leftover)
        known = {row["id"] for row in self._rows("SELECT id FROM jobs")}
        for folder in self.folders.iterdir():
            if folder.name not in known:
                remove_path(folder)

    def folder(self, job: str) -> Path:
        """Return the folder of a job's files."""
        return self.folders / job

    def new_folder(self) -> tuple[str, Path]:
        """Return a fresh id and its folder, created."""
        number = secrets.token_hex(8)
        folder = self.folder(number)
        with write_faults(folder):
            folder.mkdir()
        return number, folder

    def add(self, job: Job) -> None:
        """Accept a job whose upload lies in its folder.

        Raises:
            OutputError: When the disk is full.
        """
        folder = self.folder(job.id)
        with write_faults(folder):
            for item in (*folder.iterdir(), folder, self.folders):
                _sync(item)
        names = [item.name for item in fields(Job)]
        marks = ", ".join("?" * len(names))
        self._run(
            f"INSERT INTO jobs ({', '.join(names)}) VALUES ({marks})",
            [_to_column(name, getattr(job, name)) for name in names],
        )

    def get(self, job: str) -> Job | None:
        """Return a job, or None where there is none such."""
        rows = self._rows("SELECT * FROM jobs WHERE id = ?", [job])
        return _of_row(rows[0]) if rows else None

    def newest(self, count: int) -> list[Job]:
        """Return the newest jobs, the latest first."""
        rows = self._rows("SELECT * FROM jobs ORDER BY created DESC, id LIMIT ?", [count])
        return [_of_row(row) for row in rows]

    def next(self) -> Job | None:
        """Take the job that has waited longest, which runs from now on."""
        with self._lock:
            rows = self._rows(
                "SELECT * FROM jobs WHERE state = 'queued' ORDER BY created, id LIMIT 1"
            )
            if not rows:
                return None
            job = _of_row(rows[0])
            started = job.started or time.time()
            self.change(job.id, "queued", state="running", started=started)
            return replace(job, state="running", started=started)

    def change(self, job: str, *states: str, **values: Any) -> bool:
        """Change a job, provided that it is in one of some states.

        Returns:
            Whether it was.
        """
        changes = ", ".join(f"{name} = ?" for name in values)
        marks = ", ".join("?" * len(states))
        changed = self._run(
            f"UPDATE jobs SET {changes} WHERE id = ? AND state IN ({marks})",
            [*(_to_column(name, value) for name, value in values.items()), job, *states],
        )
        return changed > 0

    def count(self, *states: str) -> int:
        """Return how many jobs are in some states."""
        marks = ", ".join("?" * len(states))
        rows = self._rows(f"SELECT COUNT(*) AS n FROM jobs WHERE state IN ({marks})", states)
        return int(rows[0]["n"])

    def remove(self, job: str) -> None:
        """Forget a job and remove its files."""
        self._run("DELETE FROM jobs WHERE id = ?", [job])
        remove_path(self.folder(job))

    def expired(self, now: float) -> list[str]:
        """Return the ids of the jobs whose results are to go."""
        rows = self._rows("SELECT id FROM jobs WHERE expires IS NOT NULL AND expires <= ?", [now])
        return [row["id"] for row in rows]

    def close(self) -> None:
        """Close the table, and let another service have the folder."""
        with self._lock:
            self._base.close()
            self._held.close()

    def _run(self, text: str, values: Iterable[Any] = ()) -> int:
        """Run a statement that changes something, commit, and return how many rows it changed."""
        with self._lock, write_faults(self.root), _full_disk(self.root), self._base:
            return self._base.execute(text, list(values)).rowcount

    def _rows(self, text: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """Return what a query finds."""
        with self._lock:
            return self._base.execute(text, list(values)).fetchall()


class _full_disk:
    """Turns SQLite's words for a full disk into the operating system's.

    Args:
        folder: Where the table lies: a journal that finds no room is told as a fault of the disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, sqlite3.OperationalError):
            return
        faulty = "I/O error" in str(error) and shutil.disk_usage(self.folder).free < _JOURNAL
        if "full" in str(error) or faulty:
            raise OSError("No space left on the device of the table of jobs") from error


def _sync(path: Path) -> None:
    """Bring a file or folder to the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _column(kind: Any) -> str:
    """Return SQLite's type for a field's annotation."""
    return _TYPES.get(str(kind).split(" ")[0], "TEXT")


def _to_column(name: str, value: Any) -> Any:
    """Return a value as it is stored."""
    return json.dumps(value) if name in _JSON and value is not None else value


def _of_row(row: sqlite3.Row) -> Job:
    """Return the job in a row."""
    values = {
        name: json.loads(row[name]) if name in _JSON and row[name] is not None else row[name]
        for name in row.keys()  # noqa: SIM118 - iterating a row yields its values
    }
    return Job(**{**values, "polygons": bool(values["polygons"])})
