"""Trees beside houses whose crowns spread over the roof: what hides roofs from above."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.buildings import (
    BAX,
    BAY,
    BCOS,
    BSIN,
    BX,
    BY,
    HEIGHT,
    edge_distance,
)
from nadir.simulate.cover import M_BROADLEAF, M_CONIFER
from nadir.simulate.crowns import RADIUS, SPECIES, TALL, TX, TY
from nadir.simulate.epochs import exists
from nadir.simulate.noise import draw, mix
from nadir.simulate.roads import near_road
from nadir.simulate.surface import building_hash

HIGHEST_ROOF = 11.0
"""No tree overtops a higher ridge, in metres."""

PLACES = 3
"""Places beside a house where a tree may stand."""

_TREE_TAG = np.uint64(0x5EA5)
_CAME, _WENT = 0.05, 0.08


@njit(cache=True, nogil=True)
def _is_free(x, y, buildings):
    """Whether a trunk can stand at a position: off every building."""
    for k in range(len(buildings)):
        b = buildings[k]
        dx, dy = x - b[BX], y - b[BY]
        if abs(dx) + abs(dy) > 1.5 * (b[BAX] + b[BAY]):
            continue
        if edge_distance(b, dx * b[BCOS] + dy * b[BSIN], dy * b[BCOS] - dx * b[BSIN]) > -0.25:
            return False
    return True


@njit(cache=True, nogil=True)
def trees_at_walls(buildings, segments, share, epoch):
    """Return trees that stand against houses and are higher than their roofs.

    Args:
        buildings: Those that stand, see `buildings.BX`.
        segments: From `roads.collect_roads`.
        share: Share of the `PLACES` beside each low house that have a tree, 0 to 1.
        epoch: From `epochs.Epoch.table`.

    Returns:
        Crowns (n, 5) and hashes (n,) as of `crowns.collect_crowns`.
    """
    table = np.zeros((PLACES * len(buildings), 5), np.float64)
    hashes = np.zeros(len(table), np.uint64)
    n = 0
    for k in range(len(buildings)):
        b = buildings[k]
        if b[HEIGHT] > HIGHEST_ROOF:
            continue
        for place in range(PLACES):
            g = mix(building_hash(b) + _TREE_TAG + np.uint64(place))
            if draw(g, 1) >= share or not exists(g, 6, _CAME, _WENT, epoch):
                continue
            radius = 3.0 + 1.8 * draw(g, 2)
            away, along = 0.3 + 0.7 * draw(g, 3), 2.0 * draw(g, 4) - 1.0
            side = 1.0 if draw(g, 5) < 0.5 else -1.0
            if draw(g, 8) < 0.5:
                u, v = side * (b[BAX] + away), along * b[BAY]
            else:
                u, v = along * b[BAX], side * (b[BAY] + away)
            x = b[BX] + u * b[BCOS] - v * b[BSIN]
            y = b[BY] + u * b[BSIN] + v * b[BCOS]
            if not _is_free(x, y, buildings) or near_road(segments, x, y, 0.5):
                continue
            cone = draw(g, 9) < 0.2
            row = table[n]
            row[TX], row[TY], row[RADIUS] = x, y, radius
            row[TALL] = b[HEIGHT] * (1.5 if cone else 1.2) + 1.5 + 1.5 * draw(g, 10)
            row[SPECIES] = M_CONIFER if cone else M_BROADLEAF
            hashes[n] = g
            n += 1
    return table[:n].copy(), hashes[:n].copy()
