"""The comparison of experiments as a picture: bars of mean IoU beside IoU by class."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled, wrapped_name
from nadir.report.scores import Row, by_classes

_ROW = 0.4  # inches


@styled
def draw_comparison(rows: Sequence[Row], path: str | PathLike[str]) -> None:
    """Draw one bar an experiment (test mIoU; a mark shows validation) and IoU by class beside it.

    Leaky splits are hatched and named so. Datasets of different classes get panels of their own.

    Args:
        rows: The experiments, in the order to show.
        path: The PNG to write.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    groups = by_classes(rows)
    slots = [len(group) + 0.9 * len({row.dataset for row in group}) for group in groups]
    most = max(len(group[0].classes) for group in groups)
    heights = [_ROW * slot + 1.5 for slot in slots]
    figure = new_figure(5.6 + 0.5 * most, sum(heights) + 0.5)
    grid = figure.add_gridspec(
        len(groups), 2, height_ratios=heights, width_ratios=(1.0, max(0.15 * most, 0.6))
    )
    for number, group in enumerate(groups):
        bars = figure.add_subplot(grid[number, 0])
        shares = figure.add_subplot(grid[number, 1], sharey=bars)
        places, heads = _places(group)
        _draw_bars(bars, group, places)
        _draw_shares(shares, group, places)
        for axes in (bars, shares):
            axes.set_ylim(max(places) + 0.6, -1.15)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        for place, dataset in heads:
            bars.text(0.0, place, f"dataset {dataset}", fontweight="bold", va="center", fontsize=9)
    figure.legend(
        handles=[
            Patch(facecolor=ACCENTS[0], label="test mIoU"),
            Patch(facecolor="white", edgecolor=ACCENTS[1], hatch="////", label="leaky split"),
            Line2D([], [], marker="|", linestyle="", color=INK, markersize=10, label="validation"),
        ],
        loc="outside lower center",
        ncols=3,
    )
    save_png(figure, path)


def _places(group: Sequence[Row]) -> tuple[list[float], list[tuple[float, str]]]:
    """Return the y of each row, and of a heading above the first row of each dataset."""
    places: list[float] = []
    heads: list[tuple[float, str]] = []
    y = -1.0
    before = None
    for row in group:
        if row.dataset != before:
            y += 0.9 if before is not None else 0.3
            heads.append((y, row.dataset))
            before = row.dataset
            y += 0.8
        else:
            y += 1
        places.append(y)
    return places, heads


def _draw_bars(axes: Axes, group: Sequence[Row], places: Sequence[float]) -> None:
    """Draw test mIoU as bars, validation mIoU as marks, and the numbers."""
    for y, row in zip(places, group, strict=True):
        value = row.miou or 0.0
        look: Any
        if row.leaky:
            look = {"facecolor": "white", "edgecolor": ACCENTS[1], "hatch": "////"}
        else:
            look = {"facecolor": ACCENTS[0], "edgecolor": ACCENTS[0]}
        axes.barh(y, value, height=0.62, linewidth=1, **look)
        text = "–" if row.miou is None else f"{row.miou:.3f}"
        ends = [value]
        validation = row.scores.get(("validation", "miou"))
        if validation is not None:
            axes.plot([validation] * 2, [y - 0.36, y + 0.36], color=INK, linewidth=1.8)
            ends.append(validation)
        axes.text(max(ends) + 0.02, y, text, va="center", fontsize=8.5)
    names = [f"{row.experiment}\n{row.split_name}" for row in group]
    axes.set_yticks(places, names)
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    axes.set_title("Mean IoU on the test")


def _draw_shares(axes: Axes, group: Sequence[Row], places: Sequence[float]) -> None:
    """Draw test IoU by class as colored cells with numbers."""
    names = group[0].classes
    colors = _colors()
    for y, row in zip(places, group, strict=True):
        for x, name in enumerate(names):
            value = row.iou.get(("test", name))
            color = to_rgb("#f3f5f7") if value is None else colors(0.85 * value + 0.03)[:3]
            axes.barh(y, 0.96, left=x - 0.48, height=0.86, color=color)
            red, green, blue = color
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
            axes.text(
                x,
                y,
                "–" if value is None else f"{100 * value:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else (QUIET if value is None else INK),
                in_layout=False,
            )
    axes.set_xlim(-0.55, len(names) - 0.45)
    axes.set_xticks(range(len(names)), [wrapped_name(name, 20) for name in names])
    axes.tick_params(axis="x", rotation=45, length=0, pad=2)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor", linespacing=0.95)
    axes.tick_params(labelleft=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_title("IoU by class on the test, percent")


def _colors() -> LinearSegmentedColormap:
    """Return the scale of the cells, from pale to deep green."""
    return LinearSegmentedColormap.from_list("score", ["#f7fcf5", "#a1d99b", "#31a354", "#00441b"])
