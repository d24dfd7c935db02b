"""Zarr v3 stores: made from a template, written whole shards at a time, read at any window.

A store is a folder of arrays (group) that exactly one job writes; it is renamed into place when
it is complete and is never changed afterwards. Reading and writing go through TensorStore, which
releases the GIL, is safe to use from several threads, imports in half the time of zarr-python and
reads random windows about twice as fast; the result is plain Zarr that anything else reads.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore as ts

from nadir.config.scenes import CubeConfig
from nadir.errors import InputError
from nadir.provenance.atomic import write_text
from nadir.provenance.digest import json_digest
from nadir.provenance.remote import RemoteFolder

if TYPE_CHECKING:
    import dask.array

UNIT = 256
"""Side in pixels of the units that the content digest is made of, whatever the layout."""

UnitDigest = tuple[str, tuple[int, ...], int, int, str]
"""(array, leading index, row, column, shape, dtype and sha256) of one unit."""

_INDEX_CACHE = 32 << 20  # bytes of decoded chunks and shard indices that an open array keeps

_TIMES = 3  # that copies of shards may be lost to somebody who empties the cache

_REBUILD = "Delete the manifest beside the store and run snakemake again: it rebuilds both."

Block = tuple[int, int, int, int]
"""(y, x, height, width) in pixels."""


def blocks_of(height: int, width: int, side: int) -> list[Block]:
    """Return the blocks of at most `side` x `side` pixels that tile a scene, row by row."""
    return [
        (y, x, min(side, height - y), min(side, width - x))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


@dataclass(frozen=True)
class Layout:
    """Chunks and shards of a store.

    Attributes:
        chunk: Side of an inner chunk, in pixels.
        shard: Side of a shard (one file), in pixels: a multiple of `chunk`.
        block: Side of the blocks that are worked on and written at a time: whole shards, and whole
            units of the content digest.
        codec: "lz4" or "zstd", inside blosc with bit shuffling.
    """

    chunk: int
    shard: int
    block: int
    codec: str

    @classmethod
    def of(cls, cfg: CubeConfig, height: int, width: int) -> Layout:
        """Return the layout for a scene: the configured one, made smaller for small scenes.

        A chunk is never larger than the scene (rounded up to 16 pixels), and a scene has at least
        2 x 2 blocks where its size allows, so that they can be worked on in parallel. Chunks are
        powers of two (the configuration sees to it), so that blocks meet the digest's units.
        """
        longest = max(height, width)
        if longest <= cfg.chunk:
            side = -(-longest // 16) * 16
            return cls(side, side, side, cfg.codec)
        step = max(cfg.chunk, UNIT)
        half = -(-longest // (2 * step)) * step
        block = min(max(cfg.shard // step, 1) * step, half)
        return cls(cfg.chunk, min(cfg.shard, block), block, cfg.codec)


def _codecs(dtype: np.dtype, inner: list[int], codec: str) -> list[dict[str, Any]]:
    """Return the codec chain: shards of chunks compressed by blosc with bit shuffling."""
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    blosc = {
        "name": "blosc",
        "configuration": {
            "cname": codec,
            "clevel": 5,
            "shuffle": "bitshuffle",
            "typesize": dtype.itemsize,
            "blocksize": 0,
        },
    }
    plain = little if dtype.itemsize > 1 else {"name": "bytes"}
    sharding = {
        "chunk_shape": inner,
        "codecs": [plain, blosc],
        "index_codecs": [little, {"name": "crc32c"}],
    }
    return [{"name": "sharding_indexed", "configuration": sharding}]


def create_group(store: Path, attributes: dict[str, Any]) -> None:
    """Write the metadata of the group that holds a store's arrays."""
    group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    write_text(store / "zarr.json", json.dumps(group, indent=1, sort_keys=True))


