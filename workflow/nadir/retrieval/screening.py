"""Exact ranks of true matches, from products that need not be exact.

A position is a count of better images, and nearly all images are better or worse by far: an inexact
score with a bound of its error decides them. Only those within the bound of a match are compared by
their true scores, which are summed in float64. Ranks so depend neither on the order in which a
library sums up nor on the device, and the many products may be made of 8-bit integers, which
processors with VNNI multiply an order of magnitude faster than float32.

A feature is split into two bytes and a rest, q = s (256 h + l) + r with |l| <= 128. The products
256 h h' + h l' + l h' are exact in int32; by Cauchy and Schwarz, what is left out adds at most
s |l| s' |l'| + |r| |q'| + (|q| + |r|) |r'|.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray

from nadir.retrieval.ranks import Ranks, Truth, rank_matches
from nadir.retrieval.search import MEMORY, Features, checked_blocks

MANY = 8
"""Matches of one query from which on sorting its scores is cheaper than counting for each match."""

WORTH_AN_IMPORT = 1e12
"""Multiplications from which on integer products pay although torch has to be imported for them."""

LONGEST = 1 << 15
"""Dimensions up to which the integer products cannot overflow."""

FINEST = 127 * 256
"""The largest whole number that both bytes stand for."""

WIDTH = 2048
"""Images of the gallery in a block of products of integers."""

TALL = 512
"""Queries in such a block at most: it should not leave the caches."""

STEP = 64
"""Scores that are counted at a time before one looks for those too near to tell."""

SMALLEST_SCALE = 1e-30
"""Below it a feature is not split, lest its scale be no normal float32."""

TINY = 1e-36
"""What products too small for float32 may add up to."""

SPACING = 2.0**-24
"""Largest relative error of one operation in float32."""


@dataclass(frozen=True, eq=False)
class Inexact:
    """Scores of some queries against some of the gallery, and how far they may be off.

    Attributes:
        rows: The queries.
        columns: The images of the gallery.
        scores: float32 (queries, images), in a buffer that the next block overwrites.
        error: float32 (queries,), bound of the absolute error of the scores of each query.
    """

    rows: slice
    columns: slice
    scores: NDArray[np.float32]
    error: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Bytes:
    """Features as scaled whole numbers of two signed bytes.

    Attributes:
        both: int8 (images, 2 dimensions), the high bytes and then the low ones.
        scale: float32 (images,), what a whole number is worth.
        length: float64 (images,), length of the feature.
        rest: float64 (images,), length of what the whole numbers leave out.
        minor: float64 (images,), length of what the low bytes stand for.
    """

    both: NDArray[np.int8]
    scale: NDArray[np.float32]
    length: NDArray[np.float64]
    rest: NDArray[np.float64]
    minor: NDArray[np.float64]

    @classmethod
    def of(cls, features: Features) -> Bytes:
        """Split features, float32 (images, dimensions)."""
        images, dimensions = features.shape
        both = np.empty((images, 2 * dimensions), np.int8)
        scale, lengths = np.empty(images, np.float32), np.empty((3, images))
        _in_parts(images, lambda part: _split(features, part, both, scale, lengths))
        return cls(both, scale, *lengths)


def rank_features(
    queries: Features,
    gallery: Features,
    truth: Truth,
    *,
    device: str = "cpu",
    memory: int = MEMORY,
) -> Ranks:
    """Return the positions of all true matches by the dot products of features.

    Scores that differ by no more than float64 can tell count as equal: of them, the image that
    comes first in the gallery is the better.

    Args:
        queries: float32 (queries, dimensions), as `check_sides` returns them.
        gallery: float32 (images, dimensions), as `check_sides` returns them.
        truth: The matches.
        device: "cpu", or a device of torch; see `score_blocks`.
        memory: Bytes of scores held at once.
    """
    if truth.sizes.max(initial=0) > MANY:
        return rank_matches(checked_blocks(queries, gallery, device=device, memory=memory), truth)
    if device == "cpu" and integers_pay(len(queries), *gallery.shape):
        blocks = integer_blocks(queries, gallery, memory)
    else:
        blocks = float_blocks(queries, gallery, device, memory)
    return _rank(queries, gallery, truth, blocks)


def integers_pay(queries: int, images: int, dimensions: int) -> bool:
    """Return whether products of integers are faster here than those in float32.

    Args:
        queries: Number of queries.
        images: Images in the gallery.
        dimensions: Dimensions of a feature.
    """
    loaded = "torch" in sys.modules
    if dimensions > LONGEST or not (
        loaded or float(queries) * images * dimensions > WORTH_AN_IMPORT
    ):
        return False
    import torch

    return bool(torch.cpu._is_vnni_supported())


def float_blocks(
    queries: Features, gallery: Features, device: str = "cpu", memory: int = MEMORY
) -> Iterator[Inexact]:
    """Yield scores in float32; see Higham (2002), section 3.1, for the error of a sum in any order.

    Args:
        queries: (queries, dimensions).
        gallery: (images, dimensions).
        device: As for `score_blocks`.
        memory: As for `score_blocks`.
    """
    steps = (gallery.shape[1] + 1) * SPACING
    share = steps / (1 - steps)
    longest = _lengths(gallery).max()
    error = _upwards(share * _lengths(queries) * longest + TINY)
    for rows, scores in checked_blocks(queries, gallery, device=device, memory=memory):
        yield Inexact(rows, slice(0, len(gallery)), scores, error[rows])


def integer_blocks(queries: Features, gallery: Features, memory: int = MEMORY) -> Iterator[Inexact]:
    """Yield scores made of products of bytes.

    Args:
        queries: (queries, dimensions).
        gallery: (images, dimensions).
        memory: Bytes of products held at once; a block has 64 queries and images at the least.
    """
    import torch

    asked, there = Bytes.of(queries), Bytes.of(gallery)
    error = _integer_error(asked, there)
    depth = queries.shape[1]
    wide = min(len(gallery), WIDTH)
    tall = int(np.clip(memory // (12 * wide), 1, TALL))
    products = torch.empty(2 * tall * wide, dtype=torch.int32)
    scores = np.empty(tall * wide, np.float32)
    for left in range(0, len(gallery), wide):
        columns = slice(left, min(left + wide, len(gallery)))
        theirs = torch.from_numpy(there.both[columns])
        crossed = theirs.roll(depth, 1)  # the low bytes and then the high ones
        for top in range(0, len(queries), tall):
            rows = slice(top, min(top + tall, len(queries)))
            mine = torch.from_numpy(asked.both[rows])
            shape = (len(mine), len(theirs))
            made = products[: 2 * shape[0] * shape[1]].view(2, *shape)
            torch._int_mm(mine[:, :depth], theirs[:, :depth].T, out=made[0])
            torch._int_mm(mine, crossed.T, out=made[1])
            found = scores[: shape[0] * shape[1]].reshape(shape)
            scales = asked.scale[rows], there.scale[columns]
            _in_parts(len(mine), lambda part: _combine(made.numpy(), *scales, part, found))  # noqa: B023
            yield Inexact(rows, columns, found, error[rows])


def _integer_error(asked: Bytes, there: Bytes) -> NDArray[np.float32]:
    """Return the bound of the error of a score, float32 (queries,), whatever the image."""
    error = asked.rest * there.length.max() + (asked.length + asked.rest) * there.rest.max()
    error += asked.minor * there.minor.max()
    error += 12 * SPACING * asked.length * there.length.max()  # scales and sums in float32
    return _upwards(error)


def _rank(queries: Features, gallery: Features, truth: Truth, blocks: Iterator[Inexact]) -> Ranks:
    """Count, block after block, what is better than each match."""
    starts, matches = truth.spans, truth.matches
    owners = np.repeat(np.arange(len(queries)), np.diff(starts))
    lengths = _lengths(queries) * _lengths(gallery).max()
    tie = lengths * (gallery.shape[1] * 2.0**-52)
    scores = np.empty(len(matches))
    _in_parts(
        len(matches), lambda part: _true_scores(queries, gallery, owners, matches, part, scores)
    )
    better = np.zeros(len(matches), np.int64)
    for block in blocks:
        first = block.rows.start
        _in_parts(
            len(block.scores),
            lambda part: _count(
                block.scores,  # noqa: B023
                block.error,  # noqa: B023
                first,  # noqa: B023
                block.columns.start,  # noqa: B023
                part,
                (queries, gallery),
                (starts, matches),
                (scores, tie),
                better,
            ),
        )
    _sort_spans(starts, better)
    return Ranks(starts, better, truth.images, truth.images + truth.junk)


def _in_parts(rows: int, task: Callable[[tuple[int, int]], None]) -> None:
    """Run a task that releases the GIL on equal parts of some rows, side by side."""
    step = max(1, -(-rows // numba.get_num_threads()))
    list(_pool().map(task, [(k, min(k + step, rows)) for k in range(0, rows, step)]))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(numba.get_num_threads(), thread_name_prefix="screening")


def _lengths(features: Features) -> NDArray[np.float64]:
    found, rows = np.empty(len(features)), np.arange(len(features))
    _in_parts(len(features), lambda part: _true_scores(features, features, rows, rows, part, found))
    return np.sqrt(found)


def _upwards(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return bounds in float32 that are none the smaller for the rounding."""
    return np.nextafter((values * 1.001).astype(np.float32), np.float32(np.inf))


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _split(
    features: NDArray[np.float32],
    part: tuple[int, int],
    both: NDArray[np.int8],
    scale: NDArray[np.float32],
    lengths: NDArray[np.float64],
) -> None:
    """Write both bytes of the numbers of some features, their scales, and the three lengths."""
    dimensions = features.shape[1]
    for row in range(part[0], part[1]):
        line = features[row]
        largest = np.float32(0)
        for value in line:
            largest = max(largest, abs(value))
        unit = largest / np.float32(FINEST)
        if unit < SMALLEST_SCALE:
            unit = np.float32(1)  # all is rest then
        high, low = both[row, :dimensions], both[row, dimensions:]
        inverse = np.float32(1) / unit
        whole = left = minor = 0.0
        for j in range(dimensions):
            number = np.int32(np.rint(line[j] * inverse))
            top = (number + 128) >> 8
            high[j] = top
            low[j] = number - 256 * top
            value = np.float64(line[j])
            whole += value * value
            left += (value - np.float64(unit) * number) ** 2
            minor += np.float64(number - 256 * top) ** 2
        scale[row] = unit
        lengths[0, row], lengths[1, row] = np.sqrt(whole), np.sqrt(left)
        lengths[2, row] = unit * np.sqrt(minor)


