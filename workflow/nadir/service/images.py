"""Images out of uploads: what they are by their headers, and their pixels as a model wants them.

Nothing is decoded before the header has been judged. Only GeoTIFF, PNG and JPEG are ever opened:
all other drivers of GDAL stay shut, so no upload can name other files.
"""

from __future__ import annotations

import io
import math
import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader, MemoryFile
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from nadir.errors import InputError, OutputError
from nadir.provenance.atomic import write_faults
from nadir.raster.encoding import Encoding
from nadir.raster.geotiff import GDAL_ERRORS, TIFF_MAGIC, check_complete
from nadir.raster.grid import Grid
from nadir.raster.metric import metres_per_unit
from nadir.service.catalog import Model
from nadir.service.globe import corners_of
from nadir.service.problems import Problem
from nadir.service.scaling import encoding_of
from nadir.service.uploads import Upload

MAGIC = {**dict.fromkeys(TIFF_MAGIC, "GTiff"), b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG"}
"""First bytes of a file -> GDAL's name of its format."""

_LARGEST_BLOCK = 256 << 20  # bytes that decoding one block may take
_HANDY_BLOCK = 16 << 20  # blocks beyond this are cut up before windows are read
_NO_IMAGE = "Send the image as GeoTIFF, PNG or JPEG."
_DAMAGED = "Copy the file again from where it came from, or save it anew."
_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # an upload has no files beside it
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # truncated JPEGs would be gray in part
    "GDAL_PAM_ENABLED": "NO",
}
_PALETTE = 3  # colors of an indexed picture


@dataclass(frozen=True)
class Limits:
    """How large an image may be.

    Attributes:
        pixels: Largest GeoTIFF.
        picture_pixels: Largest PNG or JPEG, which can only be decoded from the top down.
    """

    pixels: int
    picture_pixels: int


@dataclass(frozen=True)
class Plan:
    """How an image's pixels become a model's input.

    Attributes:
        bands: Numbers of the file's bands, counted from 1, in the model's order, date by date.
        dates: Number of dates that they are of.
        encoding: How values are stored in uint16.
        colors: (256, 3) uint8, for indexed pictures: index -> color.
    """

    bands: tuple[int, ...]
    dates: int
    encoding: Encoding
    colors: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class ImageFacts:
    """What an image is.

    Attributes:
        format: `GTiff`, `PNG` or `JPEG`.
        width: Columns.
        height: Rows.
        bands: Number of bands.
        dtype: Type of the values.
        grid: Its grid; without CRS where it has no place on the ground.
    """

    format: str
    width: int
    height: int
    bands: int
    dtype: str
    grid: Grid

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @cached_property
    def ground(self) -> tuple[float, float] | None:
        """Width of a pixel in meters and its area in square meters, at the image's center.

        None without a place on the ground.
        """
        if not self.grid.crs:
            return None
        left, bottom, right, top = self.grid.bounds
        try:
            along_x, along_y = metres_per_unit(
                self.grid.crs, (left + right) / 2, (bottom + top) / 2
            )
        except (ProjError, CRSError, IndexError):
            return None
        a, b, _, d, e, _ = self.grid.transform
        return math.hypot(a * along_x, d * along_y), abs(a * e - b * d) * along_x * along_y

    def describe(self) -> dict[str, Any]:
        """Return what answers tell of it."""
        bounds = None
        if self.grid.crs:
            try:
                ends = transform_bounds(self.grid.crs, "EPSG:4326", *self.grid.bounds)
                bounds = [round(value, 9) for value in ends] if np.isfinite(ends).all() else None
            except GDAL_ERRORS:
                bounds = None
        return {
            "format": self.format,
            "width": self.width,
            "height": self.height,
            "bands": self.bands,
            "dtype": self.dtype,
            "georeferenced": bool(self.grid.crs),
            "crs": self.grid.crs or None,
            "bounds": bounds,
            "transform": list(self.grid.transform[:6]) if self.grid.crs else None,
            "corners": corners_of(self.grid),
            "pixel_size": self.ground[0] if self.ground else None,
        }


@contextmanager
def opened(upload: Upload | Path, limits: Limits) -> Iterator[tuple[DatasetReader, ImageFacts]]:
    """Yield an image, open, and its facts; its header has been judged.

    Args:
        upload: The image; a TIFF in memory is put to disk, where it can be vetted.
        limits: How large it may be.

    Raises:
        Problem: 413 when it is too large, 422 when it is no image or damaged.
    """
    given = upload if isinstance(upload, Upload) else Upload(path=upload)
    kind = next((kind for magic, kind in MAGIC.items() if given.head.startswith(magic)), None)
    if kind is None:
        raise Problem(422, "not-an-image", "the file is no GeoTIFF, PNG or JPEG", _NO_IMAGE)
    if kind == "GTiff":
        if given.path is None and given.spare is not None:
            given.move(given.spare)
        try:
            check_complete(str(given.path))
        except InputError as error:
            raise Problem(422, "damaged-image", error.problem, _DAMAGED) from error
    if kind == "PNG":
        _check_png(given)
    with rasterio.Env(**_OPTIONS), warnings.catch_warnings(), decode_faults():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        if given.path is not None:
            with rasterio.open(given.path, driver=kind, sharing=False) as dataset:
                yield dataset, _judged(dataset, kind, limits)
            return
        with MemoryFile(given.data) as memory, memory.open(driver=kind, sharing=False) as dataset:
            yield dataset, _judged(dataset, kind, limits)


