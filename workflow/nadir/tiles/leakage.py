"""The certificate that no two splits share ground, and how far apart they are."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from scipy.spatial import cKDTree

from nadir.errors import InputError
from nadir.raster.grid import Grid, is_local
from nadir.tiles.ground import (
    SNAP,
    Place,
    geodesic,
    lonlat,
    overlap_area,
    places,
    plane_boxes,
    plane_shapes,
)
from nadir.tiles.table import SPLITS, grid_of, scene_of, windows_of

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)

_EARTH = 6_371_008.8  # mean radius in metres: only to find which tiles are nearest

Tiles = dict[tuple[str, str], np.ndarray]
"""(scene, split) -> (n, 4) windows."""


def certify(
    split: pd.DataFrame,
    scenes: Sequence[pd.DataFrame] = (),
    enforce: bool = True,
) -> dict[str, Any]:
    """Measure, exactly, what ground splits share and how far apart they lie.

    Args:
        split: The split (`split_tiles`), with its `attrs`.
        scenes: Tile tables of all scenes (`index_tiles`). Scenes that `split` does not know are
            test as a whole, by all tiles with labels. May be empty when `split` holds all there is.
        enforce: Whether overlap is an error (never for the random method, which is leaky by name).

    Returns:
        method, verdict ("clean" or "leaky"), buffer_px, tiles (split -> number), warnings, and
        pairs: for each pair of splits that both have tiles `splits`, `overlap_px` (pixels that
        the unions of their tiles share, of the coarsest scene there), `distance_m` (least ground
        distance in metres; null between scenes whose place on Earth is unknown), `distance_px`
        (within one place, in pixels of its coarsest scene; null across places) and `scenes`: the
        same for each pair of scenes that may share ground.

    Raises:
        InputError: When splits of another method than random overlap, or, for blocks, clusters
            and groups, come nearer than the buffer.
    """
    attrs = split.attrs
    grids = {scene: Grid.from_dict(value) for scene, value in attrs.get("grids", {}).items()}
    grids |= {scene_of(tiles): grid_of(tiles) for tiles in scenes}
    tiles = _tiles(split, scenes)
    method = str(attrs.get("method", "blocks"))
    buffer = float(attrs.get("buffer", 0))
    used = {scene: grids[scene] for scene in dict.fromkeys(scene for scene, _ in tiles)}
    grounds = places(used, reach=buffer)
    pairs: list[dict[str, Any]] = []
    for one, other in itertools.combinations(SPLITS, 2):
        found = [_in_place(place, used, tiles, one, other) for place in grounds]
        rows = [row for rows in found for row in rows]
        if not _count(tiles, one) or not _count(tiles, other):
            continue
        across = _across_places(grounds, used, tiles, one, other)
        metres = [row["distance_m"] for row in rows if row["distance_m"] is not None]
        pixels = [row["distance_px"] for row in rows]
        pairs.append(
            {
                "splits": [one, other],
                "overlap_px": sum(
                    _union_overlap(place, used, tiles, one, other) for place in grounds
                ),
                "distance_m": min(
                    [*metres, *([across] if across is not None else [])], default=None
                ),
                "distance_px": min(pixels, default=None),
                "scenes": rows,
            }
        )
    shared = [pair for pair in pairs if pair["overlap_px"] > 0]
    verdict = "leaky" if shared or method == "random" else "clean"
    result = {
        "method": method,
        "verdict": verdict,
        "buffer_px": buffer,
        "tiles": {name: _count(tiles, name) for name in SPLITS},
        "pairs": pairs,
        "warnings": list(attrs.get("warnings", [])),
    }
    if method != "random" and enforce:
        _enforce(result)
    _log.info("leakage: %s split is %s", method, verdict)
    return result


def _enforce(result: dict[str, Any]) -> None:
    """Raise `InputError` when splits overlap or come nearer than they should."""
    for pair in result["pairs"]:
        one, other = pair["splits"]
        where = [row for row in pair["scenes"] if row["overlap_px"] > 0]
        if pair["overlap_px"] > 0:
            names = " and ".join(dict.fromkeys(where[0]["scenes"])) if where else "the scenes"
            raise InputError(
                "split",
                f"{one} and {other} share {pair['overlap_px']:.6g} pixels of ground (in {names})",
                "Let the tiles of different splits not overlap: correct `split.file`, or use the"
                " method `blocks`.",
            )
        near, least = pair["distance_px"], result["buffer_px"]
        apart = result["method"] in ("blocks", "clusters", "groups")
        if apart and near is not None and near < least - 0.01:
            raise InputError(
                "split",
                f"{one} and {other} are {near:.2f} pixels apart, less than the buffer of {least:g}",
                "Split again.",
            )


def _tiles(split: pd.DataFrame, scenes: Sequence[pd.DataFrame]) -> Tiles:
    """Collect the windows of each scene and split."""
    tiles: Tiles = {}
    for (scene, name), rows in split.groupby(["scene", "split"], sort=False):
        if name in SPLITS:
            tiles[str(scene), str(name)] = windows_of(rows)
    known = {*split["scene"], *split.attrs.get("grids", {})}  # also where no tile was kept
    for table in scenes:
        if scene_of(table) not in known:
            # All of it is scored, so tiles count that the filters would drop from learning.
            tiles[scene_of(table), "test"] = windows_of(table[table["label_y0"] >= 0])
    return {key: windows for key, windows in tiles.items() if len(windows)}


def _count(tiles: Tiles, name: str) -> int:
    """Return the number of tiles of a split."""
    return sum(len(windows) for (_, split), windows in tiles.items() if split == name)


def _in_place(
    place: Place, grids: Mapping[str, Grid], tiles: Tiles, one: str, other: str
) -> list[dict[str, Any]]:
    """Return overlap and distance of two splits for each pair of scenes of a place."""
    rows = []
    for first, second in itertools.product(place.scenes, repeat=2):
        mine, theirs = tiles.get((first, one)), tiles.get((second, other))
        if mine is None or theirs is None:
            continue
        shapes = plane_shapes(place, grids[first], mine), plane_shapes(place, grids[second], theirs)
        pixels, metres = _distance(place, *shapes)
        rows.append(
            {
                "scenes": [first, second],
                "overlap_px": _overlap(place, [(grids[first], mine)], [(grids[second], theirs)]),
                "distance_px": pixels,
                "distance_m": metres,
            }
        )
    return rows


def _union_overlap(
    place: Place, grids: Mapping[str, Grid], tiles: Tiles, one: str, other: str
) -> float:
    """Return the pixels that two splits share in a place, over all its scenes at once."""
    parts = [
        [(grids[scene], tiles[scene, name]) for scene in place.scenes if (scene, name) in tiles]
        for name in (one, other)
    ]
    return _overlap(place, *parts) if parts[0] and parts[1] else 0.0


def _overlap(
    place: Place,
    mine: Sequence[tuple[Grid, np.ndarray]],
    theirs: Sequence[tuple[Grid, np.ndarray]],
) -> float:
    """Return the area in pixels of the plane that the unions of two sets of windows share."""
    if place.boxes:
        area = overlap_area(
            *(
                np.concatenate([plane_boxes(place, grid, windows) for grid, windows in part])
                for part in (mine, theirs)
            )
        )
        # Scenes of one grid give whole numbers; what is left of rounding is no ground.
        return float(np.round(area, 3)) if area > SNAP else 0.0
    one, other = (
        np.concatenate([plane_shapes(place, grid, windows) for grid, windows in part])
        for part in (mine, theirs)
    )
    first, second = shapely.STRtree(other).query(one, predicate="intersects")
    if not len(first):
        return 0.0
    area = shapely.intersection(
        shapely.union_all(one[np.unique(first)]), shapely.union_all(other[np.unique(second)])
    ).area
    return float(np.round(area, 3)) if area > SNAP else 0.0


def _distance(place: Place, one: np.ndarray, other: np.ndarray) -> tuple[float, float | None]:
    """Return the least distance of two sets of shapes in pixels and in metres (None if unknown)."""
    pixels, (first, second) = _nearest(one, other)
    metres = pixels * place.metres[0]
    if place.metres[0] != place.metres[1]:
        scaled = [_scaled(shapes, place.metres) for shapes in (one, other)]
        metres, (first, second) = _nearest(*scaled)
    nominal = np.divide(place.metres, place.pixel)
    if metres > 0 and place.crs and place.boxes and not np.allclose(nominal, np.round(nominal)):
        # Degrees, feet or a stretched projection: the scale is that of the middle of the place,
        # so the nearest pair is measured again on the ellipsoid.
        points = shapely.shortest_line(one[first], other[second])
        (x0, y0), (x1, y1) = shapely.get_coordinates(points)
        longitudes, latitudes = lonlat(place, np.array([x0, x1]), np.array([y0, y1]))
        metres = geodesic(longitudes[0], latitudes[0], longitudes[1], latitudes[1])
    return float(np.round(pixels, 3)), float(np.round(metres, 3))


def _scaled(shapes: np.ndarray, factors: tuple[float, float]) -> np.ndarray:
    """Return shapes with x and y multiplied."""
    return shapely.transform(shapes, lambda points: points * np.array(factors))


def _nearest(one: np.ndarray, other: np.ndarray) -> tuple[float, tuple[int, int]]:
    """Return the least distance of two sets of shapes, and positions of one pair at it."""
    swap = len(one) > len(other)
    few, many = (other, one) if swap else (one, other)
    pairs, distances = shapely.STRtree(many).query_nearest(
        few, return_distance=True, all_matches=False
    )
    at = int(np.argmin(distances))
    first, second = int(pairs[0, at]), int(pairs[1, at])
    return float(distances[at]), (second, first) if swap else (first, second)


def _across_places(
    grounds: Sequence[Place], grids: Mapping[str, Grid], tiles: Tiles, one: str, other: str
) -> float | None:
    """Return the least distance in metres between tiles of different places, None if unknown.

    The nearest corners are found on a sphere, the distance is that on the ellipsoid between the
    corners: exact but for what a corner lies farther than the edge beside it.
    """
    if len(grounds) < 2:
        return None
    corners: dict[str, list[tuple[int, np.ndarray]]] = {one: [], other: []}
    for number, place in enumerate(grounds):
        for scene in place.scenes:
            for name in (one, other):
                if (scene, name) in tiles and not is_local(grids[scene].crs):
                    shapes = plane_shapes(place, grids[scene], tiles[scene, name])
                    points = np.unique(shapely.get_coordinates(shapes), axis=0)
                    corners[name].append((number, np.stack(lonlat(place, *points.T), axis=1)))
    best: float | None = None
    for (here, mine), (there, theirs) in itertools.product(corners[one], corners[other]):
        if here == there:
            continue
        chords, nearest = cKDTree(_sphere(theirs)).query(_sphere(mine))
        at = int(np.argmin(chords))
        metres = geodesic(*mine[at], *theirs[nearest[at]])
        best = metres if best is None else min(best, metres)
    return None if best is None else float(np.round(best, 3))


def _sphere(points: np.ndarray) -> np.ndarray:
    """Return (n, 3) points on a sphere for (n, 2) longitudes and latitudes in degrees."""
    longitude, latitude = np.radians(points).T
    flat = np.cos(latitude)
    return _EARTH * np.stack(
        [flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], axis=1
    )
