"""What would be made again and why, as a page: where changes come in, a map, and all jobs."""

from __future__ import annotations

import math
from html import escape

from nadir.report.page import page, sortable_table
from nadir.report.why_map import why_map
from nadir.upkeep.walking import shown, span_text
from nadir.upkeep.why import Answer, Due

_HEADS = (
    ("text", "rule"),
    ("text", "of"),
    ("number", "time"),
    ("number", "memory, MB"),
    ("number", "jobs below"),
    ("text", "because"),
)


def summary(answer: Answer) -> str:
    """Return in one or two sentences how much would run."""
    count = len(answer.due)
    if not count:
        return f"Nothing would run: all of {answer.known} jobs are up to date."
    text = (
        f"{count} of {answer.known} jobs would run: {span_text(answer.seconds)} one after the "
        f"other, {span_text(answer.longest)} at least, since they wait for each other"
    )
    if not math.isnan(answer.memory_mb):
        text += f"; up to {answer.memory_mb:,.0f} MB of memory"
    if answer.unknown:
        text += f". Nothing is known of what {answer.unknown} of them take"
    return f"{text}."


def why_page(answer: Answer, target: str) -> str:
    """Return the page.

    Args:
        answer: What would run.
        target: What was asked for, in words.
    """
    body = [f"<p>{escape(summary(answer))}</p>"]
    if answer.due:
        body += ["<h2>Where the changes come in</h2>", "<ul>"]
        body += [f"<li>{escape(line)}</li>" for line in roots_text(answer)]
        body += ["</ul>", "<h2>Map</h2>"]
        body += ["<p>One box a rule; filled where a change comes in.</p>"]
        body += ['<div class="wide" role="region" tabindex="0" aria-label="map">']
        body += [why_map(answer), "</div>", "<h2>Jobs</h2>"]
        caption = (
            "Times are those of the last time; with ~ the median of other jobs of the same rule."
        )
        body += sortable_table(caption, _HEADS, [_row(one, answer) for one in answer.due], 1)
    return page(f"Why {shown(target)}", body)


def roots_text(answer: Answer) -> list[str]:
    """Return a line for each job where a change comes in."""
    lines = []
    for one in answer.due:
        if one.first:
            below = answer.below(one.job.number)
            follow = f" ({below} more job{'s' if below > 1 else ''} below)" if below else ""
            name = f"{one.job.rule} {one.name}".strip()
            lines.append(f"{name}: {'; '.join(one.reasons) or 'it is asked for'}{follow}")
    return lines


def time_text(one: Due) -> str:
    """Return what a job took, marked where it is a guess."""
    return f"{'~' if one.guessed and one.taken else ''}{span_text(one.seconds)}"


def _row(one: Due, answer: Answer) -> str:
    """Return one line of the table."""
    memory = one.taken.memory_mb if one.taken else math.nan
    below = answer.below(one.job.number) if one.first else 0
    cells = [
        f'<th scope="row">{escape(one.job.rule)}</th>',
        f"<td>{escape(one.name)}</td>",
        f'<td class="number" data-value="{_value(one.seconds)}" style="white-space: nowrap">'
        f"{escape(time_text(one))}</td>",
        f'<td class="number" data-value="{_value(memory)}">'
        f"{'?' if math.isnan(memory) else f'{memory:,.0f}'}</td>",
        f'<td class="number" data-value="{below}">{below or ""}</td>',
        f"<td>{escape('; '.join(one.reasons))}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _value(number: float) -> str:
    """Return what the table sorts by; nothing where it is not known."""
    return "" if math.isnan(number) else f"{number:.3f}"