def _check_png(upload: Upload) -> None:
    """See that every chunk of a PNG lies inside the file: GDAL takes what is missing for zeros.

    Raises:
        Problem: 422 when the file ends before its last chunk.
    """
    with upload.path.open("rb") if upload.path else io.BytesIO(upload.data) as file:
        at, kind = 8, b""
        while kind != b"IEND":
            file.seek(at)
            head = file.read(8)
            if len(head) < 8:
                raise Problem(422, "damaged-image", "the PNG is truncated", _DAMAGED)
            kind = head[4:]
            at += 12 + int.from_bytes(head[:4], "big")  # the length, the kind and the checksum
        if at > file.seek(0, io.SEEK_END):
            raise Problem(422, "damaged-image", "the PNG is truncated", _DAMAGED)


@contextmanager
def decode_faults() -> Iterator[None]:
    """Turn what GDAL says of torn files into a problem."""
    try:
        yield
    except InputError as error:
        raise Problem(422, "unusable-image", error.problem, error.remedy) from error
    except GDAL_ERRORS as error:
        raise Problem(
            422, "damaged-image", "the image is truncated or damaged", _DAMAGED
        ) from error


def _judged(dataset: DatasetReader, kind: str, limits: Limits) -> ImageFacts:
    """Return the facts of an image that is small enough."""
    if not dataset.count:
        raise Problem(422, "not-an-image", "the file holds no bands", _NO_IMAGE)
    width, height = dataset.width, dataset.height
    most = limits.pixels if kind == "GTiff" else min(limits.pixels, limits.picture_pixels)
    if width * height > most:
        other = " PNG and JPEG cannot be read in parts; GeoTIFF can." if kind != "GTiff" else ""
        raise Problem(
            413,
            "too-many-pixels",
            f"the image has {width} x {height} pixels; at most {most} are taken",
            f"Send a part of it, or reduce it.{other}",
        )
    if _block_bytes(dataset) > _LARGEST_BLOCK:
        raise Problem(
            413,
            "too-large-blocks",
            f"the image is stored in blocks of {_block_bytes(dataset)} bytes",
            "Write it in tiles: gdal_translate -co TILED=YES IN OUT.",
        )
    kinds = sorted(set(dataset.dtypes))
    if len(kinds) > 1 or np.dtype(kinds[0]).kind not in "iuf":
        raise Problem(
            422, "unusable-values", f"its values are {', '.join(kinds)}", "Send real numbers."
        )
    return ImageFacts(kind, width, height, dataset.count, kinds[0], _grid(dataset))


def _grid(dataset: DatasetReader) -> Grid:
    """Return the grid of an image; one of pixels where it has no place on the ground."""
    if dataset.crs is None or dataset.transform.is_identity or dataset.transform.is_degenerate:
        return Grid.of_pixels(dataset.height, dataset.width)
    return Grid.of(dataset)


def _block_bytes(dataset: DatasetReader) -> int:
    """Return what decoding one block takes, in bytes."""
    rows, columns = dataset.block_shapes[0]
    together = dataset.count if dataset.interleaving is not None else 1
    return int(rows * columns * np.dtype(dataset.dtypes[0]).itemsize * together)


def plan_for(
    dataset: DatasetReader, model: Model, given: tuple[float | None, float | None]
) -> Plan:
    """Return how an image becomes a model's input.

    Args:
        dataset: The image.
        model: The model.
        given: Scale and offset that the request states: reflectance = scale * (value + offset).

    Raises:
        Problem: 422 when bands or values are not the model's.
    """
    colors = _palette(dataset)
    bands = _bands(dataset, model)
    if colors is not None:
        bands = (1,) if model.bands == _PALETTE else ()
    if not bands:
        raise _other_bands(dataset, model)
    encoding = encoding_of(dataset, model, given)
    return Plan(bands, model.predictor.dates, encoding, colors)


def _palette(dataset: DatasetReader) -> NDArray[np.uint8] | None:
    """Return the colors of an indexed picture, (256, 3) uint8."""
    if dataset.count != 1 or dataset.colorinterp[0] != ColorInterp.palette:
        return None
    colors = np.zeros((256, 3), np.uint8)
    for index, color in dataset.colormap(1).items():
        if index < 256:
            colors[index] = color[:3]
    return colors


def _bands(dataset: DatasetReader, model: Model) -> tuple[int, ...]:
    """Return the numbers of the model's bands in a file; empty where they are not clear."""
    wanted = [name.lower() for name in model.predictor.bands]
    colors = list(dataset.colorinterp)
    shown = [band for band, color in enumerate(colors, 1) if color != ColorInterp.alpha]
    if model.predictor.dates == 1:
        named = [(text or "").strip().lower() for text in dataset.descriptions]
        marked = [color.name for color in colors]
        for names in (named, marked):
            if all(names.count(name) == 1 for name in wanted):
                return tuple(names.index(name) + 1 for name in wanted)
    return tuple(shown) if len(shown) == model.bands else ()


