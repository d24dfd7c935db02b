"""Clusters: tiles whose labelled ground hangs together, kept in one split as a whole.

For sparse labels, such as hand-drawn polygons: a polygon that reaches over several tiles must not
be seen in training and asked for in the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.tiles.ground import SNAP, places, plane_shapes
from nadir.tiles.prune import place_shapes

if TYPE_CHECKING:
    import pandas as pd

_BOX = ["label_y0", "label_x0", "label_y1", "label_x1"]


def find_clusters(table: pd.DataFrame, grids: Mapping[str, Grid], buffer: float) -> np.ndarray:
    """Group tiles that must stay together.

    Two tiles are linked when they overlap, when the bounding boxes of their labelled pixels touch,
    or when the tiles come nearer than `buffer`; a cluster is what links hold together.

    Args:
        table: Columns scene, y, x, size and the bounding box of labelled pixels (`index_tiles`).
        grids: Scene -> grid.
        buffer: Least distance between tiles of different clusters, in pixels.

    Returns:
        (n,) int: number of the cluster, in the order of the table.

    Raises:
        InputError: When the table has no labels.
    """
    if not set(_BOX) <= set(table.columns) or table.empty:
        raise InputError(
            "split.method", "'clusters' needs labelled tiles", "Use 'blocks', or give a mask."
        )
    links: list[np.ndarray] = []
    boxes = table[_BOX].to_numpy(np.int64)
    windows = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    for place in places(grids, reach=buffer):
        shapes = place_shapes(table, grids, place)
        links.append(_pairs(shapes, buffer))
        labelled = np.full(len(table), None, object)
        scenes = table["scene"].to_numpy()
        for scene in place.scenes:
            rows = np.flatnonzero((scenes == scene) & (boxes[:, 0] >= 0))
            if len(rows):
                labelled[rows] = plane_shapes(place, grids[scene], windows[rows])
        links.append(_pairs(labelled, None))
    first, second = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(table),) * 2)
    return connected_components(graph, directed=False)[1]


def _pairs(shapes: np.ndarray, distance: float | None) -> np.ndarray:
    """Return (2, m) pairs that overlap or are nearer than `distance`; None: that touch."""
    here = np.flatnonzero([shape is not None for shape in shapes])
    if not len(here):
        return np.zeros((2, 0), np.int64)
    found = shapes[here]
    tree = shapely.STRtree(found)
    if distance is None:
        return here[tree.query(found, predicate="dwithin", distance=SNAP)]
    first, second = tree.query(found, predicate="dwithin", distance=max(distance, SNAP))
    different = first < second
    first, second = first[different], second[different]
    linked = shapely.area(shapely.intersection(found[first], found[second])) > SNAP
    if distance > 0:
        linked |= shapely.distance(found[first], found[second]) < distance - SNAP
    return here[np.stack([first[linked], second[linked]])]
