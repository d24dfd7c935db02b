"""References: pictures with known position that photos are searched on, indexed once and kept.

The index of a reference is a store: its pixels at three resolutions, where it has data, and its
local features. It depends on the picture alone, so it is made again only when that changes.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window
from tqdm import tqdm

from nadir.config.scenes import CubeConfig
from nadir.errors import InputError
from nadir.localization.features import (
    Features,
    arrays_to_features,
    extract_tiled,
    features_to_arrays,
)
from nadir.localization.turning import reduce
from nadir.provenance.manifest import (
    Manifest,
    read_manifest,
    staged_store,
    store_of,
    store_path,
)
from nadir.provenance.remote import RemoteFolder
from nadir.raster.geotiff import check_complete, open_raster, read_faults
from nadir.raster.grid import Grid
from nadir.raster.store import (
    ArraySpec,
    Layout,
    StoredArray,
    blocks_of,
    content_digest,
    create_array,
    create_group,
    unit_digests,
)

log = logging.getLogger(__name__)

LEVELS = (1, 2, 4)
"""Reductions that an index holds."""

FEATURES_PER_TILE = 6000
"""Most local features of a tile of 512 x 512 working pixels."""

_KIND = "reference"
_LAYOUT = CubeConfig(codec="lz4", chunk=256, shard=1024)
_SMALL = 4096  # pixels
_ROW = 4096  # bytes in a row of the stored features


def build_reference(
    raster: str | os.PathLike[str],
    manifest: str | os.PathLike[str],
    sources: dict[str, str] | None = None,
) -> Manifest:
    """Index a substrate or a mosaic.

    Args:
        raster: A picture: three or four bands of 8 bits, or one gray band, georeferenced or not.
        manifest: `NAME.manifest.json` to write, beside its store.
        sources: Raw files -> digests, recorded.

    Returns:
        The manifest; its `content` holds `width`, `height`, `features` and `valid_share`.

    Raises:
        InputError: When the raster cannot be read, is no 8-bit picture, or holds no data at all.
        OutputError: When the disk is full or not writable.
    """
    path = str(raster)
    check_complete(path)
    with open_raster(path) as dataset, staged_store(manifest) as stage:
        _require_picture(path, dataset)
        create_group(stage.path, {"title": "reference of a localization"})
        units, shown = _copy_levels(path, dataset, stage.path)
        if not shown:
            raise InputError(path, "it holds no data at all", "Give a picture that shows ground.")
        grid = Grid.of(dataset)
        valid_share = shown / (dataset.width * dataset.height)
        # Small pictures have no pixels to spare; huge ones are searched at half their resolution.
        factor = 2 if max(dataset.shape) > _SMALL else 1
        features = _extract(stage.path, dataset.height, dataset.width, factor)
        units += _write_features(stage.path, features)
        content = {
            "width": dataset.width,
            "height": dataset.height,
            "features": len(features.points),
            "feature_factor": factor,
            "valid_share": round(valid_share, 6),
        }
        facts = {"kind": _KIND, "grid": grid.to_dict() if grid.crs else None, **content}
        # Where the raster lies is for readers; it is no part of the content.
        content["raster"] = os.path.relpath(path, Path(manifest).absolute().parent)
        log.info("%s: %d local features", path, len(features.points))
        return stage.commit(
            Manifest(_KIND, content_digest(units, facts), facts["grid"], content, sources or {})
        )


class Reference:
    """An indexed reference, read at any window. Safe to use from several threads.

    Args:
        manifest: `NAME.manifest.json`.

    Attributes:
        name: NAME.
        width: Columns, in pixels of full resolution.
        height: Rows.
        source: The raster that it was made from.
        grid: Its georeference, or None.
        digest: Digest of its content.
        whole: Whether all of it shows ground.
        feature_factor: Reduction at which its local features were found.
    """

    def __init__(self, manifest: str | os.PathLike[str]) -> None:
        known = read_manifest(manifest, _KIND)
        store = store_of(manifest, known)
        self.name = store_path(manifest).stem
        self.width = int(known.content["width"])
        self.height = int(known.content["height"])
        self.source = os.path.abspath(Path(manifest).parent / known.content["raster"])
        self.grid = Grid.from_dict(known.grid) if known.grid else None
        self.digest = known.digest
        self.whole = known.content["valid_share"] >= 1.0
        self.feature_factor = int(known.content["feature_factor"])
        self._count = int(known.content["features"])
        self._store = store
        self._rgb = {level: StoredArray(store / f"rgb{level}") for level in LEVELS}
        self._valid = StoredArray(store / "valid4")

    def picture(self, level: int, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """Return (height, width, 3) uint8 of a window in pixels of a level; zeros outside."""
        stored = level if level in LEVELS else max(one for one in LEVELS if level % one == 0)
        factor = level // stored
        bands = self._rgb[stored].read(*(factor * side for side in (y, x, height, width)))
        return reduce(np.ascontiguousarray(np.moveaxis(bands, 0, -1)), factor)

    def valid(self, level: int, x: int, y: int, width: int, height: int) -> NDArray[np.float32]:
        """Return (height, width) float32, 1 where the window shows ground, 0 elsewhere."""
        down, right = (level * (np.arange(a, a + n) + 0.5) for a, n in ((y, height), (x, width)))
        rows, columns = (np.floor(0.25 * at).astype(int) for at in (down, right))
        inside = ((down >= 0) & (down < self.height))[:, None] & (
            (right >= 0) & (right < self.width)
        )
        top, left = int(rows[0]), int(columns[0])
        part = self._valid.read(top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1)
        return (part[np.ix_(rows - top, columns - left)] & inside).astype(np.float32)

    def level_size(self, level: int) -> tuple[int, int]:
        """Return the rows and columns of a level; parts of a pixel at the border are dropped."""
        return self.height // level, self.width // level

    def features(self, clahe: bool = True) -> Features:
        """Return the local features of all of it.

        Args:
            clahe: Whether contrast was equalized locally first. Those are kept; others are looked
                for anew.
        """
        if not clahe:
            return _extract(self._store, self.height, self.width, self.feature_factor, clahe)
        data = StoredArray(self._store / "features").read_index(...).tobytes()
        templates = features_to_arrays(Features.empty())
        return arrays_to_features(_unpack(data, templates, self._count))


def _require_picture(path: str, dataset: DatasetReader) -> None:
    """See that a raster is a picture."""
    if dataset.count not in (1, 3, 4) or any(kind != "uint8" for kind in dataset.dtypes):
        raise InputError(
            path,
            f"it has {dataset.count} bands of {dataset.dtypes[0]}, where a picture has one, three "
            "or four of uint8",
            "Convert it to an 8-bit RGB GeoTIFF or PNG.",
        )


def _copy_levels(path: str, dataset: DatasetReader, store: Path) -> tuple[list[Any], int]:
    """Write the pixels at all levels; return the digests' units and how many pixels show ground."""
    height, width = dataset.height, dataset.width
    layout = Layout.of(_LAYOUT, height, width)
    for level in LEVELS:
        shape = (3, max(height // level, 1), max(width // level, 1))
        spec = ArraySpec(f"rgb{level}", "uint8", shape, ("band", "y", "x"))
        create_array(store, spec, layout, {})
    coarse = (-(-height // 4), -(-width // 4))
    create_array(store, ArraySpec("valid4", "bool", coarse, ("y", "x")), layout, {})
    arrays = {level: StoredArray(store / f"rgb{level}") for level in LEVELS}
    valid4 = StoredArray(store / "valid4")
    units: list[Any] = []
    shown = 0
    # Blocks of four times the layout's: reduced by four they still cover whole shards.
    blocks = blocks_of(height, width, 4 * layout.block)
    for y, x, rows, columns in tqdm(blocks, desc="reference", unit="block", disable=None):
        strips = []
        for top in range(y, y + rows, layout.block):  # in strips, to bound what is held of the file
            high = min(layout.block, y + rows - top)
            strips.append(_read_window(path, dataset, Window(x, top, columns, high)))
        rgb = np.concatenate([strip[0] for strip in strips])
        valid = np.concatenate([strip[1] for strip in strips])
        shown += int(np.count_nonzero(valid))
        rgb[~valid] = 0
        for level in LEVELS:
            if min(rgb.shape[:2]) >= level:
                bands = np.ascontiguousarray(np.moveaxis(reduce(rgb, level), -1, 0))
                arrays[level].write((), y // level, x // level, bands)
                units += unit_digests(f"rgb{level}", (), y // level, x // level, bands)
        least = _least(valid)
        valid4.write((), y // 4, x // 4, least)
        units += unit_digests("valid4", (), y // 4, x // 4, least)
    return units, shown


def _read_window(
    path: str, dataset: DatasetReader, window: Window
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return (rows, columns, 3) uint8 and where they hold data."""
    with read_faults(path):
        bands = dataset.read((1, 2, 3) if dataset.count >= 3 else (1, 1, 1), window=window)
        flags = dataset.mask_flag_enums[0]
        if MaskFlags.all_valid in flags:
            valid = np.ones(bands.shape[1:], bool)
        elif MaskFlags.nodata in flags:  # a hole is where all bands say so: dark pixels are none
            valid = (bands != dataset.nodata).any(0)
        else:
            valid = dataset.dataset_mask(window=window) > 0
    return np.ascontiguousarray(np.moveaxis(bands, 0, -1)), valid


def _least(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return validity reduced by four: a coarse pixel counts where all of it does."""
    height, width = valid.shape
    padded = np.pad(valid, ((0, -height % 4), (0, -width % 4)), mode="edge")
    rows, columns = padded.shape
    return np.asarray(padded.reshape(rows // 4, 4, columns // 4, 4).all((1, 3)))


def _extract(
    store: Path | RemoteFolder, height: int, width: int, factor: int, clahe: bool = True
) -> Features:
    """Return the local features of what was just written, at full or half resolution."""
    rgb = StoredArray(store / f"rgb{factor}")
    valid = StoredArray(store / "valid4")
    grow = 4 // factor

    def read(
        y: int, x: int, rows: int, columns: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        bands = rgb.read(y, x, rows, columns)
        coarse = valid.read(y // grow, x // grow, rows // grow + 2, columns // grow + 2)
        fine = coarse.repeat(grow, 0).repeat(grow, 1)[y % grow :, x % grow :][:rows, :columns]
        return np.ascontiguousarray(np.moveaxis(bands, 0, -1)), fine

    shape = (height // factor, width // factor)
    return extract_tiled(read, shape, factor, clahe, limit=FEATURES_PER_TILE)


def _write_features(store: Path, features: Features) -> list[Any]:
    """Write all features as rows of bytes; return the digests' units."""
    packed = b"".join(
        np.ascontiguousarray(values).tobytes() for values in features_to_arrays(features).values()
    )
    padded = packed + bytes(-len(packed) % _ROW or (0 if packed else _ROW))
    rows = np.frombuffer(padded, np.uint8).reshape(-1, _ROW)
    layout = Layout(256, _ROW, _ROW, "lz4")
    create_array(store, ArraySpec("features", "uint8", rows.shape, ("row", "byte")), layout, {})
    stored = StoredArray(store / "features")
    for y, x, high, wide in blocks_of(*rows.shape, _ROW):
        stored.write((), y, x, rows[y : y + high, x : x + wide])
    return unit_digests("features", (), 0, 0, rows)


def _unpack(data: bytes, templates: dict[str, NDArray[Any]], count: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of `count` features, shaped as those of an empty `templates`."""
    arrays, start = {}, 0
    for name, template in templates.items():
        shape = (count, *template.shape[1:])
        items = int(np.prod(shape))
        arrays[name] = np.frombuffer(data, template.dtype, items, start).reshape(shape)
        start += items * template.dtype.itemsize
    return arrays
