"""Generated views on disk: a Zarr store behind a manifest.

Arrays of the store, uint8 RGB:

- `views` (n, s, 3, image_px, image_px): s samples for each of the n test pairs, in the order of
  the table of pairs, which the manifest names;
- `walk` (w, steps, 3, image_px, image_px): walks through the latent space; absent without walks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.groundview.pairs import Pairs
from nadir.provenance.manifest import Manifest, read_manifest, staged_store, store_of
from nadir.raster.store import (
    ArraySpec,
    Layout,
    StoredArray,
    content_digest,
    create_array,
    create_group,
    unit_digests,
)

KIND = "views"
"""Kind of the manifest."""

_AGAIN = "Delete the manifest and run snakemake again."
_AXES = {"views": ("pair", "sample"), "walk": ("walk", "step")}


@dataclass(frozen=True, eq=False)
class Views:
    """Generated views, whole in memory.

    Attributes:
        pairs: Names of the n test pairs.
        views: uint8 (n, samples, 3, image_px, image_px).
        walk: uint8 (walks, steps, 3, image_px, image_px), perhaps of no walks.
        facts: What else the manifest tells: model, seed, temperature, pairs of the walks, ...
        digest: Digest of the content.
    """

    pairs: tuple[str, ...]
    views: NDArray[np.uint8]
    walk: NDArray[np.uint8]
    facts: dict[str, Any] = field(default_factory=dict)
    digest: str = ""


def write_views(
    manifest: str | os.PathLike[str],
    pairs: list[str] | tuple[str, ...],
    views: NDArray[np.uint8],
    walk: NDArray[np.uint8] | None = None,
    facts: dict[str, Any] | None = None,
    sources: dict[str, str] | None = None,
) -> Manifest:
    """Write views and return their manifest; equal content gives an equal digest.

    Args:
        manifest: Path of the manifest, `.../views.manifest.json`.
        pairs: Names of the test pairs, in the order of the table of pairs.
        views: uint8 (n, samples, 3, image_px, image_px).
        walk: uint8 (walks, steps, 3, image_px, image_px), or None.
        facts: What readers want to know of how they were made.
        sources: Name -> digest of what they were made from.

    Raises:
        ValueError: When there is not one row of views a pair.
        OutputError: When the disk is full or not writable.
    """
    if len(pairs) != len(views):
        raise ValueError(f"{len(views)} rows of views for {len(pairs)} pairs")
    arrays = {"views": views}
    if walk is not None and walk.size:
        arrays["walk"] = walk
    units = []
    with staged_store(manifest) as stage:
        create_group(stage.path, {})
        for name, values in arrays.items():
            side = -(-max(values.shape[-2:]) // 16) * 16
            axes = (*_AXES[name], "band", "y", "x")
            spec = ArraySpec(name, "uint8", values.shape, axes, 2)
            create_array(stage.path, spec, Layout(side, side, side, "zstd"), {})
            array = StoredArray(stage.path / name)
            for index in np.ndindex(*values.shape[:2]):
                array.write(index, 0, 0, values[index])
                units += unit_digests(name, index, 0, 0, values[index])
        shapes = {name: ["uint8", *values.shape] for name, values in arrays.items()}
        content = {**(facts or {}), "pairs": list(pairs), "arrays": shapes}
        digest = content_digest(units, content)
        return stage.commit(Manifest(KIND, digest, None, content, sources or {}))


def read_views(manifest: str | os.PathLike[str], pairs: Pairs | None = None) -> Views:
    """Read generated views.

    Args:
        manifest: `.../views.manifest.json`.
        pairs: The test pairs that they must be of, in their order; None does not ask.

    Raises:
        InputError: When the manifest is absent or of another kind, its store damaged, or the views
            are of other pairs, or of another size than their photos.
    """
    known = read_manifest(manifest, KIND)
    store = store_of(manifest, known)

    def read(name: str) -> NDArray[np.uint8]:
        array = StoredArray(store / name)
        expected = known.content["arrays"][name]
        if [array.dtype.name, *array.shape] != expected:
            problem = f"{name} is {array.dtype.name} {array.shape}, and {expected} was promised"
            raise InputError(manifest, problem, _AGAIN)
        return array.read_index(...)

    names, views = tuple(known.content["pairs"]), read("views")
    if pairs is not None:
        if names != tuple(pairs.table["pair"]):
            raise InputError(manifest, "these are views of other pairs", _AGAIN)
        if views.shape[2:] != pairs.photos.shape[1:]:
            problem = f"views of {views.shape[-1]} px where photos have {pairs.photos.shape[-1]}"
            raise InputError(manifest, problem, _AGAIN)
    walk = read("walk") if "walk" in known.content["arrays"] else views[:0]
    return Views(names, views, walk, known.content, known.digest)
