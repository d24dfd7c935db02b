"""Re-ranking by k-reciprocal neighbors (Zhong, Zheng, Cao and Li, CVPR 2017), without big matrices.

Images of one place are neighbors of each other, and have the same neighbors. Each image is
described by the few images that it shares such a bond with; descriptions are compared by Jaccard's
distance, which is mixed with the plain one. All distances between all images would fill the square
of their number: only lists of neighbors and sparse descriptions are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nadir.retrieval.search import (
    MEMORY,
    Block,
    Features,
    best_of,
    check_features,
    normalized,
    score_blocks,
)


@dataclass(frozen=True)
class Reciprocal:
    """Parameters, by default those of the paper.

    Attributes:
        neighbors: k1, how far a list of neighbors reaches.
        expansion: k2, how many neighbors' descriptions are averaged; 1 for none.
        plain: lambda, weight of the plain distance against Jaccard's.
    """

    neighbors: int = 20
    expansion: int = 6
    plain: float = 0.3


def reranked_blocks(
    queries: NDArray[np.floating],
    gallery: NDArray[np.floating],
    how: Reciprocal | None = None,
    *,
    device: str = "cpu",
    memory: int = MEMORY,
) -> Iterator[Block]:
    """Yield re-ranked scores, to be used in the place of `score_blocks`.

    Rankings of one query depend on all queries: say so where the figures are shown.

    Args:
        queries: (queries, dimensions) features.
        gallery: (images, dimensions) features.
        how: The parameters.
        device: As for `score_blocks`.
        memory: As for `score_blocks`.

    Yields:
        Queries and scores: minus the final distance, from -1 to 0, in a buffer that the next block
        overwrites.

    Raises:
        InputError: As `score_blocks` does.
    """
    chosen = how or Reciprocal()
    wanted = normalized(check_features(queries, "queries"))
    kept = normalized(check_features(gallery, "gallery"))
    everything = np.concatenate([wanted, kept])
    lists, farthest = _neighbor_lists(everything, chosen.neighbors + 1, device, memory)
    described = _descriptions(everything, lists, farthest, chosen)
    ours, theirs = described[: len(wanted)], described[len(wanted) :].tocsc()
    for rows, scores in score_blocks(wanted, kept, device=device, memory=memory):
        part = ours[rows]
        _mix(
            scores,
            (2 / farthest[rows]).astype(np.float32),
            (part.indptr, part.indices, part.data),
            (theirs.indptr, theirs.indices, theirs.data),
            np.float32(chosen.plain),
        )
        yield rows, scores


def _neighbor_lists(
    features: Features, count: int, device: str, memory: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the nearest images of each image, itself first, and its largest squared distance."""
    farthest = np.empty(len(features))

    def watched() -> Iterator[Block]:
        for rows, scores in score_blocks(features, features, device=device, memory=memory):
            farthest[rows] = 2 - 2 * scores.min(axis=1).astype(np.float64)
            yield rows, scores

    lists = best_of(watched(), len(features), count).index
    return lists, np.maximum(farthest, 1e-12)


def _descriptions(
    features: Features,
    lists: NDArray[np.int64],
    farthest: NDArray[np.float64],
    how: Reciprocal,
) -> sparse.csr_array:
    """Return the sparse description of each image: float32 (images, images), rows add up to 1."""
    images = len(features)
    half = int(np.around(how.neighbors / 2)) + 1
    starts = np.zeros(images + 1, np.int64)
    starts[1:] = np.cumsum(_expand(lists, half, starts, np.empty(0, np.int64)))
    members = np.empty(starts[-1], np.int64)
    _expand(lists, half, starts, members)
    weights = _weigh(features, starts, members, farthest)
    described = sparse.csr_array((weights, members, starts), shape=(images, images))
    near = min(how.expansion, lists.shape[1])
    if near > 1:
        rows = np.arange(0, images * near + 1, near)
        share = np.full(images * near, 1 / near, np.float32)
        averaging = sparse.csr_array((share, lists[:, :near].ravel(), rows), shape=(images, images))
        described = averaging @ described
    described.sort_indices()
    return described


@numba.njit(nogil=True, cache=True)
def _reciprocal(lists: NDArray[np.int64], image: int, reach: int) -> NDArray[np.int64]:
    """Return the images in an image's list that have it in theirs, in the order of the list."""
    found = np.empty(reach, np.int64)
    count = 0
    for k in range(reach):
        other = lists[image, k]
        for m in range(reach):
            if lists[other, m] == image:
                found[count] = other
                count += 1
                break
    return found[:count]


@numba.njit(nogil=True, cache=True)
def _expand(
    lists: NDArray[np.int64], half: int, starts: NDArray[np.int64], members: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many images describe each image, and write which, where there is room for them."""
    images, reach = lists.shape
    half = min(half, reach)
    counts = np.empty(images, np.int64)
    bond = np.full(images, -1, np.int64)  # the last image whose own list an image was in
    seen = np.full(images, -1, np.int64)  # the last image that an image describes
    found = np.empty(reach * (half + 1), np.int64)
    for image in range(images):
        own = _reciprocal(lists, image, reach)
        count = 0
        for other in own:
            bond[other] = image
            seen[other] = image
            found[count] = other
            count += 1
        for other in own:
            theirs = _reciprocal(lists, other, half)
            common = 0
            for third in theirs:
                common += bond[third] == image
            if 3 * common > 2 * len(theirs):
                for third in theirs:
                    if seen[third] != image:
                        seen[third] = image
                        found[count] = third
                        count += 1
        counts[image] = count
        if len(members):
            members[starts[image] : starts[image] + count] = np.sort(found[:count])
    return counts


@numba.njit(nogil=True, cache=True)
def _weigh(
    features: NDArray[np.float32],
    starts: NDArray[np.int64],
    members: NDArray[np.int64],
    farthest: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return the weights of a description: exp(-distance), normalized to a sum of 1."""
    weights = np.empty(len(members), np.float32)
    for image in range(len(starts) - 1):
        total = 0.0
        for k in range(starts[image], starts[image + 1]):
            product = np.dot(features[image], features[members[k]])
            weights[k] = np.exp(-(2 - 2 * product) / farthest[image])
            total += weights[k]
        for k in range(starts[image], starts[image + 1]):
            weights[k] /= total
    return weights


@numba.njit(nogil=True, cache=True)
def _mix(
    scores: NDArray[np.float32],
    factor: NDArray[np.float32],
    ours: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    theirs: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    plain: np.float32,
) -> None:
    """Turn cosines into minus the mix of Jaccard's and the plain distance, in place.

    Args:
        scores: (queries, gallery).
        factor: 2 / the largest squared distance of each query.
        ours: Descriptions of the queries, by row: starts, images, weights.
        theirs: Descriptions of the gallery, by column: starts, images, weights.
        plain: Weight of the plain distance.
    """
    starts, columns, weights = ours
    inverse, images, shares = theirs
    common = np.empty(scores.shape[1], np.float32)
    one = np.float32(1.0)
    for row in range(len(scores)):
        common[:] = 0
        for k in range(starts[row], starts[row + 1]):
            for m in range(inverse[columns[k]], inverse[columns[k] + 1]):
                common[images[m]] += min(weights[k], shares[m])
        for j in range(scores.shape[1]):
            jaccard = one - common[j] / (np.float32(2.0) - common[j])
            distance = (one - scores[row, j]) * factor[row]
            scores[row, j] = -(jaccard * (one - plain) + distance * plain)
