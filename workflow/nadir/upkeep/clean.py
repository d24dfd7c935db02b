"""Old keys of the result cache: which may go, what that frees, and their removal.

A kept result may go when no product that is there now came from it, it was not used for some time,
and it is not among the last few of its kind. A result counts as the source of a product when a
bundle's description names its key, or when one of its files is, byte for byte, a product; so a
product whose source is gone for good is no reason to keep anything.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nadir.errors import InputError
from nadir.provenance.atomic import remove_path, temporary_beside, write_faults
from nadir.upkeep.kept_results import SLOTS, slots_below
from nadir.upkeep.listings import digest_by_blocks
from nadir.upkeep.walking import Entry, entries_below, require_folder

log = logging.getLogger(__name__)

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "": 86400, "d": 86400, "w": 7 * 86400}
_KEY_LINE = re.compile(r"\b[0-9a-f]{20}\b")
_DESCRIPTIONS = ("model.yaml", "card.json", "search.json")
_DESCRIPTION_BYTES = 16 << 20


@dataclass(frozen=True)
class Slot:
    """One key of the result cache.

    Attributes:
        path: Its folder.
        kind: Which kind of result it is of: the folders between the cache and the key.
        size: Bytes of all that lies in it.
        used: When it was last made, resumed or delivered, seconds since 1970.
        finished: Whether it holds a result; else what a killed run left.
        kept: Why it stays; empty where it may go.
    """

    path: Path
    kind: str
    size: int
    used: float
    finished: bool
    kept: str


def parse_span(text: str) -> float:
    """Return the seconds of `30d`, `12h`, `2w`, `90m`, `10s` or `30` (days).

    Raises:
        ValueError: When it is no such span.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if not found:
        raise ValueError(f"{text!r} is no span of time: write 30d, 12h or 2w")
    return float(found[1]) * _SECONDS[found[2]]


def survey(results: Path, older_than: float, keep: int, now: float) -> list[Slot]:
    """Return every key of a folder's result cache, with why it stays or that it may go.

    Args:
        results: The folder of results.
        older_than: Seconds since its last use after which a key may go.
        keep: How many of the last used keys of each kind stay, whatever their age, beside those
            that products came from.
        now: The present, seconds since 1970.

    Raises:
        InputError: When there is no such folder, or its cache is a link.
    """
    require_folder(results)
    root = results / SLOTS
    if root.is_symlink():
        problem = "it is a link, and nothing is removed through links"
        raise InputError(root, problem, "Put the folder itself there, or clean it by hand.")
    paths = list(slots_below(results))
    files = {path: [e for e in entries_below(path) if e.kind == "file"] for path in paths}
    sources = _sources(results, files)
    order = sorted(paths, key=lambda path: (-_used(files[path]), str(path)))
    spared: dict[str, int] = defaultdict(int)
    found = {}
    for path in order:
        kind = path.parent.relative_to(root).as_posix()
        reason = "a product came from it" if path in sources else ""
        if not reason and spared[kind] < keep:
            spared[kind] += 1
            reason = f"among the last {keep} of its kind"
        if not reason and now - _used(files[path]) < older_than:
            reason = "used lately"
        size = sum(entry.size for entry in files[path])
        finished = (path / "result").is_dir()
        found[path] = Slot(path, kind, size, _used(files[path]), finished, reason)
    return [found[path] for path in paths]


def _used(files: list[Entry]) -> float:
    """Return when a key was last used: each use writes its parts anew."""
    return max((entry.modified for entry in files), default=0.0)


def _sources(results: Path, files: dict[Path, list[Entry]]) -> set[Path]:
    """Return the slots that a present product came from."""
    by_key = {path.name: path for path in files}
    by_size: dict[int, list[tuple[Path, Path]]] = defaultdict(list)
    for slot, entries in files.items():
        for entry in entries:
            inside = entry.path.relative_to(slot).parts
            if inside[0] == "result" and entry.size:
                by_size[entry.size].append((slot, entry.path))
    found: set[Path] = set()
    for product in _products(results):
        if product.path.name in _DESCRIPTIONS and product.size <= _DESCRIPTION_BYTES:
            found |= {by_key[key] for key in _keys_in(product.path) if key in by_key}
        rivals = [pair for pair in by_size.get(product.size, ()) if pair[0] not in found]
        found |= {slot for slot, kept in rivals if _same(product.path, kept)}
    return found


def _products(results: Path) -> Iterator[Entry]:
    """Yield the files of a folder of results outside its cache."""
    for child in sorted(results.iterdir()):
        if child.name == SLOTS or child.is_symlink():
            continue
        if child.is_dir():
            yield from (entry for entry in entries_below(child) if entry.kind == "file")
        elif child.is_file():
            facts = child.stat()
            yield Entry(child, "file", facts.st_size, facts.st_mtime)


def _keys_in(path: Path) -> set[str]:
    """Return what may be a key in a description."""
    try:
        return set(_KEY_LINE.findall(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return set()


def _same(one: Path, other: Path) -> bool:
    """Whether two files hold the same; what cannot be read is taken for the same, to be safe."""
    try:
        return digest_by_blocks(one, int) == digest_by_blocks(other, int)
    except OSError:
        return True


def remove_slot(slot: Slot) -> bool:
    """Remove a key, unless a run holds it at this moment; return whether it is gone.

    Raises:
        OutputError: When removing is not permitted.
    """
    with write_faults(slot.path), _held(slot.path) as free:
        if not free:
            return False
        gone = temporary_beside(slot.path)
        os.rename(slot.path, gone)  # at once: nobody finds half a result
    remove_path(gone)
    return True


@contextmanager
def _held(slot: Path) -> Iterator[bool]:
    """Hold a slot's lock as `ResultCache.lock` does; yields False where a run holds it."""
    try:
        descriptor = os.open(slot / "lock", os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
