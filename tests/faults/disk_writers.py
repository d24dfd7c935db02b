"""Every way in which the package writes files, each alone, with some hundred kilobytes of content.

A writer takes a folder and writes into it; what it imports comes only when it is asked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 300
Writer = Callable[[Path], None]
WRITERS: dict[str, tuple[Writer, tuple[str, ...]]] = {}
"""Name -> the function, and the modules that it imports."""
KEPT = {"jobs": "out/", "board": "out/events", "overviews": "out/image.tif", "world": "out/"}
"""Writer -> beginning of what may lie there half-written, or before it began."""
TIMED = ("jobs", "board", "state")
"""Writers whose bytes hold times, or a temporary name: that they begin anew is all that counts."""
QUICK = {"geopackage": 68, "frames": 29, "blocks": 80, "jobs": 4}
"""Writers that import little -> pages of a disk on which they fail late."""


def _writer(*modules: str) -> Callable[[Writer], Writer]:
    """Register a function under its name."""

    def register(function: Writer) -> Writer:
        WRITERS[function.__name__] = (function, modules)
        return function

    return register


def prepare(names: Iterable[str]) -> None:
    """Import what writers need, before copies of the process are made."""
    from nadir.provenance.compiled import separate_compiled_code

    separate_compiled_code()  # as the command line does, before numba is imported
    for name in names:
        for module in WRITERS[name][1]:
            importlib.import_module(module)


def write(name: str, folder: Path) -> int:
    """Write into a folder; say what a command would say, and return its exit code."""
    from nadir.errors import NadirError

    try:
        WRITERS[name][0](folder)
    except NadirError as error:
        sys.stderr.write(f"nadir: error: {error}\n")
        return 2
    return 0


def noise(*shape: int) -> np.ndarray:
    """Return bytes that no compression makes smaller, uint8 of a shape."""
    return np.random.default_rng([5, *shape]).integers(1, 256, shape, np.uint8)


def _grid() -> Any:
    from nadir.raster.grid import Grid

    return Grid("EPSG:32631", (10.0, 0.0, 4e5, 0.0, -10.0, 46e5), SIDE, SIDE)


def _squares(count: int) -> Any:
    """Return polygons in UTM with an attribute."""
    import geopandas as gpd
    from shapely import box

    corners = np.random.default_rng(7).uniform(0, 1e4, (count, 2))
    shapes = [box(4e5 + x, 46e5 + y, 4e5 + x + 9, 46e5 + y + 9) for x, y in corners]
    return gpd.GeoDataFrame({"area": np.arange(count)}, geometry=shapes, crs="EPSG:32631")


@_writer("nadir.provenance.geopackage")
def geopackage(folder: Path) -> None:
    """SQLite, by GDAL."""
    from nadir.provenance.geopackage import write_geopackage

    write_geopackage(folder / "out" / "roofs.gpkg", _squares(900), "roofs", "Roofs")


@_writer("nadir.provenance.tables", "pandas")
def table(folder: Path) -> None:
    """Parquet, by Arrow."""
    import pandas as pd
    import pyarrow as pa

    from nadir.provenance.tables import write_table

    values = noise(60_000).astype(float) ** 0.5 * noise(60_000)
    schema = pa.schema([("value", pa.float64())])
    write_table(folder / "out" / "table.parquet", pd.DataFrame({"value": values}), schema)


@_writer("nadir.tiles.table", "geopandas")
def tiles(folder: Path) -> None:
    """GeoParquet, by Arrow through GeoPandas."""
    from nadir.tiles.table import write_tiles

    write_tiles(folder / "out" / "tiles.parquet", _squares(9000))


@_writer("nadir.provenance.archive")
def archive(folder: Path) -> None:
    """ZIP."""
    from nadir.provenance.archive import pack_archive

    pack_archive(folder / "out" / "answer.zip", {"a.bin": noise(90_000).tobytes()})


@_writer("nadir.raster.cog")
def plain_map(folder: Path) -> None:
    """A COG whose raw pixels were reserved."""
    from nadir.raster.cog import MapWriter

    with MapWriter(folder / "out" / "map.tif", _grid()) as made:
        made.write(0, 0, noise(SIDE, SIDE))


@_writer("nadir.raster.written")
def blocks(folder: Path) -> None:
    """A COG of a compressed GeoTIFF written in blocks."""
    from nadir.raster.written import cog_in_blocks

    path = folder / "out" / "image.tif"
    with cog_in_blocks(path, _grid(), ("a", "b"), "uint8", {"made": "by code"}) as made:
        made.write(noise(2, SIDE, SIDE))


@_writer("nadir.raster.picture_cog")
def picture(folder: Path) -> None:
    """A COG with a mask inside, of a plain GeoTIFF."""
    from nadir.raster.picture_cog import new_picture

    with new_picture(folder / "out" / "picture.tif", _grid()) as made:
        made.write(0, 0, noise(SIDE, SIDE, 3), noise(SIDE, SIDE) > 9)


@_writer("nadir.raster.mosaic")
def mosaic(folder: Path) -> None:
    """A COG of a plain GeoTIFF of several bands."""
    from nadir.raster.mosaic import _writing

    with _writing(folder / "out" / "mosaic.tif", _grid(), ("a", "b", "c")) as made:
        made.write(noise(3, SIDE, SIDE))


@_writer("nadir.raster.burn")
def mask(folder: Path) -> None:
    """A sparse GeoTIFF with a palette."""
    from commands import CLASSES

    from nadir.config.classes import ClassTable
    from nadir.raster.burn import _create

    classes = ClassTable.model_validate(CLASSES)
    with _create(folder / "out" / "mask.tif", _grid(), classes, 0) as made:
        made.write(noise(SIDE, SIDE), 1)


@_writer("nadir.simulate.products")
def world(folder: Path) -> None:
    """GeoTIFFs written block by block, several open at once."""
    from nadir.config.worlds import WorldConfig
    from nadir.simulate.products import simulate_world

    simulate_world(WorldConfig(width_km=0.64, height_km=0.64), folder / "out", workers=1)


@_writer("nadir.service.tiles")
def overviews(folder: Path) -> None:
    """Overviews beside an image that GDAL writes in place."""
    import rasterio

    from nadir.service import tiles as service

    service._UNAIDED, service._COARSEST = 100, 50
    path = folder.parent / "image.tif"
    if not path.exists():
        form = {"driver": "GTiff", "height": 800, "width": 800, "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", **form) as made:
            made.write(noise(800, 800), 1)
    (folder / "out").mkdir(exist_ok=True)
    link = folder / "out" / "image.tif"
    if not link.is_symlink():
        link.symlink_to(path)
    service.add_overviews(link)


@_writer("nadir.service.jobstore")
def jobs(folder: Path) -> None:
    """SQLite with a journal."""
    from nadir.service.jobstore import JobStore

    store = JobStore(folder / "out")
    try:
        for number in range(40):
            store._run(
                "INSERT OR REPLACE INTO jobs (id, image) VALUES (?, ?)",
                [str(number), noise(number + 2000).tobytes()],
            )
    finally:
        store.close()


@_writer("nadir.groundview.frames")
def frames(folder: Path) -> None:
    """Arrays of NumPy."""
    from nadir.groundview.frames import FrameKeeper

    FrameKeeper(folder / "out", 5).add(1, noise(200, 200, 3))


@_writer("nadir.learn.history", "tensorboard.compat.proto.event_pb2", "torch")
def board(folder: Path) -> None:
    """Events of TensorBoard."""
    from nadir.learn.history import BoardWriter

    made = BoardWriter(folder / "out")
    made.add({"epoch": 1, "loss": 0.5}, {"picture": noise(200, 200, 3)})
    made.close()


@_writer("nadir.learn.keeper", "torch", "safetensors.torch")
def state(folder: Path) -> None:
    """The state from which a training goes on, by torch."""
    import torch

    from nadir.learn.keeper import write_state

    write_state(folder / "out", {"network": {"w": torch.arange(60_000.0)}, "epochs": 3})


@_writer("nadir.learn.keeper", "torch", "safetensors.torch")
def weights(folder: Path) -> None:
    """The best weights so far, as safetensors."""
    import torch

    from nadir.learn.keeper import write_best

    write_best(folder / "out" / "best-1.safetensors", {"w": torch.arange(60_000.0)})
