"""Where the sun stands in the sky of a place at a time."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

_EPOCH = datetime(2000, 1, 1, 12, tzinfo=UTC)


def sun_position(longitude: float, latitude: float, time: datetime) -> tuple[float, float]:
    """Return azimuth (from north, clockwise) and elevation of the sun in degrees.

    Low-precision formulas of the Astronomical Almanac (J. J. Michalsky, "The Astronomical
    Almanac's algorithm for approximate solar position", Solar Energy 40, 1988): good to 0.01
    degrees from 1950 to 2050, refraction left out.

    Args:
        longitude: Degrees east.
        latitude: Degrees north.
        time: With a time zone.
    """
    days = (time - _EPOCH).total_seconds() / 86400.0
    mean = np.radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = 280.460 + 0.9856474 * days + 1.915 * np.sin(mean) + 0.020 * np.sin(2 * mean)
    ecliptic, tilt = np.radians(ecliptic % 360), np.radians(23.439 - 0.0000004 * days)
    ascension = np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(tilt) * np.sin(ecliptic))
    hours = 6.697375 + 0.0657098242 * days + (time.hour + time.minute / 60 + time.second / 3600)
    angle = np.radians((15.0 * hours + longitude) % 360) - ascension
    phi = np.radians(latitude)
    up = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(angle)
    north = np.cos(phi) * np.sin(declination) - np.sin(phi) * np.cos(declination) * np.cos(angle)
    east = -np.cos(declination) * np.sin(angle)
    return float(np.degrees(np.arctan2(east, north)) % 360), float(np.degrees(np.arcsin(up)))