def _other_bands(dataset: DatasetReader, model: Model) -> Problem:
    """Return the problem of an image that has other bands than a model."""
    names = ", ".join(model.predictor.bands)
    dates = f" of {model.predictor.dates} dates" if model.predictor.dates > 1 else ""
    colors = ", ".join(color.name for color in dataset.colorinterp[:12])
    detail = (
        f"the image has {dataset.count} band{'s' * (dataset.count != 1)} ({colors}), and the model "
        f"{model.name!r} needs {model.bands} ({names}{dates})"
    )
    remedy = "Send exactly these bands; a further one counts only if it is marked as alpha."
    if dataset.count == model.bands + 1:
        remedy = f"Name its bands in their descriptions, or send only {names}: gdal_translate -b."
    elif dataset.count <= 2 and model.bands == _PALETTE:
        remedy = "Send a color image; a gray one says too little for this model."
    return Problem(422, "other-bands", detail, remedy)


class ImageScene:
    """An open image as prediction reads it (`nadir.segmentation.sliding.Scene`); thread-safe.

    Args:
        dataset: The image; stays open as long as this is used.
        facts: Its facts.
        plan: How its pixels become input.
        bands: The model's names of the bands.

    Attributes:
        path: What it is called in messages.
        grid: Its grid.
        bands: Names of the bands.
        dates: Names of the dates.
        scale: Scale by date: reflectance = scale * (raw + offset).
        offset: Offset by date.
    """

    path = Path("image")

    def __init__(
        self, dataset: DatasetReader, facts: ImageFacts, plan: Plan, bands: tuple[str, ...]
    ) -> None:
        self.grid, self.bands = facts.grid, bands
        self.plan = plan
        self.dates = tuple(f"date {number}" for number in range(1, plan.dates + 1))
        self.scale = dict.fromkeys(self.dates, plan.encoding.scale)
        self.offset = dict.fromkeys(self.dates, plan.encoding.offset)
        self._dataset = dataset
        self._lock = threading.Lock()
        self._masked = any(MaskFlags.all_valid not in flags for flags in dataset.mask_flag_enums)

    def read(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        """Read a window, which may reach beyond the image: 0 and not valid there.

        Returns:
            uint16 (date, band, height, width) and bool (date, height, width).

        Raises:
            Problem: 422 when the file is damaged.
        """
        return self.sample(y, x, height, width)[:2]

    def sample(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.bool_], int]:
        """Read a window as `read` does, and count the values beyond what can be stored."""
        rows, columns = min(height, self.grid.height - y), min(width, self.grid.width - x)
        dates = self.plan.dates
        values, valid = self._decode(Window(x, y, columns, rows))
        try:
            stored, clipped = self.plan.encoding.encode(values, valid, "image")
        except InputError as error:
            raise Problem(422, "unusable-values", error.problem, error.remedy) from error
        raw = np.zeros((len(stored), height, width), np.uint16)
        raw[:, :rows, :columns] = stored
        mask = np.zeros((dates, height, width), bool)
        mask[:, :rows, :columns] = valid
        return raw.reshape(dates, -1, height, width), mask, clipped

    def _decode(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return values (band, h, w) as the file holds them, and validity (h, w)."""
        shape = (int(window.height), int(window.width))
        with self._lock, decode_faults():
            values = self._dataset.read(list(self.plan.bands), window=window)
            if self._masked:
                valid = self._dataset.dataset_mask(window=window) > 0
            else:
                valid = np.ones(shape, bool)
        if self.plan.colors is not None:
            values = np.moveaxis(self.plan.colors[values[0]], -1, 0)
        if values.dtype.kind == "f":
            valid &= np.isfinite(values).all(axis=0)
        return values, valid


def make_handy(dataset: DatasetReader, target: Path) -> bool:
    """Copy an image into a tiled GeoTIFF where its own form is slow to read in windows.

    Args:
        dataset: The image.
        target: The copy to make; memory stays bounded.

    Returns:
        Whether a copy was needed, and made.

    Raises:
        Problem: 422 when the image is damaged.
        OutputError: When the disk is full.
    """
    if dataset.driver == "GTiff" and _block_bytes(dataset) <= _HANDY_BLOCK:
        return False
    room = dataset.width * dataset.height * dataset.count
    try:
        with write_faults(target):
            rasterio.shutil.copy(
                dataset,
                str(target),
                driver="GTiff",
                TILED="YES",
                BLOCKXSIZE="512",
                BLOCKYSIZE="512",
                COMPRESS="DEFLATE",
                ZLEVEL="1",
                BIGTIFF="IF_SAFER",
            )
    except GDAL_ERRORS as error:
        # GDAL tells a full disk and a torn image in many words; what is left free tells them apart.
        if "No space left" in str(error) or shutil.disk_usage(target.parent).free < room:
            raise OutputError(target, "the disk is full", "Free some space.") from error
        raise
    return True
