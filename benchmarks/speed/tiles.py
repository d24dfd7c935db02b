"""Tiles as files, and a data set of them: how the seed's training read its data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import torch
from torch.utils.data import Dataset

from speed.inputs import BANDS, CLASSES

_SIDE = 300


def write_tiles(folder: Path, count: int) -> None:
    """Write so many random tiles: a GeoTIFF of all bands and dates, and one of labels."""
    folder.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "width": _SIDE, "height": _SIDE, "compress": "deflate"}
    for number in range(count):
        random = np.random.default_rng([2, number])
        image = random.integers(1500, 3500, (2 * len(BANDS), _SIDE, _SIDE), np.uint16)
        label = random.integers(1, CLASSES + 1, (1, _SIDE, _SIDE), np.uint8)
        for name, values in (("image", image), ("label", label)):
            path = folder / f"{name}_{number}.tif"
            if not path.is_file():
                kind = {"count": len(values), "dtype": values.dtype}
                with rasterio.open(path, "w", **profile, **kind) as file:
                    file.write(values)


class TileFiles(Dataset):
    """Tiles read from files one by one.

    Args:
        folder: Where `write_tiles` put them.
        count: How many samples; files repeat.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.images = sorted(folder.glob("image_*.tif"))
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        path = self.images[index % len(self.images)]
        with rasterio.open(path) as file:
            image = file.read().astype(np.float32) / 10_000
        with rasterio.open(path.with_name(path.name.replace("image", "label"))) as file:
            label = file.read(1).astype(np.int64) - 1
        return torch.from_numpy(image), torch.from_numpy(label)
