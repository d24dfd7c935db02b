"""How a training went: losses, learning rate, and scores by epoch."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nadir.config.classes import ClassTable
from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled, wrapped_name

if TYPE_CHECKING:
    import pandas as pd

_LABEL_GAP = 0.052  # least distance between two class names, as a share of the axis


@styled
def draw_curves(
    history: pd.DataFrame,
    classes: ClassTable,
    path: str | PathLike[str],
    monitor: str = "validation_loss",
    title: str = "",
) -> None:
    """Draw the curves of a training.

    Args:
        history: One row an epoch, as `nadir.learn.history.read_history` returns it: `epoch`,
            `train_loss`, `validation_loss`, `learning_rate`, `validation_miou`, `iou/<class>`.
        classes: The class table.
        path: The PNG to write.
        monitor: The column whose best epoch was kept: lowest for a loss, else highest.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    figure = new_figure(11.5, 5.6)
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.25), height_ratios=(2.4, 1))
    losses = figure.add_subplot(grid[0, 0])
    rate = figure.add_subplot(grid[1, 0], sharex=losses)
    scores = figure.add_subplot(grid[:, 1])
    epochs = history["epoch"].to_numpy()
    best = _best(history, monitor)

    for column, name, color in (
        ("train_loss", "training", ACCENTS[0]),
        ("validation_loss", "validation", ACCENTS[1]),
    ):
        if column in history:
            _line(losses, epochs, history[column].to_numpy(), color, name)
    losses.set_title("Loss" if best is None else f"Loss (dashed: epoch {best}, kept)")
    losses.set_ylim(0, 1.08 * losses.get_ylim()[1])
    losses.legend(loc="best")
    losses.tick_params(labelbottom=False)
    if "learning_rate" in history:
        rate.step(epochs, history["learning_rate"], where="mid", color=QUIET, linewidth=1.6)
        rate.set_yscale("log")
        _few_ticks(rate, history["learning_rate"].to_numpy())
    rate.set_title("Learning rate")
    _draw_scores(scores, history, classes)
    for axes in (losses, rate, scores):
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        if best is not None:
            axes.axvline(best, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    for axes in (rate, scores):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    _heading(figure, title)
    save_png(figure, path)


def _heading(figure: Figure, title: str) -> None:
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)


def _best(history: pd.DataFrame, monitor: str) -> int | None:
    """Return the epoch whose weights were kept."""
    if monitor not in history or history[monitor].isna().all():
        return None
    values = history[monitor].to_numpy()
    row = np.nanargmin(values) if monitor.endswith("loss") else np.nanargmax(values)
    return int(history["epoch"].iloc[int(row)])


def _line(axes: Axes, epochs: np.ndarray, values: np.ndarray, color: str, label: str) -> None:
    """Draw one curve; a single epoch shows as a point."""
    marker = "o" if len(epochs) < 3 else None
    axes.plot(epochs, values, color=color, label=label, linewidth=1.8, marker=marker, markersize=4)


def _few_ticks(axes: Axes, values: np.ndarray) -> None:
    """Label a logarithmic axis with its highest and lowest value."""
    low, high = float(values.min()), float(values.max())
    axes.set_yticks(sorted({low, high}), [f"{value:.1e}" for value in sorted({low, high})])
    axes.minorticks_off()
    if low == high:
        axes.set_ylim(low / 2, high * 2)


def _draw_scores(axes: Axes, history: pd.DataFrame, classes: ClassTable) -> None:
    """Draw IoU by class in the classes' colors, named at the right end, and the mean in ink."""
    epochs = history["epoch"].to_numpy()
    ends: list[tuple[float, str, str, str]] = []
    for name, color in zip(classes.names[1:], classes.colors[1:], strict=True):
        column = f"iou/{name}"
        if column not in history or history[column].isna().all():
            continue
        _line(axes, epochs, history[column].to_numpy(), color, name)
        ends.append((float(history[column].dropna().iloc[-1]), name, color, "normal"))
    if "validation_miou" in history and history["validation_miou"].notna().any():
        mean = history["validation_miou"]
        axes.plot(epochs, mean, color=INK, linewidth=3.0, label="mean")
        ends.append((float(mean.dropna().iloc[-1]), "mean IoU", INK, "bold"))
    axes.set_title("Intersection over union on validation tiles")
    axes.set_ylim(0, 1)
    ends.sort()
    gap = min(_LABEL_GAP, 1 / max(len(ends), 1))
    places = _apart([value for value, *_ in ends], gap)
    for place, (value, name, color, weight) in zip(places, ends, strict=True):
        axes.annotate(
            f"{wrapped_name(name, 40)}  {value:.2f}",
            (1.0, value),
            xycoords="axes fraction",
            xytext=(1.05, place),
            textcoords="axes fraction",
            va="center",
            fontsize=8.2,
            fontweight=weight,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 1.4, "relpos": (0, 0.5)},
        )


def _apart(values: list[float], gap: float) -> list[float]:
    """Return ascending places in 0..1, near `values` (ascending), about `gap` apart."""
    places = list(values)
    for _ in range(500):
        moved = False
        for low in range(len(places) - 1):
            lacking = gap - (places[low + 1] - places[low])
            if lacking > 1e-6:
                places[low] -= lacking / 2
                places[low + 1] += lacking / 2
                moved = True
        places = [min(max(place, 0.0), 1.0) for place in places]
        if not moved:
            break
    return places
