"""The cube of a scene: all dates and bands as raw integers in one Zarr store.

`reflectance (date, band, y, x)` uint16 holds raw integers, with a scale and an offset for each
date beside it (reflectance = scale * (raw + offset)), so that dates with different processing
baselines lie side by side unchanged. `valid (date, y, x)` says where a date has values: a pixel
counts as valid only if no band is no data, since a network sees all bands of a pixel at once and
a spectrum with a hole is not one. Invalid pixels are stored as 0 in every band.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nadir.config.scenes import CubeConfig
from nadir.errors import InputError
from nadir.provenance.manifest import (
    Manifest,
    read_manifest,
    staged_store,
    stated_facts,
    store_of,
)
from nadir.raster.blocks import run_blocks
from nadir.raster.encoding import Encoding
from nadir.raster.grid import Grid
from nadir.raster.store import (
    ArraySpec,
    Block,
    Layout,
    StoredArray,
    UnitDigest,
    blocks_of,
    content_digest,
    create_array,
    create_group,
    unit_digests,
)

if TYPE_CHECKING:
    import dask.array

log = logging.getLogger(__name__)

KIND = "cube"

_PIECE = 512  # pixels of a side that are decoded at a time, rounded to the file's blocks
_MOST_CLIPPED = 0.01  # share of values outside the representable range that is an error


class ImageryLike(Protocol):
    """What a cube is built from; `nadir.raster.sources.RasterSource` is one."""

    grid: Grid
    bands: tuple[str, ...]
    dtype: np.dtype
    scale: float
    offset: float
    paths: tuple[str, ...]
    block: tuple[int, int]
    parts: list[Any]

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return raw (band, height, width) and valid bool (height, width) of a window inside."""


@dataclass(frozen=True)
class _BlockFacts:
    """What one block knows of its values.

    Attributes:
        date: Number of the date.
        valid: Valid pixels.
        low: Least stored value of each band among valid pixels (65535 where there is none).
        high: Greatest one (0 where there is none).
        clipped: Values outside the representable range.
        units: Digests of the written units.
    """

    date: int
    valid: int
    low: np.ndarray
    high: np.ndarray
    clipped: int
    units: list[UnitDigest]


@dataclass(frozen=True)
class _IngestBlock:
    """Reads one block of one date, encodes and writes it; pickles for Dask workers."""

    store: Path
    images: tuple[ImageryLike | None, ...]

    def __call__(self, item: tuple[int, Block]) -> _BlockFacts:
        date, (y, x, height, width) = item
        image = self.images[date]
        if image is None:
            return self._without(date, y, x, height, width)
        encoding = Encoding.of(image.dtype, image.scale, image.offset)
        bands = len(image.bands)
        stored = np.empty((bands, height, width), np.uint16)
        valid = np.empty((height, width), bool)
        low, high = np.full(bands, 65535, np.uint16), np.zeros(bands, np.uint16)
        clipped = 0
        for v, u, h, w in _pieces(image, height, width):
            raw, ok = image.read(y + v, x + u, h, w)
            part, outside = encoding.encode(raw, ok, image.paths[0])
            stored[:, v : v + h, u : u + w] = part
            valid[v : v + h, u : u + w] = ok
            clipped += outside
            seen = part.reshape(bands, -1) if ok.all() else part[:, ok]
            if seen.size:
                low = np.minimum(low, seen.min(axis=1))
                high = np.maximum(high, seen.max(axis=1))
        units = self._write(date, y, x, stored, valid)
        return _BlockFacts(date, int(np.count_nonzero(valid)), low, high, clipped, units)

    def _without(self, date: int, y: int, x: int, height: int, width: int) -> _BlockFacts:
        """Write a block of a date that the scene lacks: no pixel is valid."""
        bands = next(len(image.bands) for image in self.images if image)
        stored = np.zeros((bands, height, width), np.uint16)
        units = self._write(date, y, x, stored, np.zeros((height, width), bool))
        return _BlockFacts(date, 0, stored[:, 0, 0], stored[:, 0, 0], 0, units)

    def _write(
        self, date: int, y: int, x: int, stored: np.ndarray, valid: np.ndarray
    ) -> list[UnitDigest]:
        """Write a block of both arrays and return the digests of its units."""
        units = []
        for name, values in (("reflectance", stored), ("valid", valid)):
            StoredArray(self.store / name).write((date,), y, x, values)
            units += unit_digests(name, (date,), y, x, values)
        return units


