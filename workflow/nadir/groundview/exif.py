"""What a photo's EXIF tells: where it was taken, in which direction, and when."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

_ENDING = "%Y-%m-%dT%H:%M:%SZ"
_UNKNOWN = float("nan")


@dataclass(frozen=True)
class Facts:
    """What is known of a photo.

    Attributes:
        longitude: Degrees east (WGS 84), NaN where not known.
        latitude: Degrees north.
        heading: Direction of view in degrees clockwise from north, [0, 360); NaN where not known.
        date: Time in UTC as ISO 8601; "" where not known.
    """

    longitude: float = _UNKNOWN
    latitude: float = _UNKNOWN
    heading: float = _UNKNOWN
    date: str = ""


def read_facts(data: bytes) -> Facts:
    """Return what the EXIF of a photo tells; what is lacking or makes no sense is not known.

    Coordinates of exactly (0, 0) are what some cameras write without a fix, and count as unknown. A
    direction from magnetic north is taken as it is. Without an offset from UTC, a time is taken for
    the mean solar time of the longitude: good to an hour or two, which is enough to know day from
    night and the season; without a longitude as well, it is not known.

    Args:
        data: Content of the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                exif = image.getexif()
                gps, details = dict(exif.get_ifd(IFD.GPSInfo)), dict(exif.get_ifd(IFD.Exif))
                plain = dict(exif)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, OverflowError):
        return Facts()
    except Image.DecompressionBombError:
        return Facts()
    longitude, latitude = _position(gps)
    heading = _number(gps.get(GPS.GPSImgDirection))
    date = _satellite_time(gps) or _camera_time(details, plain, longitude)
    return Facts(
        longitude,
        latitude,
        heading % 360 if math.isfinite(heading) else _UNKNOWN,
        iso_date(date) if date else "",
    )


def iso_date(date: datetime) -> str:
    """Return a time with a zone as ISO 8601 in UTC, to the second."""
    return date.astimezone(UTC).strftime(_ENDING)


def parse_date(text: str, longitude: float = _UNKNOWN) -> datetime | None:
    """Return the time that ISO 8601 text says, in UTC; None when it is empty.

    Without a zone it is the mean solar time of the longitude, or UTC where that is not known.

    Raises:
        ValueError: When it is no such text.
    """
    if not text.strip():
        return None
    date = datetime.fromisoformat(text.strip())
    if date.tzinfo is not None:
        return date.astimezone(UTC)
    shift = longitude / 15 if math.isfinite(longitude) else 0.0
    return (date - timedelta(hours=shift)).replace(tzinfo=UTC)


def is_position(longitude: float, latitude: float) -> bool:
    """Tell whether two numbers are a place on the earth, other than where nothing was measured."""
    inside = abs(longitude) <= 180 and abs(latitude) <= 90  # False for NaN
    return inside and (longitude, latitude) != (0.0, 0.0)


def _position(gps: Mapping[int, Any]) -> tuple[float, float]:
    """Return longitude and latitude, NaN where not known."""
    angles = []
    for value, reference, negative in (
        (GPS.GPSLongitude, GPS.GPSLongitudeRef, "W"),
        (GPS.GPSLatitude, GPS.GPSLatitudeRef, "S"),
    ):
        angle = _angle(gps.get(value))
        side = _text(gps.get(reference)).upper()
        angles.append(-abs(angle) if side.startswith(negative) else angle)
    longitude, latitude = angles
    return (longitude, latitude) if is_position(longitude, latitude) else (_UNKNOWN, _UNKNOWN)


def _angle(value: Any) -> float:
    """Return degrees from (degrees, minutes, seconds), however many there are, or from a number."""
    parts = value if isinstance(value, (tuple, list)) else (value,)
    if not parts:
        return _UNKNOWN
    return sum(_number(part) / 60**power for power, part in enumerate(parts[:3]))


def _number(value: Any) -> float:
    """Return a number of EXIF; NaN when it is lacking, or a fraction of zero."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return _UNKNOWN
    return number if math.isfinite(number) else _UNKNOWN


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return str(value or "").strip("\0 ")


def _satellite_time(gps: Mapping[int, Any]) -> datetime | None:
    """Return the time of the fix, which is in UTC."""
    clock = gps.get(GPS.GPSTimeStamp)
    if not isinstance(clock, (tuple, list)) or len(clock) != 3:
        return None
    hours, minutes, seconds = (_number(part) for part in clock)
    day = _parsed(f"{_text(gps.get(GPS.GPSDateStamp))} 00:00:00")
    if day is None or not all(map(math.isfinite, (hours, minutes, seconds))):
        return None
    passed = timedelta(hours=hours, minutes=minutes, seconds=int(seconds))
    return day.replace(tzinfo=UTC) + passed if passed <= timedelta(days=1) else None


def _camera_time(
    details: Mapping[int, Any], plain: Mapping[int, Any], longitude: float
) -> datetime | None:
    """Return the time of the camera's clock."""
    date = None
    for ifd, tag in (
        (details, Base.DateTimeOriginal),
        (details, Base.DateTimeDigitized),
        (plain, Base.DateTime),
    ):
        date = date or _parsed(_text(ifd.get(tag)))
    if date is None:
        return None
    offset = _text(details.get(Base.OffsetTimeOriginal) or details.get(Base.OffsetTime))
    try:
        zoned = datetime.fromisoformat(date.isoformat() + offset)
    except ValueError:
        zoned = date
    if zoned.tzinfo is None and not math.isfinite(longitude):
        return None
    return parse_date(zoned.isoformat(), longitude)


def _parsed(text: str) -> datetime | None:
    """Return the time that EXIF's text says; None for blanks and zeros."""
    try:
        return datetime.strptime(text[:19].replace("-", ":", 2), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
