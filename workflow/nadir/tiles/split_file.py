"""A split that the user gives: a table of tile ids, or polygons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import shapely

from nadir.errors import InputError, did_you_mean
from nadir.provenance.transfer import local_copy
from nadir.raster.grid import Grid, is_local
from nadir.tiles.index import footprints
from nadir.tiles.table import SPLITS, windows_of

_ALLOWED = (*SPLITS, "none")


def split_by_file(
    table: pd.DataFrame, grids: Mapping[str, Grid], file: str
) -> tuple[np.ndarray, np.ndarray]:
    """Assign tiles as a file says.

    Args:
        table: Columns id, scene, y, x, size.
        grids: Scene -> grid.
        file: CSV or Parquet with columns id and split, or polygons (GeoJSON, GeoPackage,
            Shapefile; any CRS) with an attribute split. A tile belongs to a split when the union
            of that split's polygons covers it.

    Returns:
        (split, reason): for every tile its split or "none", and why it has none.

    Raises:
        InputError: When the file cannot be read, lacks the columns, names an unknown split, an
            unknown tile, or a tile twice.
    """
    suffix = Path(file).suffix.lower()
    place = local_copy(file)
    if not place.exists():
        raise InputError(file, "there is no such file", "Check `split.file`.")
    try:
        if suffix in (".csv", ".parquet"):
            rows = pd.read_csv(place, dtype=str) if suffix == ".csv" else pd.read_parquet(place)
            needs = ("id", "split")
        else:
            import geopandas as gpd

            rows, needs = gpd.read_file(place), ("split", "geometry")
    except Exception as error:  # each reader has its own errors
        raise InputError(
            file, f"it cannot be read ({error})", "Give CSV, Parquet, GeoJSON or GeoPackage."
        ) from error
    lacking = [name for name in needs if name not in rows]
    if lacking:
        raise InputError(
            file,
            f"it has no column {', '.join(lacking)}",
            f"Give the columns {' and '.join(needs)}.",
        )
    given = rows["split"].astype(str).str.strip().str.lower().replace({"val": "validation"})
    wrong = sorted(set(given) - set(_ALLOWED))
    if wrong:
        raise InputError(
            file,
            f"unknown split {wrong[0]!r}{did_you_mean(wrong[0], _ALLOWED)}",
            f"Use {', '.join(_ALLOWED)}.",
        )
    rows = rows.assign(split=given)
    return _by_id(table, rows, file) if "id" in needs else _by_polygon(table, grids, rows, file)


def _by_id(table: pd.DataFrame, rows: pd.DataFrame, file: str) -> tuple[np.ndarray, np.ndarray]:
    """Assign tiles by their ids; dropped tiles in the file are passed over."""
    ids = rows["id"].astype(str)
    if ids.duplicated().any():
        raise InputError(
            file, f"tile {ids[ids.duplicated()].iloc[0]} twice", "Name each tile once."
        )
    known = ids.isin(table["id"])
    if not known.any():
        raise InputError(
            file,
            f"none of its {len(ids)} ids is a tile (such as {table['id'].iloc[0]})",
            "Ids read scene/size/y/x, as in tiles.parquet.",
        )
    split = table["id"].map(dict(zip(ids, rows["split"], strict=True))).to_numpy(object)
    missing = pd.isna(split)
    reason = np.where(missing, "not listed in the file", "").astype(object)
    split[missing] = "none"
    reason[(split == "none") & ~missing] = "none by the file"
    return split, reason


def _by_polygon(
    table: pd.DataFrame, grids: Mapping[str, Grid], rows: pd.DataFrame, file: str
) -> tuple[np.ndarray, np.ndarray]:
    """Assign tiles that a split's polygons cover."""
    split = np.full(len(table), "none", object)
    reason = np.full(len(table), "not wholly inside the polygons of a split", object)
    windows = windows_of(table)
    scenes = table["scene"].to_numpy()
    for scene, grid in grids.items():
        here = np.flatnonzero(scenes == scene)
        if not len(here):
            continue
        if is_local(grid.crs):
            polygons = rows.geometry  # taken as coordinates of the scene's own plane
        elif rows.crs is None:
            raise InputError(file, "its polygons have no CRS", "Write the file with its CRS.")
        else:
            polygons = rows.geometry.to_crs(grid.crs)
        shapes = footprints(grid, windows[here])
        # Edges drawn along pixel borders must hold the tiles that end there, rounding or not.
        margin = 1e-6 * max(grid.resolution)
        for name in SPLITS:
            ground = shapely.union_all(polygons[(rows["split"] == name).to_numpy()].to_numpy())
            if ground.is_empty:
                continue
            ground = shapely.buffer(ground, margin, join_style="mitre")
            shapely.prepare(ground)
            inside = here[shapely.covers(ground, shapes)]
            twice = inside[split[inside] != "none"]
            split[inside], reason[inside] = name, ""
            split[twice], reason[twice] = "none", "inside polygons of several splits"
    return split, reason
