"""Is one experiment better than another? The same blocks for both, drawn and swapped many times."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_DRAWS, _SWAPS, _SEEDS = 7413, 7414, 7415
_AT_ONCE = 8192
"""Swaps that are scored together: memory stays small."""
_TIE = 1e-12

Score = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Difference:
    """How much better the first experiment is than the second.

    Attributes:
        value: Difference on all blocks, of means over seeds.
        low: 2.5 % of resamples lie below.
        high: 2.5 % lie above.
        p: Two-sided p-value of no difference: that of the blocks, or the one in which seeds count
            as well, whichever is larger.
        block_p: Two-sided p-value of the blocks alone.
        least: The least `block_p` that so many blocks and swaps can give, however clear the case.
        blocks: Blocks that both were judged on.
        seeds: Seeds of the first and of the second experiment.
    """

    value: float
    low: float
    high: float
    p: float
    block_p: float
    least: float
    blocks: int
    seeds: tuple[int, int]


def paired_differences(
    one: NDArray[np.integer],
    other: NDArray[np.integer],
    resamples: int,
    swaps: int | None = None,
    seed: int = 0,
) -> dict[str, Difference]:
    """Compare two experiments on the same blocks.

    The interval is a paired bootstrap: whole blocks are drawn with replacement, the same for both,
    so that what makes a block hard cancels out and neighbors stay together (Efron and Tibshirani
    1993; Field and Welsh 2007); seeds are drawn as well, one fewer than there are, or the spread of
    so small a number would come out too small (Rao and Wu 1988).

    Tails of a bootstrap over few blocks are far too light for the small p-values that many pairs
    ask for. The p-value is that of a permutation test: between equals, the two results of a block
    might as well be swapped (Fisher 1935; Good 2005). All swaps are gone through where they are no
    more than `swaps`, else so many are drawn. Of experiments with several seeds the mean confusion
    of each block is swapped, and their difference must also exceed what seeds and blocks together
    make of it (Welch's t). A single seed is taken to vary as those of the other experiment do.

    Args:
        one: int (S, B, K, K), confusion matrix of each seed and block.
        other: int (T, B, K, K), the same blocks, scored for the other experiment.
        resamples: How often blocks are drawn.
        swaps: Most swaps; as many as resamples, if not given.
        seed: Of the draws.

    Returns:
        `miou` and `accuracy` -> difference.

    Raises:
        ValueError: When there is no block, or shapes differ.
    """
    if one.ndim != 4 or one.shape[1:] != other.shape[1:] or 0 in (one.size, other.size):
        raise ValueError(f"cannot pair blocks of shapes {one.shape} and {other.shape}")
    sides = (_counts(one), _counts(other))
    blocks = one.shape[1]
    weights = _weights(blocks, resamples, (seed, _DRAWS))
    asked = resamples if swaps is None else swaps
    shares = swap_shares(sides[0].mean(axis=0), sides[1].mean(axis=0), asked, seed)
    every = 2.0 ** (blocks - 1)
    least = 1 / every if every <= asked else 1 / (asked + 1)
    found = {}
    for name, score in _SCORES.items():
        whole = [score(side.sum(axis=1)) for side in sides]
        drawn = [
            np.stack([score(np.tensordot(weights, own, 1)) for own in side], 1) for side in sides
        ]
        value = float(whole[0].mean() - whole[1].mean())
        low, high = _interval(drawn, seed)
        by_blocks = shares[name]
        p = max(by_blocks, _seed_p(whole, drawn, blocks))
        seeds = (len(one), len(other))
        found[name] = Difference(value, low, high, p, by_blocks, least, blocks, seeds)
    return found


def swap_shares(
    one: NDArray[np.float64], other: NDArray[np.float64], swaps: int, seed: int = 0
) -> dict[str, float]:
    """Return by score the two-sided p-value of a permutation test that swaps whole blocks.

    Args:
        one: (B, 3, K) counts of one experiment: right pixels, the truth's, the map's.
        other: Those of the other.
        swaps: Most swaps to look at.
        seed: Of the swaps, where not all are looked at.
    """
    both, apart = (one + other).sum(axis=0), one - other
    limits = {
        name: abs(float(score(one.sum(axis=0)) - score(other.sum(axis=0)))) - _TIE
        for name, score in _SCORES.items()
    }
    reached, total = dict.fromkeys(_SCORES, 0), 0
    for signs in _signs(len(one), swaps, seed):
        moved = np.tensordot(signs, apart, 1)
        total += len(signs)
        for name, score in _SCORES.items():
            gap = score((both + moved) / 2) - score((both - moved) / 2)
            # What cannot be scored is no evidence: it counts as reached.
            reached[name] += int((~(np.abs(gap) < limits[name])).sum())
    own = 0 if _all_of(len(one), swaps) else 1  # of those drawn, the case as it is is one more
    return {name: (count + own) / (total + own) for name, count in reached.items()}


def _all_of(blocks: int, swaps: int) -> bool:
    """Whether so many swaps are all there are; swapping all blocks only turns the sign."""
    return 2.0 ** (blocks - 1) <= swaps


def _signs(blocks: int, swaps: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield rows of 1 and -1 (swapped), (n, B): all of them or as many as are asked for."""
    rng = np.random.default_rng([seed, _SWAPS])
    every = _all_of(blocks, swaps)
    count = 2 ** (blocks - 1) if every else swaps
    for start in range(0, count, _AT_ONCE):
        size = min(_AT_ONCE, count - start)
        if every:
            numbers = np.arange(start, start + size)[:, None]
            bits = numbers >> np.arange(blocks) & 1
        else:
            packed = rng.integers(0, 256, (size, -(-blocks // 8)), np.uint8)
            bits = np.unpackbits(packed, axis=1, count=blocks).astype(np.int64)
        yield np.where(bits, -1.0, 1.0)


@functools.lru_cache(maxsize=8)  # the same for all pairs
def _weights(
    count: int, resamples: int, key: tuple[int, ...], size: int | None = None
) -> NDArray[np.float64]:
    """Return how much each of `count` counts in each resample, (resamples, count), sums 1."""
    rng = np.random.default_rng(key)
    size = count if size is None else size
    return rng.multinomial(size, np.full(count, 1 / count), size=resamples) / size


def _interval(drawn: list[NDArray[np.float64]], seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference, from scores (resamples, seeds)."""
    means = []
    for side, scores in enumerate(drawn):
        count = scores.shape[1]
        if count == 1:
            means.append(scores[:, 0])
            continue
        picked = _weights(count, len(scores), (seed, _SEEDS, side), count - 1)
        means.append((scores * picked).sum(axis=1))
    spread = means[0] - means[1]
    spread = spread[np.isfinite(spread)]
    low, high = np.percentile(spread, [2.5, 97.5]) if len(spread) else (np.nan, np.nan)
    return float(low), float(high)


def _seed_p(
    whole: list[NDArray[np.float64]], drawn: list[NDArray[np.float64]], blocks: int
) -> float:
    """Return the p-value in which luck of seeds and of blocks add up; 0 where there are no seeds.

    Args:
        whole: Scores of each experiment's seeds on all blocks.
        drawn: Scores (resamples, seeds) on drawn blocks.
        blocks: Number of blocks.
    """
    if max(map(len, whole)) < 2:
        return 0.0
    if blocks < 2:
        return 1.0
    spread = drawn[0].mean(axis=1) - drawn[1].mean(axis=1)
    parts = [(float(np.nanvar(spread)) * blocks / (blocks - 1), blocks - 1)]
    for own, its in (whole, whole[::-1]):
        known = own if len(own) > 1 else its
        parts.append((float(known.var(ddof=1)) / len(own), len(known) - 1))
    variance = sum(part for part, _ in parts)
    gap = abs(float(whole[0].mean() - whole[1].mean()))
    if not variance > 0:
        return 0.0 if gap > _TIE else 1.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return float(2 * stats.t.sf(gap / np.sqrt(variance), freedom))


def _counts(matrices: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return right, true and mapped pixels (..., 3, K) of confusions (..., K, K)."""
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    return np.stack([right, matrices.sum(axis=-1), matrices.sum(axis=-2)], -2).astype(np.float64)


def _miou(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean IoU of counts (..., 3, K) over the classes that occur; NaN if none does."""
    right, true, mapped = np.moveaxis(counts, -2, 0)
    union = true + mapped - right
    there = union > 0
    found = np.divide(right, union, out=np.zeros_like(union), where=there)
    number = there.sum(axis=-1)
    return np.where(number > 0, found.sum(axis=-1) / np.maximum(number, 1), np.nan)


def _accuracy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the overall accuracy of counts (..., 3, K); NaN where there is no pixel."""
    right, true = counts[..., 0, :].sum(axis=-1), counts[..., 1, :].sum(axis=-1)
    return np.where(true > 0, right / np.where(true > 0, true, 1), np.nan)


_SCORES: dict[str, Score] = {"miou": _miou, "accuracy": _accuracy}
