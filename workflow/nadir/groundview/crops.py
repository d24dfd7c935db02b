"""Crops by coordinates: squares of ground, north up, from whatever shows it from above."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window

from nadir.config.groundview import CropsConfig, PhotosDataset
from nadir.errors import InputError
from nadir.groundview.imagery import WGS84
from nadir.groundview.photo_files import cut_panel, decode_photo, read_photo, squared
from nadir.groundview.transport import Client, key_of
from nadir.provenance.atomic import write_bytes
from nadir.provenance.digest import json_digest
from nadir.raster.composite import natural_color
from nadir.raster.cube import open_cube
from nadir.raster.geotiff import open_raster, read_faults
from nadir.raster.grid import Grid, is_local
from nadir.raster.metric import GEOD, transformer

log = logging.getLogger(__name__)

_ARM = 100.0  # metres over which the direction of north is measured
_MERCATOR = 156543.03392804097  # metres a pixel at zoom 0 on the equator, tiles of 256 pixels
_GAMMA = 0.6
_LEAST_VALID = 0.999


class CropSource(Protocol):
    """What gives crops."""

    resolution: float | None
    """Metres a pixel, None where not known."""

    def crop(self, photo: dict[str, Any]) -> NDArray[np.uint8] | None:
        """Return the crop of a row of the photo table, uint8 (3, c, c); None where there is none.

        There is none where imagery does not cover the whole crop.
        """

    def facts(self) -> dict[str, Any]:
        """Return what is worth knowing of how crops were made."""


def open_crops(
    dataset: PhotosDataset,
    *,
    folder: str | os.PathLike[str] | None = None,
    cube: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> CropSource:
    """Return where the crops of a dataset come from.

    Args:
        dataset: The dataset.
        folder: Simulated photos: their folder.
        cube: Crops from a cube: its manifest.
        cache: Crops from a server: folder that keeps its pictures.

    Raises:
        InputError: When something is not given or not as it must be.
    """
    cfg = dataset.crop
    if dataset.panels is not None:
        return PanelCrops(dataset)
    if cfg.source in (None, "truth"):
        if folder is None:
            raise InputError("crops", "the folder of the simulation is not given", "Give --folder.")
        return TruthCrops(
            Path(folder) / "crops", cfg, dataset.simulate.crop_px * dataset.simulate.crop_resolution
        )
    if cfg.source == "template":
        return TemplateCrops(cfg, Path(cache) if cache is not None else None)
    if cfg.source == "substrate":
        return RasterCrops(cfg)
    if cube is None:
        raise InputError("crop.scene", "its cube is not given", "Give --cube.")
    return CubeCrops(cfg, cube)


class PanelCrops:
    """Crops that lie beside the photos."""

    resolution: float | None = None

    def __init__(self, dataset: PhotosDataset) -> None:
        assert dataset.panels is not None
        self._panels, self._size = dataset.panels, dataset.crop.size_px

    def crop(self, photo: dict[str, Any]) -> NDArray[np.uint8] | None:
        """Return the crop of a photo."""
        pixels = read_photo(photo["path"])
        return squared(cut_panel(pixels, self._panels, "satellite", photo["path"]), self._size)

    def facts(self) -> dict[str, Any]:
        """Return that these are panels, and what is up in them."""
        return {"source": "panels", "up": self._panels.up}


class TruthCrops:
    """Crops that a simulated world gives."""

    def __init__(self, folder: Path, cfg: CropsConfig, side_m: float) -> None:
        self._folder, self._size = folder, cfg.size_px
        self.resolution: float | None = side_m / cfg.size_px

    def crop(self, photo: dict[str, Any]) -> NDArray[np.uint8] | None:
        """Return the crop of a photo; None for those outside of the world."""
        path = self._folder / f"{photo['photo']}.png"
        return squared(read_photo(path), self._size) if path.is_file() else None

    def facts(self) -> dict[str, Any]:
        """Return that crops are those of the simulation."""
        return {"source": "truth", "up": "north"}


def crop_matrix(
    grid: Grid, longitude: float, latitude: float, size_px: int, resolution: float
) -> NDArray[np.float64]:
    """Return the (2, 3) matrix from centers of a crop's pixels to those of a raster.

    True to north and scale at the photo, whatever the raster's CRS; over a crop it is linear.
    """
    there = [(longitude, latitude)]
    there += [GEOD.fwd(longitude, latitude, bearing, _ARM)[:2] for bearing in (90.0, 180.0)]
    x, y = transformer(WGS84, grid.crs).transform(*np.array(there).T)
    pixels = np.array([~grid.affine @ xy for xy in zip(x, y, strict=True)]) - 0.5
    axes = (pixels[1:] - pixels[0]).T / _ARM * resolution  # columns: a pixel east, a pixel south
    middle = (size_px - 1) / 2
    return np.column_stack([axes, pixels[0] - axes @ (middle, middle)])


def crop_window(matrix: NDArray[np.float64], size_px: int) -> tuple[int, int, int, int]:
    """Return (y, x, height, width) of the raster's pixels that a crop needs."""
    last = size_px - 0.5
    corners = np.array([(u, v, 1.0) for u in (-0.5, last) for v in (-0.5, last)]) @ matrix.T
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    (x, y), (width, height) = low.tolist(), (high - low + 1).tolist()
    return y, x, height, width


