"""Manifests: the small files by which Snakemake tracks Zarr stores.

A store is never a declared output. `NAME.manifest.json` is, and is written last, after the whole
store `NAME.zarr` was renamed into place; so a manifest means a complete store, also when
`.snakemake/` is lost. Whoever opens a store goes through its manifest. Where `NADIR_STORAGE` names
a prefix in an object store, the store is sent there instead, and the manifest holds its address.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nadir.errors import InputError
from nadir.provenance.atomic import (
    remove_leftovers,
    remove_path,
    swap_folder,
    temporary_beside,
    write_faults,
    write_json,
)
from nadir.provenance.files import require_plain
from nadir.provenance.remote import RemoteFolder, check_storage, send_store, storage

ENDING = ".manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What is known of one store.

    Attributes:
        kind: What the store is ("cube", "labels").
        digest: sha256 of the decoded content, independent of codec and of the raw files' bytes.
        grid: `Grid.to_dict()` of the store, or None.
        content: Facts for readers: shapes, dtypes, dates, bands, classes, scale and offset.
        sources: Raw files (or names) -> digest of their bytes.
        store: Address of the store in an object store; None where it lies beside the manifest.
    """

    kind: str
    digest: str
    grid: dict[str, Any] | None = None
    content: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    store: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return what a manifest's file holds."""
        return {
            key: value for key, value in asdict(self).items() if (key, value) != ("store", None)
        }


def store_path(manifest: str | os.PathLike[str]) -> Path:
    """Return the store beside a manifest: `x/cube.manifest.json` -> `x/cube.zarr`."""
    path = Path(manifest)
    if not path.name.endswith(ENDING):
        raise InputError(path, "this is not a manifest's name", f"Give a path ending in {ENDING}.")
    return path.with_name(path.name.removesuffix(ENDING) + ".zarr")


def store_of(path: str | os.PathLike[str], manifest: Manifest) -> Path | RemoteFolder:
    """Return where a manifest's store is: beside it, or in an object store.

    Raises:
        InputError: When the manifest names no such place.
    """
    return RemoteFolder.at(manifest.store) if manifest.store else store_path(path)


class Stage:
    """A store that is being written; see `staged_store`."""

    def __init__(self, manifest: Path) -> None:
        self.manifest_path = manifest
        self.final = store_path(manifest)
        self.path = temporary_beside(self.final)
        self.storage = storage()
        if self.storage:
            check_storage(self.storage)

    def commit(self, manifest: Manifest) -> Manifest:
        """Rename the store into its place, or send it there, then write the manifest.

        Returns:
            The manifest as it is written.
        """
        if self.storage:
            address = send_store(self.path, self.final.name, f"{self.storage}/{manifest.kind}")
            manifest = replace(manifest, store=address)
        with write_faults(self.final):
            # First the old promise goes, then the store, then comes the new promise.
            self.manifest_path.unlink(missing_ok=True)
            if self.storage:
                remove_path(self.final)
            else:
                swap_folder(self.path, self.final)
        write_json(self.manifest_path, manifest.plain())
        return manifest


@contextmanager
def staged_store(manifest: str | os.PathLike[str]) -> Iterator[Stage]:
    """Yield a `Stage` whose `path` is where to write a store; what is not committed is removed.

    Args:
        manifest: Path of the manifest, `.../NAME.manifest.json`.

    Raises:
        InputError: When it is to go to an object store that does not answer.
        OutputError: When the disk is full or not writable.
    """
    stage = Stage(Path(manifest))
    with write_faults(stage.final):
        stage.final.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(stage.final)
        try:
            yield stage
        finally:
            remove_path(stage.path)


def read_manifest(path: str | os.PathLike[str], kind: str | None = None) -> Manifest:
    """Read a manifest and see that its store is there, where that is on this machine.

    Args:
        path: Path of the manifest.
        kind: The kind it must have, if any.

    Raises:
        InputError: When the manifest is absent, unreadable or of another kind, or its store gone.
    """
    path = Path(path)
    remedy = "Delete the manifest, if any, and run snakemake again: it rebuilds the store."
    require_plain(path)
    try:
        manifest = Manifest(**json.loads(path.read_text()))
        _check_types(manifest)
    except FileNotFoundError as error:
        raise InputError(path, "there is no such manifest", remedy) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(path, f"this is not a manifest ({error})", remedy) from error
    if kind is not None and manifest.kind != kind:
        raise InputError(
            path,
            f"a manifest of kind {manifest.kind!r} where {kind!r} is needed",
            "Give the right one.",
        )
    if manifest.store is None and not store_path(path).is_dir():
        raise InputError(path, f"its store {store_path(path).name} is gone", remedy)
    return manifest


@contextmanager
def stated_facts(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what is lacking in a manifest, or of another type, into an `InputError`.

    Args:
        path: The manifest whose facts the block reads.

    Raises:
        InputError: When a fact is not there, or not what it should be.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        problem = f"it states other facts than a manifest of its kind ({_first_line(error)})"
        remedy = "Delete the manifest and run snakemake again: it rebuilds the store."
        raise InputError(path, problem, remedy) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _check_types(manifest: Manifest) -> None:
    """Raise `TypeError` where a manifest that was read holds other things than it should."""
    for name, kind in (("kind", str), ("digest", str), ("content", dict), ("sources", dict)):
        if not isinstance(getattr(manifest, name), kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    for name, kind in (("grid", dict), ("store", str)):
        if not isinstance(getattr(manifest, name), (kind, type(None))):
            raise TypeError(f"{name} is no {kind.__name__}")
