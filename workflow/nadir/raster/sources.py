"""The imagery of one date as one stack of bands on one grid, whatever files it lies in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from nadir.config.scenes import ImageSource
from nadir.errors import InputError
from nadir.raster.bandnames import (
    check_band_count,
    check_description,
    depth_error,
    name_file_bands,
    need_bands,
)
from nadir.raster.grid import Grid, same_crs
from nadir.raster.layers import ArrayLayer, Layer, RasterLayer
from nadir.raster.resample import resample_window
from nadir.raster.sentinel2 import (
    QUANTIFICATION,
    baseline_offset,
    detect_baseline,
    is_product_name,
    normalize_baseline,
)


@dataclass
class Part:
    """What one file contributes to a source.

    Attributes:
        layer: The file.
        inputs: Band indices in the file.
        outputs: Where they go among the source's bands.
        nodata: Raw value without meaning in this file.
    """

    layer: Layer
    inputs: list[int]
    outputs: list[int]
    nodata: float = 0.0


@dataclass
class RasterSource:
    """The bands of one date on one grid; thread-safe, and pickles by reopening.

    Attributes:
        grid: Grid of the finest band.
        bands: Band names, in the order of reading.
        dtype: dtype of raw values.
        nodata: Raw value without meaning (NaN for NaN), of the first file where they differ.
        scale: Reflectance = scale * (raw + offset).
        offset: See `scale`.
        baseline: Sentinel-2 processing baseline "NN.NN", or None.
        paths: Every file read.
        block: Shape of the blocks of the finest file, for block-shaped reads.
        resampling: How coarser bands are brought onto `grid`.
        nodata_is_all: Whether only pixels with every band at `nodata` lack a value (floats, and
            pictures of 8 bits).
        nan_is_nodata: Whether NaN means no data (else it is an error).
        warnings: What was assumed or ignored, as sentences that name the file.
        parts: The files.
    """

    grid: Grid
    bands: tuple[str, ...]
    dtype: np.dtype
    nodata: float
    scale: float
    offset: float
    baseline: str | None
    paths: tuple[str, ...]
    block: tuple[int, int]
    resampling: str
    nodata_is_all: bool
    nan_is_nodata: bool
    warnings: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window that lies inside the grid.

        Args:
            y: First row.
            x: First column.
            height: Rows.
            width: Columns.

        Returns:
            Raw values (band, height, width) of `dtype` (never NaN), and bool (height, width): True
            where every band has a value.

        Raises:
            InputError: When a file is damaged, or holds NaN (not declared as no data) or infinity.
        """
        rows, columns = self.grid.shape
        if min(y, x, height - 1, width - 1) < 0 or y + height > rows or x + width > columns:
            raise ValueError(f"window {(y, x, height, width)} leaves the grid of {self.grid.shape}")
        raw = np.empty((len(self.bands), height, width), self.dtype)
        valid = np.ones((height, width), bool)
        for part in self.parts:
            read = partial(self._read_part, part)
            if part.layer.grid.same_as(self.grid):
                values, ok = read(y, x, height, width)
            else:
                window = (y, x, height, width)
                values, ok = resample_window(
                    read, part.layer.grid, self.grid, window, self.resampling
                )
            raw[part.outputs] = values
            valid &= ok
        if self.nan_is_nodata and raw.dtype.kind == "f":
            np.nan_to_num(raw, copy=False, nan=0.0)  # `valid` says so; NaN itself would spread
        return raw, valid

    def _read_part(
        self, part: Part, y: int, x: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window of one file on its own grid: raw (band, height, width) and validity."""
        raw, mask = part.layer.read(part.inputs, y, x, height, width)
        valid = np.ones(raw.shape[1:], bool) if mask is None else mask
        if raw.dtype.kind == "f":
            finite = np.isfinite(raw)
            if not finite.all():
                self._refuse_strange(part, raw)
                valid = valid & finite.all(axis=0)
        if not np.isnan(part.nodata):
            hit = raw == part.nodata  # compared as it is: -9999 never occurs in uint16
            valid = valid & ~(hit.all(axis=0) if self.nodata_is_all else hit.any(axis=0))
        return raw, valid

    def _refuse_strange(self, part: Part, raw: np.ndarray) -> None:
        """Raise when values that are not finite are not this file's no data either."""
        strange = np.isinf(raw) if self.nan_is_nodata else ~np.isfinite(raw)
        strange &= raw != part.nodata  # an infinite no-data value is odd but clear
        if strange.any():
            word = "infinite" if np.isinf(raw[strange]).any() else "NaN"
            count = int(strange.any(axis=0).sum())
            raise InputError(
                part.layer.path,
                f"its values are {word} in {count} of {raw[0].size} pixels looked at",
                "Declare `nodata: nan` if NaN means no data there; else repair the file.",
            )

    def sample(self, side: int = 5, window: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """Read a lattice of small windows, spread evenly: cheap whatever the size of the scene.

        Args:
            side: Windows along each axis.
            window: Side of a window in pixels.

        Returns:
            Raw (band, pixels) and valid (pixels,); the whole scene where it is small.
        """
        parts = [self.read(*place) for place in lattice(self.grid.shape, side, window)]
        raw = np.concatenate([part.reshape(len(self.bands), -1) for part, _ in parts], axis=1)
        return raw, np.concatenate([ok.ravel() for _, ok in parts])

    def close(self) -> None:
        """Close open files; a later read opens them anew."""
        for part in self.parts:
            part.layer.close()


def lattice(shape: tuple[int, int], side: int, window: int) -> list[tuple[int, int, int, int]]:
    """Return windows (y, x, height, width) spread evenly; one for all where that is small."""
    height, width = shape
    if height * width <= (side * window) ** 2:
        return [(0, 0, height, width)]
    tall, wide = min(window, height), min(window, width)
    rows = np.unique(np.linspace(0, height - tall, side).astype(int))
    columns = np.unique(np.linspace(0, width - wide, side).astype(int))
    return [(int(y), int(x), tall, wide) for y in rows for x in columns]


def open_source(config: ImageSource, bands: tuple[str, ...]) -> RasterSource:
    """Open the imagery of one date.

    Coarser bands are resampled onto the grid of the finest. A pixel is valid when every band has
    a value there: not the no-data value, not NaN, not masked by the file. Integer imagery without
    a declared no-data value has 0 (Sentinel-2's); float imagery has none, except that pixels
    whose bands are all 0 are empty.

    Args:
        config: What to open.
        bands: The bands wanted, in the order of reading; fewer than there are is fine.

    Raises:
        InputError: On missing or damaged files, no CRS, a wrong number or order of bands, files
            of one date on different ground, or 8-bit values without a declared scale.
    """
    parts = _parts(config, bands)
    finest = min((part.layer for part in parts), key=lambda layer: layer.grid.resolution)
    for part in parts:
        _check_same_ground(part.layer, finest)
    dtype = np.result_type(*(part.layer.dtype for part in parts))
    warnings = list(dict.fromkeys(part.layer.conflict for part in parts if part.layer.conflict))
    baseline, scale, offset = _encoding(config, parts, dtype, warnings)
    declared = float(config.nodata) if config.nodata is not None else None
    stated = [part.layer.nodata if declared is None else declared for part in parts]
    for part, value in zip(parts, stated, strict=True):
        # A picture that says itself which pixels are empty may well hold black ones.
        says = config.depth == 8 and getattr(part.layer, "masked", False)
        part.nodata = (np.nan if says else 0.0) if value is None else float(value)
    return RasterSource(
        grid=finest.grid,
        bands=tuple(bands),
        dtype=dtype,
        nodata=parts[0].nodata,
        scale=scale,
        offset=offset,
        baseline=baseline,
        paths=tuple(dict.fromkeys(part.layer.path for part in parts)),
        block=finest.block,
        resampling=config.resampling,
        nodata_is_all=config.depth == 8
        or (dtype.kind == "f" and all(value is None for value in stated)),
        nan_is_nodata=any(np.isnan(part.nodata) for part in parts),
        warnings=warnings,
        parts=parts,
    )


def _parts(config: ImageSource, bands: tuple[str, ...]) -> list[Part]:
    """Return the files to read, with the bands that each contributes."""
    if config.file:
        raster = RasterLayer(config.file, config.grid)
        if config.depth == 8:
            return [_picture(config, raster, bands)]
        order = name_file_bands(raster.path, raster.descriptions, config.file_bands, bands)
        return [Part(raster, [order.index(band) for band in bands], list(range(len(bands))))]
    if config.files:
        need_bands(bands, list(config.files), next(iter(config.files.values())), "files")
        return [_single(config, band, position) for position, band in enumerate(bands)]
    where: dict[str, tuple[int, int]] = {}
    layers = [ArrayLayer(source, config.grid) for source in config.arrays]
    for number, (layer, source) in enumerate(zip(layers, config.arrays, strict=True)):
        names = source.bands or (bands if len(layers) == 1 else ())
        if len(names) != layer.count:
            raise InputError(
                layer.path,
                f"array {source.key!r} has {layer.count} bands, but {len(names)} names are given",
                "Set `bands` to one name for each band of the array; check `axes` too.",
            )
        where |= {name: (number, index) for index, name in enumerate(names)}
    need_bands(bands, list(where), config.arrays[0].file, "arrays")
    found = []
    for number, layer in enumerate(layers):
        outputs = [position for position, band in enumerate(bands) if where[band][0] == number]
        if outputs:
            found.append(Part(layer, [where[bands[item]][1] for item in outputs], outputs))
    return found


def _picture(config: ImageSource, raster: RasterLayer, bands: tuple[str, ...]) -> Part:
    """Return the part of a picture of 8 bits: transparency says which of its pixels are empty."""
    if raster.dtype != np.uint8:
        raise depth_error(raster.path, raster.dtype.name)
    transparent = raster.alpha and not config.file_bands
    descriptions = raster.descriptions[:-1] if transparent else raster.descriptions
    check_band_count(raster.path, len(descriptions), config.file_bands, bands, raster.palette)
    order = name_file_bands(raster.path, descriptions, config.file_bands, bands)
    if transparent:
        raster.masked = True
        raster.conflict = raster.conflict or (
            f"{raster.path}: its last band counts as transparency (if it is something else, "
            "name it in `file_bands`)"
        )
    return Part(raster, [order.index(band) for band in bands], list(range(len(bands))))


def _single(config: ImageSource, band: str, position: int) -> Part:
    """Return the part of a single-band file."""
    layer = RasterLayer(config.files[band], config.grid)
    if layer.count != 1:
        raise InputError(
            layer.path,
            f"it has {layer.count} bands where band {band} alone is expected",
            "Give one single-band file a band under `files`, or the whole file as `file`.",
        )
    check_description(layer.path, band, layer.descriptions[0])
    return Part(layer, [0], [position])


def _check_same_ground(layer: Layer, finest: Layer) -> None:
    """Raise when a band cannot be brought onto the finest grid by scaling and shifting."""
    if layer.grid.same_as(finest.grid):
        return
    if not same_crs(layer.grid.crs, finest.grid.crs):
        raise InputError(
            layer.path,
            f"its CRS differs from that of {finest.path}, a band of the same date",
            "Give the bands of a date in one CRS (warp one of them first).",
        )
    if not (layer.grid.is_axis_parallel and finest.grid.is_axis_parallel):
        raise InputError(
            layer.path,
            f"its grid is rotated against that of {finest.path}",
            "Give the bands of a date on axis-parallel grids.",
        )
    if not layer.grid.overlaps(finest.grid):
        raise InputError(
            layer.path,
            f"it shares no ground with {finest.path}, a band of the same date",
            "Check that all files of a date belong to the same scene.",
        )


def _encoding(
    config: ImageSource, parts: list[Part], dtype: np.dtype, warnings: list[str]
) -> tuple[str | None, float, float]:
    """Return (baseline, scale, offset) of a date, and add to `warnings` what was assumed."""
    path = parts[0].layer.path
    if config.scale is None and dtype.itemsize == 1:
        raise InputError(
            path,
            "its values are 8-bit, which says nothing about reflectance",
            "Declare `scale` (and `offset`): reflectance = scale * (raw + offset).",
        )
    baseline = _baseline(config, parts)
    integer = dtype.kind in "iu"
    numbers = integer or baseline is not None or is_product_name(path)
    scale = config.scale if config.scale is not None else QUANTIFICATION if numbers else 1.0
    offset = config.offset
    if offset is None:
        offset = baseline_offset(baseline) if baseline else 0.0
        if config.baseline == "auto" and baseline is None and integer and config.scale is None:
            warnings.append(
                f"{path}: nothing tells its Sentinel-2 processing baseline; offset 0 is assumed "
                "(declare `baseline`, such as 05.10 or none)"
            )
    return baseline, float(scale), float(offset)


def _baseline(config: ImageSource, parts: list[Part]) -> str | None:
    """Return the processing baseline of a date, declared or detected, or None."""
    path = parts[0].layer.path
    if config.baseline == "none":
        return None
    if config.baseline != "auto":
        baseline = normalize_baseline(config.baseline)
        if baseline is None:
            raise InputError(
                path,
                f"{config.baseline!r} is no processing baseline",
                "Give `baseline` as in 05.10, or auto, or none.",
            )
        return baseline
    seen = {part.layer.path: detect_baseline(part.layer.path, part.layer.tags) for part in parts}
    found = {where: baseline for where, baseline in seen.items() if baseline}
    offsets = {baseline_offset(baseline): where for where, baseline in found.items()}
    if len(offsets) > 1:
        both = " and ".join(f"{found[where]} ({where})" for where in sorted(offsets.values()))
        raise InputError(
            path,
            f"files of one date have processing baselines of different offsets: {both}",
            "Give all bands of a date from one product, or declare `baseline`.",
        )
    return max(found.values(), default=None)
