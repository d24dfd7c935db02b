"""Small pictures of towns, made by code: bright roofs on dark ground, and their masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

SIDE = 128
STEP = 0.3


def roofs(seed: int) -> np.ndarray:
    """Return where roofs are, bool (SIDE, SIDE): one in each field of 16 pixels or so."""
    rng = np.random.default_rng(seed)
    inside = np.zeros((SIDE, SIDE), bool)
    for y in range(0, SIDE, 16):
        for x in range(0, SIDE, 16):
            tall, wide = rng.integers(6, 13, 2)
            inside[y + 2 : y + 2 + tall, x + 2 : x + 2 + wide] = True
    return inside


def write_town(folder: Path, name: str, seed: int, mask: bool = True) -> None:
    """Write a picture as INRIA has it: `images/NAME.tif`, and `gt/NAME.tif` of 0 and 255."""
    inside = roofs(seed)
    noise = np.random.default_rng([seed, 1]).integers(0, 60, (3, SIDE, SIDE))
    color = np.where(inside, 170, 40) + noise
    write_picture(folder / "images" / f"{name}.tif", color.astype(np.uint8), seed)
    if mask:
        write_picture(
            folder / "gt" / f"{name}.tif", np.where(inside, 255, 0)[None].astype(np.uint8), seed
        )


def write_picture(path: Path, pixels: np.ndarray, seed: int = 0, **options: object) -> None:
    """Write (band, y, x) as a GeoTIFF; pictures of different seeds lie apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    count, height, width = pixels.shape
    place = {
        "crs": "EPSG:32614",
        "transform": from_origin(600000 + 1000 * seed, 3300000, STEP, STEP),
    }
    shape = {"count": count, "height": height, "width": width, "dtype": pixels.dtype}
    with rasterio.open(path, "w", driver="GTiff", **{**place, **shape, **options}) as file:
        file.write(pixels)
