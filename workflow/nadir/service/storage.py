"""How much disk a service may fill, and what a job will need of it."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

from nadir.service.problems import Problem

_FRESH = 5.0  # seconds for which a measured use is believed
_SPARE = 256 << 20  # free bytes that are left to everyone else on the disk


class Storage:
    """Counts what lies in a folder; thread-safe.

    Args:
        root: The folder.
        limit: Most bytes that it may hold.
    """

    def __init__(self, root: Path, limit: int) -> None:
        self.root, self.limit = root, limit
        self._lock = threading.Lock()
        self._measured = 0.0
        self._used = 0

    def used(self) -> int:
        """Return the bytes that lie there, measured some seconds ago at most."""
        with self._lock:
            now = time.monotonic()
            if not self._measured or now - self._measured > _FRESH:
                self._used, self._measured = folder_bytes(self.root), now
            return self._used

    def require(self, more: int) -> None:
        """See that there is room.

        Args:
            more: Bytes that are to come.

        Raises:
            Problem: 507 when there is not.
        """
        free = shutil.disk_usage(self.root).free - _SPARE
        if self.used() + more > self.limit or more > free:
            raise Problem(
                507,
                "storage-full",
                "the service has no room for this image and its results",
                "Delete jobs that are done, wait until results expire, or send a smaller image.",
            )
        with self._lock:
            self._used += more  # until it is measured again


def need_of(pixels: int, classes: int, upload: int, copied: bool) -> int:
    """Return how many bytes a job fills at its fullest, roughly from above.

    Args:
        pixels: Of the image.
        classes: Of the model.
        upload: Size of the upload in bytes.
        copied: Whether the image is copied into another form first.
    """
    rasters = 3 + 2  # unfinished ones, and the results of them
    return upload + pixels * (rasters + (3 if copied else 0)) + (classes + 1) * (8 << 20)


def folder_bytes(root: Path) -> int:
    """Return the bytes that the files below a folder fill on the disk."""
    total, todo = 0, [str(root)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            continue  # removed while it was counted
    return total
