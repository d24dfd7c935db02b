"""What a network looks at when it takes two pictures for one place."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from nadir.raster.style import new_figure, save_png, styled
from nadir.retrieval.figures_look import empty_note, show_picture
from nadir.retrieval.figures_rankings import Gallery
from nadir.retrieval.rankings import views_of
from nadir.retrieval.saliency import occlusion

if TYPE_CHECKING:
    from nadir.retrieval.extraction import Embedder

_COLORS = "RdBu_r"


@styled
def draw_saliency(
    rankings: pd.DataFrame,
    gallery: Gallery,
    embedder: Embedder,
    path: str | PathLike[str],
    *,
    pairs: int = 3,
    title: str = "",
) -> None:
    """Draw, for queries of the first direction, query and first answer with what made them alike.

    Right and wrong answers take turns, as far as there are both.

    Args:
        rankings: The rankings.
        gallery: The pictures.
        embedder: The network.
        path: The PNG to write.
        pairs: Pairs at most.
        title: Heading.

    Raises:
        InputError: When a picture cannot be read.
        OutputError: When the disk is full or not writable.
    """
    known = gallery.known(rankings)
    first = known[(known["rank"] == 1) & (known["direction"] == known["direction"].iloc[:1].max())]
    if first.empty:
        figure = new_figure(8.0, 2.0)
        empty_note(figure.subplots(), "no query's place is known")
        save_png(figure, path)
        return
    chosen = _take_turns(first, pairs)
    figure = new_figure(9.4, 2.3 * len(chosen) + 1.0)
    panels = figure.subplots(len(chosen), 4, squeeze=False)
    shown: list[tuple[Axes, NDArray[np.uint8], NDArray[np.float32]]] = []
    for line, row in zip(panels, chosen.itertuples(), strict=True):
        names, views = (str(row.query), str(row.gallery)), views_of(str(row.direction))
        pictures = [gallery.picture(name) for name in names]
        features = [
            embedder.features([picture], view, flip=False)[0]
            for picture, view in zip(pictures, views, strict=True)
        ]
        score = float(features[0] @ features[1])
        for k in range(2):
            right = None if k == 0 else bool(row.right)
            note = names[k].rpartition("/")[2] if k == 0 else f"cosine {score:.2f}"
            show_picture(line[2 * k], pictures[k], right=right, note=note)
            fall = occlusion(embedder, pictures[k], views[k], features[1 - k])
            shown.append((line[2 * k + 1], pictures[k], fall))
    for axes, text in zip(panels[0], ("query", "what speaks for it", "first answer",
                                      "what speaks for it"), strict=True):  # fmt: skip
        axes.set_title(text, fontsize=9)
    most = max(float(np.abs(fall).max()) for _, _, fall in shown) or 1.0
    for axes, picture, fall in shown:
        _draw_fall(axes, picture, fall, most)
    scale = ScalarMappable(Normalize(-most, most), _COLORS)
    bar = figure.colorbar(scale, ax=panels, location="bottom", shrink=0.5, aspect=45, pad=0.02)
    bar.set_label("fall of the cosine where the picture is covered", fontsize=8.5)
    said = "red: covering it makes the pair less alike"
    figure.suptitle(f"{title}    {said}" if title else said, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _take_turns(first: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return right answers and wrong ones in turn, each evenly spread."""
    parts = []
    for right in (True, False):
        rows = first[first["right"] == right]
        some = np.unique(np.linspace(0, max(len(rows) - 1, 0), min(most, len(rows))).round())
        parts.append(rows.iloc[some.astype(int)].assign(turn=np.arange(len(some))))
    return pd.concat(parts).sort_values("turn", kind="stable").head(most)


def _draw_fall(
    axes: Axes, picture: NDArray[np.uint8], fall: NDArray[np.float32], most: float
) -> None:
    """Lay the fall over the picture in gray."""
    gray = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    axes.imshow((0.6 * gray + 0.4 * 255).astype(np.uint8))
    look: dict[str, Any] = {"cmap": _COLORS, "vmin": -most, "vmax": most}
    strength = np.clip(np.abs(fall) / most, 0, 1) ** 0.5
    axes.imshow(fall, alpha=0.85 * strength, interpolation="bilinear", **look)
    axes.set_xticks([])
    axes.set_yticks([])
