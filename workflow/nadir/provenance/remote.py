"""Zarr stores in an object store: sent whole, under a version of their own, read shard by shard.

A store lies at `PREFIX/KIND/VERSION/NAME.zarr`. VERSION is the digest of the list of all its files,
which lies beside it and is sent last, after the shards and the metadata: what is listed is there,
and what is there is never written again with other content. The manifest, which is a small file as
ever, holds the address.

Readers copy the shards that they touch into the cache of objects, check their digests, and read
the copies; so a shard is fetched once a machine, and neither a fault of the store nor an object
that is gone can pass for values.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path, write_json
from nadir.provenance.digest import json_digest
from nadir.provenance.objects import (
    ObjectInfo,
    filesystem,
    is_object,
    list_objects,
    object_faults,
    parent_of,
    split_address,
)
from nadir.provenance.publishing import put_json
from nadir.provenance.transfer import (
    FORMAT,
    LISTING,
    cache_folder,
    file_sha,
    read_listing,
    safe_name,
)

log = logging.getLogger(__name__)

VARIABLE = "NADIR_STORAGE"
"""Environment variable: prefix under which commands put Zarr stores; empty: beside manifests."""

_METADATA = "zarr.json"
_AT_ONCE = 8  # objects that are sent, or fetched, side by side
_PIECE = 2**23  # bytes asked for at a time
_ATTEMPTS = 3  # to get an object with the digest that it should have
_LOCKS = tuple(threading.Lock() for _ in range(64))
_AGAIN = "Delete the manifest and run snakemake again: it sends what is damaged anew."


def storage() -> str | None:
    """Return the prefix under which stores go, without a slash at its end, or None.

    Raises:
        InputError: When it is no address of an object store.
    """
    prefix = os.environ.get(VARIABLE, "").rstrip("/")
    if prefix:
        split_address(prefix)
    return prefix or None


def check_storage(prefix: str) -> None:
    """See that there is a bucket that answers, before anything is computed for it.

    Raises:
        InputError: As `nadir.provenance.objects.object_faults` says.
    """
    bucket, key = split_address(prefix)
    with object_faults(prefix):
        filesystem().call_s3("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)


def send_store(folder: Path, name: str, prefix: str) -> str:
    """Copy a store into the object store, its list last; what is there already is not sent again.

    Args:
        folder: The complete store.
        name: The name that it gets, `NAME.zarr`.
        prefix: What the version's folder is made under.

    Returns:
        Address of the store.

    Raises:
        InputError: When the object store refuses or fails for long. What was sent stays, is not
            listed, and is taken up by the next attempt.
    """
    paths = {
        f"{name}/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    files: dict[str, dict[str, Any]] = {
        item: {"sha256": file_sha(path), "size": path.stat().st_size}
        for item, path in paths.items()
    }
    base = f"{prefix}/{json_digest(files)[:16]}/"
    there = list_objects(base)
    shards = [item for item in files if not item.endswith(_METADATA)]
    metadata = sorted(files.keys() - set(shards), key=lambda item: (-item.count("/"), item))

    def send(item: str) -> None:
        seen = there.get(base + item)
        if seen is None or not _is_same(paths[item], files[item]["size"], seen):
            with object_faults(base + item):
                filesystem().put_file(
                    str(paths[item]), base + item, Metadata={"sha256": files[item]["sha256"]}
                )

    with (
        ThreadPoolExecutor(_AT_ONCE) as pool,
        tqdm(total=len(files), desc=f"send {name}", unit="file", disable=None) as bar,
    ):
        for _ in pool.map(send, shards):
            bar.update()
        for item in metadata:  # that of the whole store last
            send(item)
            bar.update()
    arrived = list_objects(base)
    for item, path in paths.items():
        seen = arrived.get(base + item)
        if seen is None or not _is_same(path, files[item]["size"], seen, sent=True):
            raise InputError(base + item, "it did not arrive as it was sent", "Run it again.")
    put_json(base + LISTING, {"format": FORMAT, "files": files})
    return base + name


def _is_same(path: Path, size: int, seen: ObjectInfo, sent: bool = False) -> bool:
    """Whether an object holds a file, by its ETag.

    The ETag of what was sent in pieces, or is encrypted, tells nothing: `sent` is the answer then.
    """
    if seen.size != size:
        return False
    with path.open("rb") as file:
        same = hashlib.file_digest(file, "md5").hexdigest() == seen.etag
    return same or (sent and ("-" in seen.etag or len(seen.etag) != 32))


@dataclass(frozen=True)
class RemoteFolder:
    """A store in an object store, or a folder inside it; `/` leads further in, as in a `Path`.

    Attributes:
        base: Address of the version, with a slash at its end.
        inner: Name of the folder below it.
    """

    base: str
    inner: str

    @classmethod
    def at(cls, address: str) -> RemoteFolder:
        """Return the store at an address.

        Raises:
            InputError: When it is no address of a store.
        """
        if not is_object(address) or "/" not in split_address(address)[1].strip("/"):
            raise InputError(str(address), "this is no address of a store", _AGAIN)
        base = parent_of(address)
        return cls(base, safe_name(address, base))

    def __truediv__(self, name: str) -> RemoteFolder:
        return RemoteFolder(self.base, f"{self.inner}/{name}")

    def __str__(self) -> str:
        return self.base + self.inner

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.inner.rsplit("/", 1)[-1]

    def bring(self, names: Iterable[str]) -> Path:
        """Copy files of this folder to this machine, where they are not yet; return their folder.

        Names that the store does not list are left out: shards without values are never written.

        Raises:
            InputError: With the object's address, when it is gone, cut off, altered, or the store
                fails, each after some attempts.
            OutputError: When the cache is full or not writable.
        """
        files, mirror = _files(self.base, cache_folder())
        items = [item for name in names if (item := f"{self.inner}/{name}") in files]
        lacking = [item for item in items if not _has_size(mirror / item, files[item]["size"])]
        if len(lacking) > 1:
            with ThreadPoolExecutor(min(_AT_ONCE, len(lacking))) as pool:
                list(
                    pool.map(lambda one: _fetch(self.base + one, mirror / one, files[one]), lacking)
                )
        elif lacking:
            _fetch(self.base + lacking[0], mirror / lacking[0], files[lacking[0]])
        return mirror / self.inner

    def lacks(self, names: Iterable[str]) -> bool:
        """Whether a listed file has no copy here (any more)."""
        files, mirror = _files(self.base, cache_folder())
        items = (f"{self.inner}/{name}" for name in names)
        return any(item in files and not (mirror / item).is_file() for item in items)


@functools.lru_cache(maxsize=256)
def _files(base: str, cache: Path) -> tuple[dict[str, dict[str, Any]], Path]:
    """Return the list of a version, and the folder of its copies."""
    mirror = cache / "stores" / json_digest(base)[:20]
    kept = mirror / LISTING
    try:
        files = json.loads(kept.read_bytes())["files"]
        if _is_list_of(base, files):
            return files, mirror
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there yet, or damaged: fetched anew
    files = listed(base)
    write_json(kept, {"format": FORMAT, "files": files})
    return files, mirror


def listed(base: str) -> dict[str, dict[str, Any]]:
    """Return name -> digest and size of all files of a version.

    Raises:
        InputError: When the list is gone, is not the one that the version is named after, or the
            store fails.
    """
    files = read_listing(base)["files"]
    if not _is_list_of(base, files):
        raise InputError(base + LISTING, "this is not the list of this version", _AGAIN)
    for name in files:
        safe_name(base + name, base)
    return files


def _is_list_of(base: str, files: Any) -> bool:
    """Whether a list is the one that a version is named after."""
    return json_digest(files)[:16] == base.rstrip("/").rsplit("/", 1)[-1]


def _fetch(address: str, place: Path, facts: dict[str, Any]) -> None:
    """Copy an object to a file, unless it is there; it is whole and has its digest."""
    if _has_size(place, facts["size"]):
        return
    # One thread of this process; two processes may do the same work, and replace equal by equal.
    with _LOCKS[hash(address) % len(_LOCKS)]:
        if not _has_size(place, facts["size"]):
            _fetch_checked(address, place, facts)


def _has_size(place: Path, size: int) -> bool:
    try:
        return place.stat().st_size == size
    except OSError:
        return False


def _fetch_checked(address: str, place: Path, facts: dict[str, Any]) -> None:
    """Copy an object to a file; what comes altered or short is asked for again."""
    for attempt in range(_ATTEMPTS):
        try:
            with atomic_path(place) as temporary, temporary.open("wb") as file:
                if problem := _compare(address, facts, file.write):
                    raise InputError(address, problem, _AGAIN)
            return
        except InputError as error:
            if attempt + 1 == _ATTEMPTS:
                raise
            log.warning("%s: %s; asked for again", address, error.problem)


def _compare(address: str, facts: dict[str, Any], take: Callable[[bytes], object]) -> str:
    """Read an object in pieces, hand them on, and return what is wrong with it, or nothing."""
    digest, done = hashlib.sha256(), 0
    while done < facts["size"]:
        end = min(done + _PIECE, facts["size"])
        with object_faults(address):
            data = filesystem().cat_file(address, start=done, end=end)
        if len(data) != end - done:
            return f"the object ends after {done + len(data)} of {facts['size']} bytes"
        digest.update(data)
        take(data)
        done = end
    same = digest.hexdigest() == facts["sha256"]
    return "" if same else f"its content is not what {LISTING} was written for"


def check_sent(address: str, tick: Callable[[int], object]) -> None:
    """Read a store as it lies in the object store, and compare each object with the list.

    Args:
        address: The store's address.
        tick: Called with bytes that were read.

    Raises:
        InputError: With the address of the first object that is gone, cut off or altered.
    """
    base = RemoteFolder.at(address).base
    files, there = listed(base), list_objects(base)
    for item, facts in files.items():
        if base + item not in there:
            raise InputError(base + item, "the object is gone", _AGAIN)
        if problem := _compare(base + item, facts, lambda data: tick(len(data))):
            raise InputError(base + item, problem, _AGAIN)
