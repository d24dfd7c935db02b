"""From stores to this machine: whole files, atomically, resumed, checked.

A download continues where a killed one stopped, which is legitimate as long as the object has the
same ETag; it takes its name when all bytes are there. Where a list of published files
(`nadir.provenance.publishing`) lies among them, every file is checked against it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from nadir.errors import InputError
from nadir.provenance.atomic import (
    hidden_beginning,
    remove_path,
    temporary_beside,
    write_faults,
)
from nadir.provenance.digest import json_digest, sha
from nadir.provenance.objects import (
    ObjectInfo,
    filesystem,
    is_object,
    list_objects,
    object_faults,
    stat_object,
)

log = logging.getLogger(__name__)

LISTING, LATEST = "published.json", "latest.json"
"""Names of what lists the files of a version, and of what names the newest version."""
CACHE_VARIABLE = "NADIR_CACHE"
"""Environment variable: folder for copies of objects; by default that of the user's caches."""

_PIECE = 2**23  # bytes asked for at a time: what a fault costs at most
_MEBIBYTE = 2**20
_USUAL = (8, 5, 16, 10, 15, 32, 50, 64, 100, 128, 256, 512)  # of tools that send in parts, MiB
_MOST_SIZES = 6  # each costs reading the file once
FORMAT = 1
"""Version of the layout of a list."""


def cache_folder() -> Path:
    """Return the folder of copies of objects; it may be emptied at any time."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nadir"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, so that two processes never download into it at once; made if need be."""
    with write_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def local_copy(path: str, known: Mapping[str, ObjectInfo] | None = None) -> Path:
    """Return a file of this machine with the content of `path`: itself, or a copy of an object.

    Copies lie in the cache under a key of addresses and ETags, so that each is made once.

    Args:
        path: A path of this machine, or an address.
        known: What the store says of the object, and of others that must lie in the same folder
            (sidecars, a Shapefile's parts); by default it is asked about the object alone.

    Raises:
        InputError: When there is no such object, or it cannot be read whole.
        OutputError: When the cache is full or not writable.
    """
    if not is_object(path):
        return Path(path)
    infos = dict(known) if known else {path: stat_object(path)}
    state = {item: [info.etag, info.size] for item, info in infos.items()}
    folder = cache_folder() / "objects" / json_digest([path, state])[:20]
    with locked(folder):
        for item, info in infos.items():
            place = folder / PurePosixPath(item).name
            if not _is_whole(place, info):
                download(item, place, info)
    return folder / PurePosixPath(path).name


def _is_whole(place: Path, info: ObjectInfo) -> bool:
    """Whether a file has the size of an object: enough in a folder that its ETag names."""
    return place.is_file() and place.stat().st_size == info.size


