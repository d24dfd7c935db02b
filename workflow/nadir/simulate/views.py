"""One simulated photo from the ground: where, when, what it shows, what is wrong with it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
from rasterio.warp import transform

from nadir.config.views import NUISANCES, ViewsConfig
from nadir.simulate.aerial import render_aerial
from nadir.simulate.airlight import Sky
from nadir.simulate.cover import Cover
from nadir.simulate.epochs import Epoch
from nadir.simulate.faults import again, at_night, blurred, indoors
from nadir.simulate.perspective import Camera, View, render_view
from nadir.simulate.raycast import SKY
from nadir.simulate.relief import Relief, distant_relief, relief_around
from nadir.simulate.standpoints import Spots, Standpoint, choose_standpoint
from nadir.simulate.sun import sun_position
from nadir.simulate.world import World

CLASSES = tuple(cover.name.lower() for cover in Cover)
"""Names of the land cover classes, in the order of their values from 1."""

_PHOTO_TAG, _FAULT_TAG = 9402, 9403
_NEAR, _MID = (60.0, 0.2), (350.0, 1.0)  # reach and cells of the reliefs around an observer, in m
_FAR_STEP, _FAR_REACH, _FAR_GRID = 25.0, 7000.0, 4000.0  # of the relief beyond, and its spacing
_FAR_KEPT = 40  # reliefs of some 9 MB and a second of work each: a world of 20 km, one season
_DAYS = {"april": ((4, 1), 30), "august": ((7, 20), 40)}
"""First day of a season and how many days it has."""
_LOWEST, _NIGHT = 15.0, -12.0  # elevation of the sun, in degrees
_MOON = Epoch(azimuth=160.0, elevation=45.0)


@dataclass(frozen=True)
class Truth:
    """What is known of a photo.

    Attributes:
        standpoint: Where it was taken.
        elevation: Height of the ground there above the sea, in metres.
        longitude: Degrees as recorded: those of another place for photos that are `far`.
        latitude: Likewise.
        date: When, to the second, UTC.
        sun: Azimuth and elevation of the sun in degrees.
        heading_known: Whether the direction is recorded.
        fault: One of `config.views.NUISANCES`, or empty.
        source: Index of the photo that this one is again, or its own.
    """

    standpoint: Standpoint
    elevation: float
    longitude: float
    latitude: float
    date: datetime
    sun: tuple[float, float]
    heading_known: bool
    fault: str
    source: int


@dataclass(frozen=True)
class GroundPhoto:
    """A simulated photo.

    Attributes:
        rgb: (image_px, image_px, 3) uint8 as the camera stored it.
        view: What was before the camera.
        truth: What is known of it.
    """

    rgb: np.ndarray
    view: View
    truth: Truth


def faults_of(cfg: ViewsConfig) -> list[str]:
    """Return what is wrong with each photo: a name of `NUISANCES`, or nothing ("")."""
    order = np.random.default_rng([cfg.seed, _FAULT_TAG]).permutation(cfg.n)
    faults = [""] * cfg.n
    at = 0
    for name in NUISANCES:
        for index in order[at : at + cfg.counts[name]]:
            faults[index] = name
        at += cfg.counts[name]
    return faults


class GroundCamera:
    """Takes photos of a world; each is a function of world, settings and its index alone.

    Threads may share it.

    Args:
        world: The world.
        cfg: The settings.
        spots: From `standpoints.map_spots`.
    """

    def __init__(self, world: World, cfg: ViewsConfig, spots: Spots) -> None:
        self.world, self.cfg, self.spots = world, cfg, spots
        self.faults = faults_of(cfg)
        self._sound = [index for index, fault in enumerate(self.faults) if not fault]
        self._distant = functools.lru_cache(maxsize=_FAR_KEPT)(self._far_relief)

    def take(self, index: int) -> GroundPhoto:
        """Return photo `index`."""
        cfg, fault = self.cfg, self.faults[index]
        rng = np.random.default_rng([cfg.seed, _PHOTO_TAG, index])
        if fault == "duplicate":
            return self._duplicate(index, rng)
        season = cfg.season
        if fault == "season":
            season = "april" if season == "august" else "august"
        clouds, visibility = (
            rng.uniform(*cfg.clouds),
            np.exp(rng.uniform(*np.log(cfg.visibility_m))),
        )
        known, nod, roll = rng.random() >= cfg.unknown_heading, *rng.normal(0.0, (2.5, 0.8))
        spot = choose_standpoint(
            self.world, Epoch(season, cfg.year, cfg.change), self.spots, cfg.seed, index, cfg.n
        )
        longitude, latitude = self._degrees(spot)
        date, sun = _when(season, cfg.year, (longitude, latitude), fault == "night", rng)
        light = (_MOON.azimuth, _MOON.elevation) if fault == "night" else sun
        epoch = Epoch(season, cfg.year, cfg.change, *light)
        reliefs = self._reliefs(epoch, spot)
        elevation = reliefs[0].elevation(spot.x, spot.y)
        camera = Camera(
            spot.x, spot.y, elevation + cfg.eye_height_m, spot.heading, 1.5 + nod, cfg.image_px,
            cfg.image_px, cfg.view_deg, roll,
        )  # fmt: skip
        sky = Sky(float(visibility), float(clouds), int(rng.integers(2**31)))
        view = render_view(reliefs, camera, epoch, sky)
        spoil = {"night": at_night, "blurred": blurred, "indoor": indoors}.get(fault)
        rgb = spoil(view.rgb, rng) if spoil else view.rgb
        if fault == "far":
            longitude, latitude = self._elsewhere(rng)
        truth = Truth(
            spot, elevation, longitude, latitude, date, sun, bool(known), fault, index
        )  # fmt: skip
        return GroundPhoto(rgb, view, truth)

    def crop(self, spot: Standpoint, turned: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return the satellite crop around a standpoint.

        Args:
            spot: Where.
            turned: Whether the direction of view is upwards instead of north.

        Returns:
            (crop_px, crop_px, 3) uint8 and the share of each class of `CLASSES` on its ground.
        """
        cfg = self.cfg
        step, side = cfg.crop_resolution, cfg.crop_px
        wide = int(np.ceil(side * 2**0.5)) + 4 if turned else side
        x, y = spot.x - 0.5 * wide * step, spot.y - 0.5 * wide * step
        epoch = Epoch(cfg.crop_season, cfg.crop_year, cfg.change)
        rgb = render_aerial(self.world, epoch, x, y, wide, wide, step).rgb
        cover = self.world.landcover_at(x, y, wide, wide, step).cover
        if turned:
            turn = cv2.getRotationMatrix2D(((wide - 1) / 2, (wide - 1) / 2), spot.heading, 1.0)
            turn = turn - np.array([[0, 0, 0.5 * (wide - side)]])
            rgb = np.asarray(cv2.warpAffine(rgb, turn, (side, side), flags=cv2.INTER_LINEAR))
        return rgb, shares(cover)

    def _duplicate(self, index: int, rng: np.random.Generator) -> GroundPhoto:
        """Return a sound photo again, a few seconds later and as others would store it."""
        source = self._sound[rng.integers(len(self._sound))]
        photo = self.take(source)
        old = photo.truth
        truth = Truth(
            old.standpoint, old.elevation, old.longitude, old.latitude,
            old.date + timedelta(seconds=int(rng.integers(1, 9))), old.sun, old.heading_known,
            "duplicate", source,
        )  # fmt: skip
        return GroundPhoto(again(photo.rgb, rng), photo.view, truth)

    def _reliefs(self, epoch: Epoch, spot: Standpoint) -> list[Relief]:
        near = [
            relief_around(self.world, epoch, spot.x, spot.y, reach, step)
            for reach, step in (_NEAR, _MID)
        ]
        cell = round(spot.x / _FAR_GRID), round(spot.y / _FAR_GRID)
        # The land far away is lit alike all day, so that photos share it.
        plain = Epoch(epoch.season, epoch.year, epoch.change)
        return [*near, self._distant(plain, cell)]

    def _far_relief(self, epoch: Epoch, cell: tuple[int, int]) -> Relief:
        x, y = (at * _FAR_GRID for at in cell)
        return distant_relief(self.world, epoch, x, y, _FAR_REACH, _FAR_STEP)

    def _degrees(self, spot: Standpoint) -> tuple[float, float]:
        left, top = self.world.cfg.origin
        (east,), (north,) = transform(
            self.world.cfg.crs, "OGC:CRS84", [left + spot.x], [top - spot.y]
        )
        return float(east), float(north)

    def _elsewhere(self, rng: np.random.Generator) -> tuple[float, float]:
        """Return longitude and latitude of a position 5 to 60 km outside the world."""
        width, height = self.world.frame[:2]
        angle, far = 2 * np.pi * rng.random(), rng.uniform(5e3, 6e4)
        away = 0.5 * float(np.hypot(width, height)) + far
        x, y = 0.5 * width + away * np.sin(angle), 0.5 * height - away * np.cos(angle)
        return self._degrees(Standpoint(x, y, 0.0, "any"))


