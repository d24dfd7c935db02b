"""From rankings to the archive that a challenge takes."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nadir.errors import InputError, did_you_mean
from nadir.retrieval.answer import DEPTH, pack_answer, read_names
from nadir.retrieval.places import direction
from nadir.retrieval.rankings import direction_name

log = logging.getLogger(__name__)


def pack_rankings(
    rankings: pd.DataFrame,
    images: pd.DataFrame,
    views: Sequence[str],
    out: str | os.PathLike[str],
    *,
    queries: str | os.PathLike[str] | None = None,
    weather: str = "normal",
    depth: int = DEPTH,
) -> None:
    """Write the answer for the queries of the first view.

    Args:
        rankings: The rankings.
        images: The image table.
        views: View of the queries, and of the gallery.
        out: The archive to write.
        queries: A list of the queries in the challenge's order; by default they are sorted.
        weather: The weather of the queries whose rankings are taken.
        depth: Names a line; fewer where the gallery is smaller.

    Raises:
        InputError: When a side is empty, the list names a query that is not there, or a query has
            no ranking.
        OutputError: When the disk is full or not writable.
    """
    asked, gallery = direction(images, views[0], views[1])
    kept = gallery[gallery["place"] != "-1"].reset_index(drop=True)
    names = short_names(kept["image"].tolist())
    ordered = _in_order(asked["image"].tolist(), queries)
    ending = "" if weather == "normal" else f"@{weather}"
    rows = rankings[rankings["direction"] == direction_name(*views)]
    rows = rows[rows["rank"] <= min(depth, len(kept))].sort_values("rank", kind="stable")
    row_of = {name: row for row, name in enumerate(kept["image"])}
    found = {
        query: [row_of.get(name, -1) for name in part]
        for query, part in rows.groupby("query", sort=False)["gallery"]
    }
    lacking = [name for name in ordered if name + ending not in found]
    if lacking:
        problem = f"{len(lacking)} queries have no ranking, the first is {lacking[0]!r}"
        raise InputError(out, problem, "Rank these very images again.")
    pack_answer(out, np.array([found[name + ending] for name in ordered]), names)


def short_names(images: Sequence[str]) -> list[str]:
    """Return the last parts of image names where these tell all apart, else the names whole."""
    short = [Path(name).name for name in images]
    return short if max(Counter(short).values()) == 1 else list(images)


def _in_order(images: list[str], queries: str | os.PathLike[str] | None) -> list[str]:
    """Return the queries in the order of the answer's lines."""
    if queries is None:
        return sorted(images)
    known = {Path(name).name: name for name in images}
    names = read_names(queries)
    strange = next((name for name in names if name not in known), None)
    if strange is not None:
        problem = f"there is no query {strange!r}{did_you_mean(strange, known)}"
        raise InputError(queries, problem, "Give the list that belongs to these images.")
    return [known[name] for name in names]
