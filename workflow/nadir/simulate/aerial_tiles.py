"""Simulated aerial tiles as files: images, masks, true footprints and labels as they are drawn."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.windows import Window as RasterWindow
from tqdm import tqdm

from nadir.config.aerial import AerialConfig
from nadir.config.worlds import WorldConfig
from nadir.provenance.atomic import remove_path, write_json
from nadir.provenance.geopackage import write_geopackage
from nadir.simulate.aerial import render_aerial
from nadir.simulate.ahead import GDAL, TILE, available_cpus, blocks_of, in_order
from nadir.simulate.epochs import Epoch
from nadir.simulate.footprints import clip_to, true_footprints
from nadir.simulate.look import expose, tone_of_city
from nadir.simulate.mislabels import Labels, label_window
from nadir.simulate.towns import Tile, flight, place_tiles
from nadir.simulate.world import World
from nadir.simulate.written import new_geotiff

log = logging.getLogger(__name__)

BLOCK = 1024
"""Side of a block of work in pixels; the noise of an image follows it, so it does not change."""

BUILDING = 255
"""Value of buildings in the masks; the rest is 0."""

_DIGITS = 9  # of degrees in GeoJSON: a tenth of a millimetre
_FOLDERS = ("images", "gt", "footprints", "labels")


def simulate_aerial(
    world_cfg: WorldConfig,
    cfg: AerialConfig,
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
) -> Path:
    """Write `images/`, `gt/`, `footprints/`, `labels/` with a file a tile and, last, `aerial.json`.

    Images are RGB; masks hold `BUILDING` where the labels say so, on the same grid; footprints are
    the truth (GeoPackage, the world's CRS), labels what masks are drawn from (GeoJSON, degrees);
    both are cut at the tile's edge. A tile depends on the world, the configuration and its own
    place alone. Memory is that of `workers + 1` blocks and one mask. A killed run leaves no
    `aerial.json`.

    Args:
        world_cfg: The world.
        cfg: The tiles.
        folder: Where to write; created when absent. Tiles of an older run in it are removed.
        workers: Threads; by default the number of CPUs that this process may use.

    Returns:
        The path of `aerial.json`.

    Raises:
        InputError: When the world has too few towns for the tiles.
        OutputError: When the disk is full or not writable.
    """
    world, folder = World(world_cfg), Path(folder)
    tiles = place_tiles(world, cfg)
    for name in ("aerial.json", *_FOLDERS):  # older files must not pass for newer ones
        remove_path(folder / name)
    described = {}
    for tile, blocks in _rendered(world, cfg, tiles, workers or available_cpus()):
        grid = Affine(cfg.resolution, 0, 0, 0, -cfg.resolution, 0)
        left, _, _, top = tile.bounds(world)
        grid = Affine.translation(left, top) @ grid
        _write_image(folder / "images" / f"{tile.name}.tif", world, cfg, grid, blocks)
        described[tile.name] = _write_truth(folder, world, cfg, tile, grid)
    write_json(folder / "aerial.json", _describe(world, cfg, described))
    log.info("wrote %s: %d tiles", folder, len(tiles))
    return folder / "aerial.json"


def render_tile(
    world: World, cfg: AerialConfig, tile: Tile, row: int, column: int, rows: int, columns: int
) -> NDArray[np.uint8]:
    """Return a block of a tile's image.

    Args:
        world: The world.
        cfg: The tiles.
        tile: The tile.
        row: First row of the block, a multiple of `BLOCK`.
        column: First column, likewise.
        rows: Height of the block in pixels.
        columns: Width of it.

    Returns:
        (rows, columns, 3) uint8.
    """
    step = cfg.resolution
    x, y = tile.x + column * step, tile.y + row * step
    view = render_aerial(
        world, flight(cfg, tile.town), x, y, rows, columns, step, overhang=cfg.overhang
    )
    tone = tone_of_city(cfg.seed, tile.town, cfg.light)
    lattice = round(tile.x / tile.side), round(tile.y / tile.side)
    return expose(view.rgb, tone, cfg.seed, (*lattice, row // BLOCK, column // BLOCK))


def _rendered(
    world: World, cfg: AerialConfig, tiles: list[Tile], workers: int
) -> Iterator[tuple[Tile, Iterator[tuple[RasterWindow, np.ndarray]]]]:
    """Yield each tile with its blocks; some blocks are ahead of what is being written."""
    blocks = blocks_of(cfg.size_px, cfg.size_px, BLOCK)
    items = [(index, *block) for index in range(len(tiles)) for block in blocks]

    def work(index: int, *block: int) -> NDArray[np.uint8]:
        return render_tile(world, cfg, tiles[index], *block)

    done = tqdm(
        in_order(work, items, workers), total=len(items), desc="tiles", unit="block", disable=None
    )
    for index, group in itertools.groupby(done, key=lambda item: item[0][0]):
        yield (
            tiles[index],
            ((RasterWindow(c, r, w, h), rgb) for (_, r, c, h, w), rgb in group),
        )


def _profile(world: World, cfg: AerialConfig, grid: Affine) -> dict[str, Any]:
    """Return how the rasters of a tile are stored."""
    return {
        "driver": "GTiff", "width": cfg.size_px, "height": cfg.size_px, "dtype": "uint8",
        "crs": world.cfg.crs, "transform": grid, "tiled": True, "blockxsize": TILE,
        "blockysize": TILE, "compress": "deflate", "zlevel": 6, "BIGTIFF": "IF_SAFER",
    }  # fmt: skip


def _write_image(
    path: Path,
    world: World,
    cfg: AerialConfig,
    grid: Affine,
    blocks: Iterator[tuple[RasterWindow, np.ndarray]],
) -> None:
    """Write an image block by block."""
    colors: dict[str, Any] = {
        "count": 3,
        "photometric": "RGB",
        "interleave": "pixel",
        "predictor": 2,
    }
    with (
        rasterio.Env(**GDAL),
        new_geotiff(path, **_profile(world, cfg, grid), **colors) as file,
    ):
        for window, rgb in blocks:
            file.write(np.moveaxis(rgb, 2, 0), window=window)


def _write_truth(
    folder: Path, world: World, cfg: AerialConfig, tile: Tile, grid: Affine
) -> dict[str, Any]:
    """Write what is known of the buildings of a tile; return what `aerial.json` says of it."""
    bounds, epoch = tile.bounds(world), flight(cfg, tile.town)
    whole = true_footprints(world, epoch, bounds)
    truth, labels = clip_to(whole, bounds), label_window(world, epoch, cfg, bounds)
    drawn = clip_to(labels.table, bounds)
    mask = draw_mask(drawn, cfg.size_px, grid)
    with (
        rasterio.Env(**GDAL),
        new_geotiff(
            folder / "gt" / f"{tile.name}.tif", **_profile(world, cfg, grid), count=1
        ) as file,
    ):
        file.write(mask, 1)
    write_geopackage(
        folder / "footprints" / f"{tile.name}.gpkg",
        truth,
        "footprints",
        "True footprints of simulated buildings, cut at the edge of the tile.",
    )
    write_json(folder / "labels" / f"{tile.name}.geojson", to_geojson(drawn))
    true_mask = draw_mask(truth, cfg.size_px, grid)
    return _describe_tile(tile, bounds, epoch, whole, labels, (true_mask, mask))


def draw_mask(table: gpd.GeoDataFrame, side: int, grid: Affine) -> NDArray[np.uint8]:
    """Return (side, side) uint8: `BUILDING` where a pixel's center lies in a polygon, else 0.

    Args:
        table: Polygons.
        side: Rows and columns.
        grid: Affine transform of the raster, in the polygons' CRS.
    """
    if table.empty:
        return np.zeros((side, side), np.uint8)
    return rasterize(
        table.geometry,
        out_shape=(side, side),
        transform=grid,
        default_value=BUILDING,
        dtype="uint8",
    )


def to_geojson(table: gpd.GeoDataFrame) -> dict[str, Any]:
    """Return polygons as a GeoJSON document: longitude and latitude as RFC 7946 has it."""
    degrees = table.geometry.to_crs("OGC:CRS84").to_numpy()
    shapes = shapely.orient_polygons(shapely.transform(degrees, lambda at: np.round(at, _DIGITS)))
    features = [
        {
            "type": "Feature",
            "properties": {"building": int(key)},
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    shapely.get_coordinates(ring).tolist()
                    for ring in (shape.exterior, *shape.interiors)
                ],
            },
        }
        for key, shape in zip(table["building"], shapes, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def _describe_tile(
    tile: Tile,
    bounds: tuple[float, float, float, float],
    epoch: Epoch,
    truth: gpd.GeoDataFrame,
    labels: Labels,
    masks: tuple[np.ndarray, np.ndarray],
) -> dict[str, Any]:
    """Return what `aerial.json` says of a tile.

    `truth` and `labels` are not cut at its edge; `masks` are drawn from the one and the other.
    """
    true, drawn = (mask > 0 for mask in masks)
    faults = labels.table["fault"]
    off = np.hypot(labels.table["east"], labels.table["north"])
    return {
        "city": tile.city,
        "bounds": bounds,
        "sun": {"azimuth": round(epoch.azimuth, 3), "elevation": round(epoch.elevation, 3)},
        "buildings": int(truth["building"].nunique()),
        "courtyards": sum(len(shape.interiors) for shape in truth.geometry),
        "built_share": float(true.mean()),
        "labels": {
            "polygons": len(faults),
            "merged": int((faults == "merged").sum()),
            "demolished": int((faults == "demolished").sum()),
            "omitted": len(labels.omitted),
            "displacement_m": float(np.sqrt((off**2).mean())) if len(off) else None,
            "iou": float((true & drawn).sum() / max((true | drawn).sum(), 1)),
        },
    }


def _describe(world: World, cfg: AerialConfig, tiles: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the content of `aerial.json`."""
    labels = [tile["labels"] for tile in tiles.values()]
    counts = {
        key: sum(item[key] for item in labels)
        for key in ("polygons", "merged", "demolished", "omitted")
    }
    return {
        "world": world.cfg.model_dump(mode="json"),
        "aerial": cfg.model_dump(mode="json"),
        "cities": {
            city: [name for name, tile in tiles.items() if tile["city"] == city]
            for city in cfg.city_names
        },
        "tiles": tiles,
        "buildings": sum(tile["buildings"] for tile in tiles.values()),
        "courtyards": sum(tile["courtyards"] for tile in tiles.values()),
        "labels": {**counts, "iou": float(np.mean([item["iou"] for item in labels]))},
    }
