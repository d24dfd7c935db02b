"""From a generator and the imagery of its crops to a map that a service lets people stand on."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from nadir.errors import InputError
from nadir.groundview.fitting import load_network
from nadir.groundview.ground_map import (
    FILE,
    LISTED,
    MAP,
    MODEL,
    Facts,
    GroundMap,
    Standpoint,
)
from nadir.groundview.ground_sources import GroundSource
from nadir.groundview.imagery import WGS84
from nadir.groundview.pairs import read_pair_table, table_path
from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.provenance.atomic import atomic_folder, write_bytes, write_json
from nadir.provenance.digest import sha
from nadir.provenance.files import read_bytes
from nadir.provenance.sealed import check_name
from nadir.raster.cog import BLOCK
from nadir.raster.grid import Grid
from nadir.raster.metric import metres_per_unit, transformer
from nadir.raster.picture_cog import new_picture
from nadir.raster.store import blocks_of

log = logging.getLogger(__name__)

_PARTS = {FILE, MAP, MODEL}
_RENDERED = 2 * BLOCK  # side of the windows that are asked of a source, in pixels


def export_ground(
    model: str | os.PathLike[str],
    pairs: str | os.PathLike[str],
    source: GroundSource,
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    side: int = 4096,
    examples: int = 6,
) -> None:
    """Write a map to stand on; equal products give equal bytes.

    Args:
        model: Folder of the generator's bundle.
        pairs: Manifest of its pairs; test places of it become the examples.
        source: What shows the ground.
        out: `ground.json` to write; the folder around it is replaced.
        name: What the map is called; by default dataset and experiment, from the folders.
        side: Longest side of the map in pixels. A larger source gives the window with most test
            places.
        examples: Most test places that are put on it.

    Raises:
        InputError: When the bundle is none, or the source is smaller than a crop.
        OutputError: When the disk is full or not writable.
    """
    out, model = Path(out).absolute(), Path(model).absolute()
    _check_place(out)
    named = check_name(name or "-".join(model.parent.parts[-2:]))
    _, cfg, frame = load_network(model)
    places = _test_places(pairs, source.grid.crs)
    reach = _crop_side(source, frame.crop_m)
    if min(source.grid.shape) < reach or side < reach:
        height, width = source.grid.shape
        problem = f"a crop needs {reach} pixels of {width} x {height}, of which {side} are taken"
        raise InputError("map", problem, "Give a larger picture, or a larger --side.")
    grid, corner = _best_window(source.grid, places, side, reach)
    with atomic_folder(out.parent) as folder:
        for part in (WEIGHTS, DESCRIPTION):
            write_bytes(folder / MODEL / part, read_bytes(model / part))
        _write_map(folder / MAP, source, grid, corner)
        facts = Facts(
            name=named,
            generator=cfg.name,
            headings=bool(getattr(cfg, "heading", False)),
            north="true" if source.cut_px is None else "grid",
            crs=grid.crs,
            bounds=grid.bounds,
            width=grid.width,
            height=grid.height,
            image_px=frame.image_px,
            crop_px=frame.crop_px,
            crop_m=frame.crop_m,
            cut_px=source.cut_px,
            files={part: sha(read_bytes(folder / part)) for part in LISTED},
        )
        chosen = _chosen(GroundMap(folder, facts), places, examples)
        facts = facts.model_copy(update={"examples": chosen})
        write_json(folder / FILE, facts.sealed().model_dump(mode="json"))
    log.info("%s: %d x %d pixels, %d places", out, grid.width, grid.height, len(chosen))


def _check_place(out: Path) -> None:
    """See that no other folder is replaced."""
    if out.name != FILE:
        raise InputError(out, f"the list of a map is called {FILE}", f"Name it {FILE}.")
    strange = {path.name for path in out.parent.glob("*")} - _PARTS
    if strange:
        problem = f"the folder holds {min(strange)!r}, which is no part of a map to stand on"
        raise InputError(out.parent, problem, "Give a folder of its own: it is replaced.")


def _test_places(pairs: str | os.PathLike[str], crs: str) -> pd.DataFrame:
    """Return the test pairs with known positions: pair, longitude, latitude, heading, x, y."""
    table = read_pair_table(table_path(pairs))
    known = table["longitude"].notna() & table["latitude"].notna() & (table["split"] == "test")
    table = table.loc[known, ["pair", "longitude", "latitude", "heading"]].reset_index(drop=True)
    x, y = transformer(WGS84, crs).transform(
        table["longitude"].to_numpy(float), table["latitude"].to_numpy(float)
    )
    return table.assign(x=x, y=y)


def _crop_side(source: GroundSource, crop_m: float) -> int:
    """Return how many pixels of the source a crop needs at most, when it is turned as it likes."""
    if source.cut_px is not None:
        return source.cut_px
    left, bottom, right, top = source.grid.bounds
    units = metres_per_unit(source.grid.crs, (left + right) / 2, (bottom + top) / 2)
    pixel = min(unit * size for unit, size in zip(units, source.grid.resolution, strict=True))
    return int(np.ceil(crop_m / pixel)) + 2


def _best_window(
    grid: Grid, places: pd.DataFrame, side: int, reach: int
) -> tuple[Grid, tuple[int, int]]:
    """Return the window around a test place that holds most others with their crops.

    Returns:
        Its grid, and (row, column) of its upper-left pixel in the source.
    """
    height, width = (min(side, length) for length in grid.shape)
    columns, rows = _pixels(grid, places)
    middle = (grid.height / 2, grid.width / 2)
    best, most = middle, -1
    for row, column in [middle, *zip(rows.tolist(), columns.tolist(), strict=True)]:
        y, x = _corner(grid, row, column, height, width)
        margin = reach / 2 + 1
        inside = (rows >= y + margin) & (rows <= y + height - margin)
        inside &= (columns >= x + margin) & (columns <= x + width - margin)
        if inside.sum() > most:
            best, most = (row, column), int(inside.sum())
    y, x = _corner(grid, *best, height, width)
    return grid.window(y, x, height, width), (y, x)


def _pixels(grid: Grid, places: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns and rows of places; those that have none are far away."""
    a, b, c, d, e, f = tuple(~grid.affine)[:6]
    x, y = (places[key].to_numpy(float) for key in ("x", "y"))
    found = a * x + b * y + c, d * x + e * y + f
    columns, rows = (np.where(np.isfinite(values), values, -1e9) for values in found)
    inside = (columns >= 0) & (columns <= grid.width) & (rows >= 0) & (rows <= grid.height)
    return columns[inside], rows[inside]


