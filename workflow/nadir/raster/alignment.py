"""How a fine mask meets the grid of an image: by whole pixels, by areas, or through a warp.

- `NestedAlignment`: every image pixel is factor x factor mask pixels. Exact, and the fast path.
- `AreaAlignment`: same CRS and axes, any other ratio or offset (also a mask coarser than the
  image, or upside down): exact areas of the overlaps.
- Any other CRS or orientation: the mask is warped categorically onto a sub-grid that nests in the
  image's and is at least as fine as the mask (and 8 x 8 at least), then counted as nested.

A mask never has to cover the image, and is never resized to fit: what lies outside is no data.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nadir.config.classes import ClassTable
from nadir.config.scenes import LabelConfig
from nadir.errors import InputError, did_you_mean
from nadir.raster import kernels
from nadir.raster.grid import Grid, same_crs
from nadir.raster.masks import MaskReader
from nadir.raster.warping import WarpedReader

log = logging.getLogger(__name__)

_PIECE = 16 << 20  # mask pixels decoded at a time
_FINEST = 8  # least samples along the side of a pixel when a mask is warped


@dataclass(frozen=True)
class Rule:
    """The rule for hard labels, as the kernels take it.

    Attributes:
        code: `kernels.MODE`, `WEIGHTED` or `NEAREST`.
        weights: float64 (K + 1,): weight of each id.
        min_share: Least share of labelled ground, 0 to 1.
        radius: Radius of smoothing in pixels (0: none).
    """

    code: int
    weights: np.ndarray
    min_share: float
    radius: int

    @classmethod
    def of(cls, cfg: LabelConfig, table: ClassTable) -> Rule:
        """Return the rule that a configuration names.

        Raises:
            InputError: When it weights a class that the table lacks, or a weight is negative.
        """
        weights = np.ones(table.count + 1)
        for name, weight in cfg.weights.items():
            number = table.id_of(name)
            if number is None:
                raise InputError(
                    "labels.weights",
                    f"there is no class {name!r}{did_you_mean(name, table.names[1:])}",
                    f"Use names of the class table: {', '.join(table.names[1:])}.",
                )
            if weight < 0:
                raise InputError(
                    "labels.weights", f"the weight of {name!r} is {weight}", "Give 0 or more."
                )
            weights[number] = weight
        radius = cfg.smoothing if cfg.rule == "weighted" else 0
        return cls(kernels.RULES[cfg.rule], weights, cfg.min_share, radius)


@dataclass(frozen=True)
class NestedAlignment:
    """Image pixels made of factor x factor mask pixels.

    Attributes:
        reader: The mask.
        factor: Mask pixels along the side of an image pixel.
        origin: Mask pixel (row, column) at the image's upper-left corner; may be negative.
        method: "nested" or, where the mask was warped first, "warped".
    """

    reader: MaskReader | WarpedReader
    factor: int
    origin: tuple[int, int]
    method: str = "nested"

    @property
    def scale(self) -> int:
        """Denominator of the stored shares."""
        return kernels.share_scale(self.factor)

    def aggregate(
        self, y: int, x: int, height: int, width: int, count: int, rule: Rule
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return shares uint8 (count, height, width) and labels uint8 (height, width)."""
        shares = np.empty((count, height, width), np.uint8)
        hard = np.empty((height, width), np.uint8)
        f = self.factor
        left = self.origin[1] + x * f
        for start, stop in _pieces(height, width * f * f):
            top = self.origin[0] + (y + start) * f
            window = (top, left, (stop - start) * f, width * f)
            values, ids = self.reader.read(*window)
            part = np.empty((count, stop - start, width), np.uint8)
            unknown = kernels.aggregate(
                values,
                ids,
                f,
                count,
                rule.code,
                rule.weights,
                rule.min_share,
                part,
                hard[start:stop],
            )
            if unknown:
                raise self.reader.unknown_error(*window)
            shares[:, start:stop] = part
        return shares, hard


