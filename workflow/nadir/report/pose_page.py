"""The comparison of localization experiments as one self-contained, accessible HTML page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from nadir.report.page import definitions, interval_cell, page, sortable_table
from nadir.report.pose_scores import MEASURES, SPLITS, Measure, PoseRow

_FLOORS = (
    "the last rows: every photo answered with the middle of the substrate at 0 degrees, and with "
    "a random place and direction; a method that does not beat them has seen nothing"
)


def pose_page(
    rows: Sequence[PoseRow], curves: bytes, within: tuple[float, float], title: str
) -> str:
    """Return the page: a sortable table for each split, and the curves of errors.

    Args:
        rows: The experiments, in the order to show at first.
        curves: The picture of cumulative errors, PNG.
        within: Largest errors of a success, in pixels and degrees.
        title: Name of the dataset.
    """
    pixels, degrees = within
    parts = [
        f"<p>A photo is a success when its center is within {pixels:g} px and its direction within "
        f"{degrees:g}°. Small numbers are 95 % intervals over photos. Press a column's heading to "
        "sort by it.</p>"
    ]
    for number, split in enumerate(SPLITS, start=1):
        shown = [row for row in rows if split in row.photos]
        if shown:
            parts.append(f"<h2>Split {split}</h2>")
            parts += _table(shown, split, number)
    text = base64.b64encode(curves).decode()
    parts += [
        "<h2>Errors</h2>",
        '<p><img style="max-width: 100%" alt="Share of photos within each distance, one curve a '
        f'method; the table holds its main figures." src="data:image/png;base64,{text}"></p>',
    ]
    parts += definitions(
        [*((measure.name, measure.meaning) for measure in MEASURES), ("floors", _FLOORS)]
    )
    return page(f"Localization: {title}", parts)


def _table(rows: Sequence[PoseRow], split: str, number: int) -> list[str]:
    """Return the lines of one table."""
    heads = [("text", "experiment"), ("number", "photos")]
    heads += [("number", _heading(measure)) for measure in MEASURES]
    caption = f"{len(rows)} methods on the split {split}; the best score first, floors last."
    return sortable_table(caption, heads, [_line(row, split) for row in rows], number)


def _heading(measure: Measure) -> str:
    return f"{measure.name}, {measure.unit}" if measure.unit else measure.name


def _line(row: PoseRow, split: str) -> str:
    """Return one row."""
    kind = ' <span style="color: #52606d">(floor)</span>' if row.floor else ""
    photos = row.photos[split]
    cells = [
        f'<th scope="row">{escape(row.name)}{kind}</th>',
        f'<td class="number" data-value="{photos}">{photos}</td>',
        *(
            interval_cell(row.values.get((split, measure.key)), measure.digits)
            for measure in MEASURES
        ),
    ]
    return f"<tr>{''.join(cells)}</tr>"
