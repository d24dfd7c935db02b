"""Patches of a map: pixels of one class that share sides."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def _root(parent: NDArray[np.int32], item: int) -> int:
    """Return the representative of an item's set, shortening the way to it."""
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


@numba.njit(cache=True, nogil=True)
def patches(ids: NDArray[np.uint8], labels: NDArray[np.int32]) -> int:
    """Number the patches of a map in the order of their first pixels, row by row.

    Args:
        ids: (height, width) class ids, 0 = no data.
        labels: (height, width), written: number of each pixel's patch from 1; 0 without data.

    Returns:
        The number of patches.
    """
    height, width = ids.shape
    parent = np.empty(height * width // 2 + height + width + 2, np.int32)
    parent[0] = 0
    count = 0
    for i in range(height):
        for j in range(width):
            if ids[i, j] == 0:
                labels[i, j] = 0
                continue
            up = labels[i - 1, j] if i and ids[i - 1, j] == ids[i, j] else 0
            left = labels[i, j - 1] if j and ids[i, j - 1] == ids[i, j] else 0
            if up and left:
                one, other = _root(parent, up), _root(parent, left)
                least = min(one, other)
                parent[max(one, other)] = least
                labels[i, j] = least
            elif up or left:
                labels[i, j] = up or left
            else:
                count += 1
                if count == len(parent):
                    more = np.empty(2 * len(parent), np.int32)
                    more[:count] = parent
                    parent = more
                parent[count] = count
                labels[i, j] = count
    number = np.zeros(count + 1, np.int32)
    found = 0
    for item in range(1, count + 1):
        root = _root(parent, item)
        if root == item:  # a root is the least of its set, so it comes before the rest
            found += 1
            number[item] = found
        else:
            number[item] = number[root]
    for i in range(height):
        for j in range(width):
            labels[i, j] = number[labels[i, j]]
    return found


def borders(labels: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which patches touch, and along how many pixel sides.

    Args:
        labels: (height, width) as of `patches`.

    Returns:
        Pairs (n, 2), the lesser number first, and sides (n,), in ascending order of pairs.
    """
    many = np.int64(labels.max(initial=0)) + 1
    keys = []
    for one, other in ((labels[:-1], labels[1:]), (labels[:, :-1], labels[:, 1:])):
        apart = (one != other) & (one > 0) & (other > 0)
        low, high = np.minimum(one, other)[apart], np.maximum(one, other)[apart]
        keys.append(low.astype(np.int64) * many + high)
    pairs, sides = np.unique(np.concatenate(keys), return_counts=True)
    return np.stack([pairs // many, pairs % many], axis=1), sides.astype(np.int64)
