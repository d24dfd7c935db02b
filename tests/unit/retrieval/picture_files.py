"""Folders of small pictures, made by code."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_picture(path: Path, seed: int = 0, size: tuple[int, int] = (12, 16)) -> Path:
    """Write a picture of noise, (rows, columns)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def write_university(root: Path) -> None:
    """Write a small University-1652: two places to train, two in the test, one distractor."""
    files = [
        *(f"train/{view}/{place}/{k}.jpg" for place in ("0839", "0842")
          for view, count in (("drone", 3), ("satellite", 1), ("street", 2)) for k in range(count)),
        "train/google/0842/web.jpg",
        *(f"test/{part}_drone/{place}/image-{k:02d}.jpg" for place in ("0001", "0002")
          for part in ("query", "gallery") for k in range(2)),
        *(f"test/query_satellite/{place}/{place}.jpg" for place in ("0001", "0002")),
        *(f"test/gallery_satellite/{place}/{place}.jpg" for place in ("0001", "0002", "0777")),
        "test/query_street/0001/1.jpg",
        "test/gallery_street/0001/2.jpg",
        "test/4K_drone/0001/image-01.jpg",
    ]  # fmt: skip
    for seed, name in enumerate(files):
        write_picture(root / name, seed)
