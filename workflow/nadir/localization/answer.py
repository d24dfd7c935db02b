"""The answer for one photo as a document, in pixels and on the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nadir.localization.georeference import bearing, to_degrees, to_map
from nadir.localization.pose import CORNERS, Pose
from nadir.raster.grid import Grid

DIGITS = 8
"""Decimals of longitude and latitude: about a millimetre."""


def answer_document(
    pose: Pose,
    width: int,
    height: int,
    grid: Grid | None,
    extra: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the answer for one photo, JSON-serializable.

    Args:
        pose: Where the photo lies.
        width: Columns of the photo.
        height: Rows of the photo.
        grid: Grid of the substrate, or None without georeference.
        extra: Further members, such as the probability.

    Returns:
        `photo` (width, height); `pixels`: `center`, `corners` by name, `angle` in degrees and
        `scale`, in pixels of the substrate from the outer corner of the first one; `map`: `crs`,
        `center`, `corners`, `bearing` (of the photo's upper edge, clockwise from the map's y
        axis) and `longitude_latitude` (`center`, `corners`; None in a local system), or None; and
        the members of `extra`.
    """
    points = np.vstack([[pose.x, pose.y], pose.corners(width, height)])
    document: dict[str, Any] = {
        "photo": {"width": int(width), "height": int(height)},
        "pixels": {**_named(points), "angle": float(pose.angle), "scale": float(pose.scale)},
        "map": None,
    }
    if grid is not None:
        degrees = to_degrees(grid, points)
        document["map"] = {
            "crs": grid.crs,
            **_named(to_map(grid, points)),
            "bearing": bearing(grid, pose.angle),
            "longitude_latitude": None if degrees is None else _named(np.round(degrees, DIGITS)),
        }
    return document | (extra or {})


def _named(points: NDArray[np.float64]) -> dict[str, Any]:
    """Return center and named corners of five points."""
    return {
        "center": points[0].tolist(),
        "corners": dict(zip(CORNERS, points[1:].tolist(), strict=True)),
    }
