"""How well a ranking finds places: public and standard figures, with intervals and by group."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nadir.errors import InputError
from nadir.retrieval.bootstrap import RESAMPLES, resample_intervals
from nadir.retrieval.measures import MEDIAN_RANK, PUBLIC, STANDARD, by_query, top_percent
from nadir.retrieval.ranks import JUNK, Ranks, Truth, rank_matches
from nadir.retrieval.search import MEMORY, Block, check_sides, checked_blocks

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Images:
    """Features of images, and what is known of them.

    Attributes:
        features: float32 (images, dimensions), of unit length where scores are to be cosines.
        places: The place that each image shows, (images,) texts or whole numbers.
        names: Names of the images, (images,); by default their numbers.
        groups: What figures are also told by, such as the weather, (images,); None for no groups.
    """

    features: NDArray[np.float32]
    places: ArrayLike
    names: ArrayLike | None = None
    groups: ArrayLike | None = None

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Intervals:
    """How intervals are drawn.

    Attributes:
        seed: Seed of the resamples.
        resamples: How many; 0 for none.
        by_place: Whether places are drawn, with all their queries, instead of single queries:
            wider, and honest where many queries show the same place.
    """

    seed: int = 0
    resamples: int = RESAMPLES
    by_place: bool = False


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a ranking is worth.

    Attributes:
        figures: As `figures_of` gives them, with `groups` where there are any.
        queries: One row a query: name, place, group, and the figures of `by_query`.
        ranks: Where the matches lie.
    """

    figures: dict[str, Any]
    queries: pd.DataFrame
    ranks: Ranks


def evaluate(
    queries: Images,
    gallery: Images,
    *,
    intervals: Intervals | None = None,
    blocks: Iterable[Block] | None = None,
    device: str = "cpu",
    memory: int = MEMORY,
) -> Evaluation:
    """Rank the gallery for every query and say how well that finds its place.

    A gallery image whose place is `JUNK` is taken out of all rankings. A query whose place the
    gallery lacks is a miss in the public figures and is left out of the standard ones; how many
    there are is told, and logged.

    Args:
        queries: What is looked for.
        gallery: Where it is looked for.
        intervals: How intervals are drawn; by default 1,000 resamples of queries.
        blocks: Scores from elsewhere (re-ranking) against the gallery without junk, instead of dot
            products of the features.
        device: Device of the products; see `score_blocks`.
        memory: Bytes of scores held at once.

    Raises:
        InputError: When either side is empty, all of the gallery is junk, features are not finite,
            or features and places differ in number.
    """
    asked, kept = check_sides(queries.features, gallery.features)
    places, wanted = _places(gallery, "gallery"), _places(queries, "queries")
    keep = not_junk(places)
    if not keep.any():
        raise InputError("gallery", "all its images are junk", "Name the places that they show.")
    truth = Truth.of(wanted, places[keep], junk=int((~keep).sum()))
    _tell_absent(truth, len(wanted))
    if blocks is None:
        kept = kept if keep.all() else kept[keep]
        blocks = checked_blocks(asked, kept, device=device, memory=memory)
    return judge(rank_matches(blocks, truth), queries, intervals)


def judge(ranks: Ranks, queries: Images, intervals: Intervals | None = None) -> Evaluation:
    """Say what ranks are worth, over all queries and by group.

    Args:
        ranks: Where the matches of the queries lie.
        queries: The queries; their features are not looked at.
        intervals: As for `evaluate`.
    """
    chosen = intervals or Intervals()
    names = np.arange(len(ranks)) if queries.names is None else np.asarray(queries.names)
    groups = np.full(len(ranks), "") if queries.groups is None else np.asarray(queries.groups)
    head = pd.DataFrame({"query": names, "place": np.asarray(queries.places), "group": groups})
    head["matches"] = ranks.matches
    table = pd.concat([head, by_query(ranks)], axis=1)
    figures = figures_of(table, ranks.gallery, chosen)
    if queries.groups is not None:
        parts = {
            str(name): figures_of(part, ranks.gallery, chosen)
            for name, part in table.groupby("group", sort=False)
        }
        figures |= {"groups": parts, "mean of groups": mean_of_groups(parts)}
    return Evaluation(figures, table, ranks)


def figures_of(table: pd.DataFrame, gallery: int, intervals: Intervals) -> dict[str, Any]:
    """Return the figures of some queries.

    Args:
        table: Rows of `Evaluation.queries`.
        gallery: Images in the gallery, junk included.
        intervals: How intervals are drawn.

    Returns:
        `queries`, `gallery` and `absent` (queries whose place the gallery lacks); `top percent`:
        the depth that "Recall@top1" means; `public` and `standard`: name -> `value`, `low`, `high`,
        shares from 0 to 1 except the median rank, which counts from 1.
    """
    shares = [name for name in (*PUBLIC, *STANDARD) if name != MEDIAN_RANK]
    means, ranks = table[shares].to_numpy(float), table[MEDIAN_RANK].to_numpy(float)
    drawn = resample_intervals(
        means,
        ranks,
        table["place"].to_numpy() if intervals.by_place else None,
        seed=intervals.seed,
        resamples=intervals.resamples,
    )
    values = {name: _mean(column) for name, column in zip(shares, means.T, strict=True)}
    values[MEDIAN_RANK] = float(table[MEDIAN_RANK].median())
    rows = dict(zip([*shares, MEDIAN_RANK], drawn.tolist(), strict=True))
    told = {
        name: {"value": values[name], "low": rows[name][0], "high": rows[name][1]} for name in rows
    }
    return {
        "queries": len(table),
        "gallery": gallery,
        "absent": int((table["matches"] == 0).sum()),
        "top percent": min(top_percent(gallery) + 1, gallery),
        "public": {name: told[name] for name in PUBLIC},
        "standard": {name: told[name] for name in STANDARD},
    }


def mean_of_groups(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the plain mean over groups of each figure, whatever the number of their queries.

    Args:
        groups: Name -> what `figures_of` returns.

    Returns:
        `public` and `standard`: name -> mean; NaN where a group has no such figure.
    """
    return {
        family: {
            name: float(np.mean([group[family][name]["value"] for group in groups.values()]))
            for name in names
        }
        for family, names in (("public", PUBLIC), ("standard", STANDARD))
    }


def not_junk(places: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which gallery images count: those whose place is not -1, as a number or as text."""
    if np.issubdtype(places.dtype, np.number):
        return np.asarray(places != JUNK)
    return places.astype(str) != str(JUNK)


def _mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _places(images: Images, what: str) -> NDArray[Any]:
    """Return the places of images, one for each feature."""
    places = np.asarray(images.places)
    if places.shape != (len(images),):
        problem = f"{len(images)} features, and places of shape {places.shape}"
        raise InputError(what, problem, "Give one place for each feature.")
    return places


def _tell_absent(truth: Truth, queries: int) -> None:
    absent = int((truth.code < 0).sum())
    if absent:
        log.warning(
            "%d of %d queries show a place that is not in the gallery: they count as misses in the "
            "public figures, and are left out of the standard ones",
            absent,
            queries,
        )
