"""Small cases on disk, made by code: a substrate, and photos cut from it by their poses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from nadir.localization.conventions import Conventions
from nadir.localization.pose import Pose, index_matrix

SIDE = (300, 260)
"""Width and height of the substrate."""

PHOTO = (64, 48)
"""Width and height of a photo."""


def picture(seed: int = 0) -> np.ndarray:
    """Return a smooth colorful substrate (height, width, 3)."""
    rng = np.random.default_rng([seed, 77])
    noise = rng.uniform(0, 255, (SIDE[1], SIDE[0], 3)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    low, high = blurred.min(), blurred.max()
    return (1 + 253 * (blurred - low) / (high - low)).astype(np.uint8)


def shoot(ground: np.ndarray, pose: Pose, size: tuple[int, int] = PHOTO) -> np.ndarray:
    """Return the photo that a pose shows."""
    matrix = index_matrix(pose.matrix(*size))
    return cv2.warpAffine(ground, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def write_ground(path: Path, ground: np.ndarray, *, crs: str | None = "EPSG:32631", **options):
    """Write a substrate of half a metre."""
    bands = np.moveaxis(ground, -1, 0) if ground.ndim == 3 else ground[None]
    profile = {
        "driver": "GTiff",
        "dtype": bands.dtype.name,
        "count": len(bands),
        "width": bands.shape[2],
        "height": bands.shape[1],
    }
    if crs:
        profile |= {"crs": crs, "transform": from_origin(450_000, 4_600_000, 0.5, 0.5)}
    with rasterio.open(path, "w", **(profile | options)) as dataset:
        dataset.write(bands)
    return path


def random_poses(prefix: str, count: int, seed: int) -> dict[str, Pose]:
    """Return poses of photos that lie on the substrate."""
    rng = np.random.default_rng([seed, 78])
    return {
        f"{prefix}{index:02}": Pose(
            rng.uniform(60, SIDE[0] - 60), rng.uniform(60, SIDE[1] - 60), rng.uniform(0, 360)
        )
        for index in range(count)
    }


def write_case(
    folder: Path,
    *,
    train: int = 8,
    test: int = 3,
    conventions: Conventions | None = None,
    exact: bool = False,
    crs: str | None = "EPSG:32631",
) -> tuple[dict[str, Pose], dict[str, Pose]]:
    """Write a case, and return the poses of its photos: train and test."""
    conventions = conventions or Conventions()
    ground = picture()
    for part in ("train/img", "train/json", "test/img", "test/json"):
        (folder / part).mkdir(parents=True)
    write_ground(folder / "original.tiff", ground, crs=crs)
    made = random_poses("a", train, 1), random_poses("t", test, 2)
    for part, poses in zip(("train", "test"), made, strict=True):
        for name, pose in poses.items():
            Image.fromarray(shoot(ground, pose)).save(folder / part / "img" / f"{name}.png")
            text = json.dumps(conventions.to_record(pose, *PHOTO))
            (folder / part / "json" / f"{name}.json").write_text(text)
    if exact:
        photos = {
            name: {"x": pose.x, "y": pose.y, "angle": pose.angle, "scale": 1.0, "date": "2021"}
            for poses in made
            for name, pose in poses.items()
        }
        (folder / "truth.json").write_text(json.dumps({"photos": photos}))
    return made
