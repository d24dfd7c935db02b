"""The comparison of ground-view experiments as one self-contained, accessible HTML page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image

from nadir.report.groundview_scores import MEASURES, PAIRING, ViewRow
from nadir.report.page import definitions, interval_cell, page, sortable_table


def views_page(rows: Sequence[ViewRow], pictures: Sequence[tuple[str, str, Path]]) -> str:
    """Return the page: a sortable table, then pictures.

    Args:
        rows: The experiments of one dataset, in the order to show at first.
        pictures: (heading, description, PNG file) of each picture to put in.
    """
    first = rows[0]
    parts = [
        f"<p>{first.pairs} pairs of {first.places} places that training has not seen. Small "
        "numbers are 95 % intervals over places. Pairing: how often the photo of a place is the "
        f"nearest to the view generated for it, among {first.among} photos of different places; "
        f"chance gives {first.chance:.1f} %. The last row tells what real photos would reach, "
        "where that can be told. Press a column's heading to sort by it.</p>",
        f"<h2>{escape(first.dataset.replace('_', ' '))}</h2>",
    ]
    if first.places < 50:
        parts.append(
            f"<p><strong>{first.places} places are few</strong>: look at the intervals before "
            "calling one experiment better than another.</p>"
        )
    columns = [(PAIRING + name, 0) for name in first.losses]
    columns += [
        (name, digits)
        for name, _, _, digits, _ in MEASURES
        if any(row.values[name] is not None for row in rows)
    ]
    heads = [("text", "experiment"), *(("number", name) for name, _ in columns)]
    caption = f"{len(rows)} experiments, the best pairing first."
    lines = [_line(row, columns) for row in rows]
    lines.append(_photos(first, columns))
    parts += sortable_table(caption, heads, lines, 1)
    for heading, description, file in pictures:
        data = base64.b64encode(_as_jpeg(file)).decode()
        parts.append(f"<h2>{escape(heading)}</h2>")
        parts.append(f"<p>{escape(description)}</p>")
        parts.append(
            f'<img alt="{escape(description)}" src="data:image/jpeg;base64,{data}" '
            'style="max-width: 100%; height: auto">'
        )
    losses = [
        (PAIRING + name, f"places found by the distance {name!r}, %") for name in first.losses
    ]
    parts += definitions([*losses, *((name, meaning) for name, _, _, _, meaning in MEASURES)])
    lacking = [name for name, *_ in MEASURES if all(row.values[name] is None for row in rows)]
    if lacking:
        parts.append(f"<p>Without a figure here: {escape(', '.join(lacking))}.</p>")
    return page("Comparison of ground-view experiments", parts)


def _line(row: ViewRow, columns: Sequence[tuple[str, int]]) -> str:
    cells = [f'<th scope="row">{escape(row.experiment)}</th>']
    cells += [interval_cell(row.values.get(name), digits) for name, digits in columns]
    return f"<tr>{''.join(cells)}</tr>"


def _photos(row: ViewRow, columns: Sequence[tuple[str, int]]) -> str:
    """Return the row of real photos."""
    cells = ['<th scope="row">real photos</th>']
    for name, digits in columns:
        value = row.photos.get(name)
        if value is None:
            cells.append('<td class="number" data-value="">–</td>')
        else:
            cells.append(f'<td class="number" data-value="{value:.6f}">{value:.{digits}f}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _as_jpeg(file: Path) -> bytes:
    """Return a picture as JPEG, a fifth as large as the PNG: the page holds it as text."""
    with Image.open(file) as picture:
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, format="JPEG", quality=88)
    return buffer.getvalue()
