"""The comparison of experiments as one self-contained, accessible HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nadir.report.scores import MEASURES, SPLITS, Row, by_classes, short_parameters

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1f2933; margin: 2rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p { max-width: 60rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.87rem; }
caption { text-align: left; padding-bottom: 0.5rem; color: #52606d; }
th, td { padding: 0.35rem 0.6rem; border-bottom: 1px solid #e4e7eb; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
thead th { vertical-align: bottom; background: #f5f7fa; padding: 0; }
thead button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0;
  padding: 0.35rem 0.6rem; width: 100%; text-align: left; cursor: pointer; min-height: 2.2rem; }
thead button:hover { background: #e4e7eb; }
thead button:focus-visible { outline: 3px solid #1f6feb; outline-offset: -3px; }
th[aria-sort] button::after { content: " \\2195"; color: #9aa5b1; }
th[aria-sort=ascending] button::after { content: " \\2191"; color: #1f2933; }
th[aria-sort=descending] button::after { content: " \\2193"; color: #1f2933; }
tbody th { font-weight: 600; }
tr.leaky td, tr.leaky th { background-image: repeating-linear-gradient(
  -45deg, #fff0e6 0 6px, #ffffff 6px 12px); }
tr.leaky td.number { background-image: none; }
.tag { background: #d9480f; color: #ffffff; border-radius: 3px; padding: 0 0.35rem;
  font-size: 0.8em; font-weight: 600; }
dt { font-weight: 600; } dd { margin: 0 0 0.4rem 1.2rem; }
""".strip()

_SCRIPT = """
for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), row = head.parentElement, table = head.closest("table");
    const column = [...row.children].indexOf(head);
    const first = head.dataset.kind === "number" ? "descending" : "ascending";
    const now = head.getAttribute("aria-sort");
    const order = now === "none" ? first : now === "ascending" ? "descending" : "ascending";
    for (const other of row.children) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1, body = table.tBodies[0];
    const key = (line) => line.children[column].dataset.value ?? line.children[column].textContent;
    const compare = (one, other) => {
      const a = key(one), b = key(other);
      if (a === "" || b === "") return (a === "") - (b === "");
      return sign * (head.dataset.kind === "number" ? a - b : a.localeCompare(b, "en"));
    };
    body.append(...[...body.rows].sort(compare));
  });
}
""".strip()


def comparison_page(rows: Sequence[Row]) -> str:
    """Return the page: one sortable table for each set of classes, and what the numbers mean.

    Args:
        rows: The experiments, in the order to show at first.
    """
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>Comparison of experiments</title>",
        f"<style>\n{_STYLE}\n</style>",
        "</head>",
        "<body>",
        "<main>",
        "<h1>Comparison of experiments</h1>",
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
    parts.append("<h2>What the columns mean</h2>\n<dl>")
    for _, name, meaning in MEASURES:
        parts.append(f"<dt>{escape(name)}</dt><dd>{escape(meaning)}</dd>")
    parts += [
        "<dt>class names</dt><dd>intersection over union of the class on the test; a dash where "
        "the class occurs neither in the truth nor in the map</dd>",
        "</dl>",
        "</main>",
        f"<script>\n{_SCRIPT}\n</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _table(group: Sequence[Row], number: int) -> list[str]:
    """Return the lines of one table."""
    classes = group[0].classes
    heads = [("text", name) for name in ("dataset", "split", "experiment", "model")]
    heads.append(("number", "parameters"))
    heads += [("number", f"{split} {name}") for split in SPLITS for _, name, _ in MEASURES]
    heads += [("number", name) for name in classes]
    lines = [
        f'<div class="wide" role="region" tabindex="0" aria-labelledby="caption-{number}">',
        "<table>",
        f'<caption id="caption-{number}">Scores of {len(group)} experiments on '
        f"{len(classes)} classes; the best test mIoU of each dataset first.</caption>",
        "<thead>",
        "<tr>",
        *(
            f'<th scope="col" aria-sort="none" data-kind="{kind}">'
            f'<button type="button">{escape(name)}</button></th>'
            for kind, name in heads
        ),
        "</tr>",
        "</thead>",
        "<tbody>",
    ]
    for row in group:
        lines += _line(row)
    return [*lines, "</tbody>", "</table>", "</div>"]


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
            _cell(row.scores.get((split, key)), shaded=False)
            for split in SPLITS
            for key, *_ in MEASURES
        ),
        *(_cell(row.iou.get(("test", name)), shaded=True) for name in row.classes),
    ]
    return [f"<tr{' class=leaky' if row.leaky else ''}>", *cells, "</tr>"]


def _cell(value: float | None, shaded: bool) -> str:
    """Return one score; shaded cells are the greener the better, with dark text on all of them."""
    if value is None:
        return '<td class="number" data-value="">–</td>'
    style = ""
    if shaded:
        share = min(max(value, 0.0), 1.0)
        red, green, blue = (round(255 - share * drop) for drop in (150, 45, 130))
        style = f' style="background-color: #{red:02x}{green:02x}{blue:02x}"'
    return f'<td class="number" data-value="{value:.6f}"{style}>{value:.3f}</td>'
