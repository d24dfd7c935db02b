"""Places are photos that share ground; splits keep whole places, and their distance is stated."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

log = logging.getLogger(__name__)

_TAG = 0x9A1C5


def find_places(
    metres: NDArray[np.float64], apart: float, block: float, most: float
) -> NDArray[np.object_]:
    """Return the name of the place of each photo.

    Photos that are nearer than `apart` along both axes (squares of this side around them share
    ground) are of one place, and so are photos that such steps connect. A place of more than `most`
    of all photos is cut into square blocks of ground.

    Args:
        metres: (n, 2) positions east and north.
        apart: Distance in metres.
        block: Side of a block in metres.
        most: Largest share of the photos.
    """
    count = len(metres)
    pairs = cKDTree(metres).query_pairs(apart, p=np.inf, output_type="ndarray").reshape(-1, 2)
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    groups = connected_components(links, directed=False)[1]
    sizes = np.bincount(groups)
    names = np.array([f"place_{group + 1:05d}" for group in groups], object)
    cells = np.floor(metres / block).astype(int)
    for group in np.flatnonzero(sizes > max(2, most * count)):
        log.info(
            "%d photos share ground step by step: cut into blocks of %g m", sizes[group], block
        )
        for row in np.flatnonzero(groups == group):
            names[row] += f"_{cells[row, 0]:+d}_{cells[row, 1]:+d}"
    return names


def split_places(places: Sequence[str], test: float, validation: float, seed: int) -> list[str]:
    """Return the split of each photo: whole places by chance, up to the shares of photos.

    At least one place is tested on and one trains; validation gets one where three are there and
    its share is not 0.

    Args:
        places: Place of each photo.
        test: Share of the photos to test on.
        validation: Share of validation.
        seed: Seed of the choice.
    """
    names, counts = np.unique(np.array(places, str), return_counts=True)
    order = np.random.default_rng([seed, _TAG]).permutation(len(names))
    wanted = {"test": test * len(places), "validation": validation * len(places)}
    splits: dict[str, str] = {}
    left = order.tolist()
    for split, goal in wanted.items():
        reserved = 1  # a place to train on
        took = 0.0
        while goal > 0 and len(left) > reserved:
            fitting = min(left, key=lambda k: (abs(took + counts[k] - goal), left.index(k)))
            first = left[0]
            # In order of chance while there is room; the last one is the one that fits best.
            chosen = first if took + counts[first] <= goal else fitting
            if took and abs(took + counts[chosen] - goal) >= abs(took - goal):
                break
            left.remove(chosen)
            splits[names[chosen]] = split
            took += counts[chosen]
    return [splits.get(str(place), "train") for place in places]


def too_near(metres: NDArray[np.float64], splits: Sequence[str], apart: float) -> NDArray[np.bool_]:
    """Tell which photos must go so that splits lie at least `apart` from each other, along an axis.

    Those of training yield to the others, those of validation to the test.
    """
    names = np.array(splits, object)
    drop = np.zeros(len(names), bool)
    for split, others in (("validation", ("test",)), ("train", ("validation", "test"))):
        mine = np.flatnonzero(names == split)
        theirs = np.flatnonzero(np.isin(names, others) & ~drop)
        if len(mine) and len(theirs):
            distance, _ = cKDTree(metres[theirs]).query(metres[mine], p=np.inf)
            drop[mine[distance < apart]] = True
    return drop


def split_distance(metres: NDArray[np.float64], splits: Sequence[str]) -> float | None:
    """Return the smallest distance in metres between photos of different splits, or None."""
    names = np.array(splits, object)
    found = []
    for split in sorted(set(names)):
        mine, others = metres[names == split], metres[names != split]
        if len(mine) and len(others):
            found.append(float(cKDTree(others).query(mine)[0].min()))
    return min(found, default=None)
