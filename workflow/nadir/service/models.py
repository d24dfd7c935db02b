"""Models by address: a bundle of this machine, or one of an object store, copied and checked."""

from __future__ import annotations

import logging
from pathlib import Path

from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, load_bundle
from nadir.provenance.atomic import remove_path
from nadir.provenance.digest import json_digest
from nadir.provenance.objects import is_object, list_objects
from nadir.provenance.transfer import (
    cache_folder,
    download_folder,
    locked,
    newest_version,
    staged_folder,
)

log = logging.getLogger(__name__)


def local_bundle(address: str | Path) -> Path:
    """Return the folder of a bundle on this machine.

    A bundle of a store (`s3://bucket/prefix`: its files, or versions that `nadir publish` made, of
    which the newest is taken) is copied into the cache, once for each state of its files. A copy
    that was cut short goes on where it stopped, and takes its place only when its weights are those
    that `model.yaml` describes. Nothing in it is executed or unpickled.

    Args:
        address: A folder of this machine, or an address of a store.

    Raises:
        InputError: When there is no bundle, the store cannot be read, or a file is not what it
            should be.
        OutputError: When the cache is full or not writable.
    """
    if not is_object(address):
        folder = Path(address)
        if not (folder / DESCRIPTION).is_file():
            raise InputError(folder, f"there is no {DESCRIPTION} in it", "Give a bundle's folder.")
        return folder
    base = newest_version(str(address))
    listing = list_objects(base.rstrip("/") + "/")
    for name in (DESCRIPTION, WEIGHTS):
        if f"{base}/{name}" not in listing:
            raise InputError(base, f"there is no {name} under it", "Give the address of a bundle.")
    state = {item: [info.size, info.etag] for item, info in listing.items()}
    folder = cache_folder() / "bundles" / json_digest(state)[:20]
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            log.info("copying %s to %s", base, folder)
            with staged_folder(folder) as work:
                download_folder(base, work)
                try:
                    load_bundle(work)
                except InputError:
                    remove_path(work)  # the next attempt begins anew
                    raise
    return folder
