"""Simulated places as files: images of a drone and of a satellite in University-1652's layout."""

from __future__ import annotations

import csv
import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rasterio.warp import transform
from scipy.spatial import cKDTree
from tqdm import tqdm

from nadir.config.places import PlacesConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.provenance.atomic import remove_path, write_bytes, write_json, write_text
from nadir.simulate.aerial import render_aerial, standing
from nadir.simulate.ahead import available_cpus, in_order
from nadir.simulate.airlight import Sky
from nadir.simulate.buildings import BX, BY, HEIGHT
from nadir.simulate.epochs import Epoch
from nadir.simulate.noise import draw, hash_cell, mix, seed_hash
from nadir.simulate.perspective import Camera, render_view
from nadir.simulate.relief import Relief, relief_around
from nadir.simulate.surface import building_hashes
from nadir.simulate.terrain import height_at, slope_at
from nadir.simulate.world import World

log = logging.getLogger(__name__)

SPLITS = ("train", "test", "distractor")
"""What a place is for."""

_BLOCK_TAG, _PLACE_TAG, _FLIGHT_TAG = 841, 842, 9301
_MARGIN = 120.0  # places lie so far inside the world, in metres
_STEEPEST = 0.22  # slope of the ground at a place, as rise over run
_CLEAR = 25.0  # the drone flies so far above the ground below it, in metres
_PATCH = 2000.0  # buildings are looked for in squares of this side, in metres
_NEAR, _FAR = (150.0, 0.5), (560.0, 2.0)  # reach and cells of the reliefs around a place, in metres


@dataclass(frozen=True)
class Place:
    """A building that images show.

    Attributes:
        name: Four digits or more.
        split: One of `SPLITS`.
        x: Its center, in metres east of the world's upper-left corner.
        y: South of it.
        height: Its height in metres.
    """

    name: str
    split: str
    x: float
    y: float
    height: float


def drone_epoch(cfg: PlacesConfig) -> Epoch:
    """Return when the drone flies: in the afternoon."""
    return Epoch(cfg.drone_season, cfg.drone_year, cfg.change, azimuth=222.0, elevation=48.0)


def satellite_epoch(cfg: PlacesConfig) -> Epoch:
    """Return when the satellite passes: in the morning."""
    return Epoch(cfg.satellite_season, cfg.satellite_year, cfg.change)


def choose_places(world: World, cfg: PlacesConfig) -> list[Place]:
    """Return the places: those to train on, then those to rank, then distractors.

    Square blocks of ground are for training or for the rest, as their hashes say, in proportion to
    what is asked for; places keep half of `gap_m` from the edges of their block. In each block
    buildings on gentle ground are taken in the order of their hashes, `apart_m` from one another.

    Raises:
        InputError: When the world has too few buildings.
    """
    found = _candidates(world, cfg)
    total = cfg.train + cfg.test + cfg.distractors
    salt = seed_hash(cfg.seed)
    blocks = np.floor(found[:, :2] / cfg.block_m).astype(np.int64)
    shares = [draw(np.uint64(hash_cell(i, j, _BLOCK_TAG, salt)), 1) for i, j in blocks]
    sides = np.array(shares) < cfg.train / total
    names = (f"{number:04d}" for number in range(1, total + 1))
    places: list[Place] = []
    for training, wanted in ((True, ("train",) * cfg.train), (False, _rest(cfg))):
        taken = _apart(found[sides == training] if len(found) else found, cfg.apart_m, len(wanted))
        if len(taken) < len(wanted):
            what = "to train on" if training else "for test and distractors"
            raise InputError(
                "places.train" if training else "places.test",
                f"the world has {len(taken)} places {what}, not {len(wanted)}",
                "Make the world larger (width_km, height_km), or lower train, test, distractors, "
                "apart_m or gap_m.",
            )
        places += [
            Place(next(names), split, float(x), float(y), float(height))
            for split, (x, y, height) in zip(wanted, taken, strict=True)
        ]
    return places


def _rest(cfg: PlacesConfig) -> tuple[str, ...]:
    return ("test",) * cfg.test + ("distractor",) * cfg.distractors


