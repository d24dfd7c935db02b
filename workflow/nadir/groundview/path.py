"""Views along a line over the ground: what somebody would see who walks there."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from nadir.config.groundview import CropsConfig
from nadir.config.groundview_experiments import PathConfig
from nadir.config.views import ViewsConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.groundview.crops import RasterCrops
from nadir.groundview.generator import load_generator
from nadir.groundview.imagery import WGS84
from nadir.learn.devices import lease
from nadir.provenance.atomic import atomic_path
from nadir.raster.metric import GEOD, transformer
from nadir.simulate.aerial import render_aerial
from nadir.simulate.epochs import Epoch
from nadir.simulate.world import World

log = logging.getLogger(__name__)

_BATCH = 16


@dataclass(frozen=True)
class Way:
    """Positions along a line, and where one looks who follows it.

    Attributes:
        longitude: float64 (n,) degrees.
        latitude: float64 (n,) degrees.
        heading: float64 (n,) degrees clockwise from north.
    """

    longitude: NDArray[np.float64]
    latitude: NDArray[np.float64]
    heading: NDArray[np.float64]


class Ground(Protocol):
    """What shows the ground from above."""

    def crop(self, longitude: float, latitude: float) -> NDArray[np.uint8] | None:
        """Return a crop uint8 (3, c, c), north up; None beyond what is shown."""


class PictureGround:
    """The ground of a georeferenced picture.

    Args:
        path: The picture.
        size_px: Side of a crop in pixels.
        side_m: Side of a crop in metres.

    Raises:
        InputError: When it cannot be read, or has no coordinates.
    """

    def __init__(self, path: str | os.PathLike[str], size_px: int, side_m: float) -> None:
        self._crops = RasterCrops(
            CropsConfig(
                source="substrate",
                substrate=str(path),
                size_px=size_px,
                resolution=side_m / size_px,
            )
        )

    def crop(self, longitude: float, latitude: float) -> NDArray[np.uint8] | None:
        """Return a crop; see `Ground`."""
        return self._crops.crop({"longitude": longitude, "latitude": latitude})


class WorldGround:
    """The ground of a simulated world, as its photos' crops show it.

    Args:
        world: The world.
        views: The settings of its photos.
        size_px: Side of a crop in pixels.
        side_m: Side of a crop in metres.
    """

    def __init__(self, world: WorldConfig, views: ViewsConfig, size_px: int, side_m: float) -> None:
        self._world, self._size, self._step = World(world), size_px, side_m / size_px
        self._epoch = Epoch(views.crop_season, views.crop_year, views.change)

    def crop(self, longitude: float, latitude: float) -> NDArray[np.uint8] | None:
        """Return a crop; see `Ground`."""
        cfg = self._world.cfg
        east, north = transformer(WGS84, cfg.crs).transform(longitude, latitude)
        reach = 0.5 * self._size * self._step
        x, y = east - cfg.origin[0] - reach, cfg.origin[1] - north - reach
        width, height = self._world.frame[:2]
        if min(x, y) < 0 or x + 2 * reach > width or y + 2 * reach > height:
            return None
        size = self._size
        shown = render_aerial(self._world, self._epoch, x, y, size, size, self._step)
        return shown.rgb.transpose(2, 0, 1)


def generate_path(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    cfg: PathConfig,
    *,
    picture: str | os.PathLike[str] | None = None,
    world: tuple[WorldConfig, ViewsConfig] | None = None,
    device: str = "auto",
    threads: int = 2,
) -> None:
    """Generate views along a line and write them.

    The file holds `views` uint8 (n, 3, px, px), `crops` uint8 (n, 3, c, c), `x` and `y` (longitude
    and latitude in degrees) and `heading`, float64 (n,), and `crop_m`, the side of a crop on the
    ground in metres. All views have the same noise.

    Args:
        model: Folder of the generator's bundle.
        out: The file, `.npz`.
        cfg: The line.
        picture: A georeferenced picture of the ground, or
        world: a simulated world and the settings of its photos.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads.

    Raises:
        InputError: When the line leaves what is shown of the ground, or neither or both are given.
        OutputError: When the disk is full or not writable.
    """
    if (picture is None) == (world is None):
        raise InputError("map", "give a picture or a world, and not both", "Correct the call.")
    with lease(device) as found:
        torch.set_num_threads(threads)
        generator = load_generator(model, found)
        size, side = generator.crop_px, generator.crop_m
        ground: Ground
        if world is None:
            assert picture is not None
            ground = PictureGround(picture, size, side)
        else:
            ground = WorldGround(*world, size, side)
        way = follow(cfg)
        crops = crops_along(ground, way)
        latent = generator.latent([0], [0], cfg.seed)
        views = [
            generator.of_latents(
                crops[start : start + _BATCH],
                way.heading[start : start + _BATCH],
                np.repeat(latent, len(crops[start : start + _BATCH]), axis=0),
            )[:, 0]
            for start in range(0, len(crops), _BATCH)
        ]
    with atomic_path(out, ".npz") as temporary:
        np.savez_compressed(
            temporary,
            views=np.concatenate(views),
            crops=crops,
            x=way.longitude,
            y=way.latitude,
            heading=way.heading,
            crop_m=np.float64(side),
        )
    log.info("wrote %s: %d views", out, len(crops))


def follow(cfg: PathConfig) -> Way:
    """Return positions at equal distances along a line, both ends among them.

    Raises:
        InputError: When all points are one.
    """
    corners = np.asarray(cfg.points, np.float64)
    starts, ends = corners[:-1], corners[1:]
    azimuth, _, length = GEOD.inv(*starts.T, *ends.T)
    moves = length > 0
    if not moves.any():
        raise InputError("path.points", "they are all one point", "Give at least two.")
    starts, azimuth, length = starts[moves], azimuth[moves], length[moves]
    before = np.concatenate([[0.0], np.cumsum(length)])
    at = np.linspace(0.0, before[-1], cfg.steps)
    leg = np.clip(np.searchsorted(before, at, side="right") - 1, 0, len(length) - 1)
    from_east, from_north = starts[leg].T
    east, north, _ = GEOD.fwd(from_east, from_north, azimuth[leg], at - before[leg])
    return Way(np.asarray(east), np.asarray(north), azimuth[leg] % 360)


def crops_along(ground: Ground, way: Way) -> NDArray[np.uint8]:
    """Return the crops of positions, uint8 (n, 3, c, c).

    Raises:
        InputError: When one lies beyond what is shown of the ground.
    """
    crops = []
    for longitude, latitude in zip(way.longitude, way.latitude, strict=True):
        crop = ground.crop(float(longitude), float(latitude))
        if crop is None:
            problem = f"at {longitude:.5f}, {latitude:.5f} it leaves what is shown of the ground"
            remedy = "Give points that lie half a crop inside of it at least."
            raise InputError("path.points", problem, remedy)
        crops.append(crop)
    return np.stack(crops)
