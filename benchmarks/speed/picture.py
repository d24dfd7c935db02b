"""The picture of a comparison: how many times over what is asked of nadir is reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled
from speed.tables import Line

_WIDE = 9.0
_TALL = 0.24


@styled
def draw(lines: Sequence[Line], path: Path) -> None:
    """Write a bar a claim: 1 is what is asked, to the right of it nadir is better than that."""
    shown = [line for line in lines if not math.isnan(line.margin) and line.margin > 0]
    figure = new_figure(_WIDE, 1.0 + _TALL * max(len(shown), 1))
    axes = figure.subplots()
    axes.set_title("What is reached, over what is asked")
    places = range(len(shown))
    values = [line.margin for line in shown]
    colors = [ACCENTS[2] if value >= 1 else ACCENTS[1] for value in values]
    axes.barh(places, [value - 1 for value in values], left=1, color=colors, height=0.66)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_yticks(list(places), [_label(line) for line in shown])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xscale("log")
    low, high = min([*values, 0.9]), max([*values, 1.1])
    axes.set_xlim(low / 1.6, high * 1.6)
    axes.minorticks_off()
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low / 1.6 < t < high * 1.6]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("times over (1: just reached; left of it: not reached)")
    for place, value in zip(places, values, strict=True):
        side = "left" if value >= 1 else "right"
        text = f" {value:.2f} " if value < 10 else f" {value:.0f} "
        axes.text(value, place, text, va="center", ha=side, fontsize=7.5, color=QUIET)
    save_png(figure, path)


def _label(line: Line) -> str:
    short = line.row.split(":")[0]
    asked = line.asked if len(line.asked) < 58 else line.asked[:56] + "…"
    return f"{short} · {line.contestant} · {asked}"
