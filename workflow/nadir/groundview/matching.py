"""Whether the photo of a place is the nearest to the view that was generated for it.

The comparison by eye of which loss matches which real photo to which generated one, as a figure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_DRAWS, _MOST = 0x9A1D, 0x9A1E


@dataclass(frozen=True)
class Draws:
    """Which pairs are compared with which.

    Attributes:
        pairs: intp (draws, among): numbers of the pairs of each draw.
        distinct: Whether all pairs of every draw show different places.
    """

    pairs: NDArray[np.intp]
    distinct: bool

    @property
    def among(self) -> int:
        """Photos of a draw."""
        return int(self.pairs.shape[1])


def draw_pairs(places: ArrayLike, among: int, draws: int, seed: int) -> Draws:
    """Draw pairs among which photos are to be found, by different places where there are enough.

    Args:
        places: (n,) labels of the places of pairs.
        among: Pairs of a draw; all where there are fewer.
        draws: How many draws.
        seed: Their seed; a draw is a function of it and of its number.
    """
    units = np.unique(np.asarray(places), return_inverse=True)[1]
    size = min(among, len(units))
    distinct = bool(units.max() + 1 >= size)
    found = np.empty((draws, size), np.intp)
    for number in range(draws):
        order = np.random.default_rng([seed, _DRAWS, number]).permutation(len(units))
        if distinct:
            first = np.unique(units[order], return_index=True)[1]
            order = order[np.sort(first)]
        found[number] = order[:size]
    return Draws(found, distinct)


def choose_pairs(count: int, most: int, seed: int) -> NDArray[np.intp]:
    """Return the numbers, rising, of the pairs that are compared: all, or `most` by chance."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, _MOST]).permutation(count)[:most])


def matches(distances: NDArray[np.floating], draws: Draws) -> NDArray[np.float64]:
    """Return whether each generated view of each draw finds its own photo.

    Args:
        distances: (n, n) from each generated view (row) to each real photo (column).
        draws: Which pairs are compared.

    Returns:
        float64 (draws, among): 1 where the own photo alone is nearest, a fair share of 1 where
        others are as near, 0 elsewhere (and where a distance is not finite).
    """
    table = distances[draws.pairs[:, :, None], draws.pairs[:, None, :]]
    table = np.where(np.isfinite(table), table, np.inf)
    own = np.diagonal(table, axis1=1, axis2=2)
    nearest = table.min(axis=2)
    ties = (table == nearest[:, :, None]).sum(axis=2)
    return np.where((own == nearest) & np.isfinite(own), 1.0 / ties, 0.0)


def by_pair(found: NDArray[np.float64], draws: Draws, count: int) -> NDArray[np.float64]:
    """Return the share of the draws of each pair in which it was found, NaN if it was in none.

    Args:
        found: What `matches` returned.
        draws: The draws.
        count: Number of all pairs.
    """
    at = draws.pairs.ravel()
    number = np.bincount(at, minlength=count).astype(np.float64)
    total = np.bincount(at, found.ravel(), minlength=count)
    return np.divide(total, number, out=np.full(count, np.nan), where=number > 0)


def matched(distances: ArrayLike) -> NDArray[np.intp]:
    """Return which photo (column) is nearest to each generated view (row), intp (n,)."""
    table = np.asarray(distances, np.float64)
    return np.where(np.isfinite(table), table, np.inf).argmin(axis=1)


def in_order(losses: Iterable[str]) -> list[str]:
    """Return names of losses as they are shown: the compared ones first, the judge's last."""
    known = ("mse", "ssim", "custom", "coarse", "judge")
    return sorted(losses, key=lambda name: (known.index(name) if name in known else -1, name))