def _warped(
    picture: NDArray[Any], matrix: NDArray[np.float64], corner: tuple[int, int], size: int
) -> NDArray[Any]:
    """Return a crop (size, size, ...) out of a window of a raster that starts at `corner`.

    Where the raster is finer, pixels are means of what they cover.
    """
    finer = max(1, round(math.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    inner = matrix.copy()
    inner[:, :2] /= finer
    inner[:, 2] += inner[:, :2] @ ((1 - finer) / 2, (1 - finer) / 2)
    inner[:, 2] -= corner[1], corner[0]
    fine = cv2.warpAffine(
        picture, inner, (size * finer, size * finer),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    if finer == 1:
        return fine
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


class RasterCrops:
    """Crops from a georeferenced picture of 8 bits.

    Raises:
        InputError: When it cannot be read, has no CRS, or other bands.
    """

    def __init__(self, cfg: CropsConfig) -> None:
        assert cfg.substrate is not None
        self._path, self._cfg = cfg.substrate, cfg
        self._raster = open_raster(cfg.substrate)
        self.grid = Grid.of(self._raster)
        if is_local(self.grid.crs):
            raise InputError(cfg.substrate, "it has no CRS", "Give a georeferenced picture.")
        if self._raster.count not in (1, 3, 4) or self._raster.dtypes[0] != "uint8":
            problem = f"it has {self._raster.count} bands of {self._raster.dtypes[0]}"
            remedy = (
                "Give an 8-bit RGB or grey GeoTIFF; of imagery in bands, use crop.source: cube."
            )
            raise InputError(cfg.substrate, problem, remedy)
        self.resolution: float | None = cfg.resolution

    def crop(self, photo: dict[str, Any]) -> NDArray[np.uint8] | None:
        """Return the crop of a photo; None where it reaches beyond the picture."""
        size = self._cfg.size_px
        at = photo["longitude"], photo["latitude"]
        matrix = crop_matrix(self.grid, *at, size, self._cfg.resolution)
        if not np.isfinite(matrix).all():
            return None
        y, x, height, width = crop_window(matrix, size)
        if y < 0 or x < 0 or y + height > self.grid.height or x + width > self.grid.width:
            return None
        picture, valid = self.shown(y, x, height, width)
        if valid.mean() < _LEAST_VALID:
            return None
        return _warped(picture, matrix, (y, x), size).transpose(2, 0, 1)

    def shown(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return a window of the picture, uint8 (height, width, 3), and where it is valid."""
        window = Window(x, y, width, height)
        bands = (1, 2, 3) if self._raster.count >= 3 else (1, 1, 1)
        with read_faults(self._path):
            pixels = self._raster.read(bands, window=window, resampling=Resampling.nearest)
            valid = self._raster.dataset_mask(window=window) > 0
        return np.ascontiguousarray(np.moveaxis(pixels, 0, -1)), valid

    def facts(self) -> dict[str, Any]:
        """Return that crops come from a picture."""
        return {"source": "substrate", "up": "north"}


class CubeCrops:
    """Crops in natural color from one date of a cube, all stretched alike."""

    def __init__(self, cfg: CropsConfig, manifest: str | os.PathLike[str]) -> None:
        self._cube, self._cfg = open_cube(manifest), cfg
        count = len(self._cube.dates)
        if not -count <= cfg.date < count:
            problem = f"the cube has {count} dates, and no date {cfg.date}"
            raise InputError("crop.date", problem, f"Give 0 to {count - 1}.")
        if is_local(self._cube.grid.crs):
            raise InputError(manifest, "it has no CRS", "Give a georeferenced scene.")
        self._date = range(count)[cfg.date]
        self._bands = natural_color(self._cube.bands)
        self._stretch = self._limits()
        self.resolution: float | None = cfg.resolution

    def crop(self, photo: dict[str, Any]) -> NDArray[np.uint8] | None:
        """Return the crop of a photo; None where it reaches beyond the scene, or is not valid."""
        size, grid = self._cfg.size_px, self.grid
        matrix = crop_matrix(
            grid, photo["longitude"], photo["latitude"], size, self._cfg.resolution
        )
        if not np.isfinite(matrix).all():
            return None
        y, x, height, width = crop_window(matrix, size)
        if y < 0 or x < 0 or y + height > grid.height or x + width > grid.width:
            return None
        picture, valid = self.shown(y, x, height, width)
        if valid.mean() < _LEAST_VALID:
            return None
        crop = np.rint(255 * _warped(picture, matrix, (y, x), size)).astype(np.uint8)
        return crop.transpose(2, 0, 1)

    @property
    def grid(self) -> Grid:
        """The grid of the scene."""
        return self._cube.grid

    def shown(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return a window as it is shown, float32 (height, width, 3) 0..1, and its validity."""
        values, valid = self._read(y, x, height, width)
        low, high = self._stretch
        shown = np.clip((values - low) / (high - low), 0, 1) ** _GAMMA
        return np.ascontiguousarray(np.moveaxis(shown, 0, -1)), valid

    def facts(self) -> dict[str, Any]:
        """Return the date, and the reflectances that became black and white."""
        low, high = self._stretch
        date = self._cube.dates[self._date]
        return {"source": "cube", "up": "north", "date": date, "stretch": [low, high]}

    def _read(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        raw, valid = self._cube.read(y, x, height, width)
        date = self._cube.dates[self._date]
        values = raw[self._date, list(self._bands)].astype(np.float32)
        return self._cube.scale[date] * (values + self._cube.offset[date]), valid[self._date]

    def _limits(self) -> tuple[float, float]:
        """Return the darkest and brightest 1 % of reflectances on a lattice over the scene."""
        rows, columns = self._cube.grid.shape
        found = []
        for y in np.linspace(0, max(rows - 64, 0), 6).astype(int).tolist():
            for x in np.linspace(0, max(columns - 64, 0), 6).astype(int).tolist():
                values, valid = self._read(y, x, min(64, rows), min(64, columns))
                found.append(values[:, valid].ravel())
        inside = np.concatenate(found)
        if not len(inside):
            raise InputError(self._cube.path, "it has no valid pixels", "Choose another crop.date.")
        low, high = (float(value) for value in np.percentile(inside, (1, 99)))
        return round(low, 6), round(max(high, low + 1e-6), 6)


class TemplateCrops:
    """Crops from a server of static maps; pictures are kept, so that each is asked for once.

    A picture is taken to be centered on the photo, in Web Mercator at its zoom; where the template
    has no zoom, to show exactly the ground that is asked for.
    """

    def __init__(self, cfg: CropsConfig, cache: Path | None, client: Client | None = None) -> None:
        assert cfg.address is not None
        self._cfg, self._address, self._cache = cfg, cfg.address, cache
        self._key = key_of(cfg.key_variable)
        self._client = client or Client(per_second=cfg.per_second, key=self._key)
        self.resolution: float | None = cfg.resolution

    def crop(self, photo: dict[str, Any]) -> NDArray[np.uint8] | None:
        """Return the crop of a photo.

        Raises:
            InputError: When the server refuses, sends no picture, or one that shows too little.
        """
        cfg, latitude = self._cfg, photo["latitude"]
        per_pixel = _MERCATOR * math.cos(math.radians(latitude))
        zoom = cfg.zoom
        if zoom is None:
            zoom = min(max(math.ceil(math.log2(per_pixel / cfg.resolution) - 1e-9), 0), 24)
        needed = cfg.side_m / (per_pixel / 2**zoom)
        fields = {
            "lat": f"{latitude:.7f}",
            "lon": f"{photo['longitude']:.7f}",
            "zoom": zoom,
            "size": max(1, math.ceil(needed)),
        }
        name = self._address.format(**fields, key="KEY")
        pixels = self._picture(name, self._address.format(**fields, key=self._key or ""))
        if "{zoom}" not in self._address and cfg.zoom is None:
            return squared(pixels, cfg.size_px)
        height, width = pixels.shape[:2]
        if min(height, width) < needed - 1:
            problem = f"its picture has {width} x {height} pixels, {needed:.0f} are needed"
            raise InputError(name, problem, "Ask for {size} in the address, or lower the zoom.")
        middle = np.array([[needed / cfg.size_px, 0, 0], [0, needed / cfg.size_px, 0]])
        half = (cfg.size_px - 1) / 2
        middle[:, 2] = np.array([(width - 1) / 2, (height - 1) / 2]) - middle[:, :2] @ (half, half)
        return _warped(pixels, middle, (0, 0), cfg.size_px).transpose(2, 0, 1)

    def facts(self) -> dict[str, Any]:
        """Return the template, without the key."""
        return {"source": "template", "up": "north", "address": self._address}

    def _picture(self, name: str, address: str) -> NDArray[np.uint8]:
        """Return a picture of the server, or the one that was kept; `name` is free of the key."""
        kept = self._cache / f"{json_digest(name)[:24]}.img" if self._cache else None
        if kept is not None and kept.is_file():
            return read_photo(kept)
        data = self._client.get(address)
        pixels = decode_photo(data, name)  # a page of regrets must not be kept as a picture
        if kept is not None:
            write_bytes(kept, data)
        return pixels
