"""Polygons out of traced outlines: regular, simplified or as traced, whichever is true to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from nadir.config.footprints import FootprintConfig
from nadir.segmentation.footprint_rings import (
    fitted_ring,
    main_axis,
    rectilinear_share,
    regular_ring,
    runs_of,
)
from nadir.segmentation.footprint_scan import Traced

_LEAST_SIMPLE = 0.8  # IoU with the traced outline below which a simplified one is not taken
_OVERLAP = 0.01  # share of the lesser footprint that two may have in common

Ring = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The plane in which walls are at right angles: the ground, in units of about a pixel.

    Attributes:
        matrix: float64 (2, 2): a column (x, y) of pixels to the ground, of determinant +-1.
    """

    matrix: NDArray[np.float64]

    def from_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (n, 2) on the ground."""
        return points @ self.matrix.T

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (n, 2) in pixels."""
        return points @ np.linalg.inv(self.matrix).T


def shapes_of(
    traced: Traced, frame: Frame, scene: tuple[int, int], cfg: FootprintConfig
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Return the polygons of traced buildings.

    A regular polygon is taken when enough of the outline is rectilinear and it covers what was
    traced; else the simplified one; else, should that fold or shrink, the traced one.

    Args:
        traced: Outlines of buildings, in pixels.
        frame: The plane of right angles.
        scene: (height, width) of the scene; what its border cuts off is no wall.
        cfg: Tolerances.

    Returns:
        Valid polygons in pixels, object (buildings,), and whether each is regular.
    """
    count = len(traced.first)
    simple: list[list[Ring]] = [[] for _ in range(count)]
    regular: list[list[Ring]] = [[] for _ in range(count)]
    straight = np.zeros(count, bool)
    axes = np.zeros(count)
    ground = frame.from_pixels(traced.points)
    border = np.isin(traced.points[:, 0], (0, scene[1])) | np.isin(
        traced.points[:, 1], (0, scene[0])
    )
    for ring in np.argsort(traced.owners, kind="stable").tolist():
        owner = int(traced.owners[ring])
        part = slice(traced.starts[ring], traced.starts[ring + 1])
        outer = not simple[owner]
        axis = None if outer else float(axes[owner])
        plain, square, axis = _ring(ground[part], border[part], cfg, axis)
        simple[owner].append(plain)
        regular[owner].append(plain if square is None else square)
        if outer:
            axes[owner], straight[owner] = axis, square is not None
    true = shapely.transform(traced_shapes(traced), frame.from_pixels)
    plain_shapes, square_shapes = _polygons(simple), _polygons(regular)
    square_taken = straight & _faithful(square_shapes, true, cfg.min_iou)
    plain_taken = _faithful(plain_shapes, true, _LEAST_SIMPLE)
    shapes = np.where(square_taken, square_shapes, np.where(plain_taken, plain_shapes, true))
    return np.asarray(shapely.transform(shapes, frame.to_pixels)), square_taken


def _ring(
    points: Ring, border: NDArray[np.bool_], cfg: FootprintConfig, axis: float | None
) -> tuple[Ring, Ring | None, float]:
    """Return the simplified ring, the regular one or None, and the axis (found, if not given)."""
    runs = runs_of(points, cfg.simplify, border)
    if runs is None:
        return points, None, axis or 0.0
    plain = fitted_ring(runs, 2 * cfg.simplify)
    found = main_axis(runs) if axis is None else axis
    if not cfg.regularize:
        return plain, None, found
    snap = float(np.radians(cfg.snap))
    if rectilinear_share(runs, found, snap) < cfg.min_rectilinear:
        return plain, None, found
    return plain, regular_ring(runs, found, snap, 2 * cfg.simplify), found


def traced_shapes(traced: Traced) -> NDArray[np.object_]:
    """Return the polygons of traced buildings just as they were traced, in pixels."""
    rings: list[list[Ring]] = [[] for _ in traced.first]
    for ring in np.argsort(traced.owners, kind="stable").tolist():
        points = traced.points[traced.starts[ring] : traced.starts[ring + 1]]
        rings[int(traced.owners[ring])].append(points)
    return _polygons(rings)


def _polygons(buildings: list[list[Ring]]) -> NDArray[np.object_]:
    """Return the polygons of open rings, the outer one first."""
    closed = [ring[np.r_[: len(ring), 0]] for rings in buildings for ring in rings]
    lengths = np.cumsum([0, *(len(ring) for ring in closed)])
    counts = np.cumsum([0, *(len(rings) for rings in buildings)])
    points = np.concatenate(closed)
    return np.asarray(
        shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (lengths, counts))
    )


def _faithful(
    shapes: NDArray[np.object_], true: NDArray[np.object_], least: float
) -> NDArray[np.bool_]:
    """Return which polygons are valid and cover nearly what was traced."""
    good = np.asarray(shapely.is_valid(shapes))
    checked = np.where(good, shapes, true)
    both = shapely.area(shapely.intersection(checked, true))
    union = shapely.area(checked) + shapely.area(true) - both
    return good & (both >= least * union)


def without_overlaps(
    shapes: NDArray[np.object_],
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Take ground that two footprints claim from the lesser one.

    Laying walls straight moves them by parts of a pixel, so neighbours may come to overlap; up
    to 1 % of the lesser one is left as it is.

    Args:
        shapes: Valid polygons.

    Returns:
        The polygons, no longer overlapping, and which of them were cut.
    """
    shapes = shapes.copy()
    cut = np.zeros(len(shapes), bool)
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = np.stack([one, other], axis=1)[one < other]
    if not len(pairs):
        return shapes, cut
    areas = shapely.area(shapes)
    common = shapely.area(shapely.intersection(shapes[pairs[:, 0]], shapes[pairs[:, 1]]))
    pairs = pairs[common > _OVERLAP * areas[pairs].min(axis=1)]
    for first, second in pairs[np.lexsort(pairs.T[::-1])].tolist():
        lesser, greater = (first, second) if areas[first] < areas[second] else (second, first)
        rest = largest_part(shapely.difference(shapes[lesser], shapes[greater]))
        if rest is not None:
            shapes[lesser], cut[lesser] = rest, True
    return shapes, cut


def largest_part(shape: shapely.Geometry) -> shapely.Polygon | None:
    """Return the largest polygon of a geometry, or None when it has none."""
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    parts = [part for part in parts if part.area > 0]
    return max(parts, key=lambda part: part.area) if parts else None
