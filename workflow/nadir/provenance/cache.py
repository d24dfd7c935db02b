"""Results kept under a key: early cut-off and resume for expensive jobs.

Snakemake has no early cut-off inside one call: when an upstream job ran again, everything below
it runs again, even if the data came out equal. An expensive job therefore keeps its result under
key = hash(input digests, configuration, code, seed), outside the declared outputs. A job that
finds its key takes the result in seconds; one that finds its key unfinished resumes from what
lies there, which is legitimate exactly because the key is equal.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nadir.provenance.atomic import (
    atomic_folder,
    atomic_path,
    remove_leftovers,
    write_faults,
    write_json,
)
from nadir.provenance.digest import json_digest
from nadir.provenance.lease import held

log = logging.getLogger(__name__)

_RESULT, _WORK, _PARTS = "result", "work", "key.json"


class ResultCache:
    """One keyed slot: `work/` while the job runs, `result/` when it has ended.

    Args:
        root: Folder of this kind of results, such as `results/.cache/train`.
        parts: What the result depends on, JSON-serializable; its digest is the key.
    """

    def __init__(self, root: str | os.PathLike[str], parts: dict[str, Any]) -> None:
        self.parts = parts
        self.key = json_digest(parts)[:20]
        self.folder = Path(root) / self.key

    @property
    def result(self) -> Path | None:
        """The folder of the finished result, or None."""
        folder = self.folder / _RESULT
        return folder if folder.is_dir() else None

    @property
    def work(self) -> Path:
        """The folder for checkpoints and other state that a killed run leaves to the next."""
        folder = self.folder / _WORK
        with write_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the slot, so that two runs of the same job never write at once.

        Where another process holds it, this waits: experiments that differ only in how they are
        scored share a training, and may come to it at the same time; and the job of a driver that
        was killed goes on while the next driver submits it anew. Look at `result` once the lock is
        held. The operating system frees the lock when its holder dies, however it dies; the lease
        stands in where such locks mean nothing to other machines.
        """
        with write_faults(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            slot = (self.folder / "lock").open("w")
        with slot as file:
            write_json(self.folder / _PARTS, self.parts)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("%s: another process makes this very result: waiting for it", self.folder)
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:  # no locks on this file system
                log.debug("%s: no locks here, the lease alone counts", self.folder)
            with held(self.folder / "lease", self.folder):
                yield

    @contextmanager
    def store(self) -> Iterator[Path]:
        """Yield a folder to fill with the result's files; it counts once the block has ended."""
        remove_leftovers(self.folder / _RESULT)
        with atomic_folder(self.folder / _RESULT) as folder:
            yield folder
        shutil.rmtree(self.folder / _WORK, ignore_errors=True)

    def deliver(self, outputs: dict[str, str | os.PathLike[str]]) -> None:
        """Copy result files to their declared places, each atomically, in the given order.

        Args:
            outputs: Name inside the result -> path to make.
        """
        result = self.folder / _RESULT
        for name, path in outputs.items():
            with atomic_path(path) as temporary:
                shutil.copyfile(result / name, temporary)
        log.info("result %s delivered", self.key)
