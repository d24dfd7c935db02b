"""Where on the substrate answers are right, and where the wrong ones belong."""

from __future__ import annotations

from collections import Counter
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from nadir.localization.figures_look import (
    OUTCOME_COLORS,
    outcome_legend,
    outline,
    pale,
    show,
)
from nadir.localization.outcomes import OUTCOMES
from nadir.localization.photos import poses_of
from nadir.localization.substrate import View
from nadir.raster.style import INK, new_figure, save_png, styled

_MANY = 60  # photos from which lines become thinner, and those of right answers paler


@styled
def draw_error_map(
    view: View, outcomes: pd.DataFrame, path: str | PathLike[str], title: str = ""
) -> None:
    """Draw the footprints of all answers on the substrate, colored by what became of them.

    An arrow leads from each wrong answer to where the photo really lies; arrows of right answers
    would be shorter than a pixel of the picture.

    Args:
        view: An overview of the substrate.
        outcomes: From `nadir.localization.outcomes.outcomes_of`.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    rows, columns = view.picture.shape[:2]
    width = 8.6
    figure = new_figure(width, width * rows / columns + 1.0)
    axes = figure.subplots()
    show(axes, pale(view.picture))
    axes.spines[:].set_visible(False)
    shown = list(zip(outcomes.to_dict("records"), poses_of(outcomes), strict=True))
    many = len(outcomes) > _MANY
    for name in OUTCOMES:  # the bad ones last, so that they lie on top
        good = name in OUTCOMES[:2]
        look: dict[str, Any] = {
            "linewidth": 0.8 if many else 1.3,
            "alpha": 0.45 if many and good else 1.0,
        }
        for row, pose in shown:
            if row["outcome"] == name:
                size = int(row["width"]), int(row["height"])
                outline(axes, view, pose, *size, OUTCOME_COLORS[name], **look)
    for row, pose in shown:
        if row["outcome"] in OUTCOMES[2:4]:
            color = OUTCOME_COLORS[row["outcome"]]
            start = view.place(np.array([pose.x, pose.y]))
            end = view.place(np.array([row["true_x"], row["true_y"]]))
            axes.annotate(
                "",
                (end[0], end[1]),
                (start[0], start[1]),
                annotation_clip=False,
                arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.3, "shrinkA": 0},
            )
            axes.plot(*start, "o", color=color, markersize=3)
    arrow = Line2D([], [], color=INK, marker=">", markersize=5, label="from answer to truth")
    counts = Counter(outcomes["outcome"])
    wrong = any(counts.get(name) for name in OUTCOMES[2:4])
    outcome_legend(figure, counts, [arrow] if wrong else [])
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)
