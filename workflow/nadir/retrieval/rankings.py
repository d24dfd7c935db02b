"""Rankings of a test: for each query the best of the gallery, as a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from nadir.config.retrieval import IndexConfig
from nadir.errors import InputError
from nadir.provenance.tables import read_table, write_table
from nadir.retrieval.evaluate import Images, not_junk
from nadir.retrieval.feature_store import Stored
from nadir.retrieval.search import MEMORY, Features, Neighbors, nearest

DEPTH = 100
"""Images of the gallery that are kept for each query."""

SCHEMA = pa.schema(
    [
        ("direction", pa.string()),
        ("query", pa.string()),
        ("rank", pa.int64()),
        ("gallery", pa.string()),
        ("score", pa.float64()),
        ("right", pa.bool_()),
    ]
)
"""Columns of the rankings: one row a query and rank (from 1), by direction and query."""


def direction_name(query: str, gallery: str) -> str:
    """Return what a direction is called: `drone to satellite`."""
    return f"{query} to {gallery}"


def views_of(direction: str) -> tuple[str, str]:
    """Return the views of queries and gallery of a direction."""
    query, _, gallery = direction.partition(" to ")
    return query, gallery


def directions_of(table: pd.DataFrame, views: Sequence[str]) -> list[tuple[str, str]]:
    """Return the (query view, gallery view) that can be ranked: both sides have images.

    Args:
        table: An image table, or that of stored features.
        views: The two views.

    Raises:
        InputError: When there is no such direction.
    """
    sides = set(zip(table["view"], table["split"], strict=True))
    first, second = views
    found = [
        pair
        for pair in ((first, second), (second, first))
        if (pair[0], "query") in sides and (pair[1], "gallery") in sides
    ]
    if not found:
        problem = f"no queries of one of the views {first}, {second} meet a gallery of the other"
        raise InputError("images", problem, "Give images of the splits query and gallery.")
    return found


def sides_of(
    stored: Stored, direction: tuple[str, str], *, weather: str | None = None, turned: bool = False
) -> tuple[Images, Images]:
    """Return queries and gallery of a direction; queries by weather, the gallery without junk.

    Raises:
        InputError: As `Stored.side` does.
    """
    queries = stored.side(direction[0], "query", weather=weather, turned=turned)[1]
    gallery = stored.side(direction[1], "gallery", turned=turned)[1]
    return queries, chosen(gallery, not_junk(np.asarray(gallery.places)))


def chosen(images: Images, keep: NDArray[np.bool_]) -> Images:
    """Return some of the images."""
    parts = (
        None if part is None else np.asarray(part)[keep]
        for part in (images.places, images.names, images.groups)
    )
    places, names, groups = parts
    return Images(images.features[keep], places, names, groups)  # type: ignore[arg-type]


def rank_places(
    stored: Stored,
    views: Sequence[str],
    *,
    depth: int = DEPTH,
    index: IndexConfig | None = None,
    device: str = "cpu",
    memory: int = MEMORY,
) -> pd.DataFrame:
    """Return the best of the gallery for each query, both ways where both can be asked.

    Args:
        stored: The features.
        views: The two views.
        depth: Images to keep for each query; a smaller gallery is ranked whole, and an index may
            find fewer.
        index: An index to search by; None for exact search.
        device: As for `search.score_blocks`.
        memory: The same.

    Raises:
        InputError: When no direction can be ranked, or features are not finite.
    """

    def best(queries: Features, gallery: Features) -> Neighbors:
        if index is None:
            return nearest(queries, gallery, depth, device=device, memory=memory)
        # faiss is an import that exact search does without.
        from nadir.retrieval.indexed import GalleryIndex

        return GalleryIndex(gallery, index.kind, index.effort).nearest(queries, depth)

    return pd.concat(list(_ranked(stored, views, best)), ignore_index=True)[SCHEMA.names]


def _ranked(
    stored: Stored, views: Sequence[str], best: Callable[[Features, Features], Neighbors]
) -> Iterator[pd.DataFrame]:
    for direction in directions_of(stored.table, views):
        queries, gallery = sides_of(stored, direction)
        found = best(queries.features, gallery.features)
        kept = found.index.shape[1]
        asked, wanted = np.asarray(queries.names), np.asarray(queries.places)
        names, places = np.asarray(gallery.names), np.asarray(gallery.places)
        right = (places[found.index] == wanted[:, None]) & (wanted != "")[:, None]
        rows = pd.DataFrame(
            {
                "direction": direction_name(*direction),
                "query": np.repeat(asked, kept),
                "rank": np.tile(np.arange(1, kept + 1), len(asked)),
                "gallery": names[found.index].ravel(),
                "score": found.score.astype(np.float64).ravel(),
                "right": right.ravel(),
            }
        )
        yield rows[found.index.ravel() >= 0]


def write_rankings(path: str | os.PathLike[str], rankings: pd.DataFrame) -> None:
    """Write rankings.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    write_table(path, rankings, SCHEMA)


def read_rankings(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read rankings.

    Raises:
        InputError: When there is no such file, or these are no rankings.
    """
    return read_table(path, SCHEMA, "table of rankings")


def first_right(rankings: pd.DataFrame) -> pd.DataFrame:
    """Return one row a direction and query: `rank` of its first right image, NaN beyond the depth.

    Args:
        rankings: The rankings; their order of directions and queries is kept.
    """
    keys = ["direction", "query"]
    every = rankings[keys].drop_duplicates()
    hits = rankings[rankings["right"]].groupby(keys, sort=False)["rank"].min()
    return every.merge(hits.rename("rank"), how="left", left_on=keys, right_index=True)
