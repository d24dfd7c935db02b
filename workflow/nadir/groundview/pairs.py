"""Pairs of photo and crop on disk: a Zarr store behind a manifest, and a table beside it.

Arrays of the store, all uint8 and in the order of the table:

- `photos` (n, 3, image_px, image_px): what an observer sees;
- `crops` (n, 3, crop_px, crop_px): the ground around the observer, north up;
- `turned`, of the same shape: the crops as `nadir.groundview.heading.turn_crops` turns them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.provenance.digest import sha
from nadir.provenance.files import read_bytes
from nadir.provenance.manifest import ENDING, Manifest, read_manifest, staged_store, store_of
from nadir.provenance.remote import RemoteFolder
from nadir.provenance.tables import read_table, refuse_doubles, write_table
from nadir.raster.store import (
    ArraySpec,
    Layout,
    StoredArray,
    content_digest,
    create_array,
    create_group,
    unit_digests,
)

KIND = "pairs"
"""Kind of the manifest."""

SPLITS = ("train", "validation", "test")
"""What a pair is for."""

CLASSES = (
    "herbaceous",
    "woody",
    "forest",
    "scrub",
    "bare",
    "urban",
    "isolated",
    "green",
    "industry",
    "mining",
    "transport",
    "water",
)
"""Land cover that simulated pairs know their shares of."""

SCHEMA = pa.schema(
    [
        ("pair", pa.string()),
        ("place", pa.string()),
        ("split", pa.string()),
        ("longitude", pa.float64()),
        ("latitude", pa.float64()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("heading", pa.float64()),
        ("sky", pa.float64()),
        *((f"view_{name}", pa.float64()) for name in CLASSES),
        *((f"crop_{name}", pa.float64()) for name in CLASSES),
    ]
)
"""Columns of the table of pairs. `heading` is in degrees clockwise from what is up in the crop,
which is north but for panels that say otherwise; NaN where not known. `sky` is a share of the
photo, `view_*` are shares of what is no sky, `crop_*` of the crop's ground; NaN without truth.
"""

ARRAYS = ("photos", "crops", "turned")
"""Arrays of the store."""

_CODEC = "zstd"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs, whole in memory.

    Attributes:
        table: One row a pair, with the columns of `SCHEMA`, numbered from 0.
        photos: uint8 (n, 3, image_px, image_px), RGB.
        crops: uint8 (n, 3, crop_px, crop_px), RGB, north up.
        turned: The same shape: heading up, see `nadir.groundview.heading`.
        facts: Content of the manifest: `resolution` (metres a pixel of the crops, None where not
            known), `up` ("north", or "heading" where crops come turned), `distance_m` (smallest
            distance between splits), `counts` (pairs by split), and what else `build-pairs` says.
        digest: Digest of the content.
    """

    table: pd.DataFrame
    photos: NDArray[np.uint8]
    crops: NDArray[np.uint8]
    turned: NDArray[np.uint8]
    facts: dict[str, Any]
    digest: str = ""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def headings(self) -> NDArray[np.float32]:
        """float32 (n,): degrees clockwise from what is up in the crop; NaN where not known."""
        return self.table["heading"].to_numpy(np.float32)

    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the rows of a split in order, perhaps none.

        Raises:
            ValueError: When there is no split of this name.
        """
        if split not in SPLITS:
            raise ValueError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
        return np.flatnonzero((self.table["split"] == split).to_numpy())

    def take(self, rows: NDArray[np.int64]) -> Pairs:
        """Return some of the pairs."""
        table = self.table.iloc[rows].reset_index(drop=True)
        arrays = (self.photos[rows], self.crops[rows], self.turned[rows])
        return Pairs(table, *arrays, self.facts, self.digest)

    def of(self, split: str) -> Pairs:
        """Return the pairs of a split, perhaps none."""
        return self.take(self.rows(split))

    def view_shares(self) -> NDArray[np.float32] | None:
        """Return what photos show: float32 (n, 13), sky and `CLASSES`; each row sums to one.

        None without truth. Rows of photos that it does not tell of are NaN.
        """
        sky = self.table["sky"].to_numpy(np.float64)
        if np.isnan(sky).all():
            return None
        rest = self.table[[f"view_{name}" for name in CLASSES]].to_numpy(np.float64)
        total = rest.sum(1, keepdims=True)
        scale = np.where(total > 0, (1 - sky[:, None]) / np.where(total > 0, total, 1), 0)
        return np.hstack([sky[:, None], rest * scale]).astype(np.float32)

    def crop_shares(self) -> NDArray[np.float32] | None:
        """Return the land cover of crops: float32 (n, 12), in the order of `CLASSES`, or None."""
        shares = self.table[[f"crop_{name}" for name in CLASSES]].to_numpy(np.float32)
        return None if np.isnan(shares).all() else shares


def open_pairs(manifest: str | os.PathLike[str]) -> Pairs:
    """Read pairs: the store of a manifest, and the table beside it.

    Args:
        manifest: `.../pairs.manifest.json`; the table is `pairs.parquet` in its folder.

    Raises:
        InputError: When the manifest is absent or of another kind, its store or table damaged, or
            the two do not belong together.
    """
    known = read_manifest(manifest, KIND)
    path = table_path(manifest)
    table = read_pair_table(path)
    if sha(read_bytes(path)) != known.sources.get("table"):
        problem = "this is not the table that the store beside it was written with"
        raise InputError(path, problem, "Delete the manifest and run snakemake again.")
    store = store_of(manifest, known)
    photos, crops, turned = (_read(store / name, known.content) for name in ARRAYS)
    return Pairs(table, photos, crops, turned, known.content, known.digest)


def table_path(manifest: str | os.PathLike[str]) -> Path:
    """Return the table that belongs to a manifest: `x/pairs.manifest.json` -> `x/pairs.parquet`."""
    path = Path(manifest)
    return path.with_name(path.name.removesuffix(ENDING) + ".parquet")


def read_pair_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the table of pairs alone.

    Raises:
        InputError: When it is absent, no such table, or names a pair twice.
    """
    table = read_table(path, SCHEMA, "table of pairs")
    refuse_doubles(table, path, "table of pairs", "pair")
    strange = sorted(set(table["split"]) - set(SPLITS))
    if strange:
        problem = f"it has the split {strange[0]!r}"
        raise InputError(path, problem, f"There are {', '.join(SPLITS)}.")
    return table


