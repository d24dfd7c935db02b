"""Checking the raw files of a scene by headers and a small sample, before any expensive work."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from rasterio.errors import CRSError

from nadir.config.classes import UNKNOWN, ClassTable
from nadir.config.scenes import ImageSource, MaskSource, SceneConfig
from nadir.errors import InputError
from nadir.raster.geotiff import GDAL_ERRORS, check_complete
from nadir.raster.grid import Grid, same_crs
from nadir.raster.masks import MaskReader, RasterMask, RawMask
from nadir.raster.sentinel2 import physical_warnings, to_reflectance
from nadir.raster.sources import RasterSource, lattice, open_source

log = logging.getLogger(__name__)


def check_scene(
    name: str,
    scene: SceneConfig,
    bands: tuple[str, ...],
    table: ClassTable | None = None,
    sizes: Sequence[int] = (),
) -> dict[str, Any]:
    """Check everything about a scene that headers and a sample of pixels can tell, in seconds.

    Pixels are read in a lattice of small windows; what only every pixel can tell (a NaN in one
    corner, one stray mask value) is found while the cube and the labels are made.

    Args:
        name: Name of the scene, for messages.
        scene: Its files; a simulated scene with its files filled in.
        bands: Bands wanted.
        table: Classes of the mask; not needed where there is none.
        sizes: Sides of the tiles, in pixels.

    Returns:
        Facts for `check.json`: `scene`, `grid`, `bands`, `dates` (name -> files, dtype, no-data
        value, baseline, scale, offset, share of valid samples), `mask` (or None), `warnings`.

    Raises:
        InputError: On the first fault, naming the file and the remedy: a missing, damaged or
            truncated file; no CRS; wrong number or order of bands; dates on different grids; no
            valid pixel; a band of one constant value; NaN or infinity; tiles larger than the
            scene; labels off the image, of another type or outside the class table.
    """
    if not scene.images:
        raise ValueError(f"scene {name} names no files: fill in those of its world first")
    warnings: list[str] = []
    dates: dict[str, Any] = {}
    first: RasterSource | None = None
    for date, image in scene.images.items():
        for path in image.paths():
            check_complete(path)
        source = open_source(image, bands)
        if first is None:
            first = source
            if scene.role != "predict":
                _check_sizes(source, sizes)
        else:
            _check_same_grid(first, source, date)
        dates[date] = _check_date(f"scene {name}, date {date}", image, source, warnings)
        source.close()
    assert first is not None
    offsets = {facts["offset"] for facts in dates.values()}
    if len(offsets) > 1:
        log.info("scene %s: dates of different baselines; each keeps its own offset", name)
    mask = None
    if scene.mask is not None:
        if table is None:
            raise ValueError("a mask cannot be checked without a class table")
        mask = _check_mask(scene.mask, first.grid, table, f"scene {name}", warnings)
    for text in warnings:
        log.warning("%s", text)
    return {
        "scene": name,
        "grid": first.grid.to_dict(),
        "bands": list(bands),
        "dates": dates,
        "mixed_offsets": len(offsets) > 1,
        "mask": mask,
        "warnings": warnings,
    }


def _check_sizes(source: RasterSource, sizes: Sequence[int]) -> None:
    height, width = source.grid.shape
    large = [size for size in sizes if size > min(height, width)]
    if large:
        raise InputError(
            source.paths[0],
            f"a tile of {max(large)} pixels is larger than the scene of {width} x {height} pixels",
            f"Set `tiles.sizes` to at most {min(height, width)}.",
        )


def _check_same_grid(first: RasterSource, source: RasterSource, date: str) -> None:
    if source.grid.same_as(first.grid):
        return
    one, other = first.grid, source.grid
    what = next(
        text
        for differs, text in (
            (not same_crs(one.crs, other.crs), f"{_short(other.crs)} against {_short(one.crs)}"),
            (one.shape != other.shape, f"{_size(other)} pixels against {_size(one)}"),
            (True, f"georeference {other.transform} against {one.transform}"),
        )
        if differs
    )
    raise InputError(
        source.paths[0],
        f"date {date} has another grid than {first.paths[0]}: {what}",
        "Warp the dates of a scene onto one grid (the same CRS, origin, pixel and size).",
    )


def _short(crs: str) -> str:
    return crs if len(crs) < 40 else crs[:37] + "..."


def _size(grid: Grid) -> str:
    return f"{grid.width} x {grid.height}"


def _check_date(
    where: str, image: ImageSource, source: RasterSource, warnings: list[str]
) -> dict[str, Any]:
    """Look at a sample of one date, and return its facts."""
    raw, valid = source.sample()
    constant = _constant_bands(raw, valid, source.bands)
    if not valid.any() or constant:
        # A sample may miss the data: look again, closely, before refusing the file.
        raw, valid = source.sample(side=48, window=8)
        constant = _constant_bands(raw, valid, source.bands)
    if not valid.any():
        raise InputError(
            source.paths[0],
            f"it holds nothing but no data (value {source.nodata:g})",
            "Give imagery of the scene; check `nodata`.",
        )
    if constant:
        band, value = next(iter(constant.items()))
        path = image.files.get(band) or source.paths[0]
        raise InputError(
            path,
            f"band {band} has the value {value:g} in every pixel looked at",
            "The band is empty or damaged: give the right file, or leave the band out of `bands`.",
        )
    warnings.extend(f"{where}: {text}" for text in source.warnings)
    if image.depth is None:  # a picture's values are no reflectance
        reflectance = to_reflectance(raw, source.scale, source.offset)
        found = physical_warnings(reflectance, valid, source.bands)
        warnings.extend(f"{where} ({source.paths[0]}): {text}" for text in found)
    return {
        "files": list(source.paths),
        "dtype": source.dtype.name,
        "nodata": source.nodata,
        "baseline": source.baseline,
        "scale": source.scale,
        "offset": source.offset,
        "valid_share": float(valid.mean()),
    }


def _constant_bands(raw: np.ndarray, valid: np.ndarray, bands: tuple[str, ...]) -> dict[str, float]:
    """Return band -> its only value, for bands that do not vary; a single pixel says nothing."""
    if valid.sum() < 2:
        return {}
    sample = raw[:, valid]
    flat = sample.min(axis=1) == sample.max(axis=1)
    return {bands[index]: float(sample[index, 0]) for index in np.flatnonzero(flat)}


def _check_mask(
    config: MaskSource, image: Grid, table: ClassTable, where: str, warnings: list[str]
) -> dict[str, Any]:
    """Check labels of any kind against the image, and return their facts."""
    # The vector libraries take a second to import: only where there are polygons.
    if config.vector:
        from nadir.raster.vectors import inspect_vector

        facts = inspect_vector(config, table)
        if facts.features:
            _check_overlap(config.vector, facts.bounds, facts.crs, image)
        names = {item.value: item.name for item in table.classes}
        there = {names[value] for value in facts.counts} | {config.background}
        absent = [name for name in names.values() if name not in there]
        if absent:
            warnings.append(f"{where} ({config.vector}): no polygon of {', '.join(absent)}")
        return {
            "kind": "vector",
            "file": config.vector,
            "crs": facts.crs,
            "features": facts.features,
            "features_by_value": {str(key): count for key, count in facts.counts.items()},
        }
    mask: RawMask
    if config.array:
        from nadir.raster.label_files import LabelArray

        mask = LabelArray(config.array, image)
    elif config.tiles:
        from nadir.raster.label_files import TiledMask

        mask = TiledMask(config.tiles)
        _check_overlap(mask.name, mask.grid.bounds, mask.grid.crs, image)
    else:
        assert config.file is not None  # the model holds exactly one of the four
        check_complete(config.file)
        mask = _raster_mask(config, image, where, warnings)
    reader = MaskReader(mask, table)
    for window in lattice(mask.grid.shape, side=7, window=256):
        values, ids = reader.read(*window)
        if (ids[values] == UNKNOWN).any():
            raise reader.unknown_error(*window)
    return {
        "kind": "array" if config.array else "tiles" if config.tiles else "raster",
        "file": mask.name,
        "grid": mask.grid.to_dict(),
        "dtype": np.dtype(mask.dtype).name,
    }


def _raster_mask(config: MaskSource, image: Grid, where: str, warnings: list[str]) -> RasterMask:
    """Open a raster of labels and check its header."""
    path = str(config.file)
    mask = RasterMask(path, config.grid)
    if mask.dtype.kind not in "iu":
        raise InputError(
            path,
            f"its labels are {mask.dtype}, not integers",
            "Give a mask of integer class values (a warped mask needs nearest-neighbour).",
        )
    if not mask.grid.crs:
        raise InputError(
            path,
            "it has no coordinate reference system",
            "Write it into the file (gdal_edit.py -a_srs EPSG:... FILE).",
        )
    left, bottom, right, top = mask.grid.bounds
    _check_overlap(path, (left, bottom, right, top), mask.grid.crs, image)
    x, y = mask.grid.resolution
    image_bounds = image.bounds_in(mask.grid.crs)
    pixel = (image_bounds[2] - image_bounds[0]) / image.width
    if min(x, y) > 1.5 * pixel:
        warnings.append(
            f"{where} ({path}): the mask is {min(x, y) / pixel:.1f} times coarser than the image"
        )
    return mask


def _check_overlap(
    path: str, bounds: tuple[float, float, float, float], crs: str, image: Grid
) -> None:
    """Raise unless bounds in some CRS share ground with the image."""
    try:
        left, bottom, right, top = image.bounds_in(crs)
    except (CRSError, *GDAL_ERRORS) as error:
        raise InputError(
            path,
            f"its CRS ({_short(crs)}) cannot be related to the image's ({_short(image.crs)})",
            "Give labels and image in systems that have a place on the ground, or in one CRS.",
        ) from error
    if bounds[0] < right and bounds[2] > left and bounds[1] < top and bounds[3] > bottom:
        return
    shown = ", ".join(f"{value:.6g}" for value in bounds)
    image_shown = ", ".join(f"{value:.6g}" for value in (left, bottom, right, top))
    raise InputError(
        path,
        f"its labels share no ground with the image: {shown} against {image_shown} "
        f"(left, bottom, right, top in {_short(crs)})",
        "Give the labels of this scene; check the CRS of both files.",
    )
