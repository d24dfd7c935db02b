"""The space of features on a plane: images of one place should lie together, whatever the view."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from nadir.raster.style import ACCENTS, QUIET, new_figure, save_png, styled
from nadir.retrieval.feature_store import Stored
from nadir.retrieval.figures_look import RIGHT, WRONG, empty_note, outcome_lines
from nadir.retrieval.rankings import direction_name, directions_of

MOST = 600
"""Images that are drawn at most."""


@styled
def draw_embedding(
    stored: Stored,
    rankings: pd.DataFrame,
    views: Sequence[str],
    path: str | PathLike[str],
    title: str = "",
) -> None:
    """Draw queries and gallery of the first direction on a plane, each query joined to its place.

    The plane is t-SNE's (van der Maaten and Hinton 2008), from the two principal components: close
    images are close there, larger distances and empty ground mean nothing.

    Args:
        stored: The features.
        rankings: The rankings.
        views: The two views.
        path: The PNG to write.
        title: Heading.

    Raises:
        InputError: When no direction can be ranked.
        OutputError: When the disk is full or not writable.
    """
    direction = directions_of(stored.table, views)[0]
    chosen = _chosen(stored, direction)
    figure = new_figure(8.0, 7.0)
    axes = figure.subplots()
    if len(chosen) < 5:
        empty_note(axes, "too few images")
        save_png(figure, path)
        return
    plane = on_a_plane(stored.feature[chosen])
    table = stored.table.iloc[chosen].reset_index(drop=True)
    found = rankings[
        (rankings["direction"] == direction_name(*direction)) & (rankings["rank"] == 1)
    ].set_index("query")["right"]
    kept = table["split"] == "gallery"
    place_of = {place: k for k, place in zip(table.index[kept], table["place"][kept], strict=True)}
    for k in table.index[~kept]:
        match = place_of.get(table["place"][k])
        if match is None:
            continue
        right = bool(found.get(table["image"][k], False))
        look: dict[str, Any] = {"color": RIGHT if right else WRONG, "alpha": 0.55 if right else 0.8}
        line = "-" if right else (0, (3, 2))
        axes.plot(*plane[[k, match]].T, linewidth=0.9, linestyle=line, zorder=1, **look)
    for mask, color, marker, size in (
        (kept, ACCENTS[1], "s", 26), (~kept, ACCENTS[0], "o", 18)
    ):  # fmt: skip
        spots = plane[mask.to_numpy()]
        axes.scatter(
            spots[:, 0], spots[:, 1], s=size, color=color, marker=marker, zorder=2,
            edgecolor="white", linewidth=0.5,
        )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set(visible=True, color=QUIET)
    marks = [
        Line2D([], [], linestyle="", marker="o", color=ACCENTS[0], label=f"{direction[0]} (query)"),
        Line2D([], [], linestyle="", marker="s", color=ACCENTS[1],
               label=f"{direction[1]} (gallery)"),
    ]  # fmt: skip
    figure.legend(handles=[*marks, *outcome_lines()], loc="outside lower center", ncols=4)
    said = f"{len(table)} images, t-SNE of their features"
    figure.suptitle(f"{title}    {said}" if title else said, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def on_a_plane(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the images on a plane, (images, 2): the same for the same features.

    Args:
        features: (images, dimensions), at least 5 images.
    """
    perplexity = min(30.0, (len(features) - 1) / 4)
    plane = TSNE(perplexity=perplexity, init="pca", random_state=0, metric="cosine", n_jobs=1)
    return plane.fit_transform(features).astype(np.float64)


def _chosen(stored: Stored, direction: tuple[str, str]) -> NDArray[np.int64]:
    """Return the rows to draw: first weather only, whole places, evenly spread."""
    table = stored.table
    asked = (table["view"] == direction[0]) & (table["split"] == "query") & (table["place"] != "")
    first = "normal" if (table["weather"] == "normal").any() else table["weather"].iloc[0]
    asked &= table["weather"] == first
    kept = (table["view"] == direction[1]) & (table["split"] == "gallery")
    places = np.array(sorted(set(table["place"][asked]) & set(table["place"][kept])), object)
    rows = table[(asked | kept) & table["place"].isin(places)]
    each = max(1.0, len(rows) / max(len(places), 1))
    count = min(len(places), max(1, int(MOST / each)))
    some = np.unique(np.linspace(0, max(len(places) - 1, 0), count).round().astype(int))
    wanted = set(places[some]) if len(places) else set()
    here = ((asked | kept) & table["place"].isin(wanted)).to_numpy()
    return np.flatnonzero(here)[:MOST]
