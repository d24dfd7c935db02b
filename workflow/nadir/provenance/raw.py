"""Raw files, wherever they lie: whether they are there, what stands beside them, their digests.

What the workflow's rules ask while the graph is drawn. Files of this machine are known by the
sha256 of their content; objects of a store by what the store says (size and ETag), since reading
terabytes to draw a graph would take hours. An ETag changes whenever the content does, and may
change without (the same file sent in other pieces): then what reads it is made again, found equal,
and nothing that is expensive below is.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from nadir.errors import InputError
from nadir.provenance.digest import file_digest, json_digest
from nadir.provenance.objects import (
    ObjectInfo,
    is_object,
    list_objects,
    parent_of,
    stat_object,
)
from nadir.provenance.times import is_of_the_future

SIDECARS = (".aux.xml", ".json", ".tfw", ".wld", ".ovr", ".msk", ".cpg")
"""Endings of files that readers heed beside a raster or a table: georeference, tags, STAC items."""

_PATTERN = re.compile(r"\{\s*[.\w]+\s*(,.*)?\}|<[a-z][a-z0-9_]*>", re.S)
"""What Snakemake fills in wherever it meets it in a path; it knows no way to quote it."""

_AT_ONCE = 16  # requests in flight
_KNOWN: dict[str, ObjectInfo] = {}  # what was seen on the way, sidecars above all


def existing(path: str) -> str:
    """Return the path of a raw file of this machine that is there, or an address as it is.

    Addresses are asked for together, by `digests_of`.

    Raises:
        InputError: When there is no such file.
    """
    if path.startswith("s3:/") and not is_object(path):
        raise InputError(
            path.replace("s3:/", "s3://"),
            "this setting takes files of this machine only",
            "Copy it first: `nadir download s3://bucket/prefix FOLDER`.",
        )
    if not is_object(path) and not os.path.exists(path):
        raise InputError(path, "there is no such file", "Check the path in the configuration.")
    return path


def is_local(path: str | None) -> bool:
    """Whether a path is given, and of this machine."""
    return bool(path) and not is_object(str(path))


def watched(paths: Iterable[str]) -> list[str]:
    """Return the files that Snakemake can look at, the inputs of a rule.

    It cannot look at objects of a store, nor at files of this machine in whose names it would
    fill in wildcards (`{scene}`) or variables of paths (`<results>`); and it refuses every output
    of files of the future, as cameras and copies between machines make them. Those enter by their
    digests alone, which is enough: no raw file counts by its time.
    """
    local = [path for path in paths if not is_object(path) and not _PATTERN.search(path)]
    return [path for path in local if not is_of_the_future(path)]


def with_sidecars(paths: Sequence[str]) -> list[str]:
    """Return files and what stands beside them that readers heed.

    Raises:
        InputError: As `nadir.provenance.objects.object_faults` says.
    """
    remote = [path for path in paths if is_object(path)]
    _ask_together(remote)
    found = [
        candidate
        for path in paths
        for candidate in sidecars_of(path)
        if candidate not in paths
        and (candidate in objects_beside(path) if is_object(path) else os.path.isfile(candidate))
    ]
    return [*paths, *dict.fromkeys(found)]


def sidecars_of(path: str) -> list[str]:
    """Return the names that a file's sidecars would have, of this machine or of a store."""
    folder = parent_of(path) if is_object(path) else ""
    name = path.removeprefix(folder)
    pure = PurePosixPath(name) if folder else Path(path)
    names = [item for end in SIDECARS for item in (f"{name}{end}", str(pure.with_suffix(end)))]
    return [folder + item for item in names]


@functools.lru_cache(maxsize=65536)
def objects_beside(address: str) -> dict[str, ObjectInfo]:
    """Return an object and its sidecars: address -> facts; asked for once a process.

    One request lists all whose names begin alike; where listing is not permitted, the object
    itself is asked for, and each sidecar.

    Raises:
        InputError: When there is no such object, or as `object_faults` says.
    """
    stem = address if address.endswith("/") else address[: -len(_suffix(address)) or None]
    try:
        found = list_objects(stem)
    except InputError as error:
        if "denied" not in error.problem:
            raise InputError(address, error.problem, error.remedy) from error
        beside = {address: stat_object(address), **_ask_each(sidecars_of(address))}
        _KNOWN.update(beside)
        return beside
    if address not in found:
        stat_object(address)  # says what is wrong
    wanted = {address, *sidecars_of(address)}
    beside = {name: info for name, info in found.items() if name in wanted}
    _KNOWN.update(beside)
    return beside


def forget_objects() -> None:
    """Ask stores anew from now on: for processes that live longer than what they asked about."""
    objects_beside.cache_clear()
    _KNOWN.clear()


def _suffix(address: str) -> str:
    return PurePosixPath(address.rsplit("/", 1)[-1]).suffix


def _ask_each(addresses: Sequence[str]) -> dict[str, ObjectInfo]:
    """Return the facts of those objects that are there and may be looked at."""

    def ask(address: str) -> ObjectInfo | None:
        try:
            return stat_object(address)
        except InputError:
            return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = pool.map(ask, addresses)
        return {name: info for name, info in zip(addresses, answers, strict=True) if info}


def _ask_together(addresses: Sequence[str]) -> None:
    """Ask for several objects at once; the answers are kept."""
    if len(addresses) > 1:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(objects_beside, addresses))


def facts_of(address: str) -> ObjectInfo:
    """Return what a store says about an object; asked for once a process.

    Raises:
        InputError: When there is no such object, or as `object_faults` says.
    """
    return _KNOWN.get(address) or objects_beside(address)[address]


def digest_of(path: str) -> str:
    """Return the digest of a raw file: of its content, or of what the store says about it.

    Raises:
        InputError: When it is not there.
    """
    if not is_object(path):
        return file_digest(path)
    info = facts_of(path)
    return json_digest({"etag": info.etag, "size": info.size})


def digests_of(paths: Sequence[str]) -> dict[str, str]:
    """Return path -> digest of raw files; raises as `digest_of` does."""
    _ask_together([path for path in paths if is_object(path) and path not in _KNOWN])
    return {path: digest_of(path) for path in paths}


def digests_text(paths: Sequence[str]) -> str:
    """Return the digests as the JSON text that a rule gets as `raw`; raises as `digest_of`."""
    return json.dumps(digests_of(paths), sort_keys=True)
