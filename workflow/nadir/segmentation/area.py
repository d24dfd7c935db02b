"""Area of each class with a confidence interval, from a map and a sample of the truth.

Counting a map's pixels is biased by its errors. Good practice (Olofsson et al. 2014, Remote Sensing
of Environment 148) takes the map's classes as strata, finds out from a sample what each stratum
truly consists of, and states the area with the sample's uncertainty.

A sample is counts (H, K): stratum (class of the map) x true class. Strata have sizes (H,) in any
unit of area, whole and known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AreaEstimate:
    """Areas by true class, in the unit of the strata.

    Attributes:
        area: (K,) estimate.
        error: (K,) standard error.
        low: (K,) lower end of the interval, 0 or more.
        high: (K,) upper end, at most the whole.
        unseen: Strata without a single sampled pixel: there the map was taken at its word.
        degrees: Degrees of freedom of the intervals; infinite for independent pixels.
    """

    area: Array
    error: Array
    low: Array
    high: Array
    unseen: tuple[int, ...]
    degrees: float

    def as_dict(self, names: list[str]) -> dict[str, Any]:
        """Return name -> area, error, low, high, ready for JSON."""
        return {
            name: {key: float(getattr(self, key)[k]) for key in ("area", "error", "low", "high")}
            for k, name in enumerate(names)
        }


def composition(counts: Array, strata: Array) -> Array:
    """Return what each stratum consists of, (H, K) shares; unseen strata are what the map says."""
    total = counts.sum(axis=1, keepdims=True)
    own = np.eye(len(strata), counts.shape[1])
    return np.where(total > 0, counts / np.maximum(total, 1), own)


def stratified_areas(
    counts: NDArray[np.integer], strata: NDArray[np.floating], level: float = 0.95
) -> AreaEstimate:
    """Estimate areas from pixels drawn at random within each stratum (equations 9 to 11).

    Args:
        counts: (H, K) sampled pixels; stratum h is class h of the map.
        strata: (H,) size of each stratum.
        level: Confidence.
    """
    n = np.asarray(counts, np.float64)
    sizes = np.asarray(strata, np.float64)
    share = composition(n, sizes)
    total = n.sum(axis=1, keepdims=True)
    # One pixel says nothing of the spread: the most that there can be stands in.
    spread = np.where(total > 1, share * (1 - share) / np.maximum(total - 1, 1), 0.25)
    spread[(total[:, 0] == 0) & (sizes == 0)] = 0.0
    error = np.sqrt((sizes[:, None] ** 2 * spread).sum(axis=0))
    area = sizes @ share
    reach = float(norm.ppf(0.5 + level / 2)) * error
    return _bounded(area, error, area - reach, area + reach, n, sizes, np.inf)


def robust_areas(
    counts: NDArray[np.integer], strata: NDArray[np.floating], level: float = 0.95
) -> AreaEstimate:
    """Estimate areas as `stratified_areas`, with intervals that hold for small samples, too.

    Where a class was not once met in a stratum, the textbook's variance is 0, and its interval
    claims to know. Here intervals come from a variance in which every class of every stratum was
    seen half a time more (Jeffreys' prior on each share against the rest).

    Args:
        counts: (H, K) sampled pixels.
        strata: (H,) size of each stratum.
        level: Confidence.
    """
    n = np.asarray(counts, np.float64)
    sizes = np.asarray(strata, np.float64)
    plain = stratified_areas(counts, strata, level)
    total = n.sum(axis=1, keepdims=True) + 1
    share = (n + 0.5) / total
    error = np.sqrt((sizes[:, None] ** 2 * share * (1 - share) / (total + 1)).sum(axis=0))
    error = np.maximum(error, plain.error)
    reach = float(norm.ppf(0.5 + level / 2)) * error
    return _bounded(plain.area, error, plain.area - reach, plain.area + reach, n, sizes, np.inf)


def block_areas(
    counts: NDArray[np.integer],
    strata: NDArray[np.floating],
    level: float = 0.95,
    sampled: float = 0.0,
) -> AreaEstimate:
    """Estimate areas from whole blocks, whose pixels err together.

    The estimate is that of `stratified_areas` on all pixels; its error comes from leaving out one
    block after the other (the delete-one jackknife, which holds for few blocks and ratios), and
    the interval from Student's t with a degree of freedom less than there are blocks.

    Args:
        counts: (B, H, K) pixels of each block by stratum and true class.
        strata: (H,) size of each stratum.
        level: Confidence.
        sampled: Share of the whole that the blocks cover, in [0, 1): what is known is not in doubt.
    """
    n = np.asarray(counts, np.float64)
    n = n[n.any(axis=(1, 2))]
    sizes = np.asarray(strata, np.float64)
    whole = n.sum(axis=0)
    area = sizes @ composition(whole, sizes)
    blocks = len(n)
    if blocks < 2:
        full = np.full(len(area), np.inf)
        return _bounded(area, full, np.zeros_like(area), full, whole, sizes, 0.0)
    without = np.stack([sizes @ composition(whole - block, sizes) for block in n])
    spread = ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    error = np.sqrt((blocks - 1) / blocks * spread * (1 - sampled))
    reach = float(t.ppf(0.5 + level / 2, blocks - 1)) * error
    return _bounded(area, error, area - reach, area + reach, whole, sizes, blocks - 1.0)


def _bounded(
    area: Array, error: Array, low: Array, high: Array, counts: Array, sizes: Array, degrees: float
) -> AreaEstimate:
    """Keep intervals within what is possible."""
    unseen = np.flatnonzero((counts.sum(axis=1) == 0) & (sizes > 0))
    whole = sizes.sum()
    return AreaEstimate(
        area,
        error,
        np.clip(low, 0.0, whole),
        np.clip(high, 0.0, whole),
        tuple(int(h) for h in unseen),
        degrees,
    )


def accuracies(
    counts: NDArray[np.integer], strata: NDArray[np.floating]
) -> dict[str, float | list[float]]:
    """Return overall, user's and producer's accuracy with standard errors (equations 5 to 8).

    Args:
        counts: (K, K) sampled pixels, map x truth.
        strata: (K,) size of each class on the map.

    Returns:
        `overall`, `overall_error`, `users`, `users_error`, `producers`, `producers_error`; NaN
        for classes without pixels.
    """
    n = np.asarray(counts, np.float64)
    sizes = np.asarray(strata, np.float64)
    weight = sizes / sizes.sum()
    total = n.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = n / total[:, None]
        users = np.diag(share)
        users_variance = users * (1 - users) / (total - 1)
        true = np.nansum(sizes[:, None] * share, axis=0)
        producers = sizes * users / true
        spread = sizes[:, None] ** 2 * share * (1 - share) / (total - 1)[:, None]
        others = np.nansum(spread, axis=0) - np.nan_to_num(np.diag(spread))
        own = sizes**2 * (1 - producers) ** 2 * users_variance
        producers_variance = (own + producers**2 * others) / true**2
    return {
        "overall": float(np.nansum(weight * users)),
        "overall_error": float(np.sqrt(np.nansum(weight**2 * users_variance))),
        "users": users.tolist(),
        "users_error": np.sqrt(users_variance).tolist(),
        "producers": producers.tolist(),
        "producers_error": np.sqrt(producers_variance).tolist(),
    }


def allocation(sizes: NDArray[np.integer], sample: int, least: int) -> NDArray[np.int64]:
    """Return how many pixels to draw in each stratum: by size, and no fewer than `least`.

    Args:
        sizes: (H,) pixels of each stratum.
        sample: Pixels in all, about: small strata come on top.
        least: Least pixels in a stratum that has as many.
    """
    pixels = np.asarray(sizes, np.int64)
    wanted = np.rint(sample * pixels / max(pixels.sum(), 1)).astype(np.int64)
    return np.minimum(np.maximum(wanted, least), pixels)
