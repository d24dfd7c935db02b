"""Where the true matches of queries lie in their rankings, without sorting a single ranking.

The position of a match is the number of gallery images with a higher score, plus those with an
equal score that come before it in the gallery: a single match is counted so in one pass over the
scores, several are looked up in the sorted scores.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nadir.retrieval.search import Block

JUNK = -1
"""Place of gallery images that count neither as right nor as wrong, as the public evaluator has it.
"""


_SORTED = 1 << 20
"""Bytes of scores that are sorted at once."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """The positions of all true matches.

    Attributes:
        starts: int64 (queries + 1,), where the positions of each query begin.
        positions: int64 (matches,), from 0, rising within a query.
        images: Gallery images that are ranked.
        gallery: Gallery images, junk included.
    """

    starts: NDArray[np.int64]
    positions: NDArray[np.int64]
    images: int
    gallery: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def matches(self) -> NDArray[np.int64]:
        """How many true matches each query has: int64 (queries,)."""
        return np.diff(self.starts)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """Position of the best match: int64 (queries,); -1 where there is none."""
        found = np.full(len(self), -1, np.int64)
        there = self.matches > 0
        found[there] = self.positions[self.starts[:-1][there]]
        return found

    @cached_property
    def query(self) -> NDArray[np.int64]:
        """The query that each position belongs to: int64 (matches,)."""
        return np.repeat(np.arange(len(self)), self.matches)

    @cached_property
    def ordinal(self) -> NDArray[np.int64]:
        """How many better matches its query has, for each position: int64 (matches,)."""
        return np.arange(len(self.positions)) - np.repeat(self.starts[:-1], self.matches)


@dataclass(frozen=True, eq=False)
class Truth:
    """Which gallery images show the place of each query.

    Attributes:
        code: int64 (queries,), the group of each query; -1 where the gallery lacks its place.
        starts: int64 (groups + 1,), where each group begins in `members`.
        members: int64, rows of the gallery, rising within a group.
        images: Gallery images.
        junk: Of them, how many were left out beforehand.
    """

    code: NDArray[np.int64]
    starts: NDArray[np.int64]
    members: NDArray[np.int64]
    images: int
    junk: int = 0

    @classmethod
    def of(cls, queries: ArrayLike, gallery: ArrayLike, junk: int = 0) -> Truth:
        """Return the truth by place: a gallery image is a match when its place is the query's.

        Args:
            queries: Place of each query, texts or numbers.
            gallery: Place of each gallery image.
            junk: Gallery images that were left out beforehand.
        """
        code, known = pd.factorize(np.asarray(gallery))
        starts = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=len(known)))])
        members = np.argsort(code, kind="stable")
        wanted = pd.Index(known).get_indexer(pd.Index(np.asarray(queries)))
        return cls(
            wanted.astype(np.int64),
            starts.astype(np.int64),
            members.astype(np.int64),
            len(code),
            junk,
        )


def rank_matches(blocks: Iterable[Block], truth: Truth) -> Ranks:
    """Return the positions of all true matches.

    Args:
        blocks: Scores of all queries against the whole gallery, as `score_blocks` yields them.
        truth: The matches.
    """
    sizes = np.append(np.diff(truth.starts), 0)  # the last is for queries without a place: -1
    starts = np.concatenate([[0], np.cumsum(sizes[truth.code])]).astype(np.int64)
    positions = np.empty(starts[-1], np.int64)
    workers = numba.get_num_threads()
    with ThreadPoolExecutor(workers) as pool:
        for rows, scores in blocks:
            step = -(-len(scores) // workers)
            parts = [slice(k, min(k + step, len(scores))) for k in range(0, len(scores), step)]
            jobs = [
                pool.submit(
                    _rank_rows,
                    scores[part],
                    truth,
                    sizes,
                    starts[rows.start + part.start : rows.start + part.stop + 1],
                    truth.code[rows][part],
                    positions,
                )
                for part in parts
            ]
            for job in jobs:
                job.result()
    return Ranks(starts, positions, truth.images, truth.images + truth.junk)


def _rank_rows(
    scores: NDArray[np.float32],
    truth: Truth,
    sizes: NDArray[np.int64],
    starts: NDArray[np.int64],
    code: NDArray[np.int64],
    positions: NDArray[np.int64],
) -> None:
    """Write the positions of the matches of some queries; all of it runs without the GIL.

    Args:
        scores: float32 (queries, gallery).
        truth: The matches.
        sizes: Images of each group, and 0 for queries without one.
        starts: Where the positions of each query begin.
        code: Group of each query, or -1.
        positions: What is written.
    """
    # A few rows at a time: their sorted copy stays in a core's cache, and needs no new memory.
    step = max(1, _SORTED // scores[:1].nbytes)
    for at in range(0, len(scores), step):
        rows = slice(at, at + step)
        some, mine = scores[rows], code[rows]
        # Sorting scores (not images) is vectorized, and pays where several matches look into it.
        several = np.flatnonzero(sizes[mine] > 1)
        ordered = np.sort(some[several] if len(several) < len(some) else some, axis=1)
        place = np.full(len(some), -1, np.int64)
        place[several] = np.arange(len(several))
        begins = starts[at : at + len(some) + 1]
        _count_better(some, ordered, place, mine, truth.starts, truth.members, begins, positions)


@numba.njit(nogil=True, cache=True)
def _count_better(
    scores: NDArray[np.float32],
    ordered: NDArray[np.float32],
    place: NDArray[np.int64],
    code: NDArray[np.int64],
    groups: NDArray[np.int64],
    members: NDArray[np.int64],
    starts: NDArray[np.int64],
    positions: NDArray[np.int64],
) -> None:
    """Write the positions of the matches of some queries.

    Args:
        scores: (queries, gallery).
        ordered: Rising scores of the queries with several matches.
        place: Row of each query in `ordered`, or -1.
        code: Group of each query, or -1.
        groups: Where the groups begin in `members`.
        members: Rows of the gallery by group.
        starts: Where the positions of each query begin.
        positions: What is written.
    """
    for row in range(len(scores)):
        group = code[row]
        if group < 0:
            continue
        own = members[groups[group] : groups[group + 1]]
        if len(own) == 1:
            positions[starts[row]] = _better_by_counting(scores[row], own[0])
        else:
            found = np.empty(len(own), np.int64)
            for k in range(len(own)):
                found[k] = _better_by_search(scores[row], ordered[place[row]], own[k])
            positions[starts[row] : starts[row + 1]] = np.sort(found)


@numba.njit(nogil=True, cache=True)
def _better_by_counting(line: NDArray[np.float32], match: int) -> int:
    """Return how many of a ranking come before one image.

    Slices, not indices: what is known to lie inside the array is compared 16 at a time.
    """
    score = line[match]
    count = 0
    for value in line[:match]:
        count += value >= score
    for value in line[match + 1 :]:
        count += value > score
    return count


@numba.njit(nogil=True, cache=True)
def _better_by_search(line: NDArray[np.float32], ordered: NDArray[np.float32], match: int) -> int:
    """Return the same, given the sorted scores: only ties make it look at the ranking itself."""
    score = line[match]
    end = np.searchsorted(ordered, score, side="right")
    count = len(ordered) - end
    if end >= 2 and ordered[end - 2] == score:
        for j in range(match):
            count += line[j] == score
    return count
