"""Two maps and their difference, as a picture."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from nadir.config.classes import ClassTable
from nadir.raster.style import (
    EMPTY,
    INK,
    QUIET,
    RIGHT,
    class_legend,
    new_figure,
    paint,
    palette,
    save_png,
    short_count,
    styled,
    wrapped_name,
)
from nadir.segmentation.changes import changes_of
from nadir.segmentation.view import View, band_reader


@styled
def draw_changes(
    before: str | PathLike[str],
    after: str | PathLike[str],
    facts: dict[str, Any],
    classes: ClassTable,
    path: str | PathLike[str],
    names: tuple[str, str] = ("before", "after"),
) -> None:
    """Draw two maps, where they differ (in the color of the new class), and the transitions.

    Args:
        before: A map.
        after: Another on the same grid.
        facts: What `changes.compare_maps` returned.
        classes: The class table.
        path: The PNG to write.
        names: What the two are called.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    view = View.of(after)
    with rasterio.open(before) as old, rasterio.open(after) as new:
        one, other = view.read(band_reader(old)), view.read(band_reader(new))
    changes = changes_of(one, other)
    colors = palette(classes)
    picture = colors[np.where(changes > 1, other, 0)]
    picture[changes == 1] = _rgb(RIGHT)
    picture[changes == 0] = _rgb(EMPTY)
    figure = new_figure(12.4, 11.6)
    panels = figure.subplots(2, 2)
    share = facts["changed"]
    title = "Changes" if share is None else f"Changes: {100 * share:.1f} % of pixels"
    for axes, name, shown in (
        (panels[0, 0], names[0], paint(one, classes)),
        (panels[0, 1], names[1], paint(other, classes)),
        (panels[1, 0], title, picture),
    ):
        axes.imshow(shown, interpolation="antialiased" if view.step > 1 else "nearest")
        axes.set(xticks=[], yticks=[], title=name)
        axes.spines[:].set(visible=True, color=QUIET, linewidth=0.6)
    _transitions(panels[1, 1], facts, names)
    present = np.union1d(np.unique(one), np.unique(other))
    class_legend(figure, classes, (int(n) for n in present if n), [("unchanged", RIGHT)])
    save_png(figure, path)


def _transitions(axes: Axes, facts: dict[str, Any], names: tuple[str, str]) -> None:
    """Draw the matrix of transitions, what stayed in gray."""
    values = np.array(facts["transitions"], float)
    off = np.where(np.eye(len(values), dtype=bool) | (values == 0), np.nan, values)
    top = np.nanmax(off, initial=1.0)
    axes.imshow(off, cmap="Oranges", norm=LogNorm(max(top / 1e4, 1e-3), max(top, 1.0)))
    for (row, column), value in np.ndenumerate(values):
        if value:
            same = row == column
            axes.text(
                column,
                row,
                short_count(value),
                ha="center",
                va="center",
                fontsize=7,
                color=QUIET if same else INK,
            )
    labels = [wrapped_name(name, 18) for name in facts["classes"]]
    axes.set_xticks(
        range(len(values)), labels, rotation=50, ha="right", rotation_mode="anchor", fontsize=7.5
    )
    axes.set_yticks(range(len(values)), labels, fontsize=7.5)
    axes.tick_params(length=0)
    axes.set_xlabel(names[1])
    axes.set_ylabel(names[0])
    axes.spines[:].set_visible(False)
    axes.set_title("Transitions in " + ("hectares" if facts["unit"] == "ha" else "pixels"))


def _rgb(color: str) -> list[int]:
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]
