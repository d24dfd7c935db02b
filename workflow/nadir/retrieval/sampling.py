"""Which places share a batch, and which of their pictures are shown: pure functions of the seed.

Nothing here depends on the number of processes, or on where a run was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ORDER, _PICTURE = 21, 22  # streams of random numbers

Places = NDArray[np.int64]
"""Numbers of places."""


@dataclass(frozen=True)
class EpochPlan:
    """The batches of an epoch.

    Attributes:
        batches: For each batch int64 (views, places): which places each view shows. No view shows a
            place twice in a batch.
    """

    batches: tuple[Places, ...]

    def __len__(self) -> int:
        return len(self.batches)


def epoch_plan(
    places: int,
    batch_size: int,
    seed: int,
    epoch: int,
    *,
    views: int = 2,
    paired: bool = True,
    near: Places | None = None,
    hard: float = 0.0,
) -> EpochPlan:
    """Plan one epoch: each place at most once, in batches of equal size.

    What is left over after the last whole batch is left to other epochs, since a batch decides what
    a picture is compared with; fewer places than a batch make one batch.

    Args:
        places: Number of training places.
        batch_size: Places a batch.
        seed: Seed of the training.
        epoch: Number of the epoch, from 0.
        views: Number of views.
        paired: Whether all views of a batch show the same places.
        near: int64 (places, neighbors), other places by how near they are; None for none.
        hard: Share of a batch that is drawn from the neighbors of the rest.

    Returns:
        The plan.
    """
    size = min(batch_size, places)
    orders = [
        np.random.default_rng([seed, _ORDER, epoch, view]).permutation(places)
        for view in range(1 if paired else views)
    ]
    if near is not None and hard > 0:
        orders = [_with_neighbors(order, near, size, round(hard * size)) for order in orders]
    shown = np.stack(orders * views if paired else orders).astype(np.int64)
    return EpochPlan(tuple(shown[:, k : k + size] for k in range(0, places - size + 1, size)))


def _with_neighbors(order: Places, near: Places, size: int, hard: int) -> Places:
    """Return places in another order: each batch ends with neighbors of its first places."""
    free = np.ones(len(order), bool)
    queue = iter(order.tolist())
    result: list[int] = []

    def draw(count: int) -> list[int]:
        """Take the next places that are still free."""
        taken: list[int] = []
        while len(taken) < count:
            place = next(queue, None)
            if place is None:
                break
            if free[place]:
                free[place] = False
                taken.append(place)
        return taken

    while True:
        batch = draw(size - hard)
        if not batch:
            return np.array(result, np.int64)
        wanted = hard
        for place in near[batch].T.ravel().tolist():  # the nearest of each come first
            if not wanted:
                break
            if free[place]:
                free[place] = False
                batch.append(place)
                wanted -= 1
        result += batch + draw(wanted)


def nearest_places(features: NDArray[np.float32], count: int) -> Places:
    """Return for each place the others that are most alike: int64 (places, count).

    Args:
        features: float32 (views, places, dimensions) of unit length; a place is like another when
            its first view is like the other's second, or the other way around.
        count: How many; at most all others.
    """
    scores = features[0] @ features[-1].T
    scores = np.maximum(scores, scores.T)
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, : min(count, len(scores) - 1)]


def chosen_picture(pictures: Sequence[int], seed: int, epoch: int, view: int, place: int) -> int:
    """Return which of a place's pictures of a view an epoch shows.

    Args:
        pictures: Rows of these pictures.
        seed: Seed of the training.
        epoch: Number of the epoch.
        view: Number of the view.
        place: Number of the place.
    """
    if len(pictures) == 1:
        return pictures[0]
    random = np.random.default_rng([seed, _PICTURE, epoch, view, place])
    return pictures[int(random.integers(len(pictures)))]
