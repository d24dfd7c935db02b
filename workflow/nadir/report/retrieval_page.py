"""The comparison of retrieval experiments as one self-contained, accessible HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from nadir.report.page import definitions, interval_cell, page, sortable_table
from nadir.report.retrieval_scores import MEASURES, MEDIAN_RANK, WEATHERS, PlacesRow

_AFTER = (
    "rows with a plus",
    "what followed the search, each for itself: features of all quarter turns added up (turns), "
    "whitened features (fitted on the gallery), all views of a place asking together "
    "(multi-query, so with other queries), k-reciprocal re-ranking (the ranking of a query then "
    "depends on all queries); never part of the plain scores",
)
_WEATHERS = (
    f"{WEATHERS}, Recall@1",
    "plain mean of Recall@1 over the weathers in which queries ask, where there are several, %",
)


def places_page(rows: Sequence[PlacesRow]) -> str:
    """Return the page: for each dataset and direction a sortable table.

    Args:
        rows: The experiments, by dataset, in the order to show at first.
    """
    parts = [
        "<p>Each query looks for its place in a gallery of images of the other view. Small numbers "
        "are 95 % intervals over resampled queries. Names with @ and AP are those of the public "
        "University-1652 evaluator; the standard forms have their own columns. Press a column's "
        "heading to sort by it.</p>"
    ]
    number = 0
    for dataset, some in groupby(rows, key=lambda row: row.dataset):
        group = list(some)
        parts.append(f"<h2>{escape(dataset.replace('_', ' '))}</h2>")
        directions = list(dict.fromkeys(name for row in group for name in row.directions))
        if not directions:
            parts.append("<p>The place of no query is known: there are no scores.</p>")
        for direction in directions:
            number += 1
            shown = [row for row in group if direction in row.directions]
            parts += _table(shown, direction, number)
    parts += definitions([*((name, meaning) for _, name, meaning in MEASURES), _WEATHERS, _AFTER])
    return page("Comparison of retrieval experiments", parts)


def _table(rows: Sequence[PlacesRow], direction: str, number: int) -> list[str]:
    """Return the lines of one table."""
    columns = [name for _, name, _ in MEASURES]
    if any((direction, WEATHERS) in row.values for row in rows):
        columns.append(WEATHERS)
    heads = [("text", "experiment"), ("number", "queries"), ("number", "gallery")]
    heads += [("number", name) for name in columns]
    caption = f"{direction}: {len({row.experiment for row in rows})} experiments, the best first."
    return sortable_table(caption, heads, [_line(row, direction, columns) for row in rows], number)


def _line(row: PlacesRow, direction: str, columns: Sequence[str]) -> str:
    """Return one row."""
    counts = (row.queries[direction], row.gallery[direction])
    cells = [
        f'<th scope="row">{escape(row.label)}</th>',
        *(f'<td class="number" data-value="{count}">{count}</td>' for count in counts),
    ]
    for name in columns:
        found, digits = row.values.get((direction, name)), 0 if name == MEDIAN_RANK else 1
        if found is not None and name == WEATHERS:
            cells.append(
                f'<td class="number" data-value="{found.value:.6f}">{found.value:.1f}</td>'
            )
        else:
            cells.append(interval_cell(found, digits))
    return f"<tr>{''.join(cells)}</tr>"