def _pieces(image: ImageryLike, height: int, width: int) -> list[Block]:
    """Return the pieces of a block to decode one by one, shaped like the file's own blocks."""
    tall, wide = (max(side, _PIECE // side * side) for side in image.block)
    return [
        (y, x, min(tall, height - y), min(wide, width - x))
        for y in range(0, height, tall)
        for x in range(0, width, wide)
    ]


def build_cube(
    images: Sequence[tuple[str, ImageryLike | None]],
    grid: Grid | None,
    manifest: str | os.PathLike[str],
    cfg: CubeConfig,
    sources: dict[str, str],
    workers: int | None = None,
    scheduler: str | None = None,
) -> Manifest:
    """Write the cube of a scene.

    Memory is bounded by the shard's side, the number of bands and the number of workers, whatever
    the size of the scene.

    Args:
        images: (date name, imagery), in the order in which the cube stacks them; None for a date
            that the scene lacks: none of its pixels is valid, and its scale and offset are those
            of the first date that there is.
        grid: Grid of the scene; None for that of the first date that there is.
        manifest: Path of the manifest to write, `.../NAME.manifest.json`.
        cfg: Codec, chunk and shard.
        sources: Raw files -> digests of their bytes, for the manifest.
        workers: Blocks at a time; None for one per processor.
        scheduler: Address of a Dask scheduler, if any.

    Returns:
        The manifest; its `content` has `shape`, `dates`, `bands`, `scale` and `offset` (by date)
        and `valid` (valid pixels by date).

    Raises:
        InputError: When dates differ in grid or bands, a date has no valid pixel, a band is
            constant, or values do not fit. Nothing is left behind.
        OutputError: When the disk is full or not writable. Nothing is left behind.
    """
    first = next(image for _, image in images if image)
    grid = first.grid if grid is None else grid
    bands = tuple(first.bands)
    for date, image in images:
        if image:
            _check_alike(date, image, grid, bands)
    dates = [date for date, _ in images]
    given = [image or first for _, image in images]
    codes = [Encoding.of(image.dtype, image.scale, image.offset) for image in given]
    layout = Layout.of(cfg, *grid.shape)
    arrays = [
        ArraySpec("reflectance", "uint16", (len(dates), len(bands), *grid.shape), _AXES, 1),
        ArraySpec("valid", "bool", (len(dates), *grid.shape), ("date", "y", "x"), 1),
    ]
    facts: dict[str, Any] = {
        "dates": dates,
        "bands": list(bands),
        "scale": {date: code.scale for date, code in zip(dates, codes, strict=True)},
        "offset": {date: code.offset for date, code in zip(dates, codes, strict=True)},
    }
    with staged_store(manifest) as stage:
        create_group(stage.path, {**facts, "grid": grid.to_dict()})
        for spec in arrays:
            create_array(stage.path, spec, layout, {})
        blocks = blocks_of(*grid.shape, layout.block)
        work = _IngestBlock(stage.path, tuple(image for _, image in images))
        items = [(number, block) for number in range(len(dates)) for block in blocks]
        found = run_blocks(work, items, workers, scheduler, "build cube")
        valid = {
            date: _check_values(date, image, [item for item in found if item.date == number])
            for number, (date, image) in enumerate(images)
        }
        units = [unit for item in found for unit in item.units]
        digest = content_digest(units, {**facts, "grid": grid.to_dict()})
        content = {**facts, "shape": list(arrays[0].shape), "valid": valid}
        return stage.commit(Manifest(KIND, digest, grid.to_dict(), content, sources))


_AXES = ("date", "band", "y", "x")


def _check_alike(date: str, image: ImageryLike, grid: Grid, bands: tuple[str, ...]) -> None:
    """Raise `InputError` when a date does not lie on the scene's grid or has other bands."""
    if not image.grid.same_as(grid):
        raise InputError(
            image.paths[0],
            f"date {date!r} lies on another grid than the scene: {_brief(image.grid)}, "
            f"not {_brief(grid)}",
            "Bring all dates onto one grid first (for example with gdalwarp), "
            "or make a scene of each.",
        )
    if tuple(image.bands) != bands:
        raise InputError(
            image.paths[0],
            f"date {date!r} has the bands {', '.join(image.bands)}, others {', '.join(bands)}",
            "Give the same bands in the same order for all dates.",
        )


def _brief(grid: Grid) -> str:
    """Return a grid in a few words."""
    x, y = grid.resolution
    left, _, _, top = grid.bounds
    crs = grid.crs.splitlines()[0][:40] if grid.crs else "no CRS"
    return f"{grid.height} x {grid.width} pixels of {x:g} x {y:g} from ({left:g}, {top:g}), {crs}"


def _check_values(date: str, image: ImageryLike | None, found: list[_BlockFacts]) -> int:
    """Return the valid pixels of a date; raise `InputError` when its values cannot be right."""
    if image is None:
        return 0
    valid = sum(item.valid for item in found)
    if not valid:
        raise InputError(
            image.paths[0],
            f"date {date!r} has no valid pixel: all is no data",
            "Give another scene, or correct `nodata` of this date.",
        )
    clipped = sum(item.clipped for item in found)
    values = valid * len(image.bands)
    if clipped > _MOST_CLIPPED * values:
        raise InputError(
            image.paths[0],
            f"{clipped / values:.0%} of the values of date {date!r} lie outside reflectance "
            f"-0.1 to 6.4535 (scale {image.scale:g}, offset {image.offset:g})",
            "Declare `scale` and `offset` of this date: reflectance = scale * (raw + offset).",
        )
    low = np.min([item.low for item in found], axis=0)
    high = np.max([item.high for item in found], axis=0)
    for number, band in enumerate(image.bands):
        if low[number] == high[number] and valid > 1:
            raise InputError(
                _file_of(image, number),
                f"band {band} of date {date!r} has one value ({low[number]}) in the whole scene",
                "Give the true band, or leave it out of the dataset's `bands`.",
            )
    if clipped:
        log.warning(
            "%s: %d values of date %r lie outside reflectance -0.1 to 6.4535 and were clipped",
            image.paths[0], clipped, date,
        )  # fmt: skip
    return valid


def _file_of(image: ImageryLike, band: int) -> str:
    """Return the file that a band comes from."""
    return next((part.layer.path for part in image.parts if band in part.outputs), image.paths[0])


class Cube:
    """A scene's imagery; safe for threads, pickles as the path (see `StoredArray` on forks).

    Args:
        manifest: Path of the manifest.

    Attributes:
        manifest: The manifest.
        grid: Grid of the scene.
        dates: Names of the dates.
        present: Positions of the dates that the scene has, those with any valid pixel.
        bands: Names of the bands.
        scale: Date -> scale: reflectance = scale * (raw + offset).
        offset: Date -> offset, see `scale`.
        shape: (date, band, y, x).
    """

    def __init__(self, manifest: str | os.PathLike[str]) -> None:
        self.path = Path(manifest)
        self.manifest = read_manifest(manifest, KIND)
        content = self.manifest.content
        self.grid = Grid.of_manifest(self.manifest, manifest)
        with stated_facts(manifest):
            self.dates: tuple[str, ...] = tuple(content["dates"])
            self.present = tuple(n for n, date in enumerate(self.dates) if content["valid"][date])
            self.bands: tuple[str, ...] = tuple(content["bands"])
            self.scale: dict[str, float] = content["scale"]
            self.offset: dict[str, float] = content["offset"]
            self.shape: tuple[int, ...] = tuple(content["shape"])
        store = store_of(manifest, self.manifest)
        self._reflectance = StoredArray(store / "reflectance")
        self._valid = StoredArray(store / "valid")

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a window, boundless: raw 0 and invalid outside the scene.

        Returns:
            Raw uint16 (date, band, height, width) and valid bool (date, height, width).
        """
        window = (y, x, height, width)
        return self._reflectance.read(*window), self._valid.read(*window)

    def read_date(
        self, number: int, y: int, x: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a window inside the scene of one date; others are not decoded.

        Returns:
            Raw uint16 (band, height, width) and valid bool (height, width).
        """
        window = (y, x, height, width)
        return self._reflectance.read_at((number,), *window), self._valid.read_at(
            (number,), *window
        )

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the whole cube in memory, as `read` does."""
        return self.read(0, 0, *self.grid.shape)

    def dask(self) -> tuple[dask.array.Array, dask.array.Array]:
        """Return (reflectance, valid) as lazy Dask arrays, one block a shard and date."""
        return self._reflectance.dask(), self._valid.dask()


def open_cube(manifest: str | os.PathLike[str]) -> Cube:
    """Open a cube through its manifest. Raises `InputError` when it is not there."""
    return Cube(manifest)
