"""The scores of a test, as `metrics.json` has them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nadir.config.retrieval import RankingConfig
from nadir.retrieval.evaluate import Evaluation, Images, Intervals, evaluate
from nadir.retrieval.feature_store import Stored
from nadir.retrieval.measures import cumulative_match_curve
from nadir.retrieval.multiquery import mean_by_place
from nadir.retrieval.rankings import DEPTH, chosen, direction_name, directions_of, sides_of
from nadir.retrieval.rerank import Reciprocal, reranked_blocks
from nadir.retrieval.whitening import fit_whitening

log = logging.getLogger(__name__)

AFTER = ("turns", "whitening", "multi-query", "re-ranking")
"""What may follow a search; each has its own row and is never part of the plain scores."""

Sides = tuple[Images, Images]


def score_places(
    stored: Stored, views: Sequence[str], cfg: RankingConfig, *, device: str = "cpu"
) -> dict[str, Any]:
    """Return the scores of a test.

    Args:
        stored: The features.
        views: The two views.
        cfg: What to measure.
        device: As for `search.score_blocks`.

    Returns:
        `weather`: the first one asked for, in which the plain scores are told; `flip`; and
        `directions`: name -> the figures of `evaluate.figures_of`, with `unknown` (queries whose
        place is not known, which are left out), `curve` (share of queries with a right image among
        the first 1, 2, ...), `weathers` and `mean of weathers` where there are several, and
        `after`: what followed the search -> figures. A direction of which no place is known has
        `queries` 0 and no figures.

    Raises:
        InputError: When no direction can be ranked, or features are not finite.
    """
    found = {
        direction_name(*direction): _direction(stored, direction, cfg, device)
        for direction in directions_of(stored.table, views)
    }
    return {"weather": cfg.weathers[0], "flip": cfg.flip, "directions": found}


def _direction(
    stored: Stored, direction: tuple[str, str], cfg: RankingConfig, device: str
) -> dict[str, Any]:
    """Return the scores of one direction."""
    weather = cfg.weathers[0]
    everything = sides_of(stored, direction)
    queries, gallery = _known(sides_of(stored, direction, weather=weather))
    unknown = int((np.asarray(everything[0].places) == "").sum()) // len(cfg.weathers)
    if not len(queries):
        log.warning("%s: the place of no query is known", direction_name(*direction))
        return {"queries": 0, "gallery": len(gallery), "unknown": unknown}
    plain = _judged((queries, gallery), cfg, device)
    result = {
        **plain.figures,
        "unknown": unknown,
        "curve": cumulative_match_curve(plain.ranks)[:DEPTH],
        "after": {
            name: _judged(sides, cfg, device, rerank=name == "re-ranking").figures
            for name, sides in _afterwards(stored, direction, (queries, gallery), cfg)
        },
    }
    if len(cfg.weathers) > 1:
        figures = _judged(_known(everything), cfg, device, groups=True).figures
        result["weathers"] = figures["groups"]
        result["mean of weathers"] = figures["mean of groups"]
    return result


def _known(sides: Sides) -> Sides:
    """Return the sides without the queries whose place is not known."""
    queries, gallery = sides
    return chosen(queries, np.asarray(queries.places) != ""), gallery


def _judged(
    sides: Sides, cfg: RankingConfig, device: str, *, rerank: bool = False, groups: bool = False
) -> Evaluation:
    """Return the evaluation of a search."""
    queries, gallery = sides if groups else (replace(side, groups=None) for side in sides)
    memory, blocks = cfg.memory_mb << 20, None
    if rerank and cfg.reranking:
        how = Reciprocal(**cfg.reranking.model_dump())
        blocks = reranked_blocks(
            queries.features, gallery.features, how, device=device, memory=memory
        )
    return evaluate(
        queries,
        gallery,
        intervals=Intervals(cfg.seed, cfg.resamples, cfg.by_place),
        blocks=blocks,
        device=device,
        memory=memory,
    )


def _afterwards(
    stored: Stored, direction: tuple[str, str], sides: Sides, cfg: RankingConfig
) -> Iterator[tuple[str, Sides]]:
    """Yield what follows the search by name, with the features that it compares."""
    queries, gallery = sides
    if cfg.turns:
        weather = cfg.weathers[0]
        yield "turns", _known(sides_of(stored, direction, weather=weather, turned=True))
    if cfg.whitening:
        fitted = fit_whitening(gallery.features)
        yield (
            "whitening",
            (
                replace(queries, features=fitted.apply(queries.features)),
                replace(gallery, features=fitted.apply(gallery.features)),
            ),
        )
    if cfg.multi_query:
        yield "multi-query", (mean_by_place(queries), gallery)
    if cfg.reranking:
        yield "re-ranking", sides
