"""The picture of a comparison: how many times over what is asked of nadir is reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled
from speed.tables import Line

_WIDE = 9.0
_TALL = 0.4  # inches a bar
_LOW, _HIGH = 0.25, 25.0  # what lies beyond is cut off, and its number told
_TICKS = (0.5, 1, 2, 5, 10, 20)


@styled
def draw(lines: Sequence[Line], path: Path) -> None:
    """Write a bar a claim: 1 is what is asked, to the right of it nadir is better than that."""
    shown = [line for line in lines if not math.isnan(line.margin) and line.margin > 0]
    figure = new_figure(_WIDE, 1.2 + _TALL * max(len(shown), 1))
    figure.suptitle(
        "What nadir reaches, over what is asked of it", x=0.01, ha="left", weight="bold", size=10.5
    )
    axes = figure.subplots()
    axes.axvline(1, color=INK, linewidth=1)
    for place, line in enumerate(shown):
        end = min(max(line.margin, _LOW), _HIGH)
        axes.barh(place, end - 1, left=1, color=ACCENTS[2 if line.margin >= 1 else 1], height=0.6)
        where = {"ha": "left" if line.margin >= 1 else "right", "va": "center"}
        text = f" {line.margin:.2f} " if line.margin < 10 else f" {line.margin:.0f} "
        axes.text(end, place, text, fontsize=7.5, color=QUIET, **where)
    axes.set_yticks(range(len(shown)), [_label(line) for line in shown], fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(_LOW / 1.5, _HIGH * 1.5)
    axes.minorticks_off()
    axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.set_xlabel("times over (1: just reached)")
    save_png(figure, path)


def _label(line: Line) -> str:
    """Return row and contestant, and what is asked below them."""
    return f"{line.row.split(':')[0]} · {line.contestant}\n{line.asked}"
