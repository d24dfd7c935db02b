"""Figures with their intervals as points and lines, one row a method."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from nadir.raster.style import ACCENTS, INK, QUIET

ROW = 0.42
"""Height of a row in inches."""


def draw_intervals(
    axes: Axes,
    found: Sequence[tuple[float, float, float] | None],
    digits: int,
    quiet: Sequence[bool] = (),
) -> None:
    """Draw one column: a point, its interval and its number a row, the first row on top.

    Args:
        axes: Where to draw.
        found: Value, low and high of each row; None where there is none.
        digits: Digits behind the point.
        quiet: Rows that are drawn in gray; by default none.
    """
    for place, values in enumerate(found):
        if values is None:
            axes.text(0.5, place, "–", transform=axes.get_yaxis_transform(), color=QUIET)
            continue
        gray = bool(quiet) and quiet[place]
        color = QUIET if gray else ACCENTS[0]
        axes.plot(values[1:], [place, place], color=color, linewidth=2.2)
        axes.plot(values[:1], [place], "o", color=color, markersize=6)
        axes.text(
            1.02,
            place,
            f"{values[0]:.{digits}f}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            color=QUIET if gray else INK,
        )
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