def _candidates(world: World, cfg: PlacesConfig) -> np.ndarray:
    """Return x, y and height of buildings that stand in both years, (n, 3), in random order."""
    width, height = world.frame[:2]
    tag = np.uint64(hash_cell(0, 0, _PLACE_TAG, seed_hash(cfg.seed)))
    tables, orders = [], []
    for y in np.arange(0.0, height, _PATCH):
        for x in np.arange(0.0, width, _PATCH):
            box = (x, y, min(x + _PATCH, width), min(y + _PATCH, height))
            table = standing(world, satellite_epoch(cfg), *box)
            late = building_hashes(standing(world, drone_epoch(cfg), *box))
            hashes = building_hashes(table)
            inside = (table[:, BX] >= box[0]) & (table[:, BX] < box[2])
            inside &= (table[:, BY] >= box[1]) & (table[:, BY] < box[3])
            keep = inside & np.isin(hashes, late)
            tables.append(table[keep][:, [BX, BY, HEIGHT]])
            orders += [mix(key ^ tag) for key in hashes[keep]]
    found = np.concatenate(tables)
    margin = min(_MARGIN, 0.25 * min(width, height))
    edge = np.minimum(found[:, :2], (width, height) - found[:, :2]).min(axis=1)
    within = np.mod(found[:, :2], cfg.block_m)
    border = np.minimum(within, cfg.block_m - within).min(axis=1)
    keep = (edge >= margin) & (border >= 0.5 * cfg.gap_m)
    keep[keep] = [slope_at(x, y, world.frame, world.seed) < _STEEPEST for x, y in found[keep, :2]]
    order = np.argsort(np.array(orders, np.uint64)[keep], kind="stable")
    return found[keep][order]


def _apart(found: np.ndarray, distance: float, most: int) -> np.ndarray:
    """Return the first `most` of the places that keep a distance to all before them."""
    if not len(found) or not most:
        return found[:0]
    tree, free = cKDTree(found[:, :2]), np.ones(len(found), bool)
    taken: list[int] = []
    for k in range(len(found)):
        if free[k] and len(taken) < most:
            taken.append(k)
            free[tree.query_ball_point(found[k, :2], distance)] = False
    return found[taken]


def flight_path(world: World, cfg: PlacesConfig, place: Place) -> list[Camera]:
    """Return the cameras of the drone around a place: it circles it while it descends."""
    ground = height_at(place.x, place.y, world.frame, world.seed)
    rng = np.random.default_rng([cfg.seed, _FLIGHT_TAG, int(place.name)])
    start = 360.0 * rng.random()
    side = 1.0 if rng.random() < 0.5 else -1.0
    cameras = []
    for k in range(cfg.drone):
        share = 1.0 - (k + 0.5) / cfg.drone
        low, high = cfg.heights_m
        near, far = cfg.distances_m
        bearing = np.radians(start + side * 360.0 * cfg.rounds * k / cfg.drone)
        away = near + share * (far - near)
        moved = cfg.wander_m * rng.standard_normal(3)
        aim = cfg.wander_m * rng.standard_normal(2) * 0.7
        x = place.x + away * np.sin(bearing) + moved[0]
        y = place.y - away * np.cos(bearing) + moved[1]
        z = ground + max(low + share * (high - low) + moved[2], 0.5 * low + place.height)
        z = max(z, height_at(x, y, world.frame, world.seed) + _CLEAR)
        east, south = place.x + aim[0] - x, place.y + aim[1] - y
        flat = max(float(np.hypot(east, south)), 1.0)
        cameras.append(
            Camera(
                float(x), float(y), float(z), float(np.degrees(np.arctan2(east, -south)) % 360),
                float(-np.degrees(np.arctan2(z - ground - 0.5 * place.height, flat))),
                cfg.image_px, cfg.image_px, cfg.view_deg, float(1.5 * rng.standard_normal()),
            )
        )  # fmt: skip
    return cameras


