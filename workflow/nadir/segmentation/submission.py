"""Archives to hand in: maps with the raw values of the class table, checked before packing."""

from __future__ import annotations

import logging
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path, remove_path, temporary_beside, write_faults
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid

log = logging.getLogger(__name__)

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP can state
_BLOCK = 512
_PROFILE: dict[str, Any] = {
    "driver": "GTiff",
    "dtype": "uint8",
    "count": 1,
    "compress": "deflate",
    "tiled": True,
    "blockxsize": _BLOCK,
    "blockysize": _BLOCK,
    "bigtiff": "if_safer",
}


def pack_landcover(
    maps: Mapping[str, str | os.PathLike[str]],
    grids: Mapping[str, Grid],
    classes: ClassTable,
    path: str | os.PathLike[str],
    *,
    tile: int | None = None,
) -> list[str]:
    """Pack maps into `submission.zip`: GeoTIFFs of raw class values, as the masks hold them.

    Class ids become the values of the class table, no data its first no-data value. Everything
    is checked before the archive appears; equal maps give equal bytes (sorted names, fixed times).

    Args:
        maps: Scene -> map (uint8 class ids, 0 = no data).
        grids: Scene -> grid of the scene's image, on which its map must lie.
        classes: The class table.
        path: The archive to write.
        tile: Side in pixels of square tiles; by default one file a scene, `<scene>.tif`. Tiles
            are called `<scene>_<row>_<column>.tif` by their upper-left pixel; those at the right
            and lower border are smaller.

    Returns:
        The names in the archive.

    Raises:
        InputError: When there is no map, or one cannot be read, has no CRS, another grid than its
            image, or values outside the class table.
        OutputError: When the disk is full or not writable. No archive is left then.
    """
    if not maps:
        raise InputError("submission", "there is no map to hand in", "Predict at least one scene.")
    for scene in sorted(maps):
        check_map(maps[scene], grids[scene], classes)
    values = raw_values(classes)
    names: list[str] = []
    path = Path(path)
    with (
        write_faults(path),
        atomic_path(path, ".zip") as temporary,
        parts_folder(path) as folder,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,  # GeoTIFFs are compressed
    ):
        for scene in sorted(maps):
            for name, window in sorted(_parts(scene, grids[scene], tile)):
                part = folder / name
                write_part(maps[scene], window, grids[scene], values, part, classes)
                add_file(archive, name, part)
                part.unlink()
                names.append(name)
        archive.close()
        check_archive(temporary, names, classes)
    log.info("%s: %d files", path, len(names))
    return names


