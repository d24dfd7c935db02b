"""Files that hold bands: each with its own grid, read by window."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import CRSError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from nadir.config.scenes import ArraySource, DeclaredGrid
from nadir.errors import InputError
from nadir.raster.arrays import ArrayFile
from nadir.raster.geotiff import Handles, read_faults
from nadir.raster.grid import Grid, crs_text

LOCAL_CRS = (
    'LOCAL_CS["local",UNIT["metre",1,AUTHORITY["EPSG","9001"]],'
    'AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
)
"""Plane metres of unknown place: the one form that GeoTIFF keeps word for word."""


class Layer(Protocol):
    """Some bands of one file, on the file's own grid."""

    path: str
    grid: Grid
    dtype: np.dtype
    count: int
    nodata: float | None
    block: tuple[int, int]
    tags: dict[str, str]
    conflict: str

    def read(
        self, bands: list[int], y: int, x: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return raw (band, height, width), and the file's own validity mask where it has one."""

    def close(self) -> None:
        """Close open files."""


def declared_grid(
    grid: DeclaredGrid, height: int, width: int, resolution: float | None = None
) -> Grid:
    """Return the `Grid` that a configuration declares for a file of this shape.

    Raises:
        InputError: When the CRS is not one.
    """
    text = LOCAL_CRS if grid.crs.lower() == "local" else grid.crs
    try:
        crs = crs_text(CRS.from_user_input(text))
    except CRSError as error:
        raise InputError(
            "grid.crs",
            f"{grid.crs!r} is not a coordinate reference system",
            "Give a code such as EPSG:32631, or local.",
        ) from error
    step = resolution or grid.resolution
    return Grid(crs, (step, 0.0, grid.origin[0], 0.0, -step, grid.origin[1]), height, width)


class RasterLayer:
    """A raster file.

    Args:
        path: The file.
        declared: Georeference, used where the file carries none.

    Raises:
        InputError: When it is missing, not a raster, of complex numbers, or without a CRS.
    """

    def __init__(self, path: str, declared: DeclaredGrid | None) -> None:
        self.path = path
        self.handles = Handles(path)
        dataset = self.handles.get()
        kinds = sorted(set(dataset.dtypes))
        if any(np.dtype(kind).kind not in "iuf" for kind in kinds):
            raise InputError(path, f"its values are {', '.join(kinds)}", "Give real numbers.")
        self.dtype = np.result_type(*kinds)
        self.count = dataset.count
        self.nodata = dataset.nodata
        self.block = dataset.block_shapes[0]
        self.descriptions = tuple(dataset.descriptions)
        self.alpha = has_alpha(dataset)
        self.palette = dataset.colorinterp[0] == ColorInterp.palette
        self.tags = dict(dataset.tags())
        self.grid = Grid.of(dataset)
        self.masked = any(
            MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
            for flags in dataset.mask_flag_enums
        )
        self.conflict = ""
        placed = is_placed(self.grid)
        if declared is not None:
            stated = declared_grid(declared, *self.grid.shape)
            if placed and not stated.same_as(self.grid):
                self.conflict = f"{path}: the declared grid is ignored, since the file has its own"
            elif not placed:
                self.grid = stated
        elif not placed:
            what = "coordinate reference system" if not self.grid.crs else "position on the ground"
            raise InputError(
                path,
                f"it has no {what}",
                "Declare it as `grid: {crs: EPSG:..., origin: [x, y], resolution: ...}` "
                "(crs: local for plane metres of unknown place), or write it into the file.",
            )

    def read(
        self, bands: list[int], y: int, x: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return raw (band, height, width), and the file's own validity mask where it has one."""
        window = Window(x, y, width, height)
        dataset = self.handles.get()
        with read_faults(self.path):
            raw = dataset.read([band + 1 for band in bands], window=window)
            mask = dataset.dataset_mask(window=window) > 0 if self.masked else None
        return raw.astype(self.dtype, copy=False), mask

    def close(self) -> None:
        """Close the file in every thread; a later read opens it anew."""
        self.handles.close()


def has_alpha(dataset: DatasetReader) -> bool:
    """Whether the last band of a raster says how opaque its pixels are."""
    return dataset.count in (2, 4) and dataset.colorinterp[-1] == ColorInterp.alpha


def is_placed(grid: Grid) -> bool:
    """Whether a file says where it lies: the identity as a transform stands for "nowhere"."""
    return bool(grid.crs) and grid.transform != (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class ArrayLayer:
    """An array file on a declared grid.

    Args:
        source: The array.
        declared: Its georeference; plane metres of unknown place when None.
    """

    nodata: float | None = None
    block = (512, 512)
    conflict = ""

    def __init__(self, source: ArraySource, declared: DeclaredGrid | None) -> None:
        self.path = source.file
        self.tags: dict[str, str] = {}
        self.array = ArrayFile(source)
        self.count, height, width = self.array.shape
        self.dtype = self.array.dtype
        self.grid = declared_grid(declared or DeclaredGrid(), height, width, source.resolution)

    def read(
        self, bands: list[int], y: int, x: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return raw (band, height, width); an array file has no mask of its own."""
        raw = self.array.read(y, x, height, width)
        return (raw if bands == list(range(self.count)) else raw[bands]), None

    def close(self) -> None:
        """Nothing stays open between reads."""