def render_place(world: World, cfg: PlacesConfig, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of a place: a function of world, settings and the place alone.

    Returns:
        Of the drone, (drone, image_px, image_px, 3) uint8, and of the satellite,
        (satellite_px, satellite_px, 3) uint8, north up, the building in the middle.
    """
    epoch = drone_epoch(cfg)
    reliefs: list[Relief] = [
        relief_around(world, epoch, place.x, place.y, reach, step) for reach, step in (_NEAR, _FAR)
    ]
    sky = Sky(clouds=0.3, seed=cfg.seed)
    path = flight_path(world, cfg, place)
    drone = np.stack([render_view(reliefs, camera, epoch, sky).rgb for camera in path])
    half = 0.5 * cfg.satellite_px * cfg.satellite_resolution
    satellite = render_aerial(
        world, satellite_epoch(cfg), place.x - half, place.y - half,
        cfg.satellite_px, cfg.satellite_px, cfg.satellite_resolution,
    )  # fmt: skip
    return drone, satellite.rgb


def simulate_places(
    world_cfg: WorldConfig,
    cfg: PlacesConfig,
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
) -> Path:
    """Write `train/` and `test/` in University-1652's layout, `places.csv` and `places.json`.

    The gallery of drone images holds the pictures of the queries as well, as there. Memory is that
    of `workers + 1` places. A killed run leaves no `places.json`.

    Args:
        world_cfg: The world.
        cfg: The places.
        folder: Where to write; created when absent. An older run's files in it are removed.
        workers: Threads; by default the number of CPUs that this process may use.

    Returns:
        The path of `places.json`.

    Raises:
        InputError: When the world has too few buildings for the places.
        OutputError: When the disk is full or not writable.
    """
    world, folder = World(world_cfg), Path(folder)
    places = choose_places(world, cfg)
    for name in ("places.json", "places.csv", "train", "test"):  # must not pass for newer ones
        remove_path(folder / name)

    def work(index: int) -> dict[str, list[bytes]]:
        drone, satellite = render_place(world, cfg, places[index])
        return {
            "drone": [to_jpeg(image, cfg.quality) for image in drone],
            "satellite": [to_jpeg(satellite, cfg.quality)],
        }

    items = [(index,) for index in range(len(places))]
    done = in_order(work, items, workers or available_cpus())
    for (index,), images in tqdm(done, total=len(items), desc="places", disable=None):
        _write_place(folder, places[index], images)
    write_text(folder / "places.csv", _table(world, places))
    write_json(folder / "places.json", _describe(world, cfg, places))
    log.info("wrote %s: %d places", folder, len(places))
    return folder / "places.json"


def to_jpeg(rgb: np.ndarray, quality: int) -> bytes:
    """Return an RGB image (uint8) as a JPEG file."""
    return cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )[1].tobytes()


def _write_place(folder: Path, place: Place, images: dict[str, list[bytes]]) -> None:
    """Write the images of a place wherever the layout wants them."""
    for view, files in images.items():
        roots = {
            "train": [f"train/{view}"],
            "test": [f"test/query_{view}", f"test/gallery_{view}"],
            "distractor": [f"test/gallery_{view}"],
        }[place.split]
        for number, data in enumerate(files, 1):
            name = f"image-{number:02d}.jpeg" if view == "drone" else f"{place.name}.jpg"
            for root in roots:
                write_bytes(folder / root / place.name / name, data)


def to_degrees(world: World, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude (WGS 84) of positions in metres from the world's corner."""
    left, top = world.cfg.origin
    degrees = transform(world.cfg.crs, "OGC:CRS84", left + np.asarray(x), top - np.asarray(y))
    return np.array(degrees[0]), np.array(degrees[1])


def _table(world: World, places: list[Place]) -> str:
    """Return the content of `places.csv`."""
    left, top = world.cfg.origin
    degrees = to_degrees(world, np.array([p.x for p in places]), np.array([p.y for p in places]))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["place", "x", "y", "longitude", "latitude", "split"])
    for place, east, north in zip(places, *degrees, strict=True):
        at = f"{left + place.x:.3f}", f"{top - place.y:.3f}", f"{east:.8f}", f"{north:.8f}"
        table.writerow([place.name, *at, place.split])
    return text.getvalue()


def _describe(world: World, cfg: PlacesConfig, places: list[Place]) -> dict[str, Any]:
    """Return the content of `places.json`."""
    at = np.array([(place.x, place.y) for place in places])
    training = np.array([place.split == "train" for place in places])
    between = None
    if training.any() and not training.all():
        between = float(cKDTree(at[training]).query(at[~training])[0].min())
    nearest = float(cKDTree(at).query(at, k=2)[0][:, 1].min()) if len(at) > 1 else None
    flights = {"drone": drone_epoch(cfg), "satellite": satellite_epoch(cfg)}
    return {
        "world": world.cfg.model_dump(mode="json"),
        "places": cfg.model_dump(mode="json"),
        "counts": {split: sum(place.split == split for place in places) for split in SPLITS},
        "distance_m": {"train_test": between, "places": nearest},
        "flights": {
            name: {
                "season": epoch.season,
                "year": epoch.year,
                "sun": {"azimuth": epoch.azimuth, "elevation": epoch.elevation},
            }
            for name, epoch in flights.items()
        },
    }
