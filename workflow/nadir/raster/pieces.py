"""Rasters side by side as one: map tiles of one zoom, or georeferenced sheets on one grid.

Places are found from names and headers; pixels are read window by window, so that a folder of any
size takes the memory of one window.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window
from shapely import STRtree, box

from nadir.config.scenes import DeclaredGrid
from nadir.config.slippy import SlippyTile, TileFolder
from nadir.errors import InputError
from nadir.raster.geotiff import check_complete, open_raster, read_faults
from nadir.raster.grid import Grid, same_crs
from nadir.raster.layers import RasterLayer, has_alpha

log = logging.getLogger(__name__)

WEB_MERCATOR = "EPSG:3857"
"""The system of map tiles."""

HALF_EARTH = math.pi * 6378137.0
"""Half the side of the square that map tiles cut up, in metres of EPSG:3857."""

_OFF_GRID = 0.02  # pixels by which sheets may miss a common grid


@dataclass(frozen=True)
class Piece:
    """One raster on the common grid.

    Attributes:
        path: The file.
        y: Its first row on the common grid.
        x: Its first column.
        height: Rows.
        width: Columns.
    """

    path: str
    y: int
    x: int
    height: int
    width: int


@dataclass(frozen=True)
class Form:
    """What all pieces have in common.

    Attributes:
        count: Bands, a band of transparency not counted.
        dtype: Type of the values.
        nodata: Declared no-data value, or None.
        descriptions: Descriptions of the bands.
        palette: Whether the one band holds numbers of colors.
        tags: Items of the file's image structure, such as NBITS.
        gain: Scale and offset that the first band declares, (1, 0) where it declares none.
    """

    count: int
    dtype: str
    nodata: float | None
    descriptions: tuple[str | None, ...]
    palette: bool
    tags: tuple[tuple[str, str], ...] = ()
    gain: tuple[float, float] = (1.0, 0.0)

    @classmethod
    def of(cls, dataset: DatasetReader) -> Form:
        """Return the form of an open raster."""
        count = dataset.count - (1 if has_alpha(dataset) else 0)
        return cls(
            count=count,
            dtype=str(np.result_type(*dataset.dtypes[:count])),
            nodata=dataset.nodata,
            descriptions=tuple(dataset.descriptions[:count]),
            palette=dataset.colorinterp[0] == ColorInterp.palette,
            tags=tuple(sorted(dataset.tags(1, ns="IMAGE_STRUCTURE").items())),
            gain=(float(dataset.scales[0]), float(dataset.offsets[0])),
        )


@dataclass
class Pieces:
    """Rasters on one grid.

    Attributes:
        grid: The grid that holds all of them.
        pieces: The rasters, in the order of their names.
        form: What they have in common.
        name: The folder or the file, for messages.
    """

    grid: Grid
    pieces: list[Piece]
    form: Form
    name: str
    _tree: STRtree = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._tree = STRtree([box(p.x, p.y, p.x + p.width, p.y + p.height) for p in self.pieces])

    def touching(self, y: int, x: int, height: int, width: int) -> list[Piece]:
        """Return the pieces that share pixels with a window, in their order."""
        near = np.sort(self._tree.query(box(x, y, x + width, y + height)))
        return [
            p
            for p in (self.pieces[n] for n in near)
            if _overlap(p, y, x, height, width) is not None
        ]

    def read(
        self, bands: list[int], y: int, x: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window inside the grid.

        Args:
            bands: Numbers of the bands, from 0.
            y: First row.
            x: First column.
            height: Rows.
            width: Columns.

        Returns:
            Raw (band, height, width), 0 where there is no piece, and bool (height, width): whether
            a piece is there, and not transparent or masked by itself.

        Raises:
            InputError: When a piece is damaged, or differs from the others in size or bands.
        """
        raw = np.zeros((len(bands), height, width), self.form.dtype)
        there = np.zeros((height, width), bool)
        for piece in self.touching(y, x, height, width):
            overlap = _overlap(piece, y, x, height, width)
            assert overlap is not None
            top, left, tall, wide = overlap
            into = np.s_[top - y : top - y + tall, left - x : left - x + wide]
            window = Window(left - piece.x, top - piece.y, wide, tall)
            values, opaque = self._read_piece(piece, bands, window)
            # Where pieces overlap, the later one stays, but for what it does not show.
            raw[(slice(None), *into)][:, opaque] = values[:, opaque]
            there[into] |= opaque
        return raw, there

    def _read_piece(
        self, piece: Piece, bands: list[int], window: Window
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window of one piece: values, and which pixels it shows."""
        with open_raster(piece.path) as dataset:
            self._check_alike(piece, dataset)
            with read_faults(piece.path):
                masked = has_alpha(dataset) or any(
                    MaskFlags.per_dataset in flags for flags in dataset.mask_flag_enums
                )
                opaque = (
                    dataset.dataset_mask(window=window) > 0
                    if masked
                    else np.ones((int(window.height), int(window.width)), bool)
                )
                if self.form.palette and len(bands) == 3:
                    return _colors(dataset, window), opaque
                values = dataset.read([band + 1 for band in bands], window=window)
        return values.astype(self.form.dtype, copy=False), opaque

    def _check_alike(self, piece: Piece, dataset: DatasetReader) -> None:
        """Raise when a raster is not what the first one is."""
        count = dataset.count - (1 if has_alpha(dataset) else 0)
        if dataset.shape != (piece.height, piece.width):
            raise InputError(
                piece.path,
                f"it has {dataset.width} x {dataset.height} pixels where its neighbors have "
                f"{piece.width} x {piece.height}",
                "Give tiles of one size.",
            )
        if count != self.form.count or not set(dataset.dtypes[:count]) <= {self.form.dtype}:
            raise InputError(
                piece.path,
                f"it has {count} band{'s' if count > 1 else ''} of {dataset.dtypes[0]} where "
                f"{self.pieces[0].path} has {self.form.count} of {self.form.dtype}",
                "Give tiles of one kind.",
            )


def _overlap(
    piece: Piece, y: int, x: int, height: int, width: int
) -> tuple[int, int, int, int] | None:
    """Return the part of a window that a piece covers, or None."""
    top, left = max(y, piece.y), max(x, piece.x)
    tall = min(y + height, piece.y + piece.height) - top
    wide = min(x + width, piece.x + piece.width) - left
    return (top, left, tall, wide) if tall > 0 and wide > 0 else None


def _colors(dataset: DatasetReader, window: Window) -> np.ndarray:
    """Return the colors (3, height, width) of a raster of palette numbers."""
    table = np.zeros((256, 3), np.uint8)
    for number, color in dataset.colormap(1).items():
        table[number] = color[:3]
    return np.moveaxis(table[dataset.read(1, window=window)], -1, 0)


def open_pieces(
    file: str | None, tiles: TileFolder | None, declared: DeclaredGrid | None = None
) -> Pieces:
    """Find the rasters of one picture or one mask, and see that they fit together.

    Args:
        file: One raster.
        tiles: Or a folder of tiles.
        declared: Georeference of `file` where it carries none.

    Raises:
        InputError: When a file is missing, damaged, truncated or without georeference, or the
            rasters of a folder lie on different grids.
    """
    if file is not None:
        check_complete(file)
        layer = RasterLayer(file, declared)
        layer.close()
        with open_raster(file) as dataset:
            form = Form.of(dataset)
        return Pieces(layer.grid, [Piece(file, 0, 0, *layer.grid.shape)], form, file)
    assert tiles is not None
    paths = tiles.paths()
    if not paths:
        raise InputError(tiles.folder, "it holds no tiles", "Check the folder.")
    for path in paths:
        check_complete(path)
    with open_raster(paths[0]) as dataset:
        form = Form.of(dataset)
        shape = dataset.shape
    if tiles.zoom is not None:
        return _slippy(tiles, shape, form)
    return _sheets(tiles.folder, paths, form)


def tile_grid(tile: SlippyTile, height: int, width: int) -> Grid:
    """Return the grid of a map tile of so many pixels, in web Mercator."""
    side = 2 * HALF_EARTH / 2**tile.zoom
    left, top = tile.x * side - HALF_EARTH, HALF_EARTH - tile.y * side
    return Grid(WEB_MERCATOR, (side / width, 0.0, left, 0.0, -side / height, top), height, width)


def _slippy(tiles: TileFolder, shape: tuple[int, int], form: Form) -> Pieces:
    """Place map tiles by their numbers."""
    located = tiles.located()
    height, width = shape
    x0, y0 = min(tile.x for tile in located.values()), min(tile.y for tile in located.values())
    x1, y1 = max(tile.x for tile in located.values()), max(tile.y for tile in located.values())
    places: dict[SlippyTile, str] = {}
    for path, tile in located.items():
        if tile in places:
            raise InputError(
                path,
                f"it is the same tile ({tile.zoom}/{tile.x}/{tile.y}) as {places[tile]}",
                "Give each tile once.",
            )
        places[tile] = path
    corner = tile_grid(next(iter(places))._replace(x=x0, y=y0), height, width)
    whole = (y1 - y0 + 1) * height, (x1 - x0 + 1) * width
    pieces = [
        Piece(path, (tile.y - y0) * height, (tile.x - x0) * width, height, width)
        for path, tile in located.items()
    ]
    return Pieces(Grid(corner.crs, corner.transform, *whole), pieces, form, tiles.folder)


def _sheets(folder: str, paths: list[str], form: Form) -> Pieces:
    """Place rasters by their georeference, on the grid of the first one."""
    grids: dict[str, Grid] = {}
    for path in paths:
        layer = RasterLayer(path, None)
        layer.close()
        grids[path] = layer.grid
    first = grids[paths[0]]
    corners = {path: _corner(path, grid, first, paths[0]) for path, grid in grids.items()}
    top, left = (min(corner[axis] for corner in corners.values()) for axis in (0, 1))
    bottom = max(corners[path][0] + grids[path].height for path in paths)
    right = max(corners[path][1] + grids[path].width for path in paths)
    whole = first.window(top, left, bottom - top, right - left)
    pieces = [
        Piece(path, corners[path][0] - top, corners[path][1] - left, *grids[path].shape)
        for path in paths
    ]
    return Pieces(whole, pieces, form, folder)


def _corner(path: str, grid: Grid, first: Grid, name: str) -> tuple[int, int]:
    """Return the first row and column of a sheet on the grid of the first one."""
    remedy = "Warp the sheets onto one grid, or name map tiles z/x/y or x-y-z."
    if not same_crs(grid.crs, first.crs):
        raise InputError(path, f"its CRS is another than that of {name}", remedy)
    inside = ~first.affine @ grid.affine
    off = max(
        abs(inside.a - 1) * grid.width,
        abs(inside.e - 1) * grid.height,
        abs(inside.b) * grid.height,
        abs(inside.d) * grid.width,
        abs(inside.c - round(inside.c)),
        abs(inside.f - round(inside.f)),
    )
    if off > _OFF_GRID:
        raise InputError(path, f"its pixels miss those of {name} by {off:.2g} of a pixel", remedy)
    return round(inside.f), round(inside.c)