@dataclass(frozen=True)
class ArraySpec:
    """Template of one array; the last two axes are y and x, all others lie whole in a chunk.

    Attributes:
        name: Name of the array in its group.
        dtype: Element type.
        shape: Shape.
        axes: Names of the axes.
        one_each: How many leading axes are cut into chunks of one (1 for `date`).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    one_each: int = 0


def create_array(store: Path, spec: ArraySpec, layout: Layout, attributes: dict[str, Any]) -> None:
    """Create an array of zeros from its template, replacing nothing.

    Raises:
        OSError: When the disk is full or not writable.
    """
    dtype = np.dtype(spec.dtype)
    lead = [1] * spec.one_each + list(spec.shape[spec.one_each : -2])
    metadata = {
        "shape": list(spec.shape),
        "data_type": spec.dtype,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [*lead, layout.shard, layout.shard]},
        },
        "codecs": _codecs(dtype, [*lead, layout.chunk, layout.chunk], layout.codec),
        "fill_value": False if spec.dtype == "bool" else 0,
        "dimension_names": list(spec.axes),
        "attributes": attributes,
    }
    place = _place(store / spec.name)
    try:
        ts.open({**place, "metadata": metadata, "create": True}).result()
    except ValueError as error:
        raise _as_os_error(error) from error


def _place(path: Path) -> dict[str, Any]:
    # TensorStore takes no path with `..` in it.
    return {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{os.path.abspath(path)}/"}}


def _as_os_error(error: ValueError) -> Exception:
    """Return the operating system's error inside one of TensorStore, else the error itself."""
    text = str(error)
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        if f"os_error_code='{code}'" in text or os.strerror(code) in text:
            return OSError(code, os.strerror(code))
    return error


