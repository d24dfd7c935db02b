"""What rules took as a picture: a bar of core hours, and the most memory beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled
from nadir.report.rule_costs import RuleCost

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.28  # inches
_MOST = 30  # rules that are shown by name


@styled
def draw_costs(costs: Sequence[RuleCost], path: str | PathLike[str]) -> None:
    """Draw the dearest rules, dearest on top.

    Args:
        costs: The rules, dearest first; may be empty.
        path: The PNG to write.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    shown = list(costs[:_MOST])
    figure = new_figure(9.5, max(_ROW * len(shown), 0.5) + 1.4)
    grid = figure.add_gridspec(1, 2, width_ratios=(1.7, 1.0))
    time = figure.add_subplot(grid[0, 0])
    memory = figure.add_subplot(grid[0, 1], sharey=time)
    unit, scale = _unit(shown[0].core_hours if shown else 0.0)
    places = list(range(len(shown)))
    values = [one.core_hours * scale for one in shown]
    time.barh(places, values, color=ACCENTS[0], height=0.66)
    for place, one, value in zip(places, shown, values, strict=True):
        time.annotate(
            f"{value:.2g} ({one.share:.1%})" if value < 10 else f"{value:.0f} ({one.share:.1%})",
            (value, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    time.set_yticks(places, [_label(one) for one in shown])
    rest = len(costs) - len(shown)
    more = f" (the {_MOST} dearest of {len(costs)} rules)" if rest > 0 else ""
    time.set_xlabel(f"{unit} of cores{more}")
    time.set_xlim(0, max(values, default=1.0) * 1.22 or 1.0)
    gigabytes = [0.0 if math.isnan(one.memory_mb) else one.memory_mb / 1000 for one in shown]
    memory.barh(places, gigabytes, color=ACCENTS[1], height=0.66)
    memory.set_xlabel("most memory of one job, GB")
    memory.tick_params(axis="y", labelleft=False)
    for axes in (time, memory):
        _plain(axes, len(shown))
    if not shown:
        time.text(0.5, 0.5, "no job was measured yet", transform=time.transAxes, color=QUIET)
    save_png(figure, path)


def _plain(axes: Axes, count: int) -> None:
    """Leave out what does not help to read bars."""
    axes.set_ylim(max(count, 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)


def _unit(hours: float) -> tuple[str, float]:
    """Return the unit in which the longest bar is easily read, and how many make an hour."""
    if hours >= 1:
        return "hours", 1.0
    return ("minutes", 60.0) if hours >= 1 / 60 else ("seconds", 3600.0)


def _label(one: RuleCost) -> str:
    """Return a rule with the number of its jobs."""
    name = one.rule if len(one.rule) <= 32 else f"{one.rule[:31]}…"
    return f"{name.replace('$', chr(92) + '$')} × {one.jobs}"
