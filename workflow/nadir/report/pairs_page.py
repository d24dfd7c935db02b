"""Pairs of experiments as a section, a page, and a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape

from nadir.report.page import page, sortable_table
from nadir.report.pairs import Pair
from nadir.segmentation.paired import Difference


def pairs_section(pairs: Sequence[Pair], number: int) -> list[str]:
    """Return the lines of the section that says what is better than what.

    Args:
        pairs: The pairs; none gives no lines.
        number: Number of the table on its page.
    """
    if not pairs:
        return []
    several = any(max(pair.miou.seeds) > 1 for pair in pairs)
    heads = [
        ("text", "dataset"),
        ("text", "is"),
        ("text", "better than"),
        ("number", "by mIoU"),
        ("number", "by accuracy"),
        ("number", "p"),
        ("text", "so?"),
        ("number", "blocks"),
        *((("text", "seeds"),) if several else ()),
    ]
    return [
        "<h2>Is it better, or was it luck?</h2>",
        "<p>Held-out blocks of the split are drawn again and again, the same for both experiments; "
        "below each difference stands the interval that holds 95 % of the draws. p is the chance "
        "of such a difference between equals, whose results in a block might as well be swapped, "
        "corrected for the number of pairs. What other ground would give is not in it"
        f"{_about_seeds(several)}</p>",
        *(f"<p>{escape(line)}</p>" for line in limits_of(pairs)),
        *sortable_table(
            "Pairs of experiments on the same blocks.",
            heads,
            [line for pair in pairs for line in _row(pair, several)],
            number,
        ),
    ]


def _about_seeds(several: bool) -> str:
    if not several:
        return ", nor what another seed would."
    return (
        ". Seeds of one experiment count as one: the difference is that of their means, and must "
        "exceed what another choice of seeds would make of it; a single seed is taken to vary as "
        "those beside it."
    )


def limits_of(pairs: Sequence[Pair]) -> list[str]:
    """Return, for each data set, a sentence on what no difference on it could show, if there is."""
    lines = []
    for dataset in dict.fromkeys(pair.dataset for pair in pairs):
        own = [pair for pair in pairs if pair.dataset == dataset]
        blind = [pair for pair in own if pair.few_blocks]
        if not blind:
            continue
        blocks = min(pair.miou.blocks for pair in blind)
        most = max(pair.miou.blocks for pair in blind)
        held = f"{blocks}" if blocks == most else f"{blocks} to {most}"
        lines.append(
            f"On {dataset}, {len(blind)} of {len(own)} pairs could not be told apart however "
            f"clear their difference: {len(own)} pairs at once need {own[0].needed} held-out "
            f"blocks of the split, and they have {held}. Smaller blocks, a larger test share or "
            "fewer experiments help."
        )
    return lines


def _row(pair: Pair, several: bool) -> list[str]:
    said = "<strong>yes</strong>" if pair.shown else "not shown"
    if pair.limit:
        said += f"<br><small>{escape(pair.limit)}</small>"
    seeds = f"<td>{pair.miou.seeds[0]} and {pair.miou.seeds[1]}</td>"
    return [
        "<tr>",
        f"<td>{escape(pair.dataset)}</td>",
        f'<th scope="row">{escape(pair.better)}</th>',
        f"<td>{escape(pair.worse)}</td>",
        _difference(pair.miou),
        _difference(pair.accuracy),
        f'<td class="number" data-value="{pair.p:.6f}">{pair.p:.3f}</td>',
        f"<td>{said}</td>",
        f'<td class="number" data-value="{pair.miou.blocks}">{pair.miou.blocks}</td>',
        *((seeds,) if several else ()),
        "</tr>",
    ]


def pairs_page(dataset: str, pairs: Sequence[Pair]) -> str:
    """Return a page of the pairs of one data set."""
    said = pairs_section(pairs, 1) or [
        "<p>There are no two experiments that were judged on the same ground.</p>"
    ]
    return page(f"Pairs of experiments on {dataset}", said)


def pairs_table(pairs: Sequence[Pair]) -> str:
    """Return the pairs as CSV.

    Differences with their intervals, p and the number of blocks; the seeds of both, the least p
    that could have come out, and in words what keeps a pair from being told apart.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measures = ("miou", "accuracy")
    heads = [f"{name}{end}" for name in measures for end in ("", " low", " high")]
    ends = ("p", "blocks", "seeds better", "seeds worse", "least p", "limit")
    writer.writerow(["dataset", "better", "worse", *heads, *ends])
    for pair in pairs:
        numbers = [
            f"{value:.6f}"
            for found in (pair.miou, pair.accuracy)
            for value in (found.value, found.low, found.high)
        ]
        last = (pair.miou.blocks, *pair.miou.seeds, f"{pair.least:.6f}", pair.limit)
        row = (pair.dataset, pair.better, pair.worse, *numbers, f"{pair.p:.6f}", *last)
        writer.writerow(row)
    return text.getvalue()


def _difference(found: Difference) -> str:
    value, low, high = (f"{100 * number:+.1f}" for number in (found.value, found.low, found.high))
    return (
        f'<td class="number" data-value="{found.value:.6f}">{value}<br>'
        f'<small style="white-space: nowrap">{low} to {high}</small></td>'
    )
