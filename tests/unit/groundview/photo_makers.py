"""Photos as cameras write them, made by code."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base


def scene(seed: int = 0, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """Return a sharp photo of a sky and blocks on the ground: uint8 (rows, columns, 3)."""
    width, height = size
    rng = np.random.default_rng([seed, 7])
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2] = (120, 170, 235)
    pixels[height // 2 :] = (90, 110, 60)
    for _ in range(40):
        y, x = rng.integers(height // 4, height - 8), rng.integers(0, width - 8)
        pixels[y : y + rng.integers(3, 14), x : x + rng.integers(3, 14)] = rng.integers(0, 256, 3)
    return pixels


def exif_of(
    longitude: float | None = None,
    latitude: float | None = None,
    heading: float | None = None,
    orientation: int = 1,
    **camera: str,
) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    gps: dict[int, Any] = {}
    if longitude is not None and latitude is not None:
        for value, at, reference, sides in (
            (longitude, GPS.GPSLongitude, GPS.GPSLongitudeRef, "EW"),
            (latitude, GPS.GPSLatitude, GPS.GPSLatitudeRef, "NS"),
        ):
            degrees, rest = divmod(abs(float(value)), 1)
            minutes, rest = divmod(rest * 60, 1)
            gps[at] = (degrees, minutes, rest * 60)
            gps[reference] = sides[int(value < 0)]
    if heading is not None:
        gps[GPS.GPSImgDirection] = heading
    for name in ("GPSDateStamp", "GPSTimeStamp"):
        if name in camera:
            value = camera.pop(name)
            gps[GPS[name]] = tuple(map(float, value.split(":"))) if "Time" in name else value
    if gps:
        exif.get_ifd(IFD.GPSInfo).update(gps)
    if camera:
        exif.get_ifd(IFD.Exif).update({Base[name]: value for name, value in camera.items()})
    return exif


def photo_bytes(pixels: np.ndarray, exif: Image.Exif | None = None, kind: str = "JPEG") -> bytes:
    data = io.BytesIO()
    more = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    Image.fromarray(pixels).save(data, kind, exif=exif or Image.Exif(), **more)
    return data.getvalue()


def write_photo(path: Path, seed: int = 0, **facts: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(photo_bytes(scene(seed), exif_of(**facts)))
    return path
