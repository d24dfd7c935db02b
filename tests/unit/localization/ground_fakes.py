"""Ground whose pixels are known exactly at every pose, and references made of it.

The ground is a sum of plane waves, and a pixel is the mean over its square, which for a wave has a
closed form. Nothing is resampled, so that substrate and photo agree to the last bit of rounding,
and half a pixel lost anywhere shows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from PIL import Image

from nadir.localization.photos import write_photos
from nadir.localization.pose import Pose
from nadir.localization.references import Reference, build_reference


class Waves:
    """A ground of plane waves of many lengths, in three bands.

    Args:
        seed: Another ground for each.
        shortest: Length of the shortest waves, in substrate pixels.
        count: Waves.
    """

    def __init__(self, seed: int = 0, shortest: float = 6.0, count: int = 160) -> None:
        random = np.random.default_rng([seed, 5])
        length = shortest * np.exp(random.uniform(0, np.log(12), count))
        toward = random.uniform(0, 2 * np.pi, count)
        self.frequency = np.stack([np.cos(toward), np.sin(toward)]) / length
        self.phase = random.uniform(0, 2 * np.pi, count)
        usual = random.uniform(0.5, 1.5, count)
        self.heights = usual * random.uniform(0.6, 1.4, (3, count)) * 38 * np.sqrt(2 / count)

    def photo(self, pose: Pose, width: int, height: int) -> np.ndarray:
        """Return (height, width, 3) float32: what a photo with this pose shows."""
        turn = np.deg2rad(pose.angle)
        right = pose.scale * np.array([np.cos(turn), np.sin(turn)])
        down = pose.scale * np.array([-np.sin(turn), np.cos(turn)])
        a, b = right @ self.frequency, down @ self.frequency  # cycles a photo pixel
        u, v = np.arange(width) + 0.5 - 0.5 * width, np.arange(height) + 0.5 - 0.5 * height
        start = 2 * np.pi * (np.array([pose.x, pose.y]) @ self.frequency) + self.phase
        across = np.exp(2j * np.pi * u[:, None] * a)
        along = np.exp(1j * (2 * np.pi * v[:, None] * b + start)) * np.sinc(a) * np.sinc(b)
        columns = np.concatenate([across.real, -across.imag], 1).astype(np.float32)
        bands = []
        for heights, mean in zip(self.heights, (96.0, 110.0, 80.0), strict=True):
            rows = along * heights
            parts = np.concatenate([rows.real, rows.imag], 1).astype(np.float32)
            bands.append(mean + parts @ columns.T)
        return np.stack(bands, -1)

    def shoot(self, pose: Pose, width: int, height: int) -> np.ndarray:
        """Return (height, width, 3) uint8: what a photo with this pose shows."""
        return to_bytes(self.photo(pose, width, height))

    def substrate(self, width: int, height: int) -> np.ndarray:
        """Return (height, width, 3) uint8: the ground itself."""
        return self.shoot(Pose(0.5 * width, 0.5 * height, 0.0), width, height)


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Return a picture of 0 to 255 as uint8."""
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def write_tiff(path: Path, picture: np.ndarray, mask: np.ndarray | None = None, **options) -> Path:
    """Write a picture (height, width[, band]) without georeference."""
    bands = np.moveaxis(np.atleast_3d(picture), -1, 0)
    profile = {"driver": "GTiff", "dtype": bands.dtype.name, "count": len(bands)}
    profile |= {"height": bands.shape[1], "width": bands.shape[2]}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **profile, **options) as dataset,
    ):
        dataset.write(bands)
        if mask is not None:
            dataset.write_mask(mask)
    return path


def indexed(folder: Path, name: str, picture: np.ndarray, **options) -> Reference:
    """Return the reference made of a picture."""
    raster = write_tiff(folder / f"{name}.tif", picture, **options)
    manifest = folder / f"{name}.manifest.json"
    build_reference(raster, manifest)
    return Reference(manifest)


def photo_table(folder: Path, photos: list[tuple[str, str, np.ndarray, Pose | None]]) -> Path:
    """Write photos and the table of them.

    Args:
        folder: Where to write.
        photos: Name, split, pixels and pose (None: not known) of each.
    """
    rows = []
    for name, split, pixels, pose in photos:
        path = folder / f"{name}.png"
        Image.fromarray(pixels).save(path, compress_level=1)
        known = (pose.x, pose.y, pose.angle, pose.scale) if pose else (np.nan,) * 4
        row = {"photo": name, "path": str(path), "split": split, "date": "a", "digest": name}
        row |= dict(zip(("x", "y", "angle", "scale"), known, strict=True))
        rows.append(row | {"width": pixels.shape[1], "height": pixels.shape[0]})
    write_photos(folder / "photos.parquet", pd.DataFrame(rows))
    return folder / "photos.parquet"


def away(one: Pose, other: Pose) -> tuple[float, float]:
    """Return by how many pixels and degrees two poses differ."""
    turned = abs((one.angle - other.angle + 180) % 360 - 180)
    return float(np.hypot(one.x - other.x, one.y - other.y)), float(turned)
