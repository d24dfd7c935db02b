"""Exact search: all scores of queries against a gallery, in blocks of bounded memory.

A score is the dot product of two features, the cosine where both have unit length. All ranks in
this package follow one rule: the higher score comes first, and of equal scores the image that
comes first in the gallery.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError

MEMORY = 64 << 20
"""Bytes of scores that are held at once, by default."""

Features = NDArray[np.float32]
"""One row an image."""

Block = tuple[slice, NDArray[np.float32]]
"""Which queries, and their scores against the whole gallery: float32 (queries, gallery)."""


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The best of the gallery for each query, best first.

    Attributes:
        index: int64 (queries, k), rows of the gallery; -1 where an approximate search found fewer.
        score: float32 (queries, k), not rising along a row.
    """

    index: NDArray[np.int64]
    score: NDArray[np.float32]


def check_features(features: NDArray[np.floating], what: str) -> Features:
    """Return features as a contiguous float32 matrix.

    Args:
        features: (images, dimensions).
        what: What they are of, for messages ("gallery").

    Raises:
        InputError: When there are none, or some are not finite.
    """
    if features.ndim != 2 or not features.shape[1]:
        problem = f"its features have the shape {features.shape}, not one row an image"
        raise InputError(what, problem, "Extract the features again.")
    if not len(features):
        raise InputError(what, "it is empty", "Put at least one image there.")
    found = np.ascontiguousarray(features, np.float32)
    broken = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(broken):
        problem = f"{len(broken)} features are not finite numbers, the first in row {broken[0]}"
        raise InputError(what, problem, "Train again with a lower learning rate.")
    return found


def check_sides(
    queries: NDArray[np.floating], gallery: NDArray[np.floating]
) -> tuple[Features, Features]:
    """Return features of queries and gallery as contiguous float32 matrices.

    Args:
        queries: (queries, dimensions).
        gallery: (images, dimensions).

    Raises:
        InputError: As `check_features` does, or when dimensions differ.
    """
    wanted, kept = check_features(queries, "queries"), check_features(gallery, "gallery")
    if wanted.shape[1] != kept.shape[1]:
        problem = (
            f"its features have {kept.shape[1]} dimensions, those of queries {wanted.shape[1]}"
        )
        raise InputError("gallery", problem, "Extract both with the same model.")
    return wanted, kept


def normalized(features: NDArray[np.floating]) -> Features:
    """Return features scaled to unit length, float32; rows of zeros stay zero."""
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12), np.float32)


def score_blocks(
    queries: NDArray[np.floating],
    gallery: NDArray[np.floating],
    *,
    device: str = "cpu",
    memory: int = MEMORY,
) -> Iterator[Block]:
    """Yield the scores of all queries, block after block, in order.

    Args:
        queries: (queries, dimensions).
        gallery: (images, dimensions).
        device: "cpu", or a device of torch ("cuda"): it multiplies, in full float32.
        memory: Bytes of scores a block; at least one query is taken at a time.

    Yields:
        The queries and their scores. The scores lie in a buffer that the next block overwrites.

    Raises:
        InputError: As `check_features` does, or when dimensions differ.
    """
    yield from checked_blocks(*check_sides(queries, gallery), device=device, memory=memory)


