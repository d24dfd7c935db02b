"""What a command puts in its place, by digest: noted while somebody asks for it.

Files are hashed under their temporary names, just before they get their own: what is noted is what
the command meant to write, whatever happens to the file afterwards.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STORE = ".zarr"  # these have manifests


class Writes:
    """Digests of what was written below a folder.

    Attributes:
        root: The folder. What has a hidden name in it, or lies in one that has, is no product.
        digests: Name in it -> sha256.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.digests: dict[str, str] = {}

    def note(self, temporary: Path, path: Path) -> None:
        """Note a file, or all files of a folder, that is about to get its name."""
        whole = Path(os.path.abspath(path))
        if not whole.is_relative_to(self.root):
            return
        name = whole.relative_to(self.root)
        if any(part.startswith(".") for part in name.parts):
            return
        if not temporary.is_dir():
            self.digests[name.as_posix()] = _digest(temporary)
            return
        for place, folders, files in os.walk(temporary):
            folders[:] = [folder for folder in folders if not folder.endswith(_STORE)]
            for file in (Path(place, each) for each in files):
                if file.is_file() and not file.is_symlink():
                    self.note(file, path / file.relative_to(temporary))


_asked: list[Writes] = []


@contextmanager
def noted_writes(root: Path) -> Iterator[Writes]:
    """Note what this process, in all its threads, puts in its place below a folder meanwhile."""
    writes = Writes(root)
    _asked.append(writes)
    try:
        yield writes
    finally:
        _asked.remove(writes)


def note_write(temporary: Path, path: Path) -> None:
    """Tell those who ask of a file or folder that is about to get its name."""
    for writes in _asked:
        writes.note(temporary, path)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a complete file its name, durably and at once: a reader sees the old one or the new."""
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    note_write(temporary, path)
    os.replace(temporary, path)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