@numba.njit(nogil=True, cache=True)
def _combine(
    products: NDArray[np.int32],
    mine: NDArray[np.float32],
    theirs: NDArray[np.float32],
    part: tuple[int, int],
    scores: NDArray[np.float32],
) -> None:
    """Write the scores of some rows, from the products of high bytes and the crossed ones."""
    for row in range(part[0], part[1]):
        high, crossed = products[0, row], products[1, row]
        line, unit = scores[row], np.float32(256) * mine[row]
        for j in range(len(line)):
            total = np.float32(256) * np.float32(high[j]) + np.float32(crossed[j])
            line[j] = total * (unit * theirs[j])


@numba.njit(nogil=True, cache=True, fastmath=True)
def _dot(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    total = 0.0
    for j in range(len(first)):
        total += np.float64(first[j]) * np.float64(second[j])
    return total


@numba.njit(nogil=True, cache=True)
def _true_scores(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    owners: NDArray[np.int64],
    matches: NDArray[np.int64],
    part: tuple[int, int],
    scores: NDArray[np.float64],
) -> None:
    """Write the scores of some matches."""
    for k in range(part[0], part[1]):
        scores[k] = _dot(queries[owners[k]], gallery[matches[k]])


@numba.njit(nogil=True, cache=True)
def _count(
    inexact: NDArray[np.float32],
    error: NDArray[np.float32],
    first: int,
    left: int,
    part: tuple[int, int],
    features: tuple[NDArray[np.float32], NDArray[np.float32]],
    spans: tuple[NDArray[np.int64], NDArray[np.int64]],
    truths: tuple[NDArray[np.float64], NDArray[np.float64]],
    better: NDArray[np.int64],
) -> None:
    """Add up what of a block comes before each match, for some of its rows.

    Args:
        inexact: float32 (queries, images), scores of the block.
        error: Bound of the error of each of its queries.
        first: The first query of the block.
        left: Its first image.
        part: From which of its rows to which.
        features: Of queries and of the gallery.
        spans: Where the matches of each query begin, and the matches themselves.
        truths: Scores of the matches, and the difference up to which scores of a query are equal.
        better: What is added to, one count a match.
    """
    queries, gallery = features
    starts, matches = spans
    scores, tie = truths
    for row in range(part[0], part[1]):
        line, query = inexact[row], first + row
        for k in range(starts[query], starts[query + 1]):
            score, match = scores[k], matches[k] - left
            # One more spacing each, since the bounds themselves are rounded.
            high = np.float32(score + error[row] + SPACING * abs(score))
            low = np.float32(score - error[row] - SPACING * abs(score))
            count = 0
            for start in range(0, len(line), STEP):
                piece = line[start : start + STEP]
                above = near = 0
                for value in piece:
                    above += value > high
                    near += value >= low
                count += above
                if near > above:
                    for j in range(start, start + len(piece)):
                        if j != match and low <= line[j] <= high:
                            ahead = _dot(queries[query], gallery[left + j]) - score
                            count += ahead > tie[query] or (ahead >= -tie[query] and j < match)
            better[k] += count


@numba.njit(nogil=True, cache=True)
def _sort_spans(starts: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    """Sort the values of each query."""
    for row in range(len(starts) - 1):
        if starts[row + 1] > starts[row] + 1:
            values[starts[row] : starts[row + 1]] = np.sort(values[starts[row] : starts[row + 1]])
