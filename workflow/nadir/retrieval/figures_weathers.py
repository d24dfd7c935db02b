"""How well places are found in each weather."""

from __future__ import annotations

from os import PathLike
from typing import Any

from matplotlib.axes import Axes

from nadir.raster.style import ACCENTS, INK, new_figure, save_png, styled
from nadir.retrieval.figures_look import empty_note
from nadir.retrieval.weather import WEATHERS

MEASURE = ("public", "Recall@1")
"""Family and name of what is drawn."""


@styled
def draw_weathers(metrics: dict[str, Any], path: str | PathLike[str], title: str = "") -> None:
    """Draw recall at rank 1 by weather of the queries, with 95 % intervals, and the mean.

    Args:
        metrics: What `scoring.score_places` returns; with a single weather, that alone is drawn.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    parts = {name: found for name, found in metrics["directions"].items() if found["queries"]}
    count = max((len(found.get("weathers") or {"": 0}) for found in parts.values()), default=1)
    figure = new_figure(5.2 * max(1, len(parts)), 0.34 * count + 1.5)
    panels = figure.subplots(1, max(1, len(parts)), sharey=True, squeeze=False)[0]
    if not parts:
        empty_note(panels[0], "no query's place is known")
    for axes, (name, found) in zip(panels, parts.items(), strict=False):
        _draw_direction(axes, found, metrics["weather"], name)
    said = "recall at rank 1 by weather of the query, 95 % intervals"
    figure.suptitle(f"{title}    {said}" if title else said, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _draw_direction(axes: Axes, found: dict[str, Any], weather: str, name: str) -> None:
    """Draw one direction."""
    family, measure = MEASURE
    told = found.get("weathers") or {weather: found}
    weathers = {name: told[name] for name in WEATHERS if name in told}
    for row, part in enumerate(weathers.values()):
        value, low, high = (
            None if number is None else 100 * number
            for number in (part[family][measure][key] for key in ("value", "low", "high"))
        )
        axes.barh(row, value or 0, height=0.62, color=ACCENTS[0], alpha=0.85)
        if low is not None and high is not None:
            axes.plot([low, high], [row, row], color=INK, linewidth=1.3)
        axes.text(1.01, row, f"{value:.1f}", transform=axes.get_yaxis_transform(), va="center",
                  fontsize=8.5)  # fmt: skip
    title = f"{name}, {found['queries']} queries each"
    mean = (found.get("mean of weathers") or {}).get(family, {}).get(measure)
    if mean is not None:
        axes.axvline(100 * mean, color=ACCENTS[1], linewidth=1.4, linestyle=(0, (4, 3)))
        title += f"; mean {100 * mean:.1f} %"
    axes.set_title(title, fontsize=9.5)
    axes.set_yticks(range(len(weathers)), list(weathers))
    axes.set_ylim(len(weathers) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("Recall@1, %")
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
