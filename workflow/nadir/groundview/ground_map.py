"""A map to stand on, as one folder that needs nothing else.

`ground.json` lists what lies beside it, each file by its digest: the generator's bundle `model/`,
and `map.tif`, the picture that crops are cut from as those of the training were. Nothing in it is
executed, unpickled or written to.
"""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from nadir.config.groundview import CropsConfig
from nadir.errors import InputError
from nadir.groundview.crops import RasterCrops
from nadir.groundview.imagery import WGS84
from nadir.groundview.photo_files import squared
from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.provenance.sealed import PlainName, Sealed, check_files, read_sealed
from nadir.raster.grid import same_crs
from nadir.raster.metric import transformer

FILE, MAP, MODEL = "ground.json", "map.tif", "model"
"""Names of the parts, in the folder."""

LISTED = (MAP, f"{MODEL}/{WEIGHTS}", f"{MODEL}/{DESCRIPTION}")
"""Files that the list tells by their digests."""

REMEDY = "Make the folder again with `nadir export-ground`, and copy it whole."

_LOCK = threading.Lock()  # neither a raster nor a projection may be used by two threads at once


class Standpoint(BaseModel):
    """A place to look from.

    Attributes:
        name: What it is called.
        x: In the map's CRS.
        y: The same.
        longitude: In degrees.
        latitude: The same.
        heading: Direction of view, degrees clockwise from what is up in the crop; None where not
            known.
    """

    model_config = ConfigDict(extra="forbid")
    name: str
    x: float
    y: float
    longitude: float
    latitude: float
    heading: float | None


class Facts(Sealed):
    """What `ground.json` tells.

    Attributes:
        format: Of the folder.
        name: What the map is called.
        generator: Name of the generator's kind.
        headings: Whether it heeds the direction of view.
        north: What is up in a crop. `grid`: what is up in the map, and crops are windows of its
            pixels. `true`: north at the place, and crops are resampled.
        crs: The system of the map.
        bounds: Left, bottom, right, top of the map.
        width: Of the map in pixels.
        height: The same.
        image_px: Side of a view in pixels.
        crop_px: Side of a crop in pixels, as the generator takes it.
        crop_m: The same in metres.
        cut_px: For `grid`: side of a crop in pixels of the map.
        examples: Places that no training has seen.
        files: See `Sealed`.
        digest: See `Sealed`.
    """

    format: Literal[1] = 1
    name: PlainName
    generator: str
    headings: bool
    north: Literal["grid", "true"]
    crs: str
    bounds: tuple[float, float, float, float]
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    image_px: int = Field(ge=1)
    crop_px: int = Field(ge=1)
    crop_m: float = Field(gt=0)
    cut_px: int | None = Field(default=None, ge=1)
    examples: tuple[Standpoint, ...] = ()


@dataclass(frozen=True)
class Cut:
    """A crop and where it lies.

    Attributes:
        crop: uint8 (3, crop_px, crop_px), up as the map's facts say.
        x: Where its middle is, in the map's CRS: the nearest for which pixels need no resampling.
        y: The same.
    """

    crop: NDArray[np.uint8]
    x: float
    y: float


class GroundMap:
    """A map that was found whole, and cuts crops as the training's were cut; thread-safe.

    Args:
        folder: Its folder.
        facts: What it tells of itself.

    Raises:
        InputError: When the map is not what the facts say.
    """

    def __init__(self, folder: Path, facts: Facts) -> None:
        self.folder, self.facts = folder, facts
        self._raster = RasterCrops(
            CropsConfig(
                source="substrate",
                substrate=str(self.path),
                size_px=facts.crop_px,
                resolution=facts.crop_m / facts.crop_px,
            )
        )
        self.grid = self._raster.grid
        fits = self.grid.shape == (facts.height, facts.width)
        if not fits or not same_crs(self.grid.crs, facts.crs):
            raise InputError(self.path, f"it is not the map that {FILE} tells of", REMEDY)

    @property
    def path(self) -> Path:
        """The file of the map."""
        return self.folder / MAP

    @property
    def model(self) -> Path:
        """Folder of the generator's bundle."""
        return self.folder / MODEL

    def degrees(self, x: float, y: float) -> tuple[float, float]:
        """Return longitude and latitude of a place; infinite where it has none."""
        with _LOCK:
            return transformer(self.facts.crs, WGS84).transform(x, y)

    def place(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Return x and y of a position in degrees; infinite where it has none."""
        with _LOCK:
            return transformer(WGS84, self.facts.crs).transform(longitude, latitude)

    def cut(self, x: float, y: float) -> Cut | None:
        """Return the crop around a place; None where the map does not cover it whole.

        Args:
            x: In the map's CRS.
            y: The same.

        Raises:
            InputError: When the map cannot be read.
        """
        if not (math.isfinite(x) and math.isfinite(y)):
            return None
        if self.facts.north == "grid":
            return self._window(x, y)
        longitude, latitude = self.degrees(x, y)
        if not (math.isfinite(longitude) and math.isfinite(latitude)):
            return None
        with _LOCK:
            crop = self._raster.crop({"longitude": longitude, "latitude": latitude})
        return None if crop is None else Cut(crop, x, y)

    def _window(self, x: float, y: float) -> Cut | None:
        """Return the crop whose pixels are the map's own."""
        side = self.facts.cut_px
        assert side is not None
        column, row = ~self.grid.affine @ (x, y)
        if not (0 <= column <= self.grid.width and 0 <= row <= self.grid.height):
            return None  # far beyond, numbers might not even fit an integer
        left, top = (math.floor(value - side / 2 + 0.5) for value in (column, row))
        if min(left, top) < 0 or left + side > self.grid.width or top + side > self.grid.height:
            return None
        with _LOCK:
            shown, valid = self._raster.shown(top, left, side, side)
        if not valid.all():
            return None
        middle = self.grid.affine @ (left + side / 2, top + side / 2)
        return Cut(squared(shown, self.facts.crop_px), float(middle[0]), float(middle[1]))


def read_ground_map(folder: str | os.PathLike[str]) -> GroundMap:
    """Read a map to stand on, after seeing that it is whole and unchanged.

    Args:
        folder: Its folder.

    Raises:
        InputError: When there is none, or a file is absent or damaged.
    """
    folder = Path(folder)
    facts = read_sealed(folder / FILE, Facts, "map to stand on", REMEDY)
    if set(facts.files) != set(LISTED) or (facts.north == "grid") != (facts.cut_px is not None):
        raise InputError(folder / FILE, "it lists no map to stand on", REMEDY)
    check_files(folder, facts, REMEDY)
    return GroundMap(folder, facts)