def download(address: str, place: Path, info: ObjectInfo | None = None) -> None:
    """Copy an object to a file, which is there whole or not at all.

    Should two processes do so at once (the lock of the cache excludes nobody on some file systems),
    both write the same bytes to the same places of one file, and who is first names it.

    Args:
        address: The object.
        place: The file to make.
        info: What the store says about the object, where that is known.

    Raises:
        InputError: As `nadir.provenance.objects.object_faults` says.
        OutputError: When the disk is full or not writable.
    """
    info = info or stat_object(address)
    number = sha(info.etag.encode())[:12]
    partial = place.with_name(f"{hidden_beginning(place)}{number}.partial")
    with write_faults(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(partial, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            try:
                _append(address, file, info)
            except ReplacedObjectError:
                partial.unlink(missing_ok=True)
                raise
            os.fsync(file.fileno())
        try:
            os.replace(partial, place)
        except FileNotFoundError:
            if not _is_whole(place, info):
                raise


class ReplacedObjectError(InputError):
    """An object is another one than when its download began."""


def _append(address: str, file: Any, info: ObjectInfo) -> None:
    """Append what a file lacks of an object."""
    done = file.seek(0, os.SEEK_END)
    if done > info.size:  # never by our own hand
        done = file.seek(file.truncate(0))
    name = PurePosixPath(address).name
    with tqdm(
        total=info.size, initial=done, unit="B", unit_scale=True, desc=name, disable=None
    ) as bar:
        while done < info.size:
            end = min(done + _PIECE, info.size)
            with object_faults(address):
                data = filesystem().cat_file(address, start=done, end=end)
            if len(data) != end - done:
                raise InputError(
                    address, f"{len(data)} bytes came where {end - done} were asked for", "Retry."
                )
            file.write(data)
            file.flush()
            bar.update(len(data))
            done = end
    if stat_object(address) != info:
        raise ReplacedObjectError(address, "the object was replaced meanwhile", "Run it again.")


def download_folder(address: str, folder: Path) -> list[str]:
    """Copy all objects under a prefix into a folder; what is there already stays.

    Where a list of published files lies among them, every file is checked against it.

    Args:
        address: The prefix: a version that was published, or any other "folder".
        folder: Where to put them, under their names below the prefix.

    Returns:
        Names of the files, sorted.

    Raises:
        InputError: When nothing lies there, a name leaves the folder, or content differs from the
            list's.
        OutputError: When the disk is full or not writable.
    """
    base = address.rstrip("/") + "/"
    listing = list_objects(base)
    names = {safe_name(item, base): info for item, info in listing.items() if item[-1] != "/"}
    if not names:
        raise InputError(address, "there is nothing under this address", "Check the address.")
    digests = read_listing(base)["files"] if LISTING in names else {}
    for name, info in names.items():
        expected = digests.get(name, {}).get("sha256")
        if not _is_copy(folder / name, info, expected):
            download(base + name, folder / name, info)
        if expected:
            _check_digest(base + name, folder / name, expected)
    if lacking := sorted(digests.keys() - names.keys()):
        raise InputError(
            base + lacking[0], f"{LISTING} names it, but it is gone", "Publish the folder again."
        )
    return sorted(names)


def safe_name(address: str, base: str) -> str:
    """Return the name of an object below a prefix; names that leave the folder are refused."""
    name = address.removeprefix(base)
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in name or "\\" in name:
        raise InputError(address, "its name would leave the folder", "Rename the object.")
    return name


def _is_copy(place: Path, info: ObjectInfo, expected: str | None) -> bool:
    """Whether a file is an object's copy, as far as digests can tell."""
    if not _is_whole(place, info):
        return False
    if expected:
        return file_sha(place) == expected
    if "-" in info.etag:
        return any(etag_of_parts(place, part) == info.etag for part in _part_sizes(info))
    with place.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == info.etag


def etag_of_parts(place: Path, part: int) -> str:
    """Return the ETag of a file that was sent in parts: the md5 of their md5s, and their number.

    Args:
        place: The file.
        part: Bytes of each part but the last.
    """
    sums = []
    with place.open("rb") as file:
        while piece := file.read(part):
            sums.append(hashlib.md5(piece, usedforsecurity=False).digest())
    return f"{hashlib.md5(b''.join(sums), usedforsecurity=False).hexdigest()}-{len(sums)}"


def _part_sizes(info: ObjectInfo) -> list[int]:
    """Return the sizes in which an object may have been sent, usual ones first.

    Tools send parts of whole mebibytes, all alike but the last.
    """
    count = info.etag.rpartition("-")[2]
    if not count.isdigit() or not int(count):
        return []
    parts = int(count)
    least = -(-info.size // (parts * _MEBIBYTE))
    most = (info.size - 1) // ((parts - 1) * _MEBIBYTE) if parts > 1 else max(_USUAL)
    fitting = [size for size in _USUAL if least <= size <= most]
    others = [size for size in range(least, most + 1) if size not in fitting]
    return [size * _MEBIBYTE for size in (fitting + others)[:_MOST_SIZES]]


def _check_digest(address: str, path: Path, expected: str) -> None:
    """Raise, and remove the copy, unless it has the content that was published."""
    if file_sha(path) != expected:
        path.unlink()
        raise InputError(
            address, f"its content is not what {LISTING} was written for", "Publish it again."
        )


def file_sha(path: Path) -> str:
    """Return the sha256 of a file's content; nothing is kept."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_listing(base: str) -> dict[str, Any]:
    """Return the list of a published version."""
    address = base + LISTING
    with object_faults(address):
        data = filesystem().cat_file(address)
    try:
        listing = json.loads(data)
        files = {str(name): dict(entry) for name, entry in listing["files"].items()}
        if listing["format"] != FORMAT or not all("sha256" in entry for entry in files.values()):
            raise ValueError("another format")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(address, "this lists no published files", "Publish again.") from error
    return {**listing, "files": files}


def newest_version(address: str) -> str:
    """Return the address of the version that `latest.json` names, or the address itself.

    Raises:
        InputError: As `object_faults` says, or when the file names no version.
    """
    base = address.rstrip("/") + "/"
    if base + LATEST not in list_objects(base + LATEST):
        return base.rstrip("/")
    with object_faults(base + LATEST):
        data = filesystem().cat_file(base + LATEST)
    try:
        version = json.loads(data)["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(base + LATEST, "it names no version", "Publish again.") from error
    return base + safe_name(base + str(version), base)


@contextmanager
def staged_folder(place: Path) -> Iterator[Path]:
    """Yield the folder to download into, kept over kills; it becomes `place` in the end."""
    work = place.with_name(f"{place.name}.work")
    yield work
    old = temporary_beside(place)
    with write_faults(place):
        if place.exists():
            os.replace(place, old)
        os.replace(work, place)
    remove_path(old)
