"""Rankings to look at: a query, its top ten, and the misses that are furthest off."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nadir.raster.style import QUIET, new_figure, save_png, styled
from nadir.retrieval.figures_look import empty_note, frame_legend, show_picture
from nadir.retrieval.places import show
from nadir.retrieval.rankings import DEPTH, first_right, views_of

TOP = 10
"""Images of the gallery that are shown for each query."""

_CELL = 1.12  # inches


@dataclass(frozen=True)
class Gallery:
    """Where the pictures of a test are found.

    Attributes:
        images: The image table, or that of stored features, by name of the image.
        seed: Seed of the weathers.
        upright: Whether pictures are turned as their EXIF orientation says.
    """

    images: pd.DataFrame
    seed: int = 0
    upright: bool = False

    @classmethod
    def of(cls, table: pd.DataFrame, seed: int = 0, upright: bool = False) -> Gallery:
        """Return it from a table with the columns of `places.SCHEMA`."""
        return cls(table.set_index("image"), seed, upright)

    def picture(self, image: str) -> NDArray[np.uint8]:
        """Return a picture in its weather."""
        row: Any = self.images.loc[image]
        return show(row["path"], image, row["weather"], seed=self.seed, upright=self.upright)

    def match(self, query: str, direction: str) -> str | None:
        """Return the first image of the gallery that shows the query's place, or None."""
        place = self.images.loc[query, "place"]
        rows = self.images[
            (self.images["split"] == "gallery")
            & (self.images["view"] == views_of(direction)[1])
            & (self.images["place"] == place)
        ]
        return str(rows.index[0]) if place and len(rows) else None

    def known(self, rankings: pd.DataFrame) -> pd.DataFrame:
        """Return the rankings of queries in the first weather whose place the gallery shows."""
        rows = self.images.loc[rankings["query"]]
        weather = rows["weather"].to_numpy()
        first = "normal" if (weather == "normal").any() else weather[0]
        places = set(self.images.loc[self.images["split"] == "gallery", "place"]) - {"", "-1"}
        return rankings[rows["place"].isin(places).to_numpy() & (weather == first)]


@styled
def draw_rankings(
    rankings: pd.DataFrame,
    gallery: Gallery,
    path: str | PathLike[str],
    *,
    rows: int = 5,
    title: str = "",
) -> None:
    """Draw, for each direction, queries evenly spread over all, with their top ten.

    Args:
        rankings: The rankings.
        gallery: The pictures.
        path: The PNG to write.
        rows: Queries a direction.
        title: Heading.

    Raises:
        InputError: When a picture cannot be read.
        OutputError: When the disk is full or not writable.
    """
    known = gallery.known(rankings)
    picked = []
    for _, part in known.groupby("direction", sort=False):
        queries = part["query"].unique()
        some = np.unique(np.linspace(0, len(queries) - 1, min(rows, len(queries))).round())
        picked.append(part[part["query"].isin(queries[some.astype(int)])])
    chosen = pd.concat(picked) if picked else known
    said = "queries spread evenly over the test; scores are cosines"
    _draw_sheet(chosen, gallery, path, f"{title}    {said}" if title else said)


@styled
def draw_misses(
    rankings: pd.DataFrame,
    gallery: Gallery,
    path: str | PathLike[str],
    *,
    rows: int = 5,
    title: str = "",
) -> None:
    """Draw, for each direction, the queries whose place comes last, and what came first.

    Args:
        rankings: The rankings.
        gallery: The pictures.
        path: The PNG to write.
        rows: Queries a direction.
        title: Heading.

    Raises:
        InputError: When a picture cannot be read.
        OutputError: When the disk is full or not writable.
    """
    known = gallery.known(rankings)
    ranks = first_right(known)
    missed = ranks[~(ranks["rank"] <= 1)]
    missed = missed.sort_values("rank", ascending=False, na_position="first", kind="stable")
    worst = missed.groupby("direction", sort=False).head(rows)
    order = {direction: k for k, direction in enumerate(known["direction"].unique())}
    worst = worst.sort_values("direction", key=lambda names: names.map(order), kind="stable")
    keys = ["direction", "query"]
    chosen = worst[keys].merge(known, on=keys, how="left")
    said = "hardest misses: the true place, the rank it got, and what came first"
    heading = f"{title}    {said}" if title else said
    _draw_sheet(chosen, gallery, path, heading, worst.set_index(keys)["rank"])


def _draw_sheet(
    rankings: pd.DataFrame,
    gallery: Gallery,
    path: str | PathLike[str],
    heading: str,
    ranks: pd.Series | None = None,
) -> None:
    """Draw one row a query: itself, where asked for its true place, and its top ten."""
    groups: list[Any] = list(rankings.groupby(["direction", "query"], sort=False))
    if not groups:
        figure = new_figure(8.0, 2.0)
        empty_note(figure.subplots(), "there are none: every query found its place first")
        save_png(figure, path)
        return
    lead = 1 if ranks is None else 2
    figure = new_figure(_CELL * (lead + TOP) + 0.4, (_CELL + 0.2) * len(groups) + 0.9)
    panels = figure.subplots(len(groups), lead + TOP, squeeze=False)
    before = None
    for line, ((direction, query), part) in zip(panels, groups, strict=True):
        show_picture(line[0], gallery.picture(query), note=str(gallery.images.loc[query, "place"]))
        if direction != before:
            line[0].set_title(direction, fontsize=9, color=QUIET)
        before = direction
        if ranks is not None:
            rank = ranks[direction, query]
            note = f"true, rank {rank:.0f}" if np.isfinite(rank) else f"true, beyond {DEPTH}"
            match = gallery.match(query, direction)
            if match is not None:
                show_picture(line[1], gallery.picture(match), right=True, note=note)
        for axes in line[lead:]:
            axes.set_axis_off()
        for axes, row in zip(line[lead:], part.head(TOP).itertuples(), strict=False):
            axes.set_axis_on()
            note = f"{row.rank}.  {row.score:.2f}"
            show_picture(axes, gallery.picture(str(row.gallery)), right=bool(row.right), note=note)
    frame_legend(figure)
    figure.suptitle(heading, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)
