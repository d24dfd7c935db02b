"""How long a unit of a coordinate reference system is on the ground."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyproj

GEOD = pyproj.Geod(ellps="WGS84")
"""The ellipsoid on which lengths are measured."""

_NEARLY_TRUE = 0.01  # a projection whose scale errs by less than this gives distances as they are


@lru_cache(maxsize=256)
def transformer(source: str, target: str) -> pyproj.Transformer:
    """Return the transformation between two systems, x before y in both."""
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def metres_per_unit(crs: str, x: float, y: float) -> tuple[float, float]:
    """Return metres on the ground per unit of a CRS along x and y, near a point.

    Projections that are true to scale within 1 % there (UTM and the like) give their unit's
    nominal length, so that distances are those of the map; geographic systems and, say, web
    Mercator give the length on the ellipsoid.
    """
    system = pyproj.CRS.from_user_input(crs)
    step = 1e-3 if system.is_geographic else 10.0
    corners = np.array([[x - step, y], [x + step, y], [x, y - step], [x, y + step]])
    longitude, latitude = transformer(crs, "EPSG:4326").transform(*corners.T)
    _, _, lengths = GEOD.inv(longitude[::2], latitude[::2], longitude[1::2], latitude[1::2])
    true = lengths / (2 * step)
    if not system.is_geographic:
        nominal = system.axis_info[0].unit_conversion_factor
        if np.all(np.abs(true / nominal - 1) < _NEARLY_TRUE):
            return nominal, nominal
    return float(true[0]), float(true[1])