@dataclass(frozen=True)
class AreaAlignment:
    """Image pixels that cut mask pixels, along the same axes.

    Attributes:
        reader: The mask.
        rows: (step, start): row edge i of the image lies at start + i * step mask rows.
        columns: Likewise for columns.
    """

    reader: MaskReader
    rows: tuple[float, float]
    columns: tuple[float, float]
    method: str = "area"

    @property
    def scale(self) -> int:
        """Denominator of the stored shares."""
        return kernels.share_scale(None)

    def aggregate(
        self, y: int, x: int, height: int, width: int, count: int, rule: Rule
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return shares uint8 (count, height, width) and labels uint8 (height, width)."""
        shares = np.empty((count, height, width), np.uint8)
        hard = np.empty((height, width), np.uint8)
        left, wide, columns = _edges(self.columns, x, width)
        per_row = max(1, math.ceil(wide * abs(self.rows[0])))
        for start, stop in _pieces(height, per_row):
            top, tall, rows = _edges(self.rows, y + start, stop - start)
            window = (top, left, tall, wide)
            values, ids = self.reader.read(*window)
            part = np.empty((count, stop - start, width), np.uint8)
            unknown = kernels.aggregate_area(
                values,
                ids,
                rows,
                columns,
                count,
                rule.code,
                rule.weights,
                rule.min_share,
                part,
                hard[start:stop],
            )
            if unknown:
                raise self.reader.unknown_error(*window)
            shares[:, start:stop] = part
        return shares, hard


def _pieces(height: int, mask_pixels_per_row: int) -> Iterator[tuple[int, int]]:
    """Yield runs of image rows (start, stop) of at most `_PIECE` mask pixels each."""
    step = max(1, _PIECE // max(1, mask_pixels_per_row))
    for start in range(0, height, step):
        yield start, min(start + step, height)


def _edges(axis: tuple[float, float], first: int, count: int) -> tuple[int, int, np.ndarray]:
    """Return first mask line, number of lines, and edges float64 (count, 2) from that line on."""
    step, start = axis
    edges = start + np.arange(first, first + count + 1) * step
    pairs = np.sort(np.stack([edges[:-1], edges[1:]], axis=1), axis=1)
    low = math.floor(pairs.min() + 1e-9)
    high = max(math.ceil(pairs.max() - 1e-9), low + 1)
    return low, high - low, np.clip(pairs - low, 0, high - low)


def plan_alignment(
    reader: MaskReader, grid: Grid, table: ClassTable
) -> NestedAlignment | AreaAlignment:
    """Choose how a mask is brought onto a grid (see the module's text).

    Args:
        reader: The mask.
        grid: The image's grid.
        table: The classes.

    Raises:
        InputError: When the mask has no CRS, or does not overlap the image.
    """
    mask = reader.grid
    name = reader.mask.name
    if not mask.crs and grid.crs:
        raise InputError(
            name,
            "the mask has no coordinate reference system",
            f"Write the right one into it (for example gdal_edit.py -a_srs EPSG:... {name}).",
        )
    _require_comparable(name, mask, grid)
    if not grid.overlaps(mask):
        raise InputError(
            name,
            f"the mask does not overlap the image: mask {_where(mask)}, image {_where(grid)}",
            "Give the mask of this scene, or correct the CRS of one of the two.",
        )
    nested = grid.factor_to(mask)
    if nested is not None:
        return NestedAlignment(reader, *nested)
    if same_crs(mask.crs, grid.crs) and mask.is_axis_parallel and grid.is_axis_parallel:
        inside = ~mask.affine @ grid.affine
        return AreaAlignment(reader, (inside.e, inside.f), (inside.a, inside.c))
    samples = max(_FINEST, math.ceil(max(_pixel_ratio(grid, mask)) - 1e-6))
    log.info(
        "%s: warped onto a sub-grid of %d x %d samples a pixel (CRS %s, image %s)",
        name, samples, samples, mask.crs[:40], grid.crs[:40],
    )  # fmt: skip
    fine = WarpedReader(reader, _subdivided(grid, samples))
    return NestedAlignment(fine, samples, (0, 0), "warped")


def _require_comparable(name: str, mask: Grid, grid: Grid) -> None:
    """Raise `InputError` when one of two different systems is not known to the EPSG or as WKT."""
    if mask.crs == grid.crs:
        return
    try:
        same_crs(mask.crs, grid.crs)
        known = bool(mask.crs and grid.crs)
    except Exception:  # rasterio raises several kinds for a text that is no CRS
        known = False
    if not known:
        raise InputError(
            name,
            f"its CRS ({mask.crs or 'none'}) and the image's ({grid.crs or 'none'}) "
            "cannot be compared",
            "Declare the true CRS of the image (`grid:` of the scene), or give both in one CRS.",
        )


def _where(grid: Grid) -> str:
    """Return a grid's place in words."""
    crs = grid.crs.splitlines()[0][:40] if grid.crs else "no CRS"
    return f"{crs} {tuple(round(value, 5) for value in grid.bounds)}"


def _subdivided(grid: Grid, samples: int) -> Grid:
    """Return the grid whose pixels are 1 / samples as large along both axes."""
    a, b, c, d, e, f = grid.transform
    fine = (a / samples, b / samples, c, d / samples, e / samples, f)
    return Grid(grid.crs, fine, grid.height * samples, grid.width * samples)


def _pixel_ratio(grid: Grid, mask: Grid) -> tuple[float, float]:
    """Return how many mask pixels the side of an image pixel spans, near the image's center."""
    from rasterio.warp import transform

    row, column = grid.height / 2, grid.width / 2
    corners = [(column, row), (column + 1, row), (column, row + 1)]
    xs, ys = zip(*(grid.affine @ corner for corner in corners), strict=True)
    if not same_crs(grid.crs, mask.crs):
        xs, ys = transform(grid.crs, mask.crs, xs, ys)
    spots = [~mask.affine @ spot for spot in zip(xs, ys, strict=True)]
    along = max(abs(spots[1][0] - spots[0][0]), abs(spots[1][1] - spots[0][1]))
    down = max(abs(spots[2][0] - spots[0][0]), abs(spots[2][1] - spots[0][1]))
    return along, down
