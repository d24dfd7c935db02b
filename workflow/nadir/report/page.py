"""What pages of comparison share: look, sorting, and the frame around their content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

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


def page(title: str, body: Iterable[str]) -> str:
    """Return a self-contained HTML page.

    Args:
        title: Its title and first heading.
        body: Lines of HTML.
    """
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{_STYLE}\n</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<h1>{escape(title)}</h1>",
        *body,
        "</main>",
        f"<script>\n{_SCRIPT}\n</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def sortable_table(
    caption: str, heads: Sequence[tuple[str, str]], rows: Iterable[str], number: int
) -> list[str]:
    """Return the lines of a table whose headings sort it.

    Args:
        caption: What it shows.
        heads: (`text` or `number`, heading) of each column.
        rows: Lines of its rows.
        number: Number of the table on the page, for its id.
    """
    return [
        f'<div class="wide" role="region" tabindex="0" aria-labelledby="caption-{number}">',
        "<table>",
        f'<caption id="caption-{number}">{escape(caption)}</caption>',
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
        *rows,
        "</tbody>",
        "</table>",
        "</div>",
    ]


def interval_cell(found: tuple[float, float, float] | None, digits: int) -> str:
    """Return a cell with a figure and its interval below, or a dash.

    Args:
        found: Value, low and high; None where there is no such figure.
        digits: Digits behind the point.
    """
    if found is None:
        return '<td class="number" data-value="">–</td>'
    value, low, high = (f"{number:.{digits}f}" for number in found)
    return (
        f'<td class="number" data-value="{found[0]:.6f}">{value}<br>'
        f'<small style="white-space: nowrap">{low}–{high}</small></td>'
    )


def definitions(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Return the lines of a list of terms and what they mean."""
    found = [f"<dt>{escape(name)}</dt><dd>{escape(meaning)}</dd>" for name, meaning in entries]
    return ["<h2>What the columns mean</h2>", "<dl>", *found, "</dl>"]


def cell(value: float | None, digits: int = 3, shaded: bool = False, text: str = "") -> str:
    """Return one number; shaded cells are the greener the better."""
    if value is None:
        return '<td class="number" data-value="">–</td>'
    style = ""
    if shaded:
        share = min(max(value, 0.0), 1.0)
        red, green, blue = (round(255 - share * drop) for drop in (150, 45, 130))
        style = f' style="background-color: #{red:02x}{green:02x}{blue:02x}"'
    shown = text or f"{value:.{digits}f}"
    return f'<td class="number" data-value="{value:.6f}"{style}>{shown}</td>'
