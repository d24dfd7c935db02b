"""Experiments of several seeds: the mean of their scores, and how far luck moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from nadir.report.page import sortable_table
from nadir.report.scores import MEASURES, SPLITS, Row


def seeds_section(
    rows: Sequence[Row], seeds: Mapping[str, Sequence[str]], number: int
) -> list[str]:
    """Return the lines of the section that shows experiments of several seeds as one.

    Args:
        rows: The experiments.
        seeds: Name -> the experiments that are its seeds; none gives no lines.
        number: Number of the table on its page.
    """
    lines = [line for name in seeds for line in _lines(name, set(seeds[name]), rows)]
    if not lines:
        return []
    heads = [("text", "dataset"), ("text", "experiment"), ("number", "seeds")]
    heads += [("number", f"{split} {name}") for split in SPLITS for _, name, _ in MEASURES]
    return [
        "<h2>How much is luck?</h2>",
        "<p>Experiments of several seeds: the mean of each score and, after ±, its standard "
        "deviation from seed to seed. A difference of the size of that is none yet.</p>",
        *sortable_table("Means over seeds", heads, lines, number),
    ]


def _lines(name: str, members: set[str], rows: Sequence[Row]) -> list[str]:
    """Return the lines of one experiment, a row for each of its datasets."""
    lines = []
    mine = [row for row in rows if row.experiment in members]
    for dataset in dict.fromkeys(row.dataset for row in mine):
        own = [row for row in mine if row.dataset == dataset]
        lines += [
            "<tr>",
            f"<td>{escape(dataset)}</td>",
            f'<th scope="row">{escape(name)}</th>',
            f'<td class="number" data-value="{len(own)}">{len(own)}</td>',
            *(
                _cell([row.scores.get((split, key)) for row in own])
                for split in SPLITS
                for key, *_ in MEASURES
            ),
            "</tr>",
        ]
    return lines


def _cell(values: Sequence[float | None]) -> str:
    """Return mean and standard deviation; a dash where a seed has no such score."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return '<td class="number" data-value="">–</td>'
    spread = f" ± {np.std(known, ddof=1):.3f}" if len(known) > 1 else ""
    mean = float(np.mean(known))
    return f'<td class="number" data-value="{mean:.6f}">{mean:.3f}{spread}</td>'
