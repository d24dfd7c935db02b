"""Stores in an object store that no manifest names any more: which may go, and their removal."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from nadir.errors import InputError
from nadir.provenance.manifest import ENDING
from nadir.provenance.objects import filesystem, list_times, object_faults, split_address
from nadir.provenance.remote import RemoteFolder
from nadir.provenance.transfer import LISTING
from nadir.upkeep.stores import KINDS, parse_manifest
from nadir.upkeep.walking import entries_below, require_folder

_VERSION = re.compile(rf"(?P<kind>{'|'.join(KINDS)})/[0-9a-f]{{16}}/")


@dataclass(frozen=True)
class Version:
    """One version of a store.

    Attributes:
        address: Its folder, with a slash at the end.
        size: Bytes of all that lies in it.
        used: When the last of it was sent, seconds since 1970.
        finished: Whether it has its list; else what a killed run left.
        kept: Why it stays; empty where it may go.
        objects: Addresses of all that lies in it.
    """

    address: str
    size: int
    used: float
    finished: bool
    kept: str
    objects: tuple[str, ...]


def survey_sent(results: Path, prefix: str, older_than: float, now: float) -> list[Version]:
    """Return the versions of stores under a prefix, with why each stays or that it may go.

    Only what is named as stores are (`KIND/VERSION/...`) is looked at.

    Args:
        results: The folder of results whose manifests count.
        prefix: The prefix that stores go under, `s3://bucket/prefix`.
        older_than: Seconds since it was sent after which a version may go.
        now: The present, seconds since 1970.

    Raises:
        InputError: When there is no such folder, a manifest in it is damaged, or the store refuses.
    """
    require_folder(results)
    base = prefix.rstrip("/") + "/"
    if not split_address(base)[0]:
        raise InputError(prefix, "this is no prefix", "Write it as s3://bucket/prefix.")
    named = _named(results)
    found: dict[str, list[tuple[str, int, float]]] = defaultdict(list)
    for address, (size, sent) in list_times(base).items():
        if version := _VERSION.match(address.removeprefix(base)):
            found[base + version[0]].append((address, size, sent))
    versions = []
    for address, objects in sorted(found.items()):
        used = max(sent for *_, sent in objects)
        reason = "a manifest names it" if address in named else ""
        if not reason and now - used < older_than:
            reason = "sent lately"
        names = tuple(name for name, *_ in objects)
        size = sum(size for _, size, _ in objects)
        versions.append(Version(address, size, used, address + LISTING in names, reason, names))
    return versions


def _named(results: Path) -> set[str]:
    """Return the versions that manifests name."""
    paths = [entry.path for entry in entries_below(results) if entry.kind == "file"]
    manifests = [parse_manifest(path) for path in paths if path.name.endswith(ENDING)]
    return {RemoteFolder.at(one.store).base for one in manifests if one.store}


def remove_version(version: Version) -> None:
    """Remove a version, its list first, so that nobody takes half of it for a whole.

    Raises:
        InputError: When the store refuses.
    """
    order = sorted(version.objects, key=lambda name: name != version.address + LISTING)
    with object_faults(version.address):
        for name in order:
            filesystem().rm_file(name)