def _corner(grid: Grid, row: float, column: float, height: int, width: int) -> tuple[int, int]:
    """Return the upper-left pixel of the window about a place, which stays inside."""
    y = min(max(round(row - height / 2), 0), grid.height - height)
    x = min(max(round(column - width / 2), 0), grid.width - width)
    return y, x


def _write_map(path: Path, source: GroundSource, grid: Grid, corner: tuple[int, int]) -> None:
    """Write the window of a source whose upper-left pixel is given."""
    blocks = blocks_of(grid.height, grid.width, _RENDERED)
    with new_picture(path, grid) as picture:
        for y, x, height, width in tqdm(blocks, "map", unit="block", disable=None):
            shown, valid = source.window(corner[0] + y, corner[1] + x, height, width)
            picture.write(y, x, shown, valid)


def _chosen(ground: GroundMap, places: pd.DataFrame, count: int) -> tuple[Standpoint, ...]:
    """Return test places whose crops the map covers, evenly spread over the table."""
    held = []
    for row in places.to_dict("records"):
        if ground.cut(float(row["x"]), float(row["y"])) is not None:
            heading = None if np.isnan(row["heading"]) else round(float(row["heading"]) % 360, 2)
            held.append(
                Standpoint(
                    name=str(row["pair"]),
                    x=round(float(row["x"]), 6),
                    y=round(float(row["y"]), 6),
                    longitude=float(row["longitude"]),
                    latitude=float(row["latitude"]),
                    heading=heading,
                )
            )
    spread = np.linspace(0, max(len(held) - 1, 0), min(count, len(held))).round().astype(int)
    return tuple(held[index] for index in spread)
