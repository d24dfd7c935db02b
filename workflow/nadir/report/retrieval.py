"""Retrieval experiments side by side: a page, a table and a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from nadir.provenance.atomic import write_text
from nadir.raster.style import QUIET, new_figure, save_png, styled, wrapped_name
from nadir.report.interval_figure import ROW, draw_intervals
from nadir.report.retrieval_page import places_page
from nadir.report.retrieval_scores import PlacesRow, read_places_rows

SHOWN = ("Recall@1", "Recall@5", "AP")
"""Columns of the picture, for each direction."""


def compare_retrieval(
    metrics: Sequence[str | PathLike[str]], page: Path, table: Path, figure: Path
) -> None:
    """Compare experiments by their `<dataset>/<experiment>/metrics.json` files.

    Equal inputs give equal bytes.

    Args:
        metrics: The scores.
        page: The HTML page to write.
        table: The CSV to write: one line a figure.
        figure: The PNG to write.

    Raises:
        InputError: When a file is absent or is no such file, or there is nothing to compare.
        OutputError: When the disk is full or not writable.
    """
    rows = read_places_rows(metrics)
    write_text(table, places_csv(rows))
    draw_places_comparison(rows, figure)
    write_text(page, places_page(rows))


def places_csv(rows: Sequence[PlacesRow]) -> str:
    """Return the CSV of a comparison: one line a figure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("dataset", "experiment", "after", "direction", "queries", "gallery", "measure")
    writer.writerow([*names, "value", "low", "high"])
    for row in rows:
        for (direction, measure), found in row.values.items():
            head = [row.dataset, row.experiment, row.after, direction]
            head += [str(row.queries[direction]), str(row.gallery[direction]), measure]
            writer.writerow(
                [*head, *([f"{number:.6f}" for number in found] if found else [""] * 3)]
            )
    return text.getvalue()


@styled
def draw_places_comparison(rows: Sequence[PlacesRow], path: str | PathLike[str]) -> None:
    """Draw recall and average precision of each experiment, both ways, with 95 % intervals.

    What followed a search is gray.

    Args:
        rows: The experiments, in the order to show.
        path: The PNG to write.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    directions = list(dict.fromkeys(name for row in rows for name in row.directions))
    columns = [(direction, measure) for direction in directions for measure in SHOWN]
    figure = new_figure(3.0 + 2.0 * max(1, len(columns)), ROW * len(rows) + 1.6)
    panels = figure.subplots(1, max(1, len(columns)), sharey=True, squeeze=False)[0]
    several = len({row.dataset for row in rows}) > 1
    names = [f"{row.dataset}: {row.label}" if several else row.label for row in rows]
    quiet = [bool(row.after) for row in rows]
    for axes, key in zip(panels, columns, strict=False):
        draw_intervals(axes, [row.values.get(key) for row in rows], 1, quiet)
        axes.set_xlim(-3, 103)
        axes.set_title(f"{key[1]}, %", fontsize=9.5)
        axes.set_xlabel(key[0], color=QUIET)
    labels = [wrapped_name(name.replace("_", " "), 34) for name in names]
    panels[0].set_yticks(range(len(rows)), labels)
    panels[0].set_ylim(len(rows) - 0.4, -0.7)
    said = "figures of the public evaluator, 95 % intervals; gray: after the search"
    figure.suptitle(said, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)
