"""Zarr stores against their manifests: the digest of the content is made anew and compared."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nadir.errors import InputError
from nadir.provenance.files import read_bytes
from nadir.provenance.manifest import Manifest, store_path
from nadir.provenance.remote import RemoteFolder, check_sent
from nadir.raster.store import UNIT, StoredArray, UnitDigest, content_digest, unit_digests
from nadir.upkeep.walking import entries_below, is_plain_folder

_LARGEST = 1 << 30  # bytes of one decoded chunk, or of what a unit of the digest reads at once
_MOST_UNITS = 10**9
_METADATA = 16 << 20
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True)
class Kind:
    """How the digest of one kind of store is made.

    Attributes:
        rule: The rule that makes such stores, where no record tells.
        lead: How many leading axes the units of the digest are cut at.
        facts: Manifest -> the facts that the digest covers beside the arrays.
    """

    rule: str
    lead: int
    facts: Callable[[Manifest], dict[str, Any]]


def _without(*names: str) -> Callable[[Manifest], dict[str, Any]]:
    """Return the facts of a scene's store: what the manifest holds but for counts, and the grid."""

    def facts(manifest: Manifest) -> dict[str, Any]:
        content = {key: value for key, value in manifest.content.items() if key not in names}
        return {**content, "grid": manifest.grid}

    return facts


def _reference(manifest: Manifest) -> dict[str, Any]:
    content = {key: value for key, value in manifest.content.items() if key != "raster"}
    return {"kind": manifest.kind, "grid": manifest.grid, **content}


def _pairs(manifest: Manifest) -> dict[str, Any]:
    return {**manifest.content, "table": manifest.sources["table"]}


KINDS = {
    "cube": Kind("build_cube", 1, _without("shape", "valid")),
    "labels": Kind("align_labels", 0, _without("shape", "alignment", "pixels")),
    "outline": Kind("trace_outlines", 0, _without("shape", "boundary")),
    "reference": Kind("index_reference", 0, _reference),
    "pairs": Kind("build_pairs", 1, _pairs),
    "views": Kind("generate_views", 2, lambda manifest: manifest.content),
    "features": Kind("extract_features", 0, lambda manifest: manifest.content),
}
"""Kind of a store -> how its digest is made; tests hold them equal to what the writers do."""


def parse_manifest(path: Path) -> Manifest:
    """Return a manifest, whether its store is there or not.

    Raises:
        InputError: When it is none.
    """
    remedy = "Make it again."
    try:
        if path.stat().st_size > _METADATA:
            raise ValueError("it is larger than any manifest")
        manifest = Manifest(**json.loads(read_bytes(path)))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(path, f"this is not a manifest ({error})", remedy) from error
    texts = (manifest.kind, manifest.digest)
    tables = (manifest.content, manifest.sources)
    if not all(isinstance(item, str) for item in texts) or not all(
        isinstance(item, dict) for item in tables
    ):
        raise InputError(path, "this is not a manifest (values of other kinds)", remedy)
    if manifest.store is not None:
        if not isinstance(manifest.store, str):
            raise InputError(path, "this is not a manifest (its store is no address)", remedy)
        RemoteFolder.at(manifest.store)
    return manifest


def check_store(path: Path, manifest: Manifest, tick: Callable[[int], object]) -> None:
    """See that the content of a store is what its manifest was written for.

    Units of 256 x 256 pixels are read one after the other; memory is bounded by a unit with its
    bands and by the chunks that it touches.

    Args:
        path: The manifest.
        manifest: What it says, of one of the `KINDS`.
        tick: Called with bytes of decoded content that were seen.

    A store in an object store is read there, not from copies, and each object is compared with the
    digest that it was sent with.

    Raises:
        InputError: When the store is gone, unreadable, or holds something else.
    """
    if manifest.store:
        check_sent(manifest.store, tick)
        return
    store = store_path(path)
    if not is_plain_folder(store):
        problem = "its store is a link" if store.is_symlink() else "its store is gone"
        raise InputError(store, problem, "Make it again.")
    kind = KINDS[manifest.kind]
    arrays = list(_arrays(store))
    try:
        facts = kind.facts(manifest)
    except KeyError as error:
        raise InputError(path, f"the manifest lacks {error}", "Make it again.") from error
    units = [unit for array in arrays for unit in _units(array, kind.lead, tick)]
    if content_digest(units, facts) != manifest.digest:
        problem = "its content is not what the manifest was written for"
        raise InputError(store, problem, "Make it again.")


def _arrays(store: Path) -> Iterator[Path]:
    """Yield the folders of a store's arrays; links are refused, since they may lead anywhere."""
    for entry in entries_below(store):
        if entry.kind != "file":
            raise InputError(entry.path, "a store holds plain files only", "Make it again.")
    for folder in sorted(store.iterdir()):
        if folder.is_dir():
            if not _NAME.fullmatch(folder.name):
                raise InputError(folder, "a folder that is no array", "Make the store again.")
            _check_metadata(folder / "zarr.json")
            yield folder


def _check_metadata(path: Path) -> None:
    """See that an array's metadata promise no more than what memory and time allow."""
    remedy = "Make the store again."
    try:
        if path.is_symlink() or path.stat().st_size > _METADATA:
            raise ValueError("a link, or too large")
        metadata = json.loads(path.read_bytes())
        shape = [int(side) for side in metadata["shape"]]
        chunk = [int(side) for side in _inner_chunk(metadata)]
        item = np.dtype(metadata["data_type"]).itemsize
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        problem = f"the metadata of an array are gone or damaged ({error})"
        raise InputError(path, problem, remedy) from error
    large = math.prod(chunk) * item > _LARGEST
    units = math.prod(shape[:-2]) * math.prod(-(-side // UNIT) for side in shape[-2:])
    if large or units > _MOST_UNITS or len(shape) < 2 or min(shape + chunk) < 0:
        raise InputError(path, f"an array of shape {shape} in chunks of {chunk}", remedy)


def _inner_chunk(metadata: dict[str, Any]) -> list[int]:
    """Return the shape of what is decoded at once: of a chunk inside a shard, or of a chunk."""
    first = metadata["codecs"][0]
    if first["name"] == "sharding_indexed":
        return first["configuration"]["chunk_shape"]
    return metadata["chunk_grid"]["configuration"]["chunk_shape"]


def _units(folder: Path, lead: int, tick: Callable[[int], object]) -> Iterator[UnitDigest]:
    """Yield the digests of an array's units, as its writer made them."""
    array = StoredArray(folder)
    shape = array.shape
    for index in product(*(range(side) for side in shape[:lead])):
        for y, x in product(range(0, shape[-2], UNIT), range(0, shape[-1], UNIT)):
            height, width = min(UNIT, shape[-2] - y), min(UNIT, shape[-1] - x)
            if math.prod(shape[lead:-2]) * height * width * array.dtype.itemsize > _LARGEST:
                raise InputError(folder, "too many bands for one unit", "Make the store again.")
            values = array.read_at(index, y, x, height, width)
            yield from unit_digests(folder.name, index, y, x, values)
            tick(values.nbytes)
