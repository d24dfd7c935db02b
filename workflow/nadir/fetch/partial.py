"""Files of which only parts are here: what is needed is loaded, and what was loaded stays.

Beside the file lies which of its blocks are there, and which version of the remote file they
belong to: so a killed job goes on where it stopped, and a file that was replaced is begun anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import numpy as np

from nadir.errors import InputError
from nadir.fetch.web import Changed, Web, is_address, shown
from nadir.provenance.atomic import remove_path, write_faults, write_json
from nadir.provenance.digest import sha

log = logging.getLogger(__name__)

BLOCK = 2**18
"""Bytes of a block."""
_RUN = 32  # blocks of one request: what a server that stays busy costs at most
_MARK = 4  # blocks between two marks on disk: what a kill costs at most

_HASHES = {0x11: "sha1", 0x12: "sha256", 0x13: "sha512", 0xD5: "md5"}  # codes of multihash


class PartialFile:
    """A remote file, of which this machine holds some blocks; safe among threads of one process.

    Args:
        address: The remote file.
        folder: Where the parts are kept, held by one process at a time.
        web: What reads addresses.

    Raises:
        InputError: As `Web.facts` says.
        OutputError: When the disk is full or not writable.
    """

    def __init__(self, address: str, folder: Path, web: Web) -> None:
        self.address, self.web = address, web
        ending = PurePosixPath(urlsplit(address).path).suffix[:8]
        self.path = folder / f"{sha(shown(address).encode())[:20]}{ending}"
        self._marks = self.path.with_name(self.path.name + ".blocks")
        self._state = self.path.with_name(self.path.name + ".state")
        self._lock = threading.Lock()
        self.facts = web.facts(address)
        if not self.facts.size:
            raise InputError(shown(address), "the file is empty (0 bytes)", "Look at the server.")
        with write_faults(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            self._resume()

    @property
    def name(self) -> str:
        """The address as it may be shown."""
        return shown(self.address)

    @property
    def is_whole(self) -> bool:
        """Whether every block is here."""
        return bool(self._there.all())

    def _resume(self) -> None:
        """Take up what an earlier run left, if it is of the same version."""
        count = -(-self.facts.size // BLOCK)
        state = {"address": self.name, "size": self.facts.size, "tag": self.facts.tag}
        try:
            same = bool(self.facts.tag) and json.loads(self._state.read_text()) == state
            marks = np.fromfile(self._marks, np.uint8) if same else np.zeros(0, np.uint8)
        except (OSError, ValueError):
            marks = np.zeros(0, np.uint8)
        if len(marks) == count and self.path.is_file():
            self._there = marks != 0
            log.info("%s: %d of %d blocks are here", self.name, self._there.sum(), count)
            return
        self.forget()
        self._there = np.zeros(count, bool)
        with self.path.open("wb") as file:
            file.truncate(self.facts.size)  # sparse: room is taken as blocks come
        self._marks.write_bytes(bytes(count))
        write_json(self._state, state)

    def forget(self) -> None:
        """Remove what is here."""
        for path in (self._state, self._marks, self.path):
            remove_path(path)

    def need(self, spans: Iterable[tuple[int, int]]) -> None:
        """See that ranges of bytes (start, end) are here.

        Raises:
            InputError: When they cannot be loaded; what is replaced on the server is forgotten.
            OutputError: When the disk is full or not writable.
        """
        wanted = np.zeros(len(self._there), bool)
        for start, end in spans:
            wanted[max(start, 0) // BLOCK : -(-min(end, self.facts.size) // BLOCK)] = True
        run = _RUN
        if not self.facts.ranges and wanted.any():  # such a server sends all from the start
            wanted[:], run = True, len(wanted)
        with self._lock:
            try:
                for first, last in _runs(wanted & ~self._there, run):
                    self._load(first, last)
            except Changed:
                self.forget()
                raise

    def _load(self, first: int, last: int) -> None:
        """Load the blocks from `first` up to `last`; every few of them are marked as here."""
        place = first * BLOCK
        end = min(last * BLOCK, self.facts.size)
        done = first
        with (
            write_faults(self.path),
            self.path.open("r+b") as file,
            self._marks.open("r+b") as marks,
        ):
            for data in self.web.stream(self.address, self.facts, place, end):
                os.pwrite(file.fileno(), data, place)
                place += len(data)
                complete = last if place == end else place // BLOCK
                if complete - done >= _MARK or complete == last:
                    os.fdatasync(file.fileno())  # a mark never comes before what it promises
                    os.pwrite(marks.fileno(), b"\1" * (complete - done), done)
                    self._there[done:complete] = True
                    done = complete

    def need_all(self) -> None:
        """See that the whole file is here; raises as `need` does."""
        self.need([(0, self.facts.size)])

    def digest(self, algorithm: str = "sha256") -> str:
        """Return the digest of the whole file, which is loaded."""
        self.need_all()
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()

    def check(self, expected: str, algorithm: str = "sha256") -> None:
        """Load the whole file and compare its digest.

        Raises:
            InputError: When it is another one; what is here is removed.
        """
        found = self.digest(algorithm)
        if found != expected.lower():
            self.forget()
            raise InputError(
                self.name,
                f"its {algorithm} is {found} where {expected.lower()} is expected",
                "The file or the checksum is damaged or of another version: run it again, then "
                "compare both.",
            )

    def check_multihash(self, text: str) -> bool:
        """Compare with a checksum as catalogues state it (`file:checksum`, a multihash in hex).

        Returns:
            Whether the kind of checksum is known, and so was compared.

        Raises:
            InputError: When the content differs.
        """
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        code, raw = _varint(raw)
        length, digest = _varint(raw)
        algorithm = _HASHES.get(code)
        if algorithm is None or len(digest) != length:
            log.warning("%s: a checksum of an unknown kind is not compared: %s", self.name, text)
            return False
        self.check(digest.hex(), algorithm)
        return True

    def size_is(self, size: int) -> None:
        """Raise `InputError` unless the file has this many bytes, as a catalogue promised."""
        if size != self.facts.size:
            raise InputError(
                self.name,
                f"it holds {self.facts.size} bytes where the catalogue says {size}",
                "It is truncated or of another version: look at the catalogue again.",
            )


def _varint(data: bytes) -> tuple[int, bytes]:
    """Return the unsigned number at the start of `data` (LEB128), and what follows."""
    value = 0
    for index, byte in enumerate(data):
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, data[index + 1 :]
    return -1, b""


def _runs(missing: np.ndarray, longest: int) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of runs of missing blocks, none longer than that."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(np.int8), [0]])))
    for first, end in edges.reshape(-1, 2):
        for start in range(int(first), int(end), longest):
            yield start, min(start + longest, int(end))


class LocalFile:
    """A file of this machine in the place of a remote one: all of it is here.

    Args:
        path: The file.

    Raises:
        InputError: When there is no such file.
    """

    def __init__(self, path: str) -> None:
        self.path, self.name = Path(path), path
        if not self.path.is_file():
            raise InputError(path, "there is no such file", "Check the catalogue.")

    def need(self, spans: Iterable[tuple[int, int]]) -> None:
        """Nothing to load."""

    def need_all(self) -> None:
        """Nothing to load."""

    def forget(self) -> None:
        """The file is not ours to remove."""


def open_part(address: str, folder: Path, web: Web) -> PartialFile | LocalFile:
    """Return a file by its address, or one of this machine by its path."""
    if is_address(address):
        return PartialFile(address, folder, web)
    return LocalFile(address.removeprefix("file://"))