def shares(cover: np.ndarray) -> np.ndarray:
    """Return the share of each class of `CLASSES` in what has one (12 float64; NaN if nothing)."""
    counts = np.bincount(cover.reshape(-1), minlength=len(CLASSES) + 1)[1:].astype(float)
    return counts / counts.sum() if counts.sum() else np.full(len(CLASSES), np.nan)


def view_figures(view: View) -> tuple[float, float, np.ndarray]:
    """Return share of the sky, mean distance of the rest (m; NaN without) and shares of classes."""
    solid = view.kind != SKY
    depth = float(view.depth[solid].mean()) if solid.any() else float("nan")
    return float(1.0 - solid.mean()), depth, shares(view.cover[solid])


def _when(
    season: str, year: int, degrees: tuple[float, float], night: bool, rng: np.random.Generator
) -> tuple[datetime, tuple[float, float]]:
    """Return a time of a season, by day or at night, and where the sun stands then."""
    (month, day), days = _DAYS[season]
    start = datetime(year, month, day, tzinfo=UTC) + timedelta(days=int(rng.integers(days)))
    noon = 12.0 - degrees[0] / 15.0
    while True:  # ends at polar day or night as well: any hour then
        hours = noon + (rng.uniform(9.0, 15.0) if night else rng.normal(0.5, 2.6))
        time = start + timedelta(seconds=round(3600.0 * hours))
        sun = sun_position(*degrees, time)
        wanted = sun[1] < _NIGHT if night else sun[1] > _LOWEST
        if wanted or rng.random() < 0.02:
            return time, sun