class StoredArray:
    """An array of a store, for reading at any window and, while it is made, for writing blocks.

    Safe to use from several threads. Pickles as its path and reopens. TensorStore's threads do not
    survive a fork, so worker processes must be spawned (or come from a fork server). Of an array in
    an object store, the shards that are touched are copied to this machine first.

    Args:
        path: Folder of the array.

    Raises:
        InputError: When it cannot be opened, or a shard that is read is damaged or gone.
        RuntimeError: When it is used in a process that was forked after it was opened.
    """

    def __init__(self, path: str | os.PathLike[str] | RemoteFolder) -> None:
        self.path = path if isinstance(path, RemoteFolder) else Path(path)
        self._opened: tuple[int, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._opened = None

    @property
    def _array(self) -> Any:
        opened = self._opened
        if opened is not None and opened[0] != os.getpid():
            raise RuntimeError(
                f"{self.path} was opened before a fork; start workers by spawn or forkserver"
            )
        if opened is None:
            known = self.path
            folder = known.bring(["zarr.json"]) if isinstance(known, RemoteFolder) else known
            try:
                context = ts.Context({"cache_pool": {"total_bytes_limit": _INDEX_CACHE}})
                array = ts.open(_place(folder), open=True, context=context).result()
            except ValueError as error:
                raise InputError(
                    str(self.path),
                    "this array of the store cannot be opened",
                    _REBUILD,
                ) from error
            self._opened = opened = (os.getpid(), array)
        return opened[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return tuple(self._array.shape)

    @property
    def dtype(self) -> np.dtype:
        """The element type."""
        return self._array.dtype.numpy_dtype

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return the window (..., height, width) at row `y` and column `x`; zeros outside."""
        array = self._array
        rows, columns = array.shape[-2:]
        top, left = max(y, 0), max(x, 0)
        bottom, right = min(y + height, rows), min(x + width, columns)
        inside = top < bottom and left < right
        if inside and (bottom - top, right - left) == (height, width):
            return self._read((..., slice(top, bottom), slice(left, right)))
        result = np.zeros((*array.shape[:-2], height, width), array.dtype.numpy_dtype)
        if inside:
            part = self._read((..., slice(top, bottom), slice(left, right)))
            result[..., top - y : bottom - y, left - x : right - x] = part
        return result

    def read_at(
        self, index: tuple[int, ...], y: int, x: int, height: int, width: int
    ) -> np.ndarray:
        """Return a window inside the array at the leading index `index`."""
        return self.read_index((*index, ..., slice(y, y + height), slice(x, x + width)))

    def read_index(self, index: Any) -> np.ndarray:
        """Return what a NumPy-like index of slices and integers selects."""
        return self._read(index)

    def dask(self) -> dask.array.Array:
        """Return the array as a lazy Dask array, one block a shard."""
        import dask.array  # seconds, which most readers need not pay

        chunks = self._array.chunk_layout.write_chunk.shape
        return dask.array.from_array(_Sliced(self), chunks=chunks, asarray=False, name=False)

    def _read(self, index: Any) -> np.ndarray:
        if not isinstance(self.path, RemoteFolder):
            return self._take(index)
        array = self._array
        names = _shards(array.shape, array.chunk_layout.write_chunk.shape, index)
        for _ in range(_TIMES):
            self.path.bring(names)
            values = self._take(index)
            if not self.path.lacks(names):  # a shard that is not there reads as zeros
                return values
        raise InputError(
            str(self.path),
            "copies of its shards vanish while they are read",
            "Empty the cache later.",
        )

    def _take(self, index: Any) -> np.ndarray:
        view = self._array[index]
        try:
            return view.read(order="C").result()
        except ValueError as error:
            raise InputError(
                str(self.path),
                f"the store is damaged ({str(error).splitlines()[0][:200]})",
                _REBUILD,
            ) from error

    def write(self, index: tuple[int, ...], y: int, x: int, values: np.ndarray) -> None:
        """Write a block that covers whole shards: `values` (..., h, w) at `index`, row y, column x.

        Raises:
            OSError: When the disk is full or not writable.
        """
        if isinstance(self.path, RemoteFolder):
            raise TypeError(f"{self.path} was sent, and is never written again")
        height, width = values.shape[-2:]
        view = self._array[(*index, ..., slice(y, y + height), slice(x, x + width))]
        try:
            view.write(values, can_reference_source_data_indefinitely=True).result()
        except ValueError as error:
            raise _as_os_error(error) from error


def _shards(shape: tuple[int, ...], shard: tuple[int, ...], index: Any) -> list[str]:
    """Return the files of the shards that an index of slices and integers touches."""
    parts = list(index) if isinstance(index, tuple) else [index]
    rest = [slice(None)] * (len(shape) - sum(part is not ... for part in parts))
    at = next((n for n, part in enumerate(parts) if part is ...), len(parts))
    parts = [*parts[:at], *rest, *parts[at + 1 :]]
    touched = []
    for part, size, side in zip(parts, shape, shard, strict=True):
        start, stop, _ = part.indices(size) if isinstance(part, slice) else (part, part + 1, 1)
        touched.append(range(start // side, -(-stop // side)))
    return ["/".join(("c", *map(str, numbers))) for numbers in product(*touched)]


class _Sliced:
    """What Dask asks of an array, over a `StoredArray`."""

    def __init__(self, array: StoredArray) -> None:
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, len(array.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        return self.array.read_index(index)


def unit_digests(
    name: str, index: tuple[int, ...], y: int, x: int, values: np.ndarray
) -> list[UnitDigest]:
    """Return the sha256 of every unit (256 x 256 pixels) of a block that starts at a unit's corner.

    Args:
        name: Name of the array.
        index: Leading index of the block.
        y: First row, a multiple of 256.
        x: First column, a multiple of 256.
        values: (..., h, w): the block.
    """
    found = []
    for v, u, h, w in blocks_of(values.shape[-2], values.shape[-1], UNIT):
        unit = np.ascontiguousarray(values[..., v : v + h, u : u + w])
        what = f"{unit.shape} {unit.dtype.str}"
        digest = hashlib.sha256(unit.view(np.uint8).data).hexdigest()
        found.append((name, index, y + v, x + u, f"{what} {digest}"))
    return found


def content_digest(units: Iterable[UnitDigest], facts: dict[str, Any]) -> str:
    """Return the digest of a store: of its decoded content and of the facts that matter.

    It depends neither on codec, chunks and shards nor on the order in which blocks were written.

    Args:
        units: What `unit_digests` returned for all blocks of all arrays, in any order.
        facts: JSON-serializable facts beside the arrays (grid, bands, scale, offset, ...).
    """
    return json_digest([facts, sorted(units)])
