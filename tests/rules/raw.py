"""Small raw scenes, made by code: four bands at 10 m and a 1 m mask of three classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter

BANDS = ["B02", "B03", "B04", "B08"]
SIDE = 128
_SPECTRA = np.array([[400, 600, 500, 3500], [900, 1100, 1500, 2600], [500, 400, 300, 150]])
CLASSES = {
    "classes": [
        {"value": 10, "name": "forest", "color": "#1f6b35"},
        {"value": 20, "name": "crops", "color": "#e8d36a"},
        {"value": 30, "name": "water", "color": "#2e86c1"},
    ]
}


def write_scene(folder: Path, seed: int, east: float, compress: str = "deflate") -> dict[str, Any]:
    """Write `image.tif` and `mask.tif` of one scene and return its section of the configuration.

    Args:
        folder: Where to write.
        seed: What the ground looks like.
        east: Easting of the left edge, so that scenes lie apart.
        compress: Compression of the image.
    """
    rng = np.random.default_rng(seed)
    relief = gaussian_filter(rng.normal(size=(SIDE * 10, SIDE * 10)), 60, mode="wrap")
    fine = np.digitize(relief, np.quantile(relief, [0.4, 0.75]))
    share = np.stack([(fine == k).reshape(SIDE, 10, SIDE, 10).mean((1, 3)) for k in range(3)])
    image = np.einsum("kyx,kb->byx", share, _SPECTRA) + rng.normal(0, 40, (4, SIDE, SIDE)) + 1000
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / "image.tif", image.round().astype(np.uint16), east, compress)
    profile = {"driver": "GTiff", "height": SIDE * 10, "width": SIDE * 10, "count": 1}
    with rasterio.open(
        folder / "mask.tif",
        "w",
        **profile,
        dtype="uint8",
        crs="EPSG:32631",
        transform=from_origin(east, 4600000, 1, 1),
        compress="deflate",
        tiled=True,
    ) as mask:
        mask.write(np.array([10, 20, 30], np.uint8)[fine], 1)
    return {
        "dates": {"june": {"file": str(folder / "image.tif")}},
        "mask": {"file": str(folder / "mask.tif")},
    }


def write_image(path: Path, image: np.ndarray, east: float, compress: str = "deflate") -> None:
    """Write the bands of one date, (band, y, x) uint16, as Sentinel-2 digital numbers."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=SIDE,
        width=SIDE,
        count=4,
        dtype="uint16",
        crs="EPSG:32631",
        transform=from_origin(east, 4600000, 10, 10),
        compress=compress,
        nodata=0,
    ) as file:
        file.write(image)
        file.descriptions = tuple(BANDS)
        file.update_tags(PROCESSING_BASELINE="05.10")
