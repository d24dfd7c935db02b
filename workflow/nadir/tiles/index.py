"""The tile index: where tiles lie, what they hold, and which are kept.

A scene is read once, block by block; memory is one block a worker (about 100 MB at ten bands and
two dates) plus a few counts per tile, whatever the scene's size and however much tiles overlap.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nadir.config.classes import ClassTable
from nadir.config.tiling import TileConfig
from nadir.errors import InputError
from nadir.raster.blocks import run_blocks
from nadir.raster.grid import Grid, is_local
from nadir.tiles.cells import scene_blocks
from nadir.tiles.counting import SceneCounts
from nadir.tiles.filters import class_columns, count_causes, drop_reasons
from nadir.tiles.scene import CubeLike, LabelsLike

if TYPE_CHECKING:
    import geopandas as gpd

_log = logging.getLogger(__name__)


def tile_starts(length: int, size: int, overlap: float = 0.0) -> np.ndarray:
    """Return where tiles start along one axis: a regular grid, the last one shifted inward.

    Args:
        length: Pixels along the axis.
        size: Side of a tile, at most `length`.
        overlap: Share of a side that two neighbours have in common; the stride is
            round(size * (1 - overlap)), at least 1.

    Returns:
        int64 array, rising, without repetition; tiles cover every pixel of the axis.
    """
    stride = max(1, round(size * (1 - overlap)))
    starts = np.arange(0, length - size + 1, stride, dtype=np.int64)
    if starts[-1] + size < length:
        starts = np.append(starts, length - size)
    return starts


def tile_windows(grid: Grid, sizes: Sequence[int], overlap: float, scene: str) -> np.ndarray:
    """Return the (n, 4) windows (y, x, size, size) of all tiles: by size, then row, then column.

    Raises:
        InputError: When a size is not positive or larger than the scene.
    """
    windows = []
    for size in sorted(set(sizes)):
        if size < 1:
            raise InputError("tiles.sizes", f"a tile of {size} pixels", "Give sizes of 1 and more.")
        if size > min(grid.shape):
            raise InputError(
                scene,
                f"a tile of {size} pixels is larger than the scene"
                f" ({grid.height} x {grid.width} pixels)",
                f"Give tile sizes of at most {min(grid.shape)}, or leave this scene out.",
            )
        rows = tile_starts(grid.height, size, overlap)
        columns = tile_starts(grid.width, size, overlap)
        y, x = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
        windows.append(np.stack([y, x, np.full_like(y, size), np.full_like(y, size)], axis=1))
    return np.concatenate(windows)


def footprints(grid: Grid, windows: np.ndarray) -> np.ndarray:
    """Return the ground polygons of (n, 4) windows (y, x, h, w) in the CRS, as shapely objects."""
    import shapely

    y, x, h, w = np.asarray(windows, float).T
    columns = np.stack([x, x + w, x + w, x, x], axis=1)
    rows = np.stack([y, y, y + h, y + h, y], axis=1)
    a, b, c, d, e, f = grid.transform
    corners = np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=2)
    return shapely.polygons(corners)


def index_tiles(
    cube: CubeLike,
    labels: LabelsLike | None,
    cfg: TileConfig,
    classes: ClassTable | None,
    scene: str,
    workers: int | None = 1,
) -> gpd.GeoDataFrame:
    """Index the tiles of one scene.

    Args:
        cube: The imagery.
        labels: Labels on the cube's grid; None for a scene that has none.
        cfg: Tile sizes, overlap, filters.
        classes: Class table of the labels; needed where there are labels.
        scene: Name of the scene.
        workers: Blocks that are read at a time; None for one per processor.

    Returns:
        One row a tile. id ("scene/size/y/x"), scene, y, x (int32, upper-left pixel), size (int32);
        class_0..class_K (int64, pixels by label; none without labels); image_valid (share of pixels
        valid on all dates that the scene has); valid (the same, and labelled); cloud, snow (largest
        share of the valid pixels of one date), water (mean share over dates), NaN where bands are
        lacking or no pixel is valid; label_y0, label_x0, label_y1, label_x1 (int32, bounding box of
        the labelled pixels, ends exclusive, -1 where there is none); keep; reason ("" where kept);
        geometry in the CRS of the scene. `attrs`: scene, grid, classes (names by id), dates, bands.

    Raises:
        InputError: When a size is larger than the scene, or labels come without a class table.
    """
    import geopandas as gpd
    import pandas as pd

    if labels is not None and classes is None:
        raise InputError(scene, "labels without a class table", "Name the classes of the dataset.")
    windows = tile_windows(cube.grid, cfg.sizes, cfg.overlap, scene)
    count = classes.count if labels is not None and classes is not None else 0
    counts = SceneCounts(cube, labels, windows, count)
    blocks = scene_blocks(*cube.grid.shape)
    run_blocks(counts.read, blocks, workers, describe=f"index tiles of {scene}")

    y, x, size = windows[:, 0], windows[:, 1], windows[:, 2]
    columns: dict[str, np.ndarray | list[str]] = {
        "id": [f"{scene}/{s}/{r}/{c}" for r, c, s in zip(y, x, size, strict=True)],
        "scene": [scene] * len(windows),
        "y": y.astype(np.int32),
        "x": x.astype(np.int32),
        "size": size.astype(np.int32),
    }
    if labels is not None:
        columns.update(zip(class_columns(count), counts.classes.T, strict=True))
    area = (size * size).astype(float)
    columns["image_valid"] = counts.image_valid / area
    columns["valid"] = counts.valid / area
    columns.update(counts.surface_shares())
    if labels is not None:
        names = ("label_y0", "label_x0", "label_y1", "label_x1")
        columns.update(zip(names, counts.boxes.astype(np.int32).T, strict=True))
    table = pd.DataFrame(columns)
    reasons = drop_reasons(table, cfg, classes if labels is not None else None)
    table["keep"] = reasons == ""
    table["reason"] = pd.Series(reasons, dtype="str")
    crs = None if is_local(cube.grid.crs) else cube.grid.crs
    tiles = gpd.GeoDataFrame(table, geometry=footprints(cube.grid, windows), crs=crs)
    tiles.attrs = {
        "scene": scene,
        "grid": cube.grid.to_dict(),
        "classes": classes.names if labels is not None and classes is not None else [],
        "dates": [str(date) for date in cube.dates],
        "bands": [str(band) for band in cube.bands],
    }
    _log.info("%s: %d tiles: %s", scene, len(tiles), count_causes(tiles))
    return tiles
