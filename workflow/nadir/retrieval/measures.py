"""Figures of a ranking: those of the public University-1652 evaluator, and the standard ones.

Both families are functions of where the true matches lie, and never share a name. What sets the
public ones apart:

* its average precision is the area under the precision-recall curve by trapezoids, with a
  precision of (hits before) / (images before) left of each hit (Philbin et al. 2007): a single
  match at rank r gives 1 / (2 r), and 1 at rank 1;
* its "Recall@top1" is the cumulative match curve at the index round(1 % of the gallery), counted
  from 0: with 951 images, recall among the first 11;
* queries whose place is not in the gallery count as misses in all of them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nadir.retrieval.ranks import Ranks

DEPTHS = (1, 5, 10)
"""Depths k at which recall is told."""

TOP_PERCENT = "Recall@top1"
PUBLIC_AP = "AP"
PUBLIC = (*(f"Recall@{depth}" for depth in DEPTHS), TOP_PERCENT, PUBLIC_AP)
"""Names of the public figures, as its evaluator prints them."""

MEAN_AP = "mean average precision"
MEAN_RECIPROCAL = "mean reciprocal rank"
MEDIAN_RANK = "median rank"
STANDARD = (*(f"recall at {depth}" for depth in DEPTHS), MEAN_AP, MEAN_RECIPROCAL, MEDIAN_RANK)
"""Names of the standard figures."""


def top_percent(gallery: int) -> int:
    """Return the index, from 0, at which the public evaluator reads its "Recall@top1"."""
    return round(gallery * 0.01)  # halves go to the even neighbor, there as here


def trapezoidal_precision(ranks: Ranks) -> NDArray[np.float64]:
    """Return the public average precision of each query; 0 without a match.

    Positions 0, 2 and 5 give (1 + (1/2 + 2/3)/2 + (2/5 + 3/6)/2) / 3 = 0.6778.
    """
    place, before = ranks.positions, ranks.ordinal
    left = np.divide(before, place, out=np.ones(len(place)), where=place > 0)
    return _mean_of_matches(ranks, (left + (before + 1) / (place + 1)) / 2)


def average_precision(ranks: Ranks) -> NDArray[np.float64]:
    """Return the mean of the precision at the hits of each query; 0 without a match.

    Positions 0, 2 and 5 give (1 + 2/3 + 3/6) / 3 = 0.7222.
    """
    return _mean_of_matches(ranks, (ranks.ordinal + 1) / (ranks.positions + 1))


def _mean_of_matches(ranks: Ranks, values: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.bincount(ranks.query, values, minlength=len(ranks))
    return total / np.maximum(ranks.matches, 1)


def cumulative_match_curve(ranks: Ranks) -> NDArray[np.float64]:
    """Return the share of all queries with a match among the first k + 1, for each index k.

    Returns:
        float64 (gallery,). Queries without a match count as misses, as in the public evaluator.
    """
    first = ranks.first[ranks.first >= 0]
    return np.cumsum(np.bincount(first, minlength=ranks.gallery)) / max(len(ranks), 1)


def by_query(ranks: Ranks) -> pd.DataFrame:
    """Return the figures of each query, one column a figure.

    Public ones are numbers for every query; standard ones are NaN where the gallery lacks the
    place. The column of `MEDIAN_RANK` holds ranks from 1. Depths beyond the gallery mean all of it.
    """
    first, there = ranks.first, ranks.matches > 0
    columns: dict[str, NDArray[np.float64]] = {}
    depths = {f"Recall@{depth}": depth for depth in DEPTHS}
    depths[TOP_PERCENT] = top_percent(ranks.gallery) + 1
    for name, depth in depths.items():
        columns[name] = (there & (first < depth)).astype(np.float64)
    columns[PUBLIC_AP] = trapezoidal_precision(ranks)
    for depth in DEPTHS:
        columns[f"recall at {depth}"] = np.where(there, first < depth, np.nan)
    columns[MEAN_AP] = np.where(there, average_precision(ranks), np.nan)
    columns[MEAN_RECIPROCAL] = np.where(there, 1.0 / (first + 1.0 + ~there), np.nan)
    columns[MEDIAN_RANK] = np.where(there, first + 1.0, np.nan)
    return pd.DataFrame(columns)
