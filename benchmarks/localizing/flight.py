"""Drone photos with what their files say: place, height and heading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio.warp
from numpy.typing import NDArray
from PIL import Image

from nadir.errors import InputError
from nadir.provenance.atomic import write_bytes
from nadir.raster.pictures import read_picture

_EXIF, _GPS = 0x8769, 0x8825
_FOCAL_35MM = 0xA405
_FULL_FRAME = 36.0  # mm, width that focal lengths are converted to


@dataclass(frozen=True)
class Shot:
    """A drone photo, reduced, and where its file says that it was taken.

    Attributes:
        name: Its name.
        path: The reduced photo.
        width: Columns of the reduced photo.
        height: Its rows.
        east: Easting in metres (UTM).
        north: Northing.
        heading: Where the photo's upper border points, in degrees clockwise from north.
        ground_size: Pixel of the reduced photo on the ground in metres, about.
    """

    name: str
    path: Path
    width: int
    height: int
    east: float
    north: float
    heading: float
    ground_size: float


def read_shots(folder: Path, work: Path, factor: int) -> dict[str, Shot]:
    """Reduce all photos of a folder, and return what is known of them, by name.

    Args:
        folder: Folder of JPEG files with EXIF and XMP.
        work: Folder for the reduced photos.
        factor: Photo pixels a working pixel.

    Raises:
        InputError: When there is no photo, or one lacks place, height or heading.
    """
    files = sorted(folder.glob("*.JPG"))
    if not files:
        raise InputError(folder, "there are no photos", "Set NADIR_REAL_DATA to the real data.")
    return {path.stem: _read(path, work, factor) for path in files}


def _read(path: Path, work: Path, factor: int) -> Shot:
    """Reduce one photo, and return what is known of it."""
    with Image.open(path) as image:
        exif = image.getexif()
        width, height = image.size
    said, place = exif.get_ifd(_EXIF), exif.get_ifd(_GPS)
    xmp = path.read_bytes().partition(b"<x:xmpmeta")[2].partition(b"</x:xmpmeta>")[0]
    try:
        latitude = _degrees(place[2], place[1] == "S")
        longitude = _degrees(place[4], place[3] == "W")
        above = _tag(xmp, "RelativeAltitude")
        heading = _tag(xmp, "GimbalYawDegree")
        focal = float(said[_FOCAL_35MM])
    except (KeyError, ValueError) as error:
        problem = f"its file does not say where it was taken ({error})"
        raise InputError(path, problem, "Give photos as the drone wrote them.") from error
    east, north = to_utm(longitude, latitude)
    target = work / f"{path.stem}.png"
    size = (width // factor, height // factor)
    if not target.exists():
        small = cv2.resize(read_picture(path), size, interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".png", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        work.mkdir(parents=True, exist_ok=True)
        write_bytes(target, data.tobytes())
    ground_size = above * _FULL_FRAME / focal / size[0]
    return Shot(path.stem, target, *size, east, north, heading % 360.0, ground_size)


def _degrees(parts: Any, negative: bool) -> float:
    """Return degrees from (degrees, minutes, seconds)."""
    value = float(parts[0]) + float(parts[1]) / 60.0 + float(parts[2]) / 3600.0
    return -value if negative else value


def _tag(xmp: bytes, name: str) -> float:
    """Return a number from XMP."""
    found = re.search(rf'drone-dji:{name}="([-+.\d]+)"'.encode(), xmp)
    if not found:
        raise KeyError(name)
    return float(found[1])


def to_utm(longitude: float, latitude: float) -> tuple[float, float]:
    """Return easting and northing in the zone of the place."""
    zone = int((longitude + 180.0) // 6.0) + 1
    system = f"EPSG:{32600 + zone if latitude >= 0 else 32700 + zone}"
    east, north = rasterio.warp.transform("EPSG:4326", system, [longitude], [latitude])
    return float(east[0]), float(north[0])


def apart(one: Shot, other: Shot) -> float:
    """Return the distance of two shots in metres."""
    return float(np.hypot(one.east - other.east, one.north - other.north))


def positions(shots: list[Shot]) -> NDArray[np.float64]:
    """Return (n, 2) eastings and northings."""
    return np.array([[shot.east, shot.north] for shot in shots])
