"""The comparison of experiments as one self-contained, accessible HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from nadir.report.footprints import Named, footprints_section
from nadir.report.page import cell, definitions, page, sortable_table
from nadir.report.pairs import Pair
from nadir.report.pairs_page import pairs_section
from nadir.report.scores import MEASURES, SPLITS, Row, by_classes, short_parameters
from nadir.report.seeds import seeds_section


def comparison_page(
    rows: Sequence[Row],
    pairs: Sequence[Pair] = (),
    footprints: Named | None = None,
    seeds: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Return the page: one sortable table for each set of classes, and what the numbers mean.

    Args:
        rows: The experiments, in the order to show at first.
        pairs: Experiments compared block by block.
        footprints: Scores of footprints by dataset and experiment, where buildings are mapped.
        seeds: Name -> experiments that differ by their seed alone.
    """
    parts = [
        "<p>Every score is counted on the blended map of whole scenes, each labelled pixel of a "
        "split exactly once. Press a column's heading to sort by it.</p>",
    ]
    if any(row.leaky for row in rows):
        parts.append(
            '<p><span class="tag">leaky</span> marks splits whose test tiles lie among training '
            "tiles: neighbouring pixels resemble each other, so these scores flatter. The "
            "difference to the same experiment on blocks is the size of the leak.</p>"
        )
    groups = by_classes(rows)
    for number, group in enumerate(groups, start=1):
        if len(groups) > 1:
            names = ", ".join(dict.fromkeys(row.dataset for row in group))
            parts.append(f"<h2>{escape(names)}</h2>")
        parts += _table(group, number)
    parts += pairs_section(pairs, len(groups) + 1)
    parts += footprints_section(footprints or {}, len(groups) + 2)
    parts += seeds_section(rows, seeds or {}, len(groups) + 3)
    occurs = (
        "intersection over union of the class on the test; a dash where the class occurs neither "
        "in the truth nor in the map"
    )
    parts += definitions(
        [*((name, meaning) for _, name, meaning in MEASURES), ("class names", occurs)]
    )
    return page("Comparison of experiments", parts)


def _table(group: Sequence[Row], number: int) -> list[str]:
    """Return the lines of one table."""
    classes = group[0].classes
    heads = [("text", name) for name in ("dataset", "split", "experiment", "model")]
    heads.append(("number", "parameters"))
    heads += [("number", f"{split} {name}") for split in SPLITS for _, name, _ in MEASURES]
    heads += [("number", name) for name in classes]
    caption = (
        f"Scores of {len(group)} experiments on {len(classes)} classes; the best test mIoU of "
        "each dataset first."
    )
    return sortable_table(caption, heads, (line for row in group for line in _line(row)), number)


def _line(row: Row) -> list[str]:
    """Return the lines of one experiment."""
    tag = ' <span class="tag">leaky</span>' if row.leaky else ""
    parameters = "" if row.parameters is None else str(row.parameters)
    cells = [
        f"<td>{escape(row.dataset)}</td>",
        f'<td data-value="{escape(row.method)}">{escape(row.method)}{tag}</td>',
        f'<th scope="row">{escape(row.experiment)}</th>',
        f"<td>{escape(row.model)}</td>",
        f'<td class="number" data-value="{parameters}">{short_parameters(row.parameters)}</td>',
        *(
            cell(row.scores.get((split, key)), shaded=False)
            for split in SPLITS
            for key, *_ in MEASURES
        ),
        *(cell(row.iou.get(("test", name)), shaded=True) for name in row.classes),
    ]
    return [f"<tr{' class=leaky' if row.leaky else ''}>", *cells, "</tr>"]
