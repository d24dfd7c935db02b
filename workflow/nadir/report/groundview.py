"""Ground-view experiments side by side: a page, a table and pictures."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from nadir.errors import InputError
from nadir.groundview.pairs import open_pairs
from nadir.groundview.view_store import read_views
from nadir.provenance.atomic import write_text
from nadir.report.groundview_losses import draw_losses, draw_side_by_side
from nadir.report.groundview_page import views_page
from nadir.report.groundview_scores import ViewRow, read_view_rows

_LOSSES = "Which photo each view is matched to"
_SIDES = "The same places by each experiment"


def compare_views(
    metrics: Sequence[str | PathLike[str]],
    views: Sequence[str | PathLike[str]],
    pairs: str | PathLike[str],
    *,
    page: Path,
    table: Path,
    losses: Path,
    closings: Sequence[str | PathLike[str]] = (),
) -> None:
    """Compare the experiments of one dataset.

    Equal inputs give equal bytes.

    Args:
        metrics: Their `<dataset>/<experiment>/metrics.json` files.
        views: Their `<dataset>/<experiment>/views.manifest.json` files, in any order.
        pairs: Manifest of the dataset's pairs.
        page: The HTML page to write.
        table: The CSV to write: one line a figure.
        losses: The PNG to write: which photo each view is matched to, by loss.
        closings: What retrieval makes of their views, as `read_view_rows` takes them.

    Raises:
        InputError: When a file is absent or is no such file, there is nothing to compare, scores
            are of several datasets, or an experiment lacks its views.
        OutputError: When the disk is full or not writable.
    """
    rows = read_view_rows(metrics, closings)
    datasets = sorted({row.dataset for row in rows})
    if len(datasets) > 1:
        problem = f"these are scores of several datasets ({', '.join(datasets)})"
        raise InputError("comparison", problem, "Compare the experiments of one dataset.")
    files = {Path(path).absolute().parent.name: path for path in views}
    lacking = [row.experiment for row in rows if row.experiment not in files]
    if lacking:
        raise InputError("comparison", f"there are no views of {lacking[0]}", "Name their file.")
    test = open_pairs(pairs).of("test")
    made = {row.experiment: read_views(files[row.experiment], test).views for row in rows}
    write_text(table, views_csv(rows))
    draw_losses(rows, test, made, losses)
    with tempfile.TemporaryDirectory() as folder:
        sides = Path(folder) / "sides.png"
        draw_side_by_side(rows, test, made, sides)
        pictures = [
            (_SIDES, "Crop, photo, and the first generated view of each experiment.", sides),
            (
                _LOSSES,
                "For each experiment: generated views, the photos of their places, and the photo "
                "that each loss holds for the nearest; green with a tick where that is the "
                "place's own.",
                losses,
            ),
        ]
        write_text(page, views_page(rows, pictures))


def views_csv(rows: Sequence[ViewRow]) -> str:
    """Return the CSV of a comparison: one line a figure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("dataset", "experiment", "pairs", "places", "measure")
    writer.writerow([*names, "value", "low", "high", "photos"])
    for row in rows:
        for measure, found in row.values.items():
            head = [row.dataset, row.experiment, str(row.pairs), str(row.places), measure]
            real = row.photos.get(measure)
            numbers = [f"{number:.6f}" for number in found] if found else [""] * 3
            writer.writerow([*head, *numbers, "" if real is None else f"{real:.6f}"])
    return text.getvalue()
