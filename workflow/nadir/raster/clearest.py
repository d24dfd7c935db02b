"""The clearest ground: from several images of one area, pixel by pixel the first that sees it.

Images come in the order of preference (the least cloudy first). Where the scene classification of
an image says cloud, shadow or nothing, the next one is looked at; what none sees stays no data. All
bands of a pixel come from one image. Numbers of all images are brought to one form, that of
processing baseline 04.00: 10000 * reflectance + 1000, 0 where there is none. For images of that
form nothing changes, for older ones 1000 is added, and nothing is lost either way.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from rasterio.windows import Window
from tqdm import tqdm

from nadir.errors import InputError
from nadir.raster.bring import Readable, bring_window, coincide
from nadir.raster.grid import Grid
from nadir.raster.sentinel2 import OFFSET_SINCE_4, QUANTIFICATION
from nadir.raster.store import blocks_of
from nadir.raster.written import cog_in_blocks

log = logging.getLogger(__name__)

STEP = 1024
"""Side of the blocks that are worked on at a time, in pixels."""


@dataclass(frozen=True)
class ClearImage:
    """One image of a scene.

    Attributes:
        name: What it is called in messages and records.
        bands: The bands, in the order of the scene, each opened on first use.
        encodings: (scale, offset) of each: reflectance = scale * (raw + offset).
        classes: The scene classification.
        covers: Whether a grid may share ground with the image: what does not is not opened.
    """

    name: str
    bands: Sequence[Callable[[], Readable]]
    encodings: Sequence[tuple[float, float]]
    classes: Callable[[], Readable]
    covers: Callable[[Grid], bool]


def write_clearest(
    images: Sequence[ClearImage],
    bands: tuple[str, ...],
    grid: Grid,
    unclear: Sequence[int],
    resampling: str,
    path: str | os.PathLike[str],
    least_share: float = 0.0,
    tags: dict[str, str] | None = None,
    workers: int = 8,
) -> dict[str, int]:
    """Write the clearest ground of several images as a cloud-optimized GeoTIFF.

    Memory is that of a block. Equal input gives equal bytes, whatever was loaded before.

    Args:
        images: The images, the preferred first.
        bands: Names of the bands.
        grid: The grid to fill.
        unclear: Classes of the scene classification that hide the ground.
        resampling: How coarser bands come onto the grid.
        path: The file to make (`.tif`): uint16, 0 for no data, bands named.
        least_share: Share of the grid that must be seen in the end.
        tags: Further metadata items.
        workers: Bands that are loaded at a time.

    Returns:
        Image name -> pixels taken from it, in the order of the images.

    Raises:
        InputError: When an image cannot be read, or too little of the grid is seen.
        OutputError: When the disk is full or not writable.
    """
    # The name under which readers look for what numbers mean.
    told = {"PROCESSING_BASELINE": "04.00"}
    counts = dict.fromkeys((image.name for image in images), 0)
    with (
        cog_in_blocks(path, grid, bands, "uint16", told | (tags or {})) as dataset,
        ThreadPoolExecutor(workers) as pool,
    ):
        dataset.scales = (QUANTIFICATION,) * len(bands)
        dataset.offsets = (OFFSET_SINCE_4 * QUANTIFICATION,) * len(bands)
        blocks = list(blocks_of(*grid.shape, STEP))
        for block in tqdm(blocks, desc="clearest ground", unit="block", disable=None):
            out = np.zeros((len(bands), *block[2:]), np.uint16)
            seen = np.zeros(block[2:], bool)
            for image in images:
                if seen.all():
                    break
                if image.covers(grid.window(*block)):
                    counts[image.name] += _fill(
                        out, seen, image, grid, block, unclear, resampling, pool
                    )
            y, x, height, width = block
            dataset.write(out, window=Window(x, y, width, height))
        share = sum(counts.values()) / (grid.height * grid.width)
        if share < least_share or not share:
            raise InputError(
                str(path),
                f"only {share:.1%} of the area is seen without cloud by {len(images)} images",
                "Widen the range of days, allow more `cloud` or lower `least_share`.",
            )
    log.info("%s: %.1f %% seen by %d images", path, 100 * share, len(images))
    return counts


def _fill(
    out: np.ndarray,
    seen: np.ndarray,
    image: ClearImage,
    grid: Grid,
    block: tuple[int, int, int, int],
    unclear: Sequence[int],
    resampling: str,
    pool: ThreadPoolExecutor,
) -> int:
    """Fill what is not seen yet of a block from one image; return how many pixels that were."""
    classes, known = bring_window(image.classes(), grid, block, "nearest")
    wanted = known & ~seen & ~np.isin(classes[0], unclear)
    if not wanted.any():
        return 0

    def load(band: Callable[[], Readable]) -> tuple[np.ndarray, np.ndarray]:
        source = band()
        if not coincide(source.grid, grid):
            source = _Clear(source, image.classes(), unclear)
        return bring_window(source, grid, block, resampling)

    loaded = list(pool.map(load, image.bands))
    values = np.empty_like(out)
    for number, (raw, valid) in enumerate(loaded):
        wanted &= valid
        values[number] = to_form(raw[0], *image.encodings[number])
    out[:, wanted] = values[:, wanted]
    seen |= wanted
    return int(np.count_nonzero(wanted))


class _Clear:
    """A band without what is not clear, so that interpolation takes no cloud into its neighbors.

    Args:
        band: The band.
        classes: The scene classification.
        unclear: Its classes that hide the ground.
    """

    def __init__(self, band: Readable, classes: Readable, unclear: Sequence[int]) -> None:
        self.band, self.classes, self.unclear = band, classes, unclear
        self.grid = band.grid
        self.dtype = getattr(band, "dtype", np.dtype(np.uint16))

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return raw (1, height, width) and valid (height, width)."""
        raw, valid = self.band.read(y, x, height, width)
        classes, known = bring_window(self.classes, self.grid, (y, x, height, width), "nearest")
        return raw, valid & known & ~np.isin(classes[0], self.unclear)


def to_form(raw: np.ndarray, scale: float, offset: float) -> np.ndarray:
    """Return raw values as numbers of baseline 04.00, uint16 from 1 on.

    Args:
        raw: Values of any type.
        scale: Reflectance = scale * (raw + offset).
        offset: See `scale`.
    """
    factor = scale / QUANTIFICATION
    numbers = (raw.astype(np.float64) + offset) * factor - OFFSET_SINCE_4
    return np.clip(np.rint(numbers), 1, np.iinfo(np.uint16).max).astype(np.uint16)
