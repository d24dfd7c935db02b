"""Labels of buildings as a cadastre has them: displaced, some missing, some out of date.

Every error is a function of the building, of its neighbors and of the seed, so that labels of two
windows agree on the ground that they share.
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numba import njit
from numpy.typing import NDArray

from nadir.config.aerial import AerialConfig
from nadir.simulate.aerial import standing
from nadir.simulate.buildings import BX, BY
from nadir.simulate.epochs import PAST, Epoch
from nadir.simulate.footprints import outlines, visible_parts, window_of
from nadir.simulate.noise import draw, gradient_noise, mix, seed_hash
from nadir.simulate.surface import building_hashes
from nadir.simulate.world import Bounds, World

NEIGHBORS = 1.0
"""Two buildings less than this far apart (m) are neighbors."""

_MARGIN = 60.0  # neighbors of neighbors of what is displaced into a window (m)
_FIELD_TAG = 821
_SPREAD = 0.324  # root mean square of `gradient_noise`
_CUT = 3.0  # no label is farther off than this many times its root mean square along an axis
_OMIT, _KEEP, _OFFSET, _PAIR = 1, 2, 3, 5  # draws of a building and of a pair

SHIFTED, MERGED, DEMOLISHED = "shifted", "merged", "demolished"
"""What is wrong with a label: its place alone, two buildings as one, nothing stands there."""


@dataclass(frozen=True)
class Labels:
    """Labels that touch a window.

    Attributes:
        table: One polygon a row (not clipped), in the world's CRS: `building` (int64; the first
            of two), `fault` (see `SHIFTED`), `east`, `north` (displacement in metres).
        omitted: (n,) int64 keys of standing buildings in the window that have no label.
    """

    table: gpd.GeoDataFrame
    omitted: NDArray[np.int64]


@njit(cache=True, nogil=True)
def _normal(h, index):
    """Return a standard normal number of a hash, cut at `_CUT` (Box and Muller 1958)."""
    radius = np.sqrt(-2.0 * np.log(1.0 - draw(h, index)))
    value = radius * np.cos(2.0 * np.pi * draw(h, index + 100))
    return min(max(value, -_CUT), _CUT)


@njit(cache=True, nogil=True)
def _displacements(x, y, hashes, rms, wave, offset, seed):
    """Return (n, 2) metres east and south by which labels at positions (n,) are off."""
    out = np.empty((len(x), 2))
    size = rms / (_SPREAD * np.sqrt(2.0 * 1.25))
    for n in range(len(x)):
        px, py = x[n] / wave, y[n] / wave
        for k in range(2):
            smooth = gradient_noise(px, py, _FIELD_TAG + k, seed)
            smooth += 0.5 * gradient_noise(2.1 * px + 0.4, 2.1 * py, _FIELD_TAG + 7 + k, seed)
            out[n, k] = size * smooth + offset / np.sqrt(2.0) * _normal(hashes[n], _OFFSET + k)
    return out


@njit(cache=True, nogil=True)
def _draws(hashes, index):
    """Return (n,) the `index`-th number of each hash, in [0, 1)."""
    out = np.empty(len(hashes))
    for n in range(len(hashes)):
        out[n] = draw(hashes[n], index)
    return out


@njit(cache=True, nogil=True)
def _pairs(first, second, hashes, count, share):
    """Return (count,) the partner that each building is drawn as one with, or -1.

    Each takes of its neighbors the one with whom it has the lowest hash; those that take each
    other may be a pair. So a pair depends on the neighbors of its neighbors, and on no more.
    """
    chosen = np.full(count, -1, np.int64)
    lowest = np.full(count, 2.0)
    for n in range(len(first)):
        value = draw(hashes[first[n]] ^ hashes[second[n]], _PAIR)
        for a, b in ((first[n], second[n]), (second[n], first[n])):
            if value < lowest[a]:
                lowest[a], chosen[a] = value, b
    partner = np.full(count, -1, np.int64)
    for a in range(count):
        b = chosen[a]
        if b >= 0 and chosen[b] == a and draw(hashes[a] ^ hashes[b], _PAIR + 1) < share:
            partner[a] = b
    return partner


def label_window(world: World, epoch: Epoch, cfg: AerialConfig, bounds: Bounds) -> Labels:
    """Return the labels that touch a rectangle: the buildings of an epoch with a cadastre's errors.

    Labels lie off by a field that changes smoothly and by an offset of their own; some buildings
    have none; some pairs of neighbors are one polygon, without the gap between them; some buildings
    that stood a decade ago and are gone have one.

    Args:
        world: The world.
        epoch: The flight that the labels go with.
        cfg: How wrong they are.
        bounds: Left, bottom, right, top in the world's CRS.
    """
    reach = _MARGIN + _CUT * (2.0 * cfg.misregistration_m + cfg.offset_m)
    x0, y0, x1, y1 = window_of(world, bounds)
    wide = (x0 - reach, y0 - reach, x1 + reach, y1 + reach)
    now = standing(world, epoch, *wide)
    before = standing(world, Epoch(epoch.season, PAST, epoch.change), *wide)
    gone = before[~np.isin(building_hashes(before), building_hashes(now))]
    salt = seed_hash(cfg.seed)
    gone = gone[_draws(_salted(gone, salt), _KEEP) < cfg.demolished]
    table = np.concatenate([now, gone])
    shapes = np.concatenate([_whole(world, now), outlines(world, gone)])
    hashes = _salted(table, salt)
    present = np.arange(len(table)) < len(now)
    omitted = present & (_draws(hashes, _OMIT) < cfg.omission)
    keys = (building_hashes(table) & np.uint64(0xFFFFFFFF)).astype(np.int64)
    drawn = ~omitted & ~shapely.is_empty(shapes)
    labels = _draw(world, cfg, table[drawn], shapes[drawn], hashes[drawn], present[drawn])
    labels.insert(0, "building", keys[drawn][labels.pop("index")])
    window = shapely.box(*bounds)
    near = shapely.intersects(labels.geometry.to_numpy(), window)
    missing = np.unique(keys[omitted & shapely.intersects(shapes, window)])
    return Labels(labels[near].sort_values("building", kind="stable", ignore_index=True), missing)


def _salted(table: NDArray[np.float64], salt: np.uint64) -> NDArray[np.uint64]:
    """Return (n,) hashes of buildings that depend on the seed of the labels."""
    return _mixed(building_hashes(table), salt)


@njit(cache=True, nogil=True)
def _mixed(hashes, salt):
    out = np.empty_like(hashes)
    for n in range(len(hashes)):
        out[n] = mix(hashes[n] ^ salt)
    return out


def _whole(world: World, table: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return (n,) the largest part of each building that no other covers."""
    parts, index = visible_parts(outlines(world, table))
    out = np.full(len(table), shapely.Polygon(), object)
    order = np.argsort(shapely.area(parts), kind="stable")
    out[index[order]] = parts[order]
    return out