@contextmanager
def parts_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside an archive for its parts; what a kill leaves goes with the next run."""
    folder = temporary_beside(path)
    folder.mkdir()
    try:
        yield folder
    finally:
        remove_path(folder)


def raw_values(classes: ClassTable) -> NDArray[np.uint8]:
    """Return the table (256,) uint8 from class id to raw value; 0 to the first no-data value.

    A class table without a no-data value gives 255 there, since a map may have empty pixels.
    """
    table = np.zeros(256, np.uint8)
    table[0] = classes.nodata[0] if classes.nodata else 255
    for number, item in enumerate(classes.classes, start=1):
        table[number] = item.value
    return table


def check_archive(path: str | os.PathLike[str], names: list[str], classes: ClassTable) -> None:
    """Read an archive back and see that it is what the challenge asks for.

    Args:
        path: The archive.
        names: The files that it must hold, in this order.
        classes: The class table.

    Raises:
        InputError: When files are missing, or one is no uint8 GeoTIFF of one band with a CRS.
    """
    remedy = "Delete it and run the command again."
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
        if broken is not None or archive.namelist() != names:
            raise InputError(path, "files in the archive are missing or damaged", remedy)
    nodata = int(raw_values(classes)[0])
    for name in names:
        with open_raster(f"/vsizip/{os.path.abspath(path)}/{name}") as dataset:
            fits = dataset.count == 1 and dataset.dtypes == ("uint8",) and dataset.crs is not None
            if not fits or dataset.nodata != nodata:
                raise InputError(path, f"{name} is no uint8 map of one band with a CRS", remedy)


def check_map(
    path: str | os.PathLike[str], grid: Grid, classes: ClassTable, *, placed: bool = True
) -> None:
    """See that a map can be handed in.

    Args:
        path: The map.
        grid: Grid of its image.
        classes: The class table.
        placed: Whether it must have a CRS.

    Raises:
        InputError: When it cannot.
    """
    again = "Predict the map again from this very scene."
    with open_raster(str(path)) as dataset:
        found = Grid.of(dataset)
        if placed and not found.crs:
            raise InputError(path, "it has no coordinate reference system", again)
        if dataset.count != 1 or dataset.dtypes[0] != "uint8":
            raise InputError(path, "it is no map of class ids (one band of uint8)", again)
        if dataset.shape != grid.shape:
            size, needed = (f"{one.width} x {one.height}" for one in (found, grid))
            raise InputError(path, f"it is {size} pixels, its image {needed}", again)
        if not found.same_as(grid):
            raise InputError(path, "it lies elsewhere than its image", again)
        largest = max(int(dataset.read(1, window=window).max()) for window in windows_of(grid))
    if largest > classes.count:
        problem = f"it holds class id {largest}, but there are {classes.count} classes"
        raise InputError(path, problem, "Predict it again with a model of this class table.")


def windows_of(grid: Grid) -> Iterator[Window]:
    """Yield the blocks of a grid, row by row."""
    for top in range(0, grid.height, _BLOCK):
        for left in range(0, grid.width, _BLOCK):
            height, width = min(_BLOCK, grid.height - top), min(_BLOCK, grid.width - left)
            yield Window(left, top, width, height)


def _parts(
    scene: str, grid: Grid, tile: int | None
) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """Yield the files of a scene: name and window (y, x, height, width)."""
    if tile is None:
        yield f"{scene}.tif", (0, 0, grid.height, grid.width)
        return
    for y in range(0, grid.height, tile):
        for x in range(0, grid.width, tile):
            height, width = min(tile, grid.height - y), min(tile, grid.width - x)
            yield f"{scene}_{y}_{x}.tif", (y, x, height, width)


def write_part(
    source: str | os.PathLike[str],
    window: tuple[int, int, int, int],
    grid: Grid,
    values: NDArray[np.uint8],
    path: Path,
    classes: ClassTable | None = None,
) -> None:
    """Write one window of a map as a GeoTIFF of raw values, block by block.

    Args:
        source: The map.
        window: y, x, height, width.
        grid: Grid of the map.
        values: uint8 (256,): class id -> raw value.
        path: The GeoTIFF to write.
        classes: With a class table, the file gets its palette and a no-data value, that of id 0.
    """
    y, x, height, width = window
    part = grid.window(y, x, height, width)
    with (
        open_raster(str(source)) as dataset,
        rasterio.open(
            path,
            "w",
            **_PROFILE,
            height=height,
            width=width,
            crs=dataset.crs,
            transform=part.affine,
            nodata=None if classes is None else int(values[0]),
        ) as target,
    ):
        if classes is not None:
            colors = {
                int(values[number]): tuple(bytes.fromhex(color.removeprefix("#")))
                for number, color in enumerate(classes.colors)
            }
            target.write_colormap(1, colors)
        for inner in windows_of(part):
            outer = Window(inner.col_off + x, inner.row_off + y, inner.width, inner.height)
            target.write(values[dataset.read(1, window=outer)], 1, window=inner)


def add_file(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Add a file to an archive, with nothing in its entry that varies."""
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # as written on Unix, wherever this runs
    entry.file_size = path.stat().st_size
    with archive.open(entry, "w") as target, path.open("rb") as source:
        shutil.copyfileobj(source, target, 1 << 20)
