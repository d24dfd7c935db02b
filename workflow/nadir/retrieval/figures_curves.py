"""How a training went, and how fast recall rises with the number of answers."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled
from nadir.retrieval.figures_look import empty_note


@styled
def draw_curves(
    history: pd.DataFrame, metrics: dict[str, Any], path: str | PathLike[str], title: str = ""
) -> None:
    """Draw losses, validation recall and the cumulative match curves.

    Args:
        history: One row an epoch: `epoch`, `train_loss`, `validation_loss`, `validation_recall`.
        metrics: What `scoring.score_places` returns.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    figure = new_figure(12.0, 3.8)
    losses, recall, matches = figure.subplots(1, 3)
    epochs = history["epoch"].to_numpy()
    for column, name, color in (
        ("train_loss", "training", ACCENTS[0]),
        ("validation_loss", "validation", ACCENTS[1]),
    ):
        _line(losses, epochs, history, column, color, name)
    losses.set_title("Loss")
    losses.set_ylim(bottom=0)
    losses.legend(loc="best")
    if _line(recall, epochs, history, "validation_recall", ACCENTS[2], ""):
        recall.set_ylim(0, 1.03)
        recall.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))
        recall.set_title("Validation places found first, %")
    else:
        empty_note(recall, "no validation places")
    for axes in (losses, recall):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    _draw_matches(matches, metrics)
    for axes in (losses, recall, matches):
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _line(
    axes: Axes, epochs: np.ndarray, history: pd.DataFrame, column: str, color: str, name: str
) -> bool:
    """Draw a column, where it holds anything; return whether it does."""
    if column not in history or history[column].isna().all():
        return False
    marker = "o" if len(epochs) < 3 else ""
    axes.plot(epochs, history[column], color=color, linewidth=1.8, marker=marker, label=name)
    return True


def _draw_matches(axes: Axes, metrics: dict[str, Any]) -> None:
    """Draw, for each direction, the share of queries with a right image among the first k."""
    drawn = False
    for number, (name, found) in enumerate(metrics["directions"].items()):
        if not found["queries"]:
            continue
        curve = np.array(found["curve"], float)
        color = ACCENTS[number % len(ACCENTS)]
        axes.plot(np.arange(1, len(curve) + 1), 100 * curve, color=color, linewidth=1.8, label=name)
        chance = 100 * np.minimum(np.arange(1, len(curve) + 1) / found["gallery"], 1)
        if not drawn:
            label = "by chance, one right image"
            axes.plot(np.arange(1, len(curve) + 1), chance, color=QUIET, linewidth=1, linestyle=":",
                      label=label)  # fmt: skip
        drawn = True
    if not drawn:
        empty_note(axes, "no query's place is known")
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(0, 103)
    axes.set_xlabel("answers looked at")
    axes.set_title("Queries with a right one among them, %", color=INK)
    axes.legend(loc="lower right")
