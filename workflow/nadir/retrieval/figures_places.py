"""Where places lie, and where wrong answers went."""

from __future__ import annotations

import itertools
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nadir.raster.style import QUIET, new_figure, save_png, styled
from nadir.retrieval.figures_look import RIGHT, WRONG, empty_note
from nadir.retrieval.rankings import views_of

_TRAIN = "#b5bfc9"


@styled
def draw_places(
    rankings: pd.DataFrame,
    images: pd.DataFrame,
    path: str | PathLike[str],
    title: str = "",
) -> None:
    """Draw a map for each direction: how often places are found, and what they are taken for.

    Args:
        rankings: The rankings; of queries in several weathers, those in normal weather are drawn.
        images: The image table, with coordinates where they are known.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    known = images[np.isfinite(images["x"]) & np.isfinite(images["y"])]
    first = rankings[rankings["rank"] == 1]
    first = first[first["query"].isin(known["image"])]
    directions = list(first["direction"].unique())
    figure = new_figure(6.0 * max(1, len(directions)), 6.2)
    panels = figure.subplots(1, max(1, len(directions)), squeeze=False)[0]
    if not directions:
        empty_note(panels[0], "no coordinates of queries are known")
        save_png(figure, path)
        return
    for axes, direction in zip(panels, directions, strict=True):
        _draw_map(axes, first[first["direction"] == direction], known, direction)
    ends: dict[str, Any] = {"linestyle": "", "markersize": 6}
    handles = [
        Line2D([], [], marker="o", color=RIGHT, label="found by all its queries", **ends),
        Line2D([], [], marker="D", color=WRONG, label="missed by some (larger: by more)", **ends),
        Line2D([], [], color=WRONG, linewidth=0.9, label="taken for the place at the thin end"),
        Line2D([], [], marker=".", color=QUIET, label="gallery", **ends),
        Line2D([], [], marker=".", color=_TRAIN, label="training", **ends),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _draw_map(axes: Axes, first: pd.DataFrame, known: pd.DataFrame, direction: str) -> None:
    """Draw one direction: `first` are the first answers of its queries."""
    rows = known.set_index("image")
    gallery = known[(known["split"] == "gallery") & (known["view"] == views_of(direction)[1])]
    learnt = known[known["split"].isin(["train", "validation"])]
    for part, color, order in ((learnt, _TRAIN, 0), (gallery, QUIET, 1)):
        spots = part.drop_duplicates("place")
        axes.scatter(spots["x"], spots["y"], s=7, color=color, linewidth=0, zorder=order)
    asked = first.assign(
        place=rows.loc[first["query"], "place"].to_numpy(),
        x=rows.loc[first["query"], "x"].to_numpy(),
        y=rows.loc[first["query"], "y"].to_numpy(),
    )
    for row in asked[~asked["right"] & asked["gallery"].isin(rows.index)].itertuples():
        there = rows[["x", "y"]].loc[str(row.gallery)].to_numpy(float)
        _taper(axes, np.array([row.x, row.y], float), there)
    shares = asked.groupby("place").agg(x=("x", "mean"), y=("y", "mean"), right=("right", "mean"))
    found, missed = shares[shares["right"] == 1], shares[shares["right"] < 1]
    edge: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.6, "zorder": 3}
    axes.scatter(found["x"], found["y"], s=26, color=RIGHT, marker="o", **edge)
    size = 22 + 40 * (1 - missed["right"])
    axes.scatter(missed["x"], missed["y"], s=size, color=WRONG, marker="D", **edge)
    axes.set_aspect("equal", adjustable="datalim")
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.tick_params(axis="x", labelrotation=20)
    axes.locator_params(nbins=5)
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    share = float(first["right"].mean())
    axes.set_title(f"{direction}: {100 * share:.0f} % of {len(first)} right at rank 1")


def _taper(axes: Axes, start: np.ndarray, end: np.ndarray) -> None:
    """Draw a line that grows thin towards its end."""
    stops = np.linspace(start, end, 9)
    for k, (one, other) in enumerate(itertools.pairwise(stops)):
        width = 1.9 * (1 - k / 8) + 0.25
        axes.plot(
            *np.stack([one, other]).T,
            color=WRONG,
            alpha=0.45,
            linewidth=width,
            zorder=2,
            solid_capstyle="butt",
        )
