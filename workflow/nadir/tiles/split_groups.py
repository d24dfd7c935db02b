"""Groups: whole scenes, or groups of scenes such as cities, kept in one split."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nadir.raster.grid import Grid
from nadir.tiles.ground import SNAP, places, plane_shapes

if TYPE_CHECKING:
    import pandas as pd


def find_groups(
    table: pd.DataFrame, grids: Mapping[str, Grid], groups: Mapping[str, str]
) -> tuple[list[str], np.ndarray]:
    """Group tiles whose scenes must stay together.

    Scenes are linked when they have one group's name, or when they share ground (the same place
    at several zooms, say); a group is what links hold together. Scenes that merely touch are not
    linked: the buffer keeps their tiles apart.

    Args:
        table: Column scene.
        grids: Scene -> grid.
        groups: Scene -> name of its group; a scene without one is a group of its own.

    Returns:
        Names of the groups (of a linked group those of all its parts), and for every tile the
        position of its group, int (n,).
    """
    scenes = list(dict.fromkeys(table["scene"]))
    names = [groups.get(scene) or scene for scene in scenes]
    position = {scene: number for number, scene in enumerate(scenes)}
    links = [
        (one, other)
        for one, other in itertools.combinations(range(len(scenes)), 2)
        if names[one] == names[other]
    ]
    links += [(position[one], position[other]) for one, other in _sharing(scenes, grids)]
    first, second = np.array(links, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(scenes),) * 2)
    count, member = connected_components(graph, directed=False)
    labels = [
        "+".join(dict.fromkeys(names[at] for at in np.flatnonzero(member == number)))
        for number in range(count)
    ]
    return labels, member[table["scene"].map(position).to_numpy(np.int64)]


def _sharing(scenes: list[str], grids: Mapping[str, Grid]) -> list[tuple[str, str]]:
    """Return the pairs of scenes that have ground in common."""
    pairs = []
    for place in places({scene: grids[scene] for scene in scenes}):
        whole = {
            scene: plane_shapes(place, grids[scene], np.array([[0, 0, *grids[scene].shape]]))[0]
            for scene in place.scenes
        }
        pairs += [
            (one, other)
            for one, other in itertools.combinations(place.scenes, 2)
            if shapely.intersection(whole[one], whole[other]).area > SNAP
        ]
    return pairs
