"""From this machine into stores: a folder under a version of its own that is never written again.

Files first, then `published.json`, which lists them with digests, then `latest.json` beside the
versions. A reader that sees a list sees all that it lists.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nadir.errors import InputError
from nadir.provenance.digest import json_digest
from nadir.provenance.objects import (
    SCHEME,
    ObjectInfo,
    filesystem,
    list_objects,
    object_faults,
    split_address,
    stat_object,
)
from nadir.provenance.transfer import (
    FORMAT,
    LATEST,
    LISTING,
    file_sha,
    read_listing,
    safe_name,
)

log = logging.getLogger(__name__)


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their names below it; hidden ones are left out.

    Raises:
        InputError: When it is no folder, is empty, or holds a link that leaves it.
    """
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "Check the path.")
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or any(part.startswith(".") for part in name.split("/")[:-1]):
            continue
        if name.split("/")[-1].endswith(".partial") or name.split("/")[-1] == ".lock":
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                path, "this link leads out of the folder", "Put the file itself there."
            )
        found[name] = path
    if not found:
        raise InputError(folder, "there are no files in it", "Give a folder with results.")
    return found


def publish(
    folder: Path,
    address: str,
    version: str | None = None,
    beside: Mapping[str, Path] | None = None,
) -> str:
    """Copy a folder into a store under a version of its own, and make that the newest.

    Files that an earlier, killed attempt has sent are not sent again. A version is complete when
    its list is there; `latest.json` is written after it.

    Args:
        folder: What to publish.
        address: Prefix above the versions, `s3://bucket/prefix`.
        version: Name of the version; by default the digest of the content.
        beside: Files from elsewhere that go along, by the name that they get in the folder.

    Returns:
        Address of the version.

    Raises:
        InputError: When the folder is empty, the store refuses, or the version is there with other
            content.
    """
    bucket, prefix = split_address(address.rstrip("/") + "/")
    paths = dict(sorted({**(beside or {}), **files_of(folder)}.items()))
    files = {
        name: {"sha256": file_sha(path), "size": path.stat().st_size}
        for name, path in tqdm(paths.items(), desc="digests", unit="file", disable=None)
        if name != LISTING
    }
    version = version or json_digest(files)[:16]
    base = f"{SCHEME}{bucket}/{prefix}{safe_name(version, '')}/"
    there = list_objects(base)
    if base + LISTING in there:
        if read_listing(base)["files"] != files:
            raise InputError(base, "this version is there with other content", "Name another one.")
        log.info("%s is published already", base)
    else:
        _send(base, paths, files, there)
    put_json(f"{SCHEME}{bucket}/{prefix}{LATEST}", {"format": FORMAT, "version": version})
    return base.rstrip("/")


def _send(
    base: str,
    paths: dict[str, Path],
    files: dict[str, dict[str, Any]],
    there: dict[str, ObjectInfo],
) -> None:
    """Send the files that are not there yet, then their list."""
    for name in tqdm(files, desc="files", unit="file", disable=None):
        address = base + name
        # The size alone would do for a version named by its content; a name of one's own may
        # have been used before.
        seen = there.get(address)
        if seen and seen.size == files[name]["size"] and _same(address, files[name]["sha256"]):
            continue
        with object_faults(address):
            filesystem().put_file(
                str(paths[name]), address, Metadata={"sha256": files[name]["sha256"]}
            )
        if stat_object(address).size != files[name]["size"]:
            raise InputError(
                paths[name], "it changed while it was sent", "Wait until it is written."
            )
    put_json(base + LISTING, {"format": FORMAT, "files": files})


def _same(address: str, digest: str) -> bool:
    """Whether an object was sent with this digest."""
    bucket, key = split_address(address)
    with object_faults(address):
        answer = filesystem().call_s3("head_object", Bucket=bucket, Key=key)
    return answer.get("Metadata", {}).get("sha256") == digest


def put_json(address: str, value: dict[str, Any]) -> None:
    """Write a small JSON object; equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, indent=1) + "\n"
    with object_faults(address):
        filesystem().pipe_file(address, text.encode())
