"""Grid: coordinate reference system, affine transform and shape, in one value.

Two rasters are compared only through their grids.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine

from nadir.provenance.manifest import Manifest, stated_facts

if TYPE_CHECKING:
    from rasterio.io import DatasetReader
    from shapely import Polygon

_MOST_PIXELS = 10**13
"""Of a store's grid: all of Earth in pixels of 10 m has half as many."""


@dataclass(frozen=True)
class Grid:
    """A regular raster grid.

    Attributes:
        crs: "EPSG:xxxx" where the system has such a code, else WKT; "" where there is none.
        transform: Affine coefficients (a, b, c, d, e, f): x = a*col + b*row + c and
            y = d*col + e*row + f.
        height: Rows.
        width: Columns.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
    height: int
    width: int

    @classmethod
    def of(cls, dataset: DatasetReader) -> Grid:
        """Return the grid of an open rasterio dataset."""
        return cls(
            crs_text(dataset.crs), tuple(dataset.transform)[:6], dataset.height, dataset.width
        )

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Grid:
        """Return the grid that `to_dict` described."""
        return cls(value["crs"], tuple(value["transform"]), value["height"], value["width"])

    @classmethod
    def of_manifest(cls, manifest: Manifest, path: str | os.PathLike[str]) -> Grid:
        """Return the grid that a manifest states.

        Args:
            manifest: The manifest.
            path: Its file, for messages.

        Raises:
            InputError: When it states none, or half of one.
        """
        with stated_facts(path):
            grid = cls.from_dict(manifest.grid or {})
            numbers = [*map(float, grid.transform), int(grid.height), int(grid.width)]
            if not isinstance(grid.crs, str) or len(numbers) != 8 or min(numbers[-2:]) < 1:
                raise ValueError("its grid is none")
            if numbers[-2] * numbers[-1] > _MOST_PIXELS:
                raise ValueError("its grid is larger than Earth")
        return grid

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serializable description."""
        return {
            "crs": self.crs,
            "transform": list(self.transform),
            "height": self.height,
            "width": self.width,
        }

    @property
    def affine(self) -> Affine:
        """The transform as an `Affine`."""
        return Affine(*self.transform)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def resolution(self) -> tuple[float, float]:
        """Size of a pixel along columns and rows, in units of the CRS, both positive."""
        a, b, _, d, e, _ = self.transform
        return float(np.hypot(a, d)), float(np.hypot(b, e))

    @property
    def is_axis_parallel(self) -> bool:
        """Whether rows and columns run along the axes of the CRS (no rotation or shear)."""
        return self.transform[1] == 0 and self.transform[3] == 0

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in the CRS."""
        corners = [self.affine @ xy for xy in self._corners(0, 0, self.height, self.width)]
        xs, ys = zip(*corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @staticmethod
    def _corners(y: float, x: float, height: float, width: float) -> list[tuple[float, float]]:
        """Return the (column, row) corners of a window."""
        return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]

    def window(self, y: int, x: int, height: int, width: int) -> Grid:
        """Return the grid of a window whose upper-left pixel is (row `y`, column `x`)."""
        shifted = self.affine @ Affine.translation(x, y)
        return Grid(self.crs, tuple(shifted)[:6], height, width)

    @classmethod
    def of_pixels(cls, height: int, width: int) -> Grid:
        """Return the grid of a picture without georeference: its pixels are the coordinates."""
        return cls("", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), height, width)

    def scaled(self, factor: float) -> Grid:
        """Return the grid over the same ground with pixels `factor` times as large.

        The last row and column may reach beyond the original ground by part of a pixel.
        """
        scaled = self.affine @ Affine.scale(factor)
        height, width = (int(np.ceil(n / factor - 1e-9)) for n in self.shape)
        return Grid(self.crs, tuple(scaled)[:6], height, width)

    def same_as(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Whether both grids have the same CRS and shape, and corners within `tolerance` pixels."""
        if self.shape != other.shape or not same_crs(self.crs, other.crs):
            return False
        return all(
            abs(column - c) <= tolerance and abs(row - r) <= tolerance
            for c, r in self._corners(0, 0, self.height, self.width)
            for column, row in [~self.affine @ (other.affine @ (c, r))]
        )

    def factor_to(self, fine: Grid, tolerance: float = 1e-3) -> tuple[int, tuple[int, int]] | None:
        """Return how this grid lies in a finer one, when it does so by whole pixels.

        Args:
            fine: The finer grid.
            tolerance: Allowed deviation, in fine pixels.

        Returns:
            (factor, (y0, x0)): each pixel here is factor x factor fine pixels, and the upper-left
            corner of this grid is fine pixel (y0, x0), which may be negative. None when the grids
            differ in CRS, orientation or by parts of a pixel.
        """
        if not same_crs(self.crs, fine.crs):
            return None
        inside = ~fine.affine @ self.affine  # from pixels here to fine pixels
        factor = round(inside.a)
        largest = max(self.shape)
        if (
            factor < 1
            or abs(inside.a - factor) * largest > tolerance
            or abs(inside.e - factor) * largest > tolerance
            or max(abs(inside.b), abs(inside.d)) * largest > tolerance
        ):
            return None
        y0, x0 = round(inside.f), round(inside.c)
        if abs(inside.f - y0) > tolerance or abs(inside.c - x0) > tolerance:
            return None
        return factor, (y0, x0)

    def footprint(self, y: float, x: float, height: float, width: float) -> Polygon:
        """Return the ground polygon of a window, in the CRS."""
        from shapely import Polygon

        return Polygon([self.affine @ corner for corner in self._corners(y, x, height, width)])

    def bounds_in(self, crs: str) -> tuple[float, float, float, float]:
        """Return (left, bottom, right, top) in another CRS, edges densified."""
        from rasterio.warp import transform_bounds

        if same_crs(self.crs, crs):
            return self.bounds
        return transform_bounds(self.crs, crs, *self.bounds, densify_pts=21)

    def overlaps(self, other: Grid) -> bool:
        """Whether the two grids share ground (by their bounds in this grid's CRS)."""
        left, bottom, right, top = self.bounds
        other_left, other_bottom, other_right, other_top = other.bounds_in(self.crs)
        return (
            other_left < right and other_right > left and other_bottom < top and other_top > bottom
        )


def crs_text(crs: Any) -> str:
    """Return the canonical text of a rasterio CRS: an EPSG code where there is one, else WKT."""
    if crs is None:
        return ""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()


def same_crs(one: str, other: str) -> bool:
    """Whether two CRS texts mean the same system."""
    if one == other:
        return True
    if not one or not other:
        return False
    from rasterio.crs import CRS

    return CRS.from_user_input(one) == CRS.from_user_input(other)


def is_local(crs: str) -> bool:
    """Whether a CRS text says nothing about where on the Earth a scene lies."""
    return crs in ("", "local") or crs.upper().startswith(("LOCAL_CS", "ENGCRS", "ENGINEERINGCRS"))
