"""Photos that are another one again: near each other, with nearly equal perceptual hashes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

_ROWS = 512


def duplicate_groups(
    hashes: NDArray[np.uint64],
    bits: int,
    metres: NDArray[np.float64] | None = None,
    within: float | None = None,
) -> NDArray[np.int64]:
    """Return a group number for each photo; duplicates share it.

    Args:
        hashes: uint64 (n,).
        bits: Most bits in which hashes of duplicates differ.
        metres: (n, 2) positions in metres, NaN where not known (such photos may lie anywhere).
        within: Farthest distance of duplicates; None: wherever they are.
    """
    count = len(hashes)
    if within is None or metres is None or np.isnan(metres).any():
        pairs = _alike(hashes, bits)
        if within is not None and metres is not None and len(pairs):
            apart = np.linalg.norm(metres[pairs[:, 0]] - metres[pairs[:, 1]], axis=1)
            pairs = pairs[~(apart > within)]  # NaN stays
    else:
        pairs = cKDTree(metres).query_pairs(within, output_type="ndarray").reshape(-1, 2)
        pairs = pairs[np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= bits]
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)


def _alike(hashes: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """Return all pairs (k, 2) whose hashes differ in few bits; memory stays bounded."""
    found = [np.empty((0, 2), np.int64)]
    for first in range(0, len(hashes), _ROWS):
        block = hashes[first : first + _ROWS, None] ^ hashes[None, :]
        one, other = np.nonzero(np.bitwise_count(block) <= bits)
        one += first
        found.append(np.column_stack([one, other])[one < other])
    return np.concatenate(found)


def choose_best(
    groups: NDArray[np.int64], quality: Sequence[tuple[float, ...]]
) -> NDArray[np.int64]:
    """Return for each photo the best one of its group: a row; the first one among equals.

    Args:
        groups: Group numbers (n,).
        quality: What to compare photos by, better ones larger.
    """
    best: dict[int, int] = {}
    for row, group in enumerate(groups.tolist()):
        if group not in best or quality[row] > quality[best[group]]:
            best[group] = row
    return np.array([best[group] for group in groups.tolist()], np.int64)
