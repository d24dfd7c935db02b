"""Pictures of a comparison: which photo each loss matches to each view, and views side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from nadir.groundview.figures_views import evenly, show_view
from nadir.groundview.matching import matched
from nadir.groundview.pairs import Pairs
from nadir.raster.style import INK, QUIET, new_figure, save_png, styled, wrapped_name
from nadir.report.groundview_scores import PAIRING, ViewRow

COLUMNS = 8
"""Generated views of the table of losses."""

_CELL = 0.95  # inches
_NAME = 1.5

Generated = Mapping[str, NDArray[np.uint8]]
"""Experiment -> its views, uint8 (n, samples, 3, image_px, image_px)."""


@styled
def draw_losses(
    rows: Sequence[ViewRow], test: Pairs, views: Generated, path: str | PathLike[str]
) -> None:
    """Draw for each experiment its views, the photos of their places, and what each loss matched.

    A match is the nearest of all photos of the first draw; only so many views are shown.

    Args:
        rows: The experiments of one dataset, in the order to show.
        test: The test pairs.
        views: What was generated.
        path: The PNG to write.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    lines = sum(2 + len(row.losses) for row in rows)
    columns = min(COLUMNS, min(row.among for row in rows))
    height = _CELL * lines + 0.35 * len(rows) + 0.8
    figure = new_figure(_CELL * columns + _NAME, height)
    parts = figure.subfigures(
        len(rows), 1, squeeze=False, height_ratios=[2.35 + len(row.losses) for row in rows]
    )[:, 0]
    for part, row in zip(parts, rows, strict=True):
        _draw_block(part, row, test, views[row.experiment], columns)
    said = (
        f"nearest photo among {rows[0].among} to each generated view, by each loss; "
        f"by chance {rows[0].chance:.1f} % are right"
    )
    figure.suptitle(said, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _draw_block(
    figure: object, row: ViewRow, test: Pairs, made: NDArray[np.uint8], columns: int
) -> None:
    """Draw one experiment."""
    drawn = row.pairing["drawn"]
    panels = figure.subplots(2 + len(row.losses), columns, squeeze=False)  # type: ignore[attr-defined]
    figure.suptitle(  # type: ignore[attr-defined]
        wrapped_name(row.experiment.replace("_", " "), 60), x=0.01, ha="left", fontsize=10
    )
    labels = ["generated", "photo of\nthe place"]
    for column in range(columns):
        show_view(panels[0, column], made[drawn[column], 0])
        show_view(panels[1, column], test.photos[drawn[column]])
    for line, name in zip(panels[2:], row.losses, strict=True):
        found = matched(row.pairing["losses"][name]["distances"])
        for column, axes in enumerate(line):
            nearest = int(found[column])
            show_view(axes, test.photos[drawn[nearest]], right=nearest == column)
        value = row.values[PAIRING + name]
        labels.append(f"{name}\n{value.value:.0f} % right" if value is not None else name)
    for axes, label in zip(panels[:, 0], labels, strict=True):
        axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8.5, color=INK)


@styled
def draw_side_by_side(
    rows: Sequence[ViewRow],
    test: Pairs,
    views: Generated,
    path: str | PathLike[str],
    most: int = 8,
) -> None:
    """Draw test places spread evenly: crop, photo, and the first view of each experiment.

    Args:
        rows: The experiments of one dataset, in the order to show.
        test: The test pairs.
        views: What was generated.
        path: The PNG to write.
        most: Places at most.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    chosen = evenly(len(test), most)
    heads = ["crop", "photo", *(row.experiment.replace("_", " ") for row in rows)]
    figure = new_figure(1.2 * len(heads) + 0.2, 1.2 * len(chosen) + 0.7)
    panels = figure.subplots(len(chosen), len(heads), squeeze=False)
    for line, place in zip(panels, chosen, strict=True):
        shown = [test.turned[place], test.photos[place]]
        shown += [views[row.experiment][place, 0] for row in rows]
        for axes, picture in zip(line, shown, strict=True):
            show_view(axes, picture)
    for axes, head in zip(panels[0], heads, strict=True):
        axes.set_title(wrapped_name(head, 13), fontsize=8.5, color=QUIET)
    save_png(figure, path)
