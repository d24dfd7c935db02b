"""A simulated localization case as files: a substrate, photos of another date, and the truth."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window as RasterWindow
from tqdm import tqdm

from nadir.config.cases import CaseConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.provenance.atomic import remove_path, write_bytes, write_json
from nadir.simulate.aerial import render_aerial
from nadir.simulate.ahead import GDAL, TILE, Block, available_cpus, blocks_of, in_order
from nadir.simulate.epochs import PAST, PRESENT, Epoch
from nadir.simulate.photos import Photo, take_photo
from nadir.simulate.placing import Placement, draw_placement
from nadir.simulate.world import World
from nadir.simulate.written import new_geotiff

log = logging.getLogger(__name__)

BLOCK = 1024
"""Side of a block of work on the substrate in pixels; the result does not depend on it."""

CORNERS = ("left_top", "right_top", "left_bottom", "right_bottom")
"""Keys of the corners in the JSON of a photo, in the order of `Placement.corners`."""

_DAYS = {"april": "04-17", "august": "08-10"}


def substrate_epoch(cfg: CaseConfig) -> Epoch:
    """Return the flight that took the substrate."""
    return Epoch(cfg.substrate_season, PAST, cfg.change, azimuth=148.0, elevation=47.0)


def photo_epoch(cfg: CaseConfig) -> Epoch:
    """Return the flight that took the photos, a decade later and after noon."""
    return Epoch(cfg.photo_season, PRESENT, cfg.change, azimuth=190.0, elevation=58.0)


def substrate_corner(world: World, cfg: CaseConfig) -> tuple[float, float]:
    """Return the upper-left corner of the substrate, in metres from the world's corner.

    Raises:
        InputError: When the world is smaller than the substrate.
    """
    extent = cfg.substrate_px * cfg.resolution
    free = world.frame[0] - extent, world.frame[1] - extent
    if min(free) < 0:
        raise InputError(
            "case.substrate_px",
            f"the substrate ({extent:g} m) is larger than the world "
            f"({world.frame[0]:g} x {world.frame[1]:g} m)",
            "Make the world larger (width_km, height_km) or the substrate smaller.",
        )
    # Whole metres, so that positions of pixels are exact for the usual resolutions.
    return float(free[0] // 2), float(free[1] // 2)


def simulate_case(
    world_cfg: WorldConfig,
    cfg: CaseConfig,
    folder: str | os.PathLike[str],
    *,
    block: int = BLOCK,
    workers: int | None = None,
) -> Path:
    """Write `original.tiff`, `train/`, `test/` and, last, `truth.json`.

    Photos are `SPLIT/img/NAME.png`, their corners and angle `SPLIT/json/NAME.json` in whole pixels
    and degrees; `truth.json` has their exact poses. Memory is that of `workers + 1` blocks or
    photos. A killed run leaves no `truth.json`.

    Args:
        world_cfg: The world.
        cfg: The case.
        folder: Where to write; created when absent. Photos of an older case in it are removed.
        block: Side of a block of the substrate in pixels, a multiple of 256.
        workers: Threads; by default the number of CPUs that this process may use.

    Returns:
        The path of `truth.json`.

    Raises:
        InputError: When the world is smaller than the substrate, or it than a photo.
        OutputError: When the disk is full or not writable.
        ValueError: When `block` is not a multiple of 256.
    """
    blocks = blocks_of(cfg.substrate_px, cfg.substrate_px, block)
    world, folder = World(world_cfg), Path(folder)
    corner = substrate_corner(world, cfg)
    if cfg.photo_px > cfg.substrate_px:
        raise InputError(
            "case.photo_px",
            f"a photo ({cfg.photo_px} pixels) is larger than the substrate ({cfg.substrate_px})",
            "Choose a smaller photo_px or a larger substrate_px.",
        )
    for name in ("truth.json", "train", "test"):  # older files must not pass for newer ones
        remove_path(folder / name)
    workers = workers or available_cpus()
    _write_substrate(world, cfg, corner, folder / "original.tiff", blocks, workers)
    photos = _write_photos(world, cfg, corner, folder, workers)
    write_json(folder / "truth.json", _describe(world, cfg, corner, photos))
    log.info("wrote %s: %d photos", folder, len(photos))
    return folder / "truth.json"


def _write_substrate(
    world: World,
    cfg: CaseConfig,
    corner: tuple[float, float],
    path: Path,
    blocks: list[Block],
    workers: int,
) -> None:
    """Write the substrate block by block."""
    side, step, epoch = cfg.substrate_px, cfg.resolution, substrate_epoch(cfg)
    left, top = world.cfg.origin

    def work(row: int, column: int, rows: int, columns: int) -> np.ndarray:
        x, y = corner[0] + column * step, corner[1] + row * step
        return render_aerial(world, epoch, x, y, rows, columns, step).rgb

    with (
        rasterio.Env(**GDAL),
        new_geotiff(
            path, ".tiff", width=side, height=side, count=3, dtype="uint8",
            crs=world.cfg.crs, photometric="RGB", interleave="pixel",
            transform=Affine(step, 0, left + corner[0], 0, -step, top - corner[1]),
            tiled=True, blockxsize=TILE, blockysize=TILE, compress="deflate", zlevel=6,
            predictor=2, BIGTIFF="IF_SAFER",
        ) as file,
    ):  # fmt: skip
        done = in_order(work, blocks, workers)
        for (row, column, rows, columns), rgb in tqdm(
            done, total=len(blocks), desc="substrate", unit="block", disable=None
        ):
            window = RasterWindow(column, row, columns, rows)
            file.write(np.moveaxis(rgb, 2, 0), window=window)


def _write_photos(
    world: World, cfg: CaseConfig, corner: tuple[float, float], folder: Path, workers: int
) -> dict[str, dict]:
    """Write the photos and what is known of them; return their exact poses by name."""
    epoch = photo_epoch(cfg)

    def work(index: int) -> tuple[Placement, Photo]:
        placement = draw_placement(cfg, index)
        return placement, take_photo(world, epoch, cfg, corner, placement, index)

    truth = {}
    for split in ("train", "test"):
        for kind in ("img", "json"):
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
    items = [(index,) for index in range(cfg.train + cfg.test)]
    for (index,), (placement, photo) in tqdm(
        in_order(work, items, workers), total=len(items), desc="photos", disable=None
    ):
        name, split = f"img_{index + 1:04d}", "train" if index < cfg.train else "test"
        _, png = cv2.imencode(".png", cv2.cvtColor(photo.rgb, cv2.COLOR_RGB2BGR))
        write_bytes(folder / split / "img" / f"{name}.png", png.tobytes())
        write_json(folder / split / "json" / f"{name}.json", public_json(placement, cfg.photo_px))
        truth[name] = {
            "x": placement.x,
            "y": placement.y,
            "angle": placement.angle,
            "scale": placement.scale,
            "tilt": placement.tilt,
            "cloud": photo.cloud,
            "date": f"{epoch.year}-{_DAYS[epoch.season]}",
            "split": split,
        }
    return truth


def public_json(placement: Placement, side: int) -> dict[str, Any]:
    """Return what the JSON of a photo holds: its corners and its angle, rounded.

    Args:
        placement: Where the photo lies.
        side: Its side in pixels.
    """
    corners = np.rint(placement.corners(side)).astype(int).tolist()
    return {**dict(zip(CORNERS, corners, strict=True)), "angle": round(placement.angle) % 360}


def _describe(
    world: World, cfg: CaseConfig, corner: tuple[float, float], photos: dict[str, dict]
) -> dict[str, Any]:
    """Return the content of `truth.json`."""
    flights = (("substrate", substrate_epoch(cfg)), ("photos", photo_epoch(cfg)))
    return {
        "world": world.cfg.model_dump(mode="json"),
        "case": cfg.model_dump(mode="json"),
        "corner_m": corner,
        "flights": {
            name: {
                "date": f"{epoch.year}-{_DAYS[epoch.season]}",
                "sun": {"azimuth": epoch.azimuth, "elevation": epoch.elevation},
            }
            for name, epoch in flights
        },
        "photos": photos,
    }