def _draw(
    world: World,
    cfg: AerialConfig,
    table: NDArray[np.float64],
    shapes: NDArray[np.object_],
    hashes: NDArray[np.uint64],
    present: NDArray[np.bool_],
) -> gpd.GeoDataFrame:
    """Return the labels of buildings: pairs merged, all displaced; `index` is that of the row."""
    tree = shapely.STRtree(shapes[present])
    rows = np.flatnonzero(present)
    first, second = tree.query(shapes[present], predicate="dwithin", distance=NEIGHBORS)
    apart = first < second
    partner = _pairs(rows[first[apart]], rows[second[apart]], hashes, len(table), cfg.merge)
    index = np.flatnonzero((partner < 0) | (partner > np.arange(len(table))))
    pair = partner[index] >= 0
    drawn, faults = shapes[index], np.where(present[index], SHIFTED, DEMOLISHED).astype(object)
    drawn[pair] = _as_one(drawn[pair], shapes[partner[index[pair]]])
    faults[pair] = MERGED
    centers = table[index][:, [BX, BY]]
    off = _displacements(
        centers[:, 0], centers[:, 1], hashes[index], cfg.misregistration_m,
        cfg.misregistration_wave_m, cfg.offset_m, seed_hash(cfg.seed),
    )  # fmt: skip
    data = {"index": index, "fault": faults, "east": off[:, 0], "north": -off[:, 1]}
    moved = [
        shapely.transform(shape, lambda points, by=by: points + by)
        for shape, by in zip(drawn, off * (1.0, -1.0), strict=True)
    ]
    return gpd.GeoDataFrame(pd.DataFrame(data), geometry=moved, crs=world.cfg.crs)


def _as_one(one: NDArray[np.object_], other: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return (n,) unions of two shapes each, the gap between them closed."""
    both = shapely.union(one, other)
    half = 0.5 * NEIGHBORS + 0.01
    grown = shapely.buffer(both, half, join_style="mitre")
    closed = shapely.union(shapely.buffer(grown, -half, join_style="mitre"), both)
    whole = shapely.get_type_id(closed) == shapely.GeometryType.POLYGON
    return np.where(whole, closed, shapely.convex_hull(both))  # neighbors may meet at a corner
