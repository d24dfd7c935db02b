"""Whether a method knows when it is wrong: its probabilities against its errors."""

from __future__ import annotations

import itertools
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from nadir.localization.bootstrap import wilson
from nadir.localization.figures_look import OUTCOME_COLORS, outcome_legend
from nadir.localization.outcomes import OUTCOMES
from nadir.localization.pose import DEGREES, PIXELS
from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled

EDGES = (0.0, 0.2, 0.5, 0.8, 0.95, 0.99, 1.0)
"""Borders of the bins of the reliability diagram: close where answers are sure."""

_LEAST, _MOST = 2e-3, 1 - 2e-4  # probabilities are shown between these
_FINEST = 0.02  # px; smaller errors are shown as this
_TICKS = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


@styled
def draw_confidence(
    outcomes: pd.DataFrame,
    path: str | PathLike[str],
    *,
    threshold: float | None = None,
    right_px: float = PIXELS,
    right_deg: float = DEGREES,
    title: str = "",
) -> None:
    """Draw probability against error, and how often answers of some probability are right.

    Args:
        outcomes: From `nadir.localization.outcomes.outcomes_of`; photos of unknown position are
            left out.
        path: The PNG to write.
        threshold: Least probability of an answer that is not flagged.
        right_px: Largest error of a right center, in substrate pixels.
        right_deg: Largest error of a right direction, in degrees.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    known = outcomes[np.isfinite(outcomes["center"])]
    figure = new_figure(11.0, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    given = known[np.isfinite(known["probability"])]
    extra = _scatter(left, given, threshold, right_px) + _reliability(right, given)
    right.set_title(f"Right within {right_px:g} px and {right_deg:g}°, by probability")
    if given.empty:
        for axes in (left, right):
            text = "no photo has a known position" if known.empty else "no probabilities given"
            place: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
            axes.text(0.5, 0.5, text, color=QUIET, **place)
    outcome_legend(figure, given["outcome"].value_counts().to_dict(), extra)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _scatter(
    axes: Axes, known: pd.DataFrame, threshold: float | None, right_px: float
) -> list[Line2D]:
    """Draw one point a photo; return handles of the thresholds."""
    axes.set_xscale("logit")
    axes.set_yscale("log")
    for name in OUTCOMES:
        rows = known[known["outcome"] == name]
        x = rows["probability"].clip(_LEAST, _MOST)
        y = rows["center"].clip(lower=_FINEST)
        look: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.6, "clip_on": False}
        axes.scatter(
            x, y, s=34 if len(known) < 100 else 18, color=OUTCOME_COLORS[name], zorder=3, **look
        )
    axes.axhline(right_px, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    dashes: dict[str, Any] = {"color": INK, "linewidth": 1}
    handles = [Line2D([], [], linestyle=(0, (4, 3)), label=f"{right_px:g} px", **dashes)]
    if threshold is not None and _LEAST < threshold < 1:
        axes.axvline(min(threshold, _MOST), color=INK, linewidth=1, linestyle=":")
        label = f"flagged below p = {threshold:g}"
        handles.append(Line2D([], [], linestyle=":", label=label, **dashes))
    highest = max(known["center"].max() if len(known) else 0.0, 10 * right_px)
    axes.set_ylim(_FINEST, 1.5 * highest)
    axes.set_xlim(_LEAST / 1.3, 1 - (1 - _MOST) / 1.3)
    axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    axes.set_xlabel("probability of being right")
    axes.set_ylabel("error of the center, pixels")
    axes.set_title("Each photo: how sure, and how far off")
    return handles


def _reliability(axes: Axes, known: pd.DataFrame) -> list[Line2D]:
    """Draw the share of right answers in each bin of probability, and what was promised."""
    probability = known["probability"].to_numpy(float)
    right = known["outcome"].isin(OUTCOMES[:2]).to_numpy()
    bins = np.clip(np.searchsorted(EDGES, probability, side="right") - 1, 0, len(EDGES) - 2)
    for number in range(len(EDGES) - 1):
        inside = bins == number
        count = int(inside.sum())
        if not count:
            axes.text(number, 0.02, "–", ha="center", color=QUIET)
            continue
        share, promised = float(right[inside].mean()), float(probability[inside].mean())
        low, high = wilson(int(right[inside].sum()), count)
        axes.bar(number, share, width=0.72, color=ACCENTS[0], alpha=0.85)
        axes.plot([number, number], [low, high], color=INK, linewidth=1.2)
        axes.plot([number - 0.4, number + 0.4], [promised] * 2, color=ACCENTS[1], linewidth=2.2)
        axes.text(number, 1.04, f"n={count}", ha="center", fontsize=8, color=QUIET)
    names = [f"{low:g}–{high:g}" for low, high in itertools.pairwise(EDGES)]
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(0, 1.12)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)
    axes.set_xlabel("probability given")
    axes.set_ylabel("share that is right")
    return [
        Line2D([], [], color=ACCENTS[1], linewidth=2.2, label="promised (mean)"),
        Line2D([], [], color=INK, linewidth=1.6, label="95 % interval (Wilson)"),
    ]
