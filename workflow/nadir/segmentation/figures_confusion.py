"""The confusion matrix as a picture: counts beside shares of each true class."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.raster.style import QUIET, new_figure, save_png, short_count, styled, wrapped_name


@styled
def draw_confusion(
    metrics: dict[str, Any],
    classes: ClassTable,
    path: str | PathLike[str],
    split: str = "test",
    title: str = "",
) -> None:
    """Draw the confusion matrix of one split, counts and row-normalised side by side.

    Args:
        metrics: Content of `metrics.json` (`nadir.segmentation.evaluate`).
        classes: The class table that it was made with.
        path: The PNG to write.
        split: Which split; when it was not scored, the last one that was.
        title: Heading, such as the experiment's name.

    Raises:
        InputError: When the metrics are of other classes.
        OutputError: When the disk is full or not writable.
    """
    if metrics["classes"] != classes.names[1:]:
        raise InputError(
            "metrics.json", "it was made with another class table", "Evaluate the maps again."
        )
    if split not in metrics["splits"]:
        split = list(metrics["splits"])[-1]
    scores = metrics["splits"][split]
    counts = np.array(scores["confusion"], np.int64)
    truth = counts.sum(1, keepdims=True)
    shares = np.where(truth > 0, counts / np.maximum(truth, 1), np.nan)

    cell = 0.5 if len(counts) > 6 else 0.7
    side = max(cell * len(counts), 3.0)
    figure = new_figure(2 * side + 3.2, side + 2.6)
    left, right = figure.subplots(1, 2, sharey=True)
    largest = max(int(counts.max()), 2)
    _matrix(left, np.where(counts > 0, counts, np.nan), LogNorm(1, largest), "BuPu", short_count)
    _matrix(right, 100 * shares, Normalize(0, 100), "Blues", lambda value: f"{value:.0f}")
    left.set_title("Pixels")
    right.set_title("Percent of each true class (diagonal: recall)")
    for axes in (left, right):
        axes.set_xticks(range(len(counts)), [wrapped_name(n, 20) for n in classes.names[1:]])
        axes.tick_params(axis="x", rotation=50, length=0, pad=17)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor", linespacing=0.95)
        axes.set_xlabel("predicted")
        _chips(axes, classes)
    left.set_yticks(range(len(counts)), [wrapped_name(name, 20) for name in classes.names[1:]])
    for axes in (left, right):
        axes.tick_params(axis="y", length=0, pad=22)
    left.set_ylabel("true")
    figure.suptitle(_heading(title, split, scores), x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _heading(title: str, split: str, scores: dict[str, Any]) -> str:
    """Return the line over the matrix."""
    parts = [f"{split} pixels: {short_count(scores['pixels'])}"]
    for key, label in (("miou", "mean IoU"), ("accuracy", "accuracy"), ("kappa", "kappa")):
        value = scores.get(key)
        if value is not None and np.isfinite(value):
            parts.append(f"{label} {value:.3f}")
    return (f"{title}    " if title else "") + " · ".join(parts)


def _matrix(axes: Axes, values: NDArray[np.float64], norm: Normalize, cmap: str, text: Any) -> None:
    """Draw one matrix with its numbers; NaN cells stay empty."""
    axes.set_facecolor("#f5f7fa")
    image = axes.imshow(values, cmap=cmap, norm=norm, aspect="equal")
    for (row, column), value in np.ndenumerate(values):
        if not np.isfinite(value):
            continue
        if row != column and text(value) == "0":
            continue
        red, green, blue, _ = image.cmap(norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        axes.text(
            column,
            row,
            text(value),
            ha="center",
            va="center",
            fontsize=7.5,
            color="white" if dark else "#102a43",
            fontweight="bold" if row == column else "normal",
            in_layout=False,  # inside the axes: the layout is ten times quicker without
        )
    size = len(values)
    for place in np.arange(0.5, size - 1):
        axes.axhline(place, color="white", linewidth=0.8)
        axes.axvline(place, color="white", linewidth=0.8)
    for place in range(size):
        axes.add_patch(
            Rectangle(
                (place - 0.5, place - 0.5), 1, 1, fill=False, edgecolor=QUIET, linewidth=1, zorder=3
            )
        )
    axes.spines[:].set_visible(False)


def _chips(axes: Axes, classes: ClassTable) -> None:
    """Put a chip of each class's color at its row and at its column."""
    size = classes.count
    for number, color in enumerate(classes.colors[1:]):
        for corner, width, height in (
            ((-0.92, number - 0.4), 0.28, 0.8),
            ((number - 0.4, size - 0.36), 0.8, 0.28),
        ):
            axes.add_patch(
                Rectangle(corner, width, height, facecolor=color, edgecolor="none", clip_on=False)
            )
