"""What the crops of a dataset are cut from, as one picture: a world, a raster, a cube."""

from __future__ import annotations

import os
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nadir.config.groundview import CropsConfig, PhotosDataset
from nadir.config.views import ViewsConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.groundview.crops import CubeCrops, RasterCrops
from nadir.raster.grid import Grid
from nadir.simulate.aerial import render_aerial
from nadir.simulate.epochs import Epoch
from nadir.simulate.world import World

Shown = tuple[NDArray[np.uint8], NDArray[np.bool_]]


class GroundSource(Protocol):
    """What the ground is shown by."""

    cut_px: int | None
    """Side of a crop in pixels of the source where crops are windows of these, else None."""

    @property
    def grid(self) -> Grid:
        """The grid of all of it."""

    def window(self, y: int, x: int, height: int, width: int) -> Shown:
        """Return a window, uint8 (height, width, 3), and where it is valid (height, width)."""


class WorldSource:
    """A simulated world, as its photos' crops show it.

    A window of it has the very pixels of a crop that is rendered there.
    """

    def __init__(self, cfg: WorldConfig, views: ViewsConfig) -> None:
        self._world, self._step = World(cfg), views.crop_resolution
        self._epoch = Epoch(views.crop_season, views.crop_year, views.change)
        self.cut_px: int | None = views.crop_px

    @property
    def grid(self) -> Grid:
        """The grid of the whole world."""
        cfg, step = self._world.cfg, self._step
        width, height = (int(length // step) for length in self._world.frame[:2])
        left, top = cfg.origin
        return Grid(cfg.crs, (step, 0.0, left, 0.0, -step, top), height, width)

    def window(self, y: int, x: int, height: int, width: int) -> Shown:
        """Render a window."""
        step = self._step
        shown = render_aerial(self._world, self._epoch, x * step, y * step, height, width, step)
        return shown.rgb, np.ones((height, width), bool)


class RasterSource:
    """A georeferenced picture of 8 bits."""

    cut_px: int | None = None

    def __init__(self, cfg: CropsConfig) -> None:
        self._crops = RasterCrops(cfg)

    @property
    def grid(self) -> Grid:
        """The grid of the picture."""
        return self._crops.grid

    def window(self, y: int, x: int, height: int, width: int) -> Shown:
        """Read a window."""
        return self._crops.shown(y, x, height, width)


class CubeSource:
    """Natural color of one date of a cube, with the stretch of the training's crops.

    It is rounded to 8 bits before crops are cut, not after: they differ by one level at most.
    """

    cut_px: int | None = None

    def __init__(self, cfg: CropsConfig, cube: str | os.PathLike[str]) -> None:
        self._crops = CubeCrops(cfg, cube)

    @property
    def grid(self) -> Grid:
        """The grid of the scene."""
        return self._crops.grid

    def window(self, y: int, x: int, height: int, width: int) -> Shown:
        """Read a window."""
        shown, valid = self._crops.shown(y, x, height, width)
        return np.rint(255 * shown).astype(np.uint8), valid


def ground_source(
    dataset: PhotosDataset,
    *,
    world: WorldConfig | None = None,
    cube: str | os.PathLike[str] | None = None,
    picture: str | os.PathLike[str] | None = None,
) -> GroundSource:
    """Return what the crops of a dataset are cut from.

    Args:
        dataset: The dataset.
        world: Its world, if crops are the simulation's.
        cube: Its cube, if crops come from one.
        picture: A georeferenced picture of 8 bits to stand on instead.

    Raises:
        InputError: When something is not given, or the dataset has no imagery but its crops.
    """
    source, crop = dataset.crop.source, dataset.crop
    if picture is not None or source == "substrate":
        given = str(picture if picture is not None else crop.substrate)
        update = {"source": "substrate", "substrate": given, "scene": None, "address": None}
        return RasterSource(crop.model_copy(update=update))
    if dataset.panels is not None or source == "template":
        problem = "its crops are single pictures, no map that one could stand on"
        raise InputError("dataset", problem, "Give a georeferenced picture with --map.")
    if source == "cube":
        if cube is None:
            raise InputError("crop.scene", "its cube is not given", "Give --cube.")
        return CubeSource(crop, cube)
    if world is None:
        raise InputError("world", "the settings of the world are not given", "Give them.")
    return WorldSource(world, dataset.simulate)