def write_pairs(
    manifest: str | os.PathLike[str],
    table: pd.DataFrame,
    batches: Iterable[Sequence[NDArray[np.uint8]]],
    shapes: Mapping[str, tuple[int, ...]],
    facts: dict[str, Any],
) -> Manifest:
    """Write the table, then the store, then the manifest; equal content gives an equal digest.

    Args:
        manifest: Path of the manifest.
        table: The table of pairs.
        batches: Consecutive pairs: (photos, crops, turned) of some rows each.
        shapes: Array -> shape, as `ARRAYS` names them.
        facts: What readers want to know; see `Pairs.facts`.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    units = []
    layouts = {name: _layout(shape) for name, shape in shapes.items()}
    with staged_store(manifest) as stage:
        create_group(stage.path, {})
        for name, shape in shapes.items():
            axes = ("pair", "band", "y", "x")
            create_array(stage.path, ArraySpec(name, "uint8", shape, axes, 1), layouts[name], {})
        arrays = {name: StoredArray(stage.path / name) for name in shapes}
        first = 0
        for batch in batches:
            for name, values in zip(ARRAYS, batch, strict=True):
                for offset, value in enumerate(values):
                    index = (first + offset,)
                    arrays[name].write(index, 0, 0, value)
                    units += unit_digests(name, index, 0, 0, value)
            first += len(batch[0])
        if first != len(table):
            raise ValueError(f"{first} pairs came where the table has {len(table)}")
        stage.manifest_path.unlink(missing_ok=True)
        write_table(table_path(manifest), table, SCHEMA)
        digest = sha(read_bytes(table_path(manifest)))
        content = {
            **facts,
            "pairs": len(table),
            "arrays": {name: ["uint8", *shape] for name, shape in shapes.items()},
        }
        full = content_digest(units, {**content, "table": digest})
        return stage.commit(Manifest(KIND, full, None, content, {"table": digest}))


def _layout(shape: tuple[int, ...]) -> Layout:
    """Return the layout of pictures that lie whole in a chunk each."""
    side = -(-max(shape[-2:]) // 16) * 16
    return Layout(side, side, side, _CODEC)


def _read(path: Path | RemoteFolder, content: dict[str, Any]) -> NDArray[np.uint8]:
    """Return an array whole, and see that it is what the manifest promises."""
    array = StoredArray(path)
    expected = content["arrays"][path.name]
    if [array.dtype.name, *array.shape] != expected:
        problem = f"it is {array.dtype.name} {array.shape}, where the manifest says {expected}"
        raise InputError(str(path), problem, "Delete the manifest and run snakemake again.")
    return array.read_index(...)
