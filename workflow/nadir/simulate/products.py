"""A simulated world as files: two Sentinel-2 scenes and a mask, written block by block."""

from __future__ import annotations

import hashlib
import logging
import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window as RasterWindow
from tqdm import tqdm

from nadir.config.classes import CATALONIA
from nadir.config.worlds import WorldConfig
from nadir.provenance.atomic import remove_path, write_json
from nadir.simulate.ahead import GDAL, TILE, available_cpus, blocks_of, in_order
from nadir.simulate.materials import BANDS, DATES, WAVELENGTHS
from nadir.simulate.render import PIXEL, Window, render_window
from nadir.simulate.sensor import BASELINE_OFFSET, QUANTIFICATION, SUN
from nadir.simulate.terrain import SNOW_LINE
from nadir.simulate.world import World
from nadir.simulate.written import new_geotiff

log = logging.getLogger(__name__)

BLOCK = 256
"""Side of a block of work in pixels of 10 m; the result does not depend on it."""

ACQUIRED = {"april": "2024-04-17T10:50:31Z", "august": "2024-08-10T10:50:29Z"}
"""Time of each date."""


def simulate_world(
    cfg: WorldConfig,
    folder: str | os.PathLike[str],
    *,
    block: int = BLOCK,
    workers: int | None = None,
) -> Path:
    """Write `april.tif`, `august.tif`, `mask.tif` and, last, `world.json`.

    Memory is that of `workers + 1` blocks, whatever the size of the world. A killed run leaves no
    `world.json`, and none of the rasters half-written.

    Args:
        cfg: The world.
        folder: Where to write; created when absent.
        block: Side of a block in 10 m pixels, a multiple of 256.
        workers: Threads; by default the number of CPUs that this process may use.

    Returns:
        The path of `world.json`.

    Raises:
        OutputError: When the disk is full or not writable.
        ValueError: When `block` is not a multiple of 256.
    """
    blocks = blocks_of(cfg.height, cfg.width, block)
    folder = Path(folder)
    world = World(cfg)
    remove_path(folder / "world.json")  # an older one must not vouch for newer rasters
    tally = _Tally()
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**GDAL))
        scenes = [_create_scene(stack, folder / f"{date}.tif", cfg, date) for date in DATES]
        mask = _create_mask(stack, folder / "mask.tif", cfg)
        rendered = in_order(partial(render_window, world), blocks, workers or available_cpus())
        for (row, column, rows, columns), window in tqdm(
            rendered, total=len(blocks), desc="simulate", unit="block", disable=None
        ):
            for date, scene in enumerate(scenes):
                scene.write(window.numbers[date], window=RasterWindow(column, row, columns, rows))
            mask.write(
                window.mask,
                1,
                window=RasterWindow(*(PIXEL * n for n in (column, row, columns, rows))),
            )
            tally.add(window)
    path = folder / "world.json"
    write_json(path, _describe(world, tally))
    log.info("wrote %s: %d x %d pixels of 10 m, two dates", folder, cfg.width, cfg.height)
    return path


def _create_scene(
    stack: ExitStack, path: Path, cfg: WorldConfig, date: str
) -> rasterio.io.DatasetWriter:
    scene = _create(
        stack, path, cfg, PIXEL, count=len(BANDS), dtype="uint16", predictor=2, interleave="pixel"
    )
    scene.descriptions = BANDS
    scene.update_tags(
        PROCESSING_BASELINE="05.10",
        BOA_ADD_OFFSET=str(BASELINE_OFFSET),
        QUANTIFICATION_VALUE=str(QUANTIFICATION),
        ACQUISITION_TIME=ACQUIRED[date],
        PRODUCT="simulated Sentinel-2 bottom-of-atmosphere reflectance (nadir)",
    )
    for band, wavelength in enumerate(WAVELENGTHS, start=1):
        scene.update_tags(band, WAVELENGTH_NM=f"{wavelength:.0f}")
    return scene


def _create_mask(stack: ExitStack, path: Path, cfg: WorldConfig) -> rasterio.io.DatasetWriter:
    mask = _create(stack, path, cfg, 1, count=1, dtype="uint8", photometric="palette")
    colors = {0: (0, 0, 0, 0)}
    for item, color in zip(CATALONIA.classes, CATALONIA.colors[1:], strict=True):
        red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
        colors[item.value] = (red, green, blue, 255)
    mask.write_colormap(1, colors)
    mask.update_tags(1, **{f"CLASS_{item.value}": item.name for item in CATALONIA.classes})
    return mask


def _create(
    stack: ExitStack, path: Path, cfg: WorldConfig, pixel: int, **profile: Any
) -> rasterio.io.DatasetWriter:
    """Open a GeoTIFF that takes its name when the stack ends well."""
    left, top = cfg.origin
    return stack.enter_context(
        new_geotiff(
            path,
            width=cfg.width * PIXEL // pixel,
            height=cfg.height * PIXEL // pixel,
            crs=cfg.crs,
            transform=Affine(pixel, 0, left, 0, -pixel, top),
            nodata=0,
            tiled=True,
            blockxsize=TILE,
            blockysize=TILE,
            compress="deflate",
            zlevel=6,
            BIGTIFF="IF_SAFER",
            **profile,
        )
    )


class _Tally:
    """Facts about the products that add up block by block."""

    def __init__(self) -> None:
        self.digests = {name: hashlib.sha256() for name in (*DATES, "mask")}
        self.classes = np.zeros(CATALONIA.count + 1, np.int64)
        self.empty = np.zeros(len(DATES), np.int64)

    def add(self, window: Window) -> None:
        """Count one block; blocks come in a fixed order."""
        for date, name in enumerate(DATES):
            self.digests[name].update(np.ascontiguousarray(window.numbers[date]).data)
            self.empty[date] += int((window.numbers[date, 0] == 0).sum())
        self.digests["mask"].update(np.ascontiguousarray(window.mask).data)
        self.classes += np.bincount(window.mask.ravel(), minlength=len(self.classes))


def _describe(world: World, tally: _Tally) -> dict:
    """Return the content of `world.json`."""
    cfg = world.cfg
    mapped = max(int(tally.classes[1:].sum()), 1)
    return {
        "config": cfg.model_dump(mode="json"),
        "bounds": world.bounds,
        "crs": cfg.crs,
        "shape": [cfg.height, cfg.width],
        "pixel_m": PIXEL,
        "mask_pixel_m": 1,
        "bands": BANDS,
        "dates": {date: ACQUIRED[date] for date in DATES},
        "content": {name: state.hexdigest() for name, state in tally.digests.items()},
        "class_pixels": tally.classes,
        "class_share": {
            item.name: round(int(tally.classes[item.value]) / mapped, 5)
            for item in CATALONIA.classes
        },
        "unmapped_share": round(int(tally.classes[0]) / int(tally.classes.sum()), 5),
        "nodata_share": {
            date: round(int(count) / (cfg.height * cfg.width), 5)
            for date, count in zip(DATES, tally.empty, strict=True)
        },
        "sun": SUN,
        "snow_line_m": SNOW_LINE * float(world.frame[2]) if cfg.snow else None,
    }