def checked_blocks(
    queries: Features, gallery: Features, *, device: str = "cpu", memory: int = MEMORY
) -> Iterator[Block]:
    """Yield the same of features that `check_sides` returned."""
    step = int(np.clip(memory // (4 * len(gallery)), 1, len(queries)))
    if device == "cpu":
        yield from _blocks_on_cpu(queries, gallery, step)
    else:
        yield from _blocks_on_device(queries, gallery, step, device)


def _blocks_on_cpu(queries: Features, gallery: Features, step: int) -> Iterator[Block]:
    buffer = np.empty((step, len(gallery)), np.float32)
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        np.matmul(part, gallery.T, out=buffer[: len(part)])
        yield slice(start, start + len(part)), buffer[: len(part)]


def _blocks_on_device(
    queries: Features, gallery: Features, step: int, device: str
) -> Iterator[Block]:
    """Multiply on a device; what is ranked comes back, since ranking costs a fraction of it."""
    import torch

    buffer = torch.empty((step, len(gallery)), dtype=torch.float32)
    if device.startswith("cuda"):
        buffer = buffer.pin_memory()
    there = torch.from_numpy(gallery).to(device)
    before = torch.get_float32_matmul_precision()
    for start in range(0, len(queries), step):
        part = torch.from_numpy(queries[start : start + step]).to(device)
        # Training may have lowered the precision, which would turn near scores around.
        torch.set_float32_matmul_precision("highest")
        try:
            buffer[: len(part)].copy_(part @ there.T)
        finally:
            torch.set_float32_matmul_precision(before)
        yield slice(start, start + len(part)), buffer[: len(part)].numpy()


@contextmanager
def search_device(device: str) -> Iterator[str]:
    """Yield what multiplies: a GPU that no other process holds where `cuda` is asked for, or "cpu".

    `auto` is the CPU: what a GPU saves of these seconds, importing torch takes again.

    Args:
        device: `auto`, `cpu` or `cuda`.

    Raises:
        InputError: When a GPU is asked for, and there is none.
    """
    if device != "cuda":
        yield "cpu"
        return
    from nadir.learn.devices import lease

    with lease(device) as found:
        yield str(found)


def nearest(
    queries: NDArray[np.floating],
    gallery: NDArray[np.floating],
    count: int,
    *,
    device: str = "cpu",
    memory: int = MEMORY,
) -> Neighbors:
    """Return the best images of the gallery for each query, by exact search.

    Args:
        queries: (queries, dimensions).
        gallery: (images, dimensions).
        count: How many; a smaller gallery is returned whole.
        device: As for `score_blocks`.
        memory: As for `score_blocks`.

    Raises:
        InputError: As `score_blocks` does.
    """
    blocks = score_blocks(queries, gallery, device=device, memory=memory)
    return best_of(blocks, len(queries), count)


def best_of(blocks: Iterable[Block], queries: int, count: int) -> Neighbors:
    """Return the best of the gallery by scores of any origin.

    Args:
        blocks: Scores of all queries, as `score_blocks` yields them.
        queries: Number of queries.
        count: How many to return a query; a smaller gallery is returned whole.
    """
    index, score = np.empty((queries, 0), np.int64), np.empty((queries, 0), np.float32)
    for rows, scores in blocks:
        kept = min(count, scores.shape[1])
        if not index.shape[1]:
            index = np.empty((queries, kept), np.int64)
            score = np.empty((queries, kept), np.float32)
        lowest = np.partition(scores, scores.shape[1] - kept, axis=1)[:, scores.shape[1] - kept]
        _take_best(scores, lowest, index[rows], score[rows])
    return Neighbors(index, score)


@numba.njit(nogil=True, cache=True)
def _take_best(
    scores: NDArray[np.float32],
    lowest: NDArray[np.float32],
    index: NDArray[np.int64],
    score: NDArray[np.float32],
) -> None:
    """Write the k best of each row, given the k-th best score of each."""
    count = index.shape[1]
    found = np.empty(count, np.int64)
    for row in range(len(scores)):
        better = 0
        for j in range(scores.shape[1]):
            if scores[row, j] > lowest[row]:
                found[better] = j
                better += 1
        j = 0
        while better < count:  # of those equal to the k-th, the first of the gallery
            if scores[row, j] == lowest[row]:
                found[better] = j
                better += 1
            j += 1
        order = np.argsort(-scores[row][found], kind="mergesort")
        for k in range(count):
            index[row, k] = found[order[k]]
            score[row, k] = scores[row, found[order[k]]]
