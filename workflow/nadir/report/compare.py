"""All experiments of a job side by side: a table for machines, a picture, and a page."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence

from nadir.config.quality import RESAMPLES
from nadir.provenance.atomic import write_text
from nadir.report.compare_figure import draw_comparison
from nadir.report.compare_page import comparison_page
from nadir.report.footprints import (
    Named,
    footprint_cells,
    footprint_heads,
    read_footprint_scores,
)
from nadir.report.pairs import read_pairs
from nadir.report.scores import MEASURES, SPLITS, Row, read_rows


def compare_experiments(
    metrics: Iterable[str | os.PathLike[str]],
    page: str | os.PathLike[str],
    table: str | os.PathLike[str],
    figure: str | os.PathLike[str],
    blocks: Iterable[str | os.PathLike[str]] = (),
    footprints: Iterable[str | os.PathLike[str]] = (),
    resamples: int = RESAMPLES,
    seeds: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Compare experiments by their `metrics.json` files.

    Dataset and experiment are the names of the folders that hold a file. Nothing that varies
    between equal runs is shown, so equal scores give equal bytes.

    Args:
        metrics: The files, `.../<dataset>/<experiment>/metrics.json`.
        page: The HTML page to write: self-contained, sortable.
        table: The CSV to write.
        figure: The PNG to write.
        blocks: Tables of blocks, `.../<dataset>/<experiment>/blocks.parquet`, of experiments to
            compare in pairs.
        footprints: Scores of footprints, `.../<dataset>/<experiment>/footprints.json`, where
            buildings are mapped.
        resamples: How often blocks are drawn in the comparison of a pair.
        seeds: Name -> experiments that differ by their seed alone.

    Raises:
        InputError: When a file is absent or is no such file, or when there is none at all.
        OutputError: When the disk is full or not writable.
    """
    rows = read_rows(metrics)
    found = read_footprint_scores(footprints)
    # In the order of the rows: the best first, whatever the order of the files.
    names = [(row.dataset, row.experiment) for row in rows]
    named = {name: found[name] for name in names if name in found}
    write_text(table, comparison_table(rows, named))
    draw_comparison(rows, figure)
    write_text(page, comparison_page(rows, read_pairs(blocks, resamples, seeds), named, seeds))


def comparison_table(rows: Sequence[Row], footprints: Named | None = None) -> str:
    """Return the CSV of a comparison: one line an experiment, all classes that any of them has.

    Columns of footprints follow where any experiment has such scores.
    """
    footprints = footprints or {}
    classes = list(dict.fromkeys(name for row in rows for name in row.classes))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            *("dataset", "split", "leaky", "experiment", "model", "parameters"),
            *(f"{split} {name}" for split in SPLITS for _, name, _ in MEASURES),
            *(f"{split} pixels" for split in SPLITS),
            *(f"{split} IoU {name}" for split in SPLITS for name in classes),
            *(footprint_heads() if footprints else ()),
        ]
    )
    for row in rows:
        writer.writerow(
            [
                *(row.dataset, row.method, "yes" if row.leaky else "no"),
                *(row.experiment, row.model, "" if row.parameters is None else row.parameters),
                *(
                    _number(row.scores.get((split, key)))
                    for split in SPLITS
                    for key, *_ in MEASURES
                ),
                *(row.pixels.get(split, "") for split in SPLITS),
                *(_number(row.iou.get((split, name))) for split in SPLITS for name in classes),
                *(
                    footprint_cells(footprints.get((row.dataset, row.experiment)))
                    if footprints
                    else ()
                ),
            ]
        )
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
